package shell

import (
	"fmt"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
)

type builtin func(s *sh, args []string) int

var builtins map[string]builtin

func init() { // not in the declaration: eval and its like lead back to the table
	builtins = map[string]builtin{
		":": yes, "true": yes, "false": no, "cd": cd, "pwd": pwd, "exit": exit, "return": ret, "break": loop, "continue": loop,
		"set": set, "shift": shift, "unset": unset, "export": declare, "readonly": declare, "local": local, "eval": eval,
		".": dot, "exec": exec, "command": command, "type": typ, "read": read, "wait": wait, "kill": kill, "trap": trap,
		"umask": umask, "ulimit": yes, "hash": yes, "getopts": getopts, "times": yes,
		"echo":   func(s *sh, args []string) int { return Echo(s.p, args) },
		"printf": func(s *sh, args []string) int { return Printf(s.p, args) },
		"test":   func(s *sh, args []string) int { return Test(s.p, args) },
		"[":      func(s *sh, args []string) int { return Test(s.p, args) },
	}
}

func yes(*sh, []string) int { return 0 }
func no(*sh, []string) int  { return 1 }

func (s *sh) errf(status int, format string, a ...any) int {
	fmt.Fprintf(s.p.Stderr(), path.Base(s.name)+": 1: "+format+"\n", a...)
	return status
}

func cd(s *sh, args []string) int {
	args = slices.DeleteFunc(args[1:], func(a string) bool { return a == "-P" || a == "-L" || a == "--" })
	dir := s.vars["HOME"].Str
	if len(args) > 0 {
		dir = args[0]
	}
	if dir == "-" {
		dir = s.vars["OLDPWD"].Str
	}
	to := s.p.Abs(dir)
	info, err := s.p.Sys.FS.Stat(s.p.Cred, to)
	if err != nil || !info.IsDir() || s.p.Sys.FS.Access(s.p.Cred, to, 1) != nil {
		return s.errf(2, "cd: can't cd to %s", dir)
	}
	s.setVar("OLDPWD", s.p.Dir)
	s.p.Dir = path.Clean(to)
	s.setVar("PWD", s.p.Dir)
	return 0
}

func pwd(s *sh, _ []string) int {
	s.p.Printf("%s\n", s.p.Dir)
	return 0
}

func number(args []string, i, absent int) (int, error) {
	if i >= len(args) {
		return absent, nil
	}
	return strconv.Atoi(args[i])
}

func exit(s *sh, args []string) int {
	n, err := number(args, 1, s.status)
	if err != nil {
		n = s.errf(2, "exit: Illegal number: %s", args[1])
	}
	s.flow = exiting
	return n & 255
}

func ret(s *sh, args []string) int {
	n, err := number(args, 1, s.status)
	if err != nil {
		return s.errf(2, "return: Illegal number: %s", args[1])
	}
	s.flow = returning
	return n & 255
}

func loop(s *sh, args []string) int {
	n, err := number(args, 1, 1)
	if err != nil || n < 1 {
		return s.errf(2, "%s: Illegal number: %s", args[0], args[1])
	}
	s.levels, s.flow = n, continuing
	if args[0] == "break" {
		s.flow = breaking
	}
	s.status = 0
	return 0
}

func set(s *sh, args []string) int {
	args = args[1:]
	for i, arg := range args {
		switch {
		case arg == "--":
			s.params = slices.Clone(args[i+1:])
			return 0
		case arg == "-o" || arg == "+o": // names of options follow
		case i > 0 && (args[i-1] == "-o" || args[i-1] == "+o"):
			flag, ok := optionNames[arg]
			if !ok {
				s.flow = exiting
				return s.errf(2, "set: Illegal option %s %s", args[i-1], arg)
			}
			s.options(args[i-1][:1] + flag)
		case len(arg) > 1 && (arg[0] == '-' || arg[0] == '+'):
			if !s.options(arg) {
				s.flow = exiting
				return s.errf(2, "set: Illegal option %s", arg)
			}
		default:
			s.params = slices.Clone(args[i:])
			return 0
		}
	}
	return 0
}

// optionNames has no pipefail: Debian 12's dash doesn't know it.
var optionNames = map[string]string{"errexit": "e", "nounset": "u", "xtrace": "x", "noglob": "f", "allexport": "a", "monitor": "m"}

func shift(s *sh, args []string) int {
	n, err := number(args, 1, 1)
	if err != nil || n > len(s.params) {
		s.flow = exiting
		return s.errf(2, "shift: can't shift that many")
	}
	s.params = s.params[n:]
	return 0
}

func unset(s *sh, args []string) int {
	for i, name := range args[1:] {
		switch {
		case name == "-v" || name == "-f":
		case i > 0 && args[1] == "-f":
			delete(s.funcs, name)
		case s.vars[name].ReadOnly:
			return s.errf(2, "unset: %s: is read only", name)
		default:
			delete(s.vars, name)
		}
	}
	return 0
}

