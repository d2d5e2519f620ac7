package shell

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"regexp"
	"strings"
	"syscall"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/pattern"
	"mvdan.cc/sh/v3/syntax"
)

func (s *sh) stmts(list []*syntax.Stmt) {
	for _, st := range list {
		s.stmt(st)
		if s.stopped() {
			return
		}
	}
}

func (s *sh) stmt(st *syntax.Stmt) {
	s.runTraps()
	if s.stopped() {
		return
	}
	if st.Background {
		s.background(st)
		return
	}
	tested := s.tested
	if st.Negated {
		s.tested++
	}
	s.redirected(st)
	s.tested = tested
	if s.flow == onward && st.Negated {
		s.status = btoi(s.status == 0)
		return
	}
	s.checkErrexit(st)
	s.runTraps()
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (s *sh) checkErrexit(st *syntax.Stmt) {
	if b, ok := st.Cmd.(*syntax.BinaryCmd); ok && (b.Op == syntax.AndStmt || b.Op == syntax.OrStmt) {
		return
	}
	if s.errexit && s.status != 0 && s.tested == 0 && s.flow == onward {
		s.flow = exiting
	}
}

// background runs st as a job; without job control its input is /dev/null.
func (s *sh) background(st *syntax.Stmt) {
	again := *st
	again.Background = false
	files := s.p.cloneFiles()
	if null, err := s.p.OpenFile("/dev/null", os.O_RDONLY, 0); err == nil {
		if old := files[0]; old != nil {
			old.Release()
		}
		files[0] = null
	}
	job := s.fork(files, func(c *sh) { c.tested = 0; c.alone(&again) })
	s.jobs = append(s.jobs, job)
	s.status = 0
}

// alone runs the only statement of a forked shell. Its redirections replace the shell's own files, which it would
// hold open otherwise: sshd waits for whoever holds its pipes.
func (s *sh) alone(st *syntax.Stmt) {
	again := *st
	again.Redirs = nil
	if err := s.redirect(st.Redirs); err != nil {
		fmt.Fprintf(s.p.Stderr(), "%s: %v\n", path.Base(s.name), err)
		s.status = 2
		return
	}
	_, s.becomes = again.Cmd.(*syntax.CallExpr)
	s.stmt(&again)
}

func (s *sh) command(c syntax.Command) {
	switch c := c.(type) {
	case nil:
		s.status = 0
	case *syntax.CallExpr:
		s.call(c)
	case *syntax.Block:
		s.stmts(c.Stmts)
	case *syntax.Subshell:
		child := s.fork(s.p.cloneFiles(), func(sub *sh) { sub.stmts(c.Stmts) })
		s.status = child.Wait(s.p.Ctx)
	case *syntax.BinaryCmd:
		s.binary(c)
	case *syntax.IfClause:
		s.ifClause(c)
	case *syntax.WhileClause:
		s.while(c)
	case *syntax.ForClause:
		s.forLoop(c)
	case *syntax.CaseClause:
		s.caseClause(c)
	case *syntax.FuncDecl:
		s.funcs[c.Name.Value] = c.Body
		s.status = 0
	default:
		fmt.Fprintf(s.p.Stderr(), "%s: Syntax error: %T is not for sh\n", s.name, c)
		s.status, s.flow = 2, exiting
	}
}

func (s *sh) binary(c *syntax.BinaryCmd) {
	if c.Op == syntax.Pipe {
		s.pipeline(c)
		return
	}
	s.tested++
	s.stmt(c.X)
	s.tested--
	if !s.stopped() && (s.status == 0) == (c.Op == syntax.AndStmt) {
		s.stmt(c.Y)
	}
}

func (s *sh) pipeline(c *syntax.BinaryCmd) {
	r, w := NewPipe()
	left, right := s.p.cloneFiles(), s.p.cloneFiles()
	replace(left, 1, w)
	replace(right, 0, r)
	a := s.fork(left, func(sub *sh) { sub.tested = 0; sub.alone(c.X) })
	b := s.fork(right, func(sub *sh) { sub.tested = 0; sub.alone(c.Y) })
	s.status = b.Wait(s.p.Ctx)
	a.Wait(s.p.Ctx)
}

func replace(files map[int]*Desc, n int, d *Desc) {
	if old := files[n]; old != nil {
		old.Release()
	}
	files[n] = d
}

// condition runs statements whose failure errexit leaves alone.
func (s *sh) condition(list []*syntax.Stmt) bool {
	s.tested++
	s.stmts(list)
	s.tested--
	return s.status == 0
}

func (s *sh) ifClause(c *syntax.IfClause) {
	for ; c != nil; c = c.Else {
		if !c.ThenPos.IsValid() { // else
			s.stmts(c.Then)
			return
		}
		ok := s.condition(c.Cond)
		if s.stopped() {
			return
		}
		if ok {
			s.stmts(c.Then)
			return
		}
	}
	s.status = 0
}

func (s *sh) while(c *syntax.WhileClause) {
	last := 0
	for !s.stopped() {
		ok := s.condition(c.Cond)
		if s.loopEnds() || ok == c.Until {
			break
		}
		s.stmts(c.Do)
		last = s.status
		if s.loopEnds() {
			return
		}
	}
	if s.flow == onward {
		s.status = last
	}
}

// loopEnds takes a break or continue that is meant for this loop, and reports whether the loop is over.
func (s *sh) loopEnds() bool {
	switch {
	case s.p.Ctx.Err() != nil, s.flow == returning, s.flow == exiting:
		return true
	case s.flow == onward:
		return false
	}
	s.levels--
	if s.levels > 0 {
		return true
	}
	over := s.flow == breaking
	s.flow = onward
	return over
}

func (s *sh) forLoop(c *syntax.ForClause) {
	iter, ok := c.Loop.(*syntax.WordIter)
	if !ok {
		s.status, s.flow = 2, exiting
		return
	}
	items := s.params
	if iter.InPos.IsValid() {
		items = s.fields(iter.Items...)
	}
	s.status = 0
	for _, item := range items {
		if s.stopped() {
			return
		}
		s.setVar(iter.Name.Value, item)
		s.stmts(c.Do)
		if s.loopEnds() {
			return
		}
	}
}

func (s *sh) caseClause(c *syntax.CaseClause) {
	word := s.literal(c.Word)
	s.status = 0
	for _, item := range c.Items {
		for _, p := range item.Patterns {
			pat, err := expand.Pattern(s.cfg, p)
			s.expandErr(err)
			expr, err := pattern.Regexp(dashLast(pat), pattern.EntireString)
			if err != nil || s.stopped() {
				continue
			}
			if regexp.MustCompile(expr).MatchString(word) {
				s.stmts(item.Stmts)
				return
			}
		}
	}
}

// dashLast writes [-x] as [x-]: package pattern takes the first for a broken range.
func dashLast(pat string) string { return leadingDash.ReplaceAllString(pat, "$1$2$3-]") }

var leadingDash = regexp.MustCompile(`((?:^|[^\\\\])\[)([!^]?)-([^]]+)\]`)

// call runs a simple command: assignments, a function, a builtin, or a program.
func (s *sh) call(c *syntax.CallExpr) {
	s.substDone = 0
	args := s.words(c.Args)
	if s.stopped() {
		return
	}
	if s.xtrace {
		fmt.Fprintf(s.p.Stderr(), "+ %s\n", strings.Join(args, " "))
	}
	if len(args) == 0 {
		for _, as := range c.Assigns {
			s.setVar(as.Name.Value, s.literal(as.Value))
		}
		if s.flow == onward {
			s.status = s.substDone
		}
		return
	}
	restore := s.assignFor(args[0], c.Assigns)
	if s.flow == onward {
		s.dispatch(args)
	}
	restore()
}

// assignFor sets the variables of "A=b command"; they stay after a special builtin only.
func (s *sh) assignFor(name string, list []*syntax.Assign) func() {
	if len(list) == 0 {
		return func() {}
	}
	saved := maps.Clone(s.vars)
	for _, as := range list {
		s.setVar(as.Name.Value, s.literal(as.Value))
		v := s.vars[as.Name.Value]
		v.Exported = true
		s.vars[as.Name.Value] = v
	}
	return func() {
		for _, as := range list {
			if old, ok := saved[as.Name.Value]; ok {
				s.vars[as.Name.Value] = old
			} else {
				delete(s.vars, as.Name.Value)
			}
		}
	}
}

var assignment = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)

