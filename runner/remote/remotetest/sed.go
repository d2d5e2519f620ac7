package remotetest

import (
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
)

// sed knows -n, -e, -E, -i; addresses N, $, /re/ and ranges, !; the commands s, p, d, q, a, i, c, y isn't there.
func sed(p *shell.Proc) int {
	opts, args := sedOptions(p.Args[1:])
	script := opts["e"]
	if !has(opts, "e") {
		if len(args) == 0 {
			return p.Fail(1, "no script")
		}
		script, args = args[0], args[1:]
	}
	commands, err := parseSed(script, has(opts, "E", "r"))
	if err != nil {
		return p.Fail(1, "-e expression #1: %v", err)
	}
	if !has(opts, "i") {
		var all []byte
		status := inputs(p, args, func(_ string, data []byte) { all = append(all, data...) })
		io.WriteString(p.Stdout(), runSed(commands, all, has(opts, "n")))
		return status
	}
	status := 0
	for _, name := range args {
		data, err := p.ReadFile(name)
		if err == nil {
			err = p.Sys.FS.WriteFile(p.Cred, p.Abs(name), []byte(runSed(commands, data, has(opts, "n"))), 0o644)
		}
		if err != nil {
			status = p.Fail(4, "couldn't edit %s: %s", name, shell.Text(err))
		}
	}
	return status
}

func sedOptions(args []string) (map[string]string, []string) {
	for i, a := range args {
		if strings.HasPrefix(a, "-i") && len(a) > 2 && !strings.ContainsAny(a[2:], "nEre") {
			args[i] = "-i" // a suffix for a backup, which isn't made
		}
	}
	return options(args, "e expression")
}

type sedCommand struct {
	from, to *sedAddress
	not      bool
	name     byte
	re       *regexp.Regexp
	text     string
	global   bool
	nth      int
	print    bool
	inside   bool // between from and to
}

type sedAddress struct {
	line int // -1 for the last
	re   *regexp.Regexp
}

func (a *sedAddress) matches(n int, last bool, line string) bool {
	if a.re != nil {
		return a.re.MatchString(line)
	}
	return a.line == n || a.line == -1 && last
}

func (c *sedCommand) applies(n int, last bool, line string) bool {
	ok := true
	switch {
	case c.from == nil:
	case c.to == nil:
		ok = c.from.matches(n, last, line)
	case c.inside:
		if c.to.matches(n, last, line) {
			c.inside = false
		}
	default:
		ok = c.from.matches(n, last, line)
		c.inside = ok && !(c.to.re == nil && c.to.line != -1 && c.to.line <= n)
	}
	return ok != c.not
}

func runSed(commands []*sedCommand, data []byte, quiet bool) string {
	var out strings.Builder
	list := lines(data)
	for i, line := range list {
		deleted, quit := false, false
		after := ""
		for _, c := range commands {
			if !c.applies(i+1, i == len(list)-1, line) {
				continue
			}
			switch c.name {
			case 's':
				line = c.substitute(line, &out)
			case 'p':
				out.WriteString(line + "\n")
			case 'd':
				deleted = true
			case 'q':
				quit = true
			case 'a':
				after += c.text + "\n"
			case 'i':
				out.WriteString(c.text + "\n")
			case 'c':
				out.WriteString(c.text + "\n")
				deleted = true
			}
			if deleted || quit {
				break
			}
		}
		if !deleted && !quiet {
			out.WriteString(line + "\n")
		}
		out.WriteString(after)
		if quit {
			break
		}
	}
	return out.String()
}

func (c *sedCommand) substitute(line string, out *strings.Builder) string {
	var b strings.Builder
	last, n, done := 0, 0, false
	for _, m := range c.re.FindAllStringSubmatchIndex(line, -1) {
		n++
		if done && !c.global || n < c.nth {
			continue
		}
		b.WriteString(line[last:m[0]])
		b.WriteString(sedReplacement(c.text, line, m))
		last, done = m[1], true
	}
	b.WriteString(line[last:])
	if done && c.print {
		out.WriteString(b.String() + "\n")
	}
	return b.String()
}

