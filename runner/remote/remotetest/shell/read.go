package shell

import (
	"io"
	"slices"
	"strconv"
	"strings"
)

func read(s *sh, args []string) int {
	raw := false
	names := args[1:]
	for len(names) > 0 && strings.HasPrefix(names[0], "-") {
		raw = raw || names[0] == "-r"
		names = names[1:]
	}
	line, err := readLine(lineReader{s.p.Stdin()}, raw)
	s.split(line, names, raw)
	if err != nil {
		return 1
	}
	return 0
}

func readLine(r io.Reader, raw bool) (string, error) {
	var line []byte
	b := make([]byte, 1)
	for {
		n, err := r.Read(b)
		if err != nil {
			return string(line), err
		}
		if n == 0 {
			continue
		}
		if b[0] == '\n' {
			if !raw && len(line) > 0 && line[len(line)-1] == '\\' {
				line = line[:len(line)-1]
				continue
			}
			return string(line), nil
		}
		line = append(line, b[0])
	}
}

func (s *sh) split(line string, names []string, raw bool) {
	ifs := " \t\n"
	if v := s.vars["IFS"]; v.Set {
		ifs = v.Str
	}
	for i, name := range names {
		var value string
		value, line = nextField(line, ifs, raw, i == len(names)-1)
		s.setVar(name, value)
	}
}

// nextField takes one field by POSIX's rules: white space of IFS around another character of it is part of that one
// separator; the last variable gets the rest.
func nextField(line, ifs string, raw, last bool) (string, string) {
	is := func(c byte) bool { return strings.IndexByte(ifs, c) >= 0 }
	space := func(c byte) bool { return is(c) && (c == ' ' || c == '\t' || c == '\n') }
	trimmed := strings.TrimLeftFunc(line, func(r rune) bool { return r < 128 && space(byte(r)) })
	var field []byte
	kept := 0 // bytes of field that trailing white space doesn't reach
	for i := 0; i < len(trimmed); i++ {
		c := trimmed[i]
		switch {
		case c == '\\' && !raw && i+1 < len(trimmed):
			i++
			field = append(field, trimmed[i])
			kept = len(field)
		case is(c) && !last:
			return string(field), afterSeparator(trimmed[i:], is, space)
		default:
			field = append(field, c)
			if !space(c) {
				kept = len(field)
			}
		}
	}
	return string(field[:kept]), ""
}

func afterSeparator(rest string, is, space func(byte) bool) string {
	i := 0
	for i < len(rest) && space(rest[i]) {
		i++
	}
	if i < len(rest) && is(rest[i]) {
		i++
	}
	for i < len(rest) && space(rest[i]) {
		i++
	}
	return rest[i:]
}

func wait(s *sh, args []string) int {
	jobs := s.jobs
	if len(args) > 1 {
		jobs = nil
		for _, arg := range args[1:] {
			pid, _ := strconv.Atoi(arg)
			i := slices.IndexFunc(s.jobs, func(p *Proc) bool { return p.PID == pid })
			if i < 0 {
				return 127
			}
			jobs = append(jobs, s.jobs[i])
		}
	}
	status := 0
	for _, job := range jobs {
		n, ok := s.waitFor(job)
		if !ok {
			return n
		}
		status = n
	}
	if len(args) == 1 {
		return 0
	}
	return status
}

// waitFor waits for a job or a signal; a caught signal interrupts it.
func (s *sh) waitFor(job *Proc) (int, bool) {
	s.p.mu.Lock()
	pending, poked := slices.Clone(s.p.pending), s.p.poked
	s.p.mu.Unlock()
	if len(pending) > 0 {
		return 128 + pending[0], false
	}
	select {
	case <-job.done:
		return job.status, true
	case <-poked:
		return s.waitFor(job)
	case <-s.p.Ctx.Done():
		return 128 + SIGTERM, false
	}
}