// words expands a command's words; what follows export, readonly and local as NAME=value isn't split.
func (s *sh) words(list []*syntax.Word) []string {
	if len(list) == 0 {
		return nil
	}
	switch list[0].Lit() {
	case "export", "readonly", "local":
	default:
		return s.fields(list...)
	}
	var out []string
	for _, w := range list {
		if lit, ok := w.Parts[0].(*syntax.Lit); ok && assignment.MatchString(lit.Value) {
			out = append(out, s.literal(w))
			continue
		}
		out = append(out, s.fields(w)...)
	}
	return out
}

func (s *sh) dispatch(args []string) {
	if body := s.funcs[args[0]]; body != nil {
		s.callFunc(body, args[1:])
		return
	}
	if b := builtins[args[0]]; b != nil {
		status := b(s, args)
		if s.flow == onward || s.flow == exiting || s.flow == returning {
			s.status = status
		}
		return
	}
	s.external(args)
}

func (s *sh) callFunc(body *syntax.Stmt, params []string) {
	s.becomes = false
	old := s.params
	s.params = params
	s.inFunc++
	s.scopes = append(s.scopes, map[string]expand.Variable{})
	s.stmt(body)
	hidden := s.scopes[len(s.scopes)-1]
	s.scopes = s.scopes[:len(s.scopes)-1]
	for name, v := range hidden {
		if v.Declared() {
			s.vars[name] = v
		} else {
			delete(s.vars, name)
		}
	}
	s.inFunc--
	s.params = old
	if s.flow == returning {
		s.flow = onward
	}
}

func (s *sh) external(args []string) {
	spec := Spec{Args: args, Env: s.exported(), Dir: s.p.Dir, Cred: s.p.Cred, Unit: s.p.Unit}
	run, argv, status, err := s.p.Sys.find(spec)
	if err != nil {
		fmt.Fprintf(s.p.Stderr(), "%s: 1: %v\n", path.Base(s.name), err)
		s.status = status
		return
	}
	spec.Args, spec.Files = argv, s.p.cloneFiles()
	child := s.p.Sys.start(s.p, spec, run)
	s.status = child.Wait(s.p.Ctx)
	if s.becomes { // what ends the shell ends the program: they are one process
		child.Signal(s.p.endedBy())
	}
}

// textStream is a here-document.
type textStream struct{ io.Reader }

func (t *textStream) Read(_ context.Context, b []byte) (int, error)  { return t.Reader.Read(b) }
func (t *textStream) Write(_ context.Context, b []byte) (int, error) { return 0, syscall.EBADF }
func (t *textStream) Close() error                                   { return nil }