func declare(s *sh, args []string) int {
	for _, arg := range args[1:] {
		if arg == "-p" {
			s.printVars(args[0])
			continue
		}
		name, value, has := strings.Cut(arg, "=")
		if has {
			s.setVar(name, value)
		}
		v := s.vars[name]
		v.Kind = expand.String
		v.Exported = v.Exported || args[0] == "export"
		v.ReadOnly = v.ReadOnly || args[0] == "readonly"
		s.vars[name] = v
	}
	return s.substDone
}

func (s *sh) printVars(what string) {
	var lines []string
	for name, v := range s.vars {
		if v.Set && (what == "export" && v.Exported || what == "readonly" && v.ReadOnly) {
			lines = append(lines, fmt.Sprintf("%s %s='%s'\n", what, name, strings.ReplaceAll(v.Str, "'", `'"'"'`)))
		}
	}
	sort.Strings(lines)
	s.p.Printf("%s", strings.Join(lines, ""))
}

func local(s *sh, args []string) int {
	if len(s.scopes) == 0 {
		s.flow = exiting
		return s.errf(2, "local: not in a function")
	}
	scope := s.scopes[len(s.scopes)-1]
	for _, arg := range args[1:] {
		name, value, has := strings.Cut(arg, "=")
		if _, ok := scope[name]; !ok {
			scope[name] = s.vars[name]
		}
		if has {
			s.setVar(name, value)
		}
	}
	return s.substDone
}

func eval(s *sh, args []string) int {
	s.status = 0
	s.source(strings.NewReader(strings.Join(args[1:], " ")))
	return s.status
}

func dot(s *sh, args []string) int {
	if len(args) < 2 {
		return s.errf(2, ".: filename argument required")
	}
	content, err := s.p.ReadFile(args[1])
	if err != nil {
		s.flow = exiting
		return s.errf(2, ".: cannot open %s: %s", args[1], Text(err))
	}
	s.status = 0
	s.source(strings.NewReader(string(content)))
	if s.flow == returning {
		s.flow = onward
	}
	return s.status
}

func exec(s *sh, args []string) int {
	if len(args) == 1 {
		return 0
	}
	s.becomes = true
	s.external(args[1:])
	s.flow = exiting
	s.traps = map[string]string{}
	return s.status
}

func command(s *sh, args []string) int {
	args = args[1:]
	show := len(args) > 0 && (args[0] == "-v" || args[0] == "-V")
	if len(args) > 0 && (show || args[0] == "-p" || args[0] == "--") {
		args = args[1:]
	}
	switch {
	case len(args) == 0:
		return 0
	case show:
		where := s.where(args[0])
		if where == "" {
			return 127
		}
		s.p.Printf("%s\n", where)
		return 0
	}
	if b := builtins[args[0]]; b != nil {
		return b(s, args)
	}
	s.external(args)
	return s.status
}

// where says what a name runs: a builtin or function by its name, a program by its path.
func (s *sh) where(name string) string {
	if builtins[name] != nil || s.funcs[name] != nil {
		return name
	}
	file, err := s.p.Sys.LookPath(s.p.Cred, s.p.Dir, s.vars["PATH"].Str, name)
	if err != nil {
		return ""
	}
	return file
}

func typ(s *sh, args []string) int {
	status := 0
	for _, name := range args[1:] {
		if where := s.where(name); where != "" {
			s.p.Printf("%s is %s\n", name, where)
			continue
		}
		s.p.Printf("%s: not found\n", name)
		status = 127
	}
	return status
}

func getopts(s *sh, args []string) int {
	if len(args) < 3 {
		return s.errf(2, "getopts: usage: getopts optstring var")
	}
	params := s.params
	if len(args) > 3 {
		params = args[3:]
	}
	ind, _ := strconv.Atoi(s.vars["OPTIND"].Str)
	if ind < 1 || ind > len(params) || len(params[ind-1]) != 2 || params[ind-1][0] != '-' || params[ind-1] == "--" {
		s.setVar(args[2], "?")
		return 1
	}
	opt := params[ind-1][1:]
	at := strings.Index(args[1], opt)
	ind++
	name := opt
	if at < 0 {
		name = "?"
	} else if at+1 < len(args[1]) && args[1][at+1] == ':' && ind <= len(params) {
		s.setVar("OPTARG", params[ind-1])
		ind++
	}
	s.setVar("OPTIND", strconv.Itoa(ind))
	s.setVar(args[2], name)
	return 0
}

func umask(s *sh, args []string) int {
	if len(args) == 1 {
		s.p.Printf("0022\n")
	}
	return 0
}
