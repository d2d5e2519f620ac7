package remotetest

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
)

func grep(p *shell.Proc) int {
	args := p.Args[1:]
	opts, names := options(args, "e f m A B C regexp")
	var pats []string
	switch {
	case has(opts, "e", "regexp"):
		pats = strings.Split(opts["e"]+opts["regexp"], "\n")
	case has(opts, "f"):
		data, err := p.ReadFile(opts["f"])
		if err != nil {
			return p.Fail(2, "%s: %s", opts["f"], shell.Text(err))
		}
		pats = lines(data)
	case len(names) == 0:
		return p.Fail(2, "no pattern")
	default:
		pats, names = strings.Split(names[0], "\n"), names[1:]
	}
	re, err := grepPattern(p.Args[0], pats, opts)
	if err != nil {
		return p.Fail(2, "%v", err)
	}
	g := &grepper{p: p, re: re, opts: opts, named: len(names) > 1 && !has(opts, "h") || has(opts, "H")}
	status := 0
	if len(names) == 0 && has(opts, "r", "R") {
		names = []string{"."}
	}
	g.limit, _ = strconv.Atoi(opts["m"])
	if has(opts, "s", "q") {
		names = g.readable(names)
		if names == nil {
			return 2
		}
	}
	status = inputs(p, names, g.file)
	switch {
	case g.matched && (status == 0 || has(opts, "q")):
		return 0
	case status != 0:
		return 2
	}
	return 1
}

func grepPattern(name string, pats []string, opts map[string]string) (*regexp.Regexp, error) {
	for i, pat := range pats {
		switch {
		case has(opts, "F", "fixed-strings") || strings.HasSuffix(name, "fgrep"):
			pat = regexp.QuoteMeta(pat)
		case !has(opts, "E", "P", "extended-regexp") && !strings.HasSuffix(name, "egrep"):
			pat = basicRegexp(pat)
		}
		if has(opts, "w") {
			pat = `\b(?:` + pat + `)\b`
		}
		if has(opts, "x", "line-regexp") {
			pat = `^(?:` + pat + `)$`
		}
		pats[i] = "(?:" + pat + ")"
	}
	expr := strings.Join(pats, "|")
	if has(opts, "i") {
		expr = "(?i)" + expr
	}
	return regexp.Compile(expr)
}

// basicRegexp rewrites a POSIX basic regular expression as an extended one.
func basicRegexp(pat string) string {
	var out strings.Builder
	for i := 0; i < len(pat); i++ {
		c := pat[i]
		switch {
		case c == '\\' && i+1 < len(pat):
			i++
			if strings.IndexByte("(){}+?|", pat[i]) >= 0 {
				out.WriteByte(pat[i])
				continue
			}
			out.WriteString(`\` + pat[i:i+1])
		case c == '[':
			end := classEnd(pat, i)
			out.WriteString(strings.ReplaceAll(pat[i:end], `\`, `\\`))
			i = end - 1
		case strings.IndexByte("(){}+?|", c) >= 0, c == '*' && i == 0:
			out.WriteString(`\` + string(c))
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

// classEnd is where the bracket expression that begins at i ends.
func classEnd(pat string, i int) int {
	k := i + 1
	if k < len(pat) && pat[k] == '^' {
		k++
	}
	if k < len(pat) && pat[k] == ']' {
		k++
	}
	for k < len(pat) && pat[k] != ']' {
		if strings.HasPrefix(pat[k:], "[:") {
			if end := strings.Index(pat[k:], ":]"); end > 0 {
				k += end + 1
			}
		}
		k++
	}
	return min(k+1, len(pat))
}

type grepper struct {
	p       *shell.Proc
	re      *regexp.Regexp
	opts    map[string]string
	named   bool
	matched bool
	limit   int
}

// readable leaves out, as -s does, what can't be read; nil where nothing is left of what was named.
func (g *grepper) readable(names []string) []string {
	if len(names) == 0 {
		return []string{"-"}
	}
	var kept []string
	for _, name := range names {
		if _, err := g.p.Sys.FS.Stat(g.p.Cred, g.p.Abs(name)); err == nil || name == "-" {
			kept = append(kept, name)
		}
	}
	return kept
}

func (g *grepper) file(name string, data []byte) {
	n := 0
	for i, line := range lines(data) {
		if g.re.MatchString(line) == has(g.opts, "v", "invert-match") {
			continue
		}
		n++
		g.matched = true
		if has(g.opts, "q", "quiet") {
			return
		}
		if has(g.opts, "l") {
			g.p.Printf("%s\n", name)
			return
		}
		if !has(g.opts, "c") {
			g.print(name, i+1, line)
		}
		if n == g.limit {
			break
		}
	}
	if has(g.opts, "c") {
		g.print(name, 0, strconv.Itoa(n))
	}
}

func (g *grepper) print(name string, n int, line string) {
	prefix := ""
	if g.named {
		prefix = name + ":"
	}
	if has(g.opts, "n") && n > 0 {
		prefix += strconv.Itoa(n) + ":"
	}
	if has(g.opts, "o") {
		for _, part := range g.re.FindAllString(line, -1) {
			g.p.Printf("%s%s\n", prefix, part)
		}
		return
	}
	g.p.Printf("%s%s\n", prefix, line)
}
