package inventory

import (
	"strings"

	"github.com/BurntSushi/toml"
)

// duplicate is a key that is defined a second time.
type duplicate struct {
	key         string
	line, first int
	statement   bool // start and end are the bytes of the second key = value
	start, end  int
}

// locator walks TOML text and notes where each key stands: in tables, inline tables, arrays, dotted and quoted.
// It judges nothing but duplicates; whether the text is TOML is the decoder's say. On text that isn't, it ends too.
type locator struct {
	src     string
	pos     int
	counted int // line is the line of this byte
	line    int

	at      map[string]place
	defined map[string]bool // given a value or a header, not only passed through by a dotted key
	arrays  map[string]int  // [[name]]: how many so far
	dups    []duplicate
	prefix  string // the table that statements go to
	depth   int
	deep    int // the line of the first value or key that is nested deeper than maxDepth; there it ends
}

// maxDepth is deeper than anything in an inventory is. What is nested thousands deep takes the decoder minutes: each part
// has a name as long as the way to it.
const maxDepth = 32

func locate(src string) *locator {
	l := &locator{src: src, line: 1, at: map[string]place{}, defined: map[string]bool{}, arrays: map[string]int{}}
	for l.blank(); l.pos < len(l.src); l.blank() {
		l.statement()
	}
	return l
}

func (l *locator) statement() {
	start, known := l.pos, len(l.dups)
	if l.peek() == '[' {
		l.header()
		l.skipLine()
		return
	}
	l.pair(l.prefix)
	end := l.pos
	l.skipLine()
	if len(l.dups) > known && l.dups[known].statement && l.dups[known].start == start {
		l.dups[known].end = end
		l.dups = l.dups[:known+1] // what stands in it comes twice for that reason alone
	}
}

// header reads [a.b] or [[a.b]].
func (l *locator) header() {
	l.pos++
	array := l.peek() == '['
	if array {
		l.pos++
	}
	parts, at := l.key()
	path := ""
	for i, part := range parts {
		path = child(path, part)
		if i == len(parts)-1 {
			break
		}
		l.note(path, at)
		if n := l.arrays[path]; n > 0 {
			path = element(path, n-1)
		}
	}
	l.note(path, at)
	if array {
		l.arrays[path]++
		path = element(path, l.arrays[path]-1)
		l.note(path, at)
	} else {
		l.define(path, at, false)
	}
	l.prefix = path
}

// pair reads key = value into the table prefix.
func (l *locator) pair(prefix string) {
	parts, at := l.key()
	path := prefix
	for _, part := range parts {
		path = child(path, part)
		l.note(path, at)
	}
	if len(parts) > 0 {
		l.define(path, at, true)
	}
	l.space()
	if l.peek() == '=' {
		l.pos++
		l.space()
	}
	l.value(path)
}

func (l *locator) value(path string) {
	l.depth++
	defer func() { l.depth-- }()
	if l.depth > maxDepth {
		l.tooDeep(l.pos)
		return
	}
	switch l.peek() {
	case '"', '\'':
		l.text()
	case '[':
		l.pos++
		for n := 0; l.more(']'); n++ {
			l.note(element(path, n), l.pos)
			l.value(element(path, n))
		}
	case '{':
		l.pos++
		for l.more('}') {
			l.pair(path)
		}
	default:
		if n := strings.IndexAny(l.src[l.pos:], ",]}#\r\n"); n >= 0 {
			l.pos += n
		} else {
			l.pos = len(l.src)
		}
	}
}

func (l *locator) tooDeep(pos int) {
	if l.deep == 0 {
		l.deep = l.lineOf(pos)
	}
	l.pos = len(l.src)
}

// more goes to the next element of an array or inline table, and past its end if there is none.
// What can't be read as an element is stepped over, so that every loop on more ends.
func (l *locator) more(end byte) bool {
	for {
		l.blank()
		switch c := l.peek(); {
		case l.pos >= len(l.src):
			return false
		case c == end:
			l.pos++
			return false
		case c == ',' || c == '}' || c == ']' || c == '=':
			l.pos++
		default:
			return true
		}
	}
}

// key reads a dotted key and says where it began.
func (l *locator) key() (parts []string, start int) {
	l.space()
	start = l.pos
	for {
		l.space()
		from := l.pos
		if c := l.peek(); c == '"' || c == '\'' {
			l.text()
			parts = append(parts, unquote(l.src[from:l.pos]))
		} else {
			for l.pos < len(l.src) && !strings.ContainsRune(" \t\r\n.=[]{},#\"'", rune(l.src[l.pos])) {
				l.pos++
			}
			if l.pos == from {
				return parts, start
			}
			parts = append(parts, l.src[from:l.pos])
		}
		if len(parts) > maxDepth {
			l.tooDeep(start)
			return nil, start
		}
		l.space()
		if l.peek() != '.' {
			return parts, start
		}
		l.pos++
	}
}

// text steps over a string of any of the four kinds.
func (l *locator) text() {
	quote := l.src[l.pos : l.pos+1]
	if rest := l.src[l.pos:]; strings.HasPrefix(rest, quote+quote+quote) {
		quote = rest[:3]
	}
	l.pos += len(quote)
	for l.pos < len(l.src) {
		switch {
		case quote[0] == '"' && l.src[l.pos] == '\\':
			l.pos = min(l.pos+2, len(l.src))
		case strings.HasPrefix(l.src[l.pos:], quote):
			l.pos += len(quote)
			for n := 0; n < 2 && len(quote) == 3 && l.peek() == quote[0]; n++ { // """ may end in two more quotes
				l.pos++
			}
			return
		default:
			l.pos++
		}
	}
}

// unquote leaves the escapes to the decoder.
func unquote(quoted string) string {
	var v struct{ K string }
	if _, err := toml.Decode("K="+quoted, &v); err != nil {
		return quoted
	}
	return v.K
}

func (l *locator) note(path string, pos int) {
	if _, ok := l.at[path]; !ok {
		l.at[path] = place{line: l.lineOf(pos), seq: len(l.at)}
	}
}

func (l *locator) define(path string, pos int, statement bool) {
	if !l.defined[path] {
		l.defined[path] = true
		l.at[path] = place{line: l.lineOf(pos), seq: l.at[path].seq}
		return
	}
	dup := duplicate{key: path, line: l.lineOf(pos), first: l.at[path].line, statement: statement, start: pos}
	l.dups = append(l.dups, dup)
}

// lineOf counts on from the last answer; positions only grow.
func (l *locator) lineOf(pos int) int {
	if pos > l.counted {
		l.line += strings.Count(l.src[l.counted:pos], "\n")
		l.counted = pos
	}
	return l.line
}

func (l *locator) peek() byte {
	if l.pos < len(l.src) {
		return l.src[l.pos]
	}
	return 0
}

func (l *locator) space() {
	for c := l.peek(); c == ' ' || c == '\t'; c = l.peek() {
		l.pos++
	}
}

// blank steps over white space, newlines and comments.
func (l *locator) blank() {
	for l.pos < len(l.src) {
		switch l.src[l.pos] {
		case ' ', '\t', '\r', '\n':
			l.pos++
		case '#':
			l.skipLine()
		default:
			return
		}
	}
}

func (l *locator) skipLine() {
	if n := strings.IndexByte(l.src[l.pos:], '\n'); n >= 0 {
		l.pos += n + 1
	} else {
		l.pos = len(l.src)
	}
}