func sedReplacement(text, line string, m []int) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '&':
			b.WriteString(line[m[0]:m[1]])
		case text[i] == '\\' && i+1 < len(text):
			i++
			switch d := text[i]; {
			case d >= '0' && d <= '9':
				if k := int(d-'0') * 2; k+1 < len(m) && m[k] >= 0 {
					b.WriteString(line[m[k]:m[k+1]])
				}
			case d == 'n':
				b.WriteByte('\n')
			case d == 't':
				b.WriteByte('\t')
			default:
				b.WriteByte(d)
			}
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

func parseSed(script string, extended bool) ([]*sedCommand, error) {
	s := &sedParser{rest: script, extended: extended}
	var list []*sedCommand
	for {
		s.rest = strings.TrimLeft(s.rest, " \t\n;")
		if s.rest == "" || s.err != nil {
			return list, s.err
		}
		list = append(list, s.command())
	}
}

type sedParser struct {
	rest     string
	extended bool
	err      error
}

func (s *sedParser) command() *sedCommand {
	c := &sedCommand{from: s.address()}
	if strings.HasPrefix(s.rest, ",") {
		s.rest = s.rest[1:]
		c.to = s.address()
	}
	s.rest = strings.TrimLeft(s.rest, " ")
	if strings.HasPrefix(s.rest, "!") {
		c.not, s.rest = true, s.rest[1:]
	}
	if s.rest == "" {
		s.err = errSed("missing command")
		return c
	}
	c.name, s.rest = s.rest[0], s.rest[1:]
	switch c.name {
	case 's':
		s.substitution(c)
	case 'a', 'i', 'c':
		text, rest, _ := strings.Cut(s.rest, "\n")
		c.text, s.rest = strings.TrimLeft(strings.TrimPrefix(strings.TrimSpace(text), `\`), " "), rest
	case 'p', 'd', 'q':
	default:
		s.err = errSed("unknown command: `" + string(c.name) + "'")
	}
	return c
}

type errSed string

func (e errSed) Error() string { return string(e) }

func (s *sedParser) address() *sedAddress {
	switch {
	case s.rest == "":
		return nil
	case s.rest[0] == '$':
		s.rest = s.rest[1:]
		return &sedAddress{line: -1}
	case s.rest[0] == '/':
		s.rest = s.rest[1:]
		return &sedAddress{re: s.regexp(s.until('/'), "")}
	case s.rest[0] == '\\' && len(s.rest) > 1:
		end := s.rest[1]
		s.rest = s.rest[2:]
		return &sedAddress{re: s.regexp(s.until(end), "")}
	}
	n := 0
	for n < len(s.rest) && s.rest[n] >= '0' && s.rest[n] <= '9' {
		n++
	}
	if n == 0 {
		return nil
	}
	line, _ := strconv.Atoi(s.rest[:n])
	s.rest = s.rest[n:]
	return &sedAddress{line: line}
}

// until takes text up to an unescaped end, which may stand in brackets.
func (s *sedParser) until(end byte) string {
	var b strings.Builder
	for i := 0; i < len(s.rest); i++ {
		switch {
		case s.rest[i] == '\\' && i+1 < len(s.rest):
			if s.rest[i+1] != end {
				b.WriteByte('\\')
			}
			i++
			b.WriteByte(s.rest[i])
			continue
		case s.rest[i] == end:
			s.rest = s.rest[i+1:]
			return b.String()
		}
		b.WriteByte(s.rest[i])
	}
	s.err = errSed("unterminated `s' command or address")
	s.rest = ""
	return ""
}

func (s *sedParser) regexp(text, flags string) *regexp.Regexp {
	if !s.extended {
		text = basicRegexp(text)
	}
	re, err := regexp.Compile(flags + text)
	if err != nil {
		s.err = err
		return regexp.MustCompile("$^")
	}
	return re
}

func (s *sedParser) substitution(c *sedCommand) {
	if s.rest == "" {
		s.err = errSed("unterminated `s' command")
		return
	}
	end := s.rest[0]
	s.rest = s.rest[1:]
	pat := s.until(end)
	c.text = s.until(end)
	flags := ""
	for s.rest != "" && strings.IndexByte("gpiI0123456789", s.rest[0]) >= 0 {
		switch f := s.rest[0]; f {
		case 'g':
			c.global = true
		case 'p':
			c.print = true
		case 'i', 'I':
			flags = "(?i)"
		default:
			c.nth = c.nth*10 + int(f-'0')
		}
		s.rest = s.rest[1:]
	}
	c.re = s.regexp(pat, flags)
}
