// Package shell is a POSIX shell, and the processes and pipes that it needs, without an operating system: programs are
// Go functions, files are those of a vfs.FS. It parses and expands with mvdan.cc/sh, and executes by itself:
// that module's own interpreter connects processes by the real system's pipes, which stop the clock of a
// testing/synctest bubble, and knows no descriptors above 2, which flock scripts need. Nothing here can reach the real
// system, for nothing here imports it.
//
// It behaves as dash does: what only bash knows is a syntax error, and echo interprets backslashes.
//
//	sys := shell.NewSystem(files, map[string]shell.Program{"sh": shell.Main, "true": …}, nil)
//	p, err := sys.Start(shell.Spec{Args: []string{"sh", "-c", "echo hello | tr h j"}, Files: …})
//	status := p.Wait(ctx)
package shell

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// flow is what cuts the ordinary order of commands short.
type flow int

const (
	onward flow = iota
	breaking
	continuing
	returning
	exiting
)

// sh is one shell: a process's, or a subshell's.
type sh struct {
	p      *Proc
	name   string
	params []string
	vars   map[string]expand.Variable
	scopes []map[string]expand.Variable // what functions' locals hide
	funcs  map[string]*syntax.Stmt
	traps  map[string]string
	cfg    *expand.Config

	errexit, nounset, xtrace, noglob bool

	status    int
	substDone int // status of the last command substitution
	flow      flow
	levels    int // loops left to break or continue
	tested    int // > 0 inside conditions, where errexit doesn't count
	inFunc    int
	becomes   bool // the next program is run instead of it
	jobs      []*Proc
	pid       int // $$: a subshell has its shell's
}

// Main is the program sh.
func Main(p *Proc) int {
	s := &sh{p: p, pid: p.PID, name: p.Args[0], vars: map[string]expand.Variable{}, funcs: map[string]*syntax.Stmt{}, traps: map[string]string{}}
	for name, value := range p.Env {
		s.vars[name] = expand.Variable{Set: true, Exported: true, Kind: expand.String, Str: value}
	}
	s.setVar("PWD", p.Dir)
	s.setVar("IFS", " \t\n")
	s.setVar("OPTIND", "1")
	s.configure()
	src, status := s.arguments(p.Args[1:])
	if src == nil {
		return status
	}
	s.source(src)
	return s.finish()
}

// arguments takes sh's own; it returns where the script comes from, or nil and a status.
func (s *sh) arguments(args []string) (io.Reader, int) {
	command, stdin := false, false
	for len(args) > 0 && len(args[0]) > 1 && (args[0][0] == '-' || args[0][0] == '+') {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			break
		}
		if arg == "-c" {
			command = true
			continue
		}
		if strings.Contains(arg, "c") && arg[0] == '-' {
			command, arg = true, strings.ReplaceAll(arg, "c", "")
		}
		stdin = stdin || arg == "-s"
		if !s.options(arg) {
			return nil, s.p.Fail(2, "0: Illegal option %s", arg)
		}
	}
	switch {
	case command && len(args) == 0:
		return nil, s.p.Fail(2, "0: -c requires an argument")
	case command:
		script := args[0]
		if len(args) > 1 {
			s.name, s.params = args[1], args[2:]
		}
		return strings.NewReader(script), 0
	case stdin:
		s.params = args
	case len(args) > 0:
		s.name, s.params = args[0], args[1:]
		content, err := s.p.ReadFile(args[0])
		if err != nil {
			return nil, s.p.Fail(2, "0: cannot open %s: %s", args[0], Text(err))
		}
		return strings.NewReader(string(content)), 0
	}
	return lineReader{s.p.Stdin()}, 0
}

// lineReader reads byte by byte, so that what follows in a script from standard input is left for its commands.
type lineReader struct{ io.Reader }

func (r lineReader) Read(b []byte) (int, error) {
	if len(b) > 1 {
		b = b[:1]
	}
	return r.Reader.Read(b)
}

func (s *sh) options(arg string) bool {
	on := arg[0] == '-'
	for _, c := range arg[1:] {
		switch c {
		case 'e':
			s.errexit = on
		case 'u':
			s.nounset = on
			s.cfg.NoUnset = on
		case 'x':
			s.xtrace = on
		case 'f':
			s.noglob = on
			s.configure()
		case 'l', 'i', 's', 'm', 'a', 'b', 'h', 'p':
		default:
			return false
		}
	}
	return true
}

func (s *sh) configure() {
	s.cfg = &expand.Config{Env: environ{s}, CmdSubst: s.substitute, NoUnset: s.nounset}
	if s.noglob {
		return
	}
	s.cfg.ReadDir2 = func(dir string) ([]fs.DirEntry, error) {
		infos, err := s.p.Sys.FS.ReadDir(s.p.Cred, s.p.Abs(dir))
		if err != nil {
			return nil, err
		}
		entries := make([]fs.DirEntry, len(infos))
		for i, info := range infos {
			entries[i] = fs.FileInfoToDirEntry(info)
		}
		return entries, nil
	}
}

// source runs statements one by one as they are parsed, as shells do: a syntax error further down doesn't undo
// what came before it.
func (s *sh) source(src io.Reader) {
	for st, err := range statements(src) {
		if err != nil {
			if s.p.Ctx.Err() == nil {
				fmt.Fprintf(s.p.Stderr(), "%s: Syntax error: %v\n", s.name, err)
			}
			s.status, s.flow = 2, exiting
			return
		}
		s.stmt(st)
		if s.stopped() {
			return
		}
	}
}

