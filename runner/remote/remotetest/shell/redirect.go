package shell

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// redirected runs a statement's command with its redirections.
func (s *sh) redirected(st *syntax.Stmt) {
	if len(st.Redirs) == 0 {
		s.command(st.Cmd)
		return
	}
	saved := s.swapFiles(s.p.cloneFiles())
	if err := s.redirect(st.Redirs); err != nil {
		fmt.Fprintf(s.p.Stderr(), "%s: %v\n", path.Base(s.name), err)
		s.status = 2
		releaseAll(s.swapFiles(saved))
		return
	}
	if isExec(st.Cmd) {
		releaseAll(saved) // exec without a command keeps them
		s.status = 0
		return
	}
	s.command(st.Cmd)
	releaseAll(s.swapFiles(saved))
}

func isExec(c syntax.Command) bool {
	call, ok := c.(*syntax.CallExpr)
	return ok && len(call.Args) == 1 && call.Args[0].Lit() == "exec"
}

func (s *sh) swapFiles(files map[int]*Desc) map[int]*Desc {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	old := s.p.fds
	s.p.fds = files
	return old
}

func (s *sh) setFile(n int, d *Desc) {
	s.p.mu.Lock()
	old := s.p.fds[n]
	if d == nil {
		delete(s.p.fds, n)
	} else {
		s.p.fds[n] = d
	}
	s.p.mu.Unlock()
	if old != nil {
		old.Release()
	}
}

var openFlags = map[syntax.RedirOperator]int{
	syntax.RdrOut:   os.O_WRONLY | os.O_CREATE | os.O_TRUNC,
	syntax.RdrClob:  os.O_WRONLY | os.O_CREATE | os.O_TRUNC,
	syntax.AppOut:   os.O_WRONLY | os.O_CREATE | os.O_APPEND,
	syntax.RdrIn:    os.O_RDONLY,
	syntax.RdrInOut: os.O_RDWR | os.O_CREATE,
}

func (s *sh) redirect(list []*syntax.Redirect) error {
	for _, rd := range list {
		n := 1
		switch rd.Op {
		case syntax.RdrIn, syntax.RdrInOut, syntax.DplIn, syntax.Hdoc, syntax.DashHdoc:
			n = 0
		}
		if rd.N != nil {
			n, _ = strconv.Atoi(rd.N.Value)
		}
		d, err := s.target(rd)
		if err != nil {
			return err
		}
		s.setFile(n, d)
	}
	return nil
}

// target opens what a redirection names; nil means that the descriptor is to be closed.
func (s *sh) target(rd *syntax.Redirect) (*Desc, error) {
	switch rd.Op {
	case syntax.Hdoc, syntax.DashHdoc:
		return s.hereDoc(rd), nil
	case syntax.DplIn, syntax.DplOut:
		arg := s.literal(rd.Word)
		if arg == "-" {
			return nil, nil
		}
		n, err := strconv.Atoi(arg)
		d := s.p.fd(n)
		if err != nil || d == nil {
			return nil, fmt.Errorf("%s: Bad file descriptor", arg)
		}
		return d.hold(), nil
	}
	flags, ok := openFlags[rd.Op]
	if !ok {
		return nil, fmt.Errorf("redirection %v: Syntax error", rd.Op)
	}
	name := s.literal(rd.Word)
	if fd, ok := stdStream[name]; ok && s.p.fd(fd) != nil {
		return s.p.fd(fd).hold(), nil
	}
	d, err := s.p.OpenFile(name, flags, 0o644)
	switch {
	case err == nil:
		return d, nil
	case flags == os.O_RDONLY:
		return nil, fmt.Errorf("cannot open %s: %s", name, Text(err))
	}
	return nil, fmt.Errorf("cannot create %s: %s", name, Text(err))
}

var stdStream = map[string]int{"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}

func (s *sh) hereDoc(rd *syntax.Redirect) *Desc {
	text := ""
	if rd.Hdoc != nil {
		var err error
		text, err = expand.Document(s.cfg, rd.Hdoc)
		s.expandErr(err)
	}
	if rd.Op == syntax.DashHdoc {
		text = regexp.MustCompile(`(?m)^\t+`).ReplaceAllString(text, "")
	}
	return NewDesc(&textStream{Reader: strings.NewReader(text)})
}
