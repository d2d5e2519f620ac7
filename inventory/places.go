package inventory

import (
	"strconv"
	"strings"
)

// place is where a key stands.
type place struct {
	line int
	seq  int    // order of appearance
	set  bool   // given by --set
	raw  string // --set: the value as typed
}

// places finds keys in an inventory and its --set values.
type places struct {
	file string
	at   map[string]place
}

// find returns the place of key, or of the nearest table around it.
func (p *places) find(key string) place {
	if p == nil {
		return place{}
	}
	for ; key != ""; key = parent(key) {
		if found, ok := p.at[key]; ok {
			return found
		}
	}
	return place{}
}

func (p *places) pos(key string) (file string, line int) {
	if p == nil {
		return "", 0
	}
	found := p.find(key)
	if found.set {
		return setFile, 0
	}
	return p.file, found.line
}

// child is the dotted key of name in the table path.
func child(path, name string) string {
	if !isBare(name) {
		name = strconv.Quote(name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// element is the key of the nth element of the array path.
func element(path string, n int) string {
	return path + "[" + strconv.Itoa(n) + "]"
}

// parent is the key around key: hosts."n[1-2]" for hosts."n[1-2]".labels, "" at the top.
func parent(key string) string {
	cut, quoted := 0, false
	for i := 0; i < len(key); i++ {
		switch c := key[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '.' || c == '['):
			cut = i
		}
	}
	return key[:cut]
}

func isBare(name string) bool {
	return name != "" && strings.IndexFunc(name, func(r rune) bool { return r > 127 || !isBareByte(byte(r)) }) < 0
}

func isBareByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}