func (s *sh) stopped() bool { return s.flow != onward || s.p.Ctx.Err() != nil }

// finish runs the exit trap and returns the shell's status.
func (s *sh) finish() int {
	if trap := s.traps["EXIT"]; trap != "" && s.p.Ctx.Err() == nil {
		delete(s.traps, "EXIT")
		status := s.status
		s.flow = onward
		s.source(strings.NewReader(trap))
		if s.flow != exiting {
			s.status = status
		}
	}
	return s.status
}

// fork copies the shell for a subshell that runs do as a process of its own with files.
func (s *sh) fork(files map[int]*Desc, do func(*sh)) *Proc {
	child := &sh{
		name: s.name, params: s.params, vars: maps.Clone(s.vars), funcs: maps.Clone(s.funcs), traps: map[string]string{},
		errexit: s.errexit, nounset: s.nounset, xtrace: s.xtrace, noglob: s.noglob, status: s.status, tested: s.tested, pid: s.pid,
		inFunc: s.inFunc,
	}
	spec := Spec{Env: s.exported(), Dir: s.p.Dir, Cred: s.p.Cred, Unit: s.p.Unit, Files: files}
	return s.p.Sys.start(s.p, spec, func(p *Proc) int {
		child.p = p
		child.configure()
		do(child)
		return child.finish()
	})
}

// substitute runs $(…).
func (s *sh) substitute(w io.Writer, cs *syntax.CmdSubst) error {
	r, pw := NewPipe()
	files := s.p.cloneFiles()
	if old := files[1]; old != nil {
		old.Release()
	}
	files[1] = pw
	child := s.fork(files, func(c *sh) { c.tested = 0; c.stmts(cs.Stmts) })
	defer r.Release()
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(s.p.Ctx, buf)
		w.Write(buf[:n])
		if err != nil {
			break
		}
	}
	s.substDone = child.Wait(s.p.Ctx)
	return nil
}

// expansion errors end a shell, as POSIX has it.
func (s *sh) expandErr(err error) {
	if err == nil {
		return
	}
	msg := err.Error()
	if unset, ok := errors.AsType[expand.UnsetParameterError](err); ok && unset.Message == "unbound variable" {
		msg = unset.Node.Param.Value + ": parameter not set"
	}
	fmt.Fprintf(s.p.Stderr(), "%s: %s\n", path.Base(s.name), msg)
	s.status, s.flow = 2, exiting
}

func (s *sh) fields(words ...*syntax.Word) []string {
	list, err := expand.Fields(s.cfg, words...)
	s.expandErr(err)
	return list
}

func (s *sh) literal(w *syntax.Word) string {
	if w == nil {
		return ""
	}
	text, err := expand.Literal(s.cfg, w)
	s.expandErr(err)
	return text
}

// environ is the shell's variables as package expand sees them.
type environ struct{ s *sh }

func str(v string) expand.Variable {
	return expand.Variable{Set: true, Kind: expand.String, Str: v}
}

func (e environ) Get(name string) expand.Variable {
	s := e.s
	switch name {
	case "#":
		return str(strconv.Itoa(len(s.params)))
	case "@", "*":
		return expand.Variable{Set: true, Kind: expand.Indexed, List: append([]string{}, s.params...)}
	case "?":
		return str(strconv.Itoa(s.status))
	case "$":
		return str(strconv.Itoa(s.pid))
	case "!":
		if len(s.jobs) > 0 {
			return str(strconv.Itoa(s.jobs[len(s.jobs)-1].PID))
		}
		return expand.Variable{}
	case "-":
		return str(s.flags())
	case "0":
		return str(s.name)
	case "PPID":
		return str(strconv.Itoa(s.p.PPID))
	}
	if n, err := strconv.Atoi(name); err == nil {
		if n <= len(s.params) {
			return str(s.params[n-1])
		}
		return expand.Variable{}
	}
	if user, ok := strings.CutPrefix(name, "HOME "); ok {
		return str(s.p.Sys.home(user))
	}
	return s.vars[name]
}

func (s *sh) flags() string {
	out := ""
	for _, o := range []struct {
		on   bool
		flag string
	}{{s.errexit, "e"}, {s.noglob, "f"}, {s.nounset, "u"}, {s.xtrace, "x"}} {
		if o.on {
			out += o.flag
		}
	}
	return out
}

func (e environ) Each(f func(string, expand.Variable) bool) {
	for name, v := range e.s.vars {
		if !f(name, v) {
			return
		}
	}
}

func (e environ) Set(name string, v expand.Variable) error { return e.s.assign(name, v.String()) }

var errReadOnly = errors.New("is read only")

func (s *sh) assign(name, value string) error {
	v := s.vars[name]
	if v.ReadOnly {
		return fmt.Errorf("%s: %w", name, errReadOnly)
	}
	v.Set, v.Kind, v.Str = true, expand.String, value
	s.vars[name] = v
	return nil
}

func (s *sh) setVar(name, value string) { s.expandErr(s.assign(name, value)) }

func (s *sh) exported() map[string]string {
	env := map[string]string{}
	for name, v := range s.vars {
		if v.Exported && v.Set {
			env[name] = v.Str
		}
	}
	return env
}
