package inventory

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// file is a path: ~ is the home folder, and what is relative is relative to the inventory's folder.
func (r *reader) file(s string) (string, error) {
	switch {
	case s == "":
		return "", fmt.Errorf("names no file")
	case strings.IndexFunc(s, unicode.IsControl) >= 0:
		return "", fmt.Errorf("unsafe string %q: control characters and line breaks are refused", s)
	case s[0] == '-':
		return "", unsafe(s)
	case s == "~" || strings.HasPrefix(s, "~/"):
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("%q: the home folder is unknown: %w", s, err)
		}
		return filepath.Join(home, s[1:]), nil
	case s[0] == '~':
		return "", fmt.Errorf("%q: only your own home folder can be written as ~; write the whole path", s)
	case filepath.IsAbs(s):
		return filepath.Clean(s), nil
	}
	return filepath.Join(r.folder, s), nil
}

// filePath is one path.
func (t *table) filePath(name string) (string, bool) {
	s, ok := t.string(name)
	if !ok {
		return "", false
	}
	path, err := t.file(s)
	if err != nil {
		t.bad(name, "%v", err)
	}
	return path, err == nil
}

// paths is a list of paths.
func (t *table) paths(name string) ([]string, bool) {
	list, ok := t.strings(name)
	if !ok {
		return nil, false
	}
	for i, s := range list {
		path, err := t.file(s)
		if err != nil {
			t.bad(name, "%v", err)
			return nil, false
		}
		list[i] = path
	}
	return list, true
}
