package parts

import (
	"regexp"
	"strings"
	"unicode"
)

// escapes are what a terminal takes for an order: a colour, a cursor's move, a window's title (ECMA-48, 5.3 and 5.4; xterm's OSC).
var escapes = regexp.MustCompile(`(?:\x1b\[|\x{9b})[0-?]*[ -/]*[@-~]?|(?:\x1b\]|\x{9d})[^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?`)

// Plain is a text as it may be shown, whoever wrote it: without what a terminal would obey, or what would show it in another order
// than it is read. Line feeds and tabs stay; of a line that was
// written over and over, as a progress bar is, its last state does.
func Plain(text string) string {
	obeyed := func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r)
	}
	if !strings.ContainsFunc(text, obeyed) {
		return text
	}
	lines := strings.Split(escapes.ReplaceAllString(text, ""), "\n")
	for i, line := range lines {
		line = strings.TrimRight(line, "\r")
		line = line[strings.LastIndexByte(line, '\r')+1:]
		lines[i] = strings.Map(func(r rune) rune {
			if obeyed(r) {
				return -1
			}
			return r
		}, line)
	}
	return strings.Join(lines, "\n")
}
