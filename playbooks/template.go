package playbooks

import (
	"fmt"
	"regexp"
	"strings"

	"al.essio.dev/pkg/shellescape"
)

// placeholder is a parameter's place in a playbook. Not text/template: one form, no logic, and a mistake is refused
// when the file is loaded rather than found on a machine.
var placeholder = regexp.MustCompile(`\{\{\s*\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}`)

// templateNames returns the parameters that s names, and a message where a brace is none of ours.
func templateNames(s string) (names []string, problem string) {
	for _, m := range placeholder.FindAllStringSubmatch(s, -1) {
		names = append(names, m[1])
	}
	if rest := placeholder.ReplaceAllString(s, ""); strings.Contains(rest, "{{") || strings.Contains(rest, "}}") {
		problem = "a parameter is written {{.name}}"
	}
	return names, problem
}

// literal puts the values in as they are, for keys that aren't shell.
func literal(s string, values map[string]any) string {
	return placeholder.ReplaceAllStringFunc(s, func(m string) string {
		return text(values[placeholder.FindStringSubmatch(m)[1]])
	})
}

// shell puts the values in as quoted words; shellWords has made sure that each stands as a word of its own.
func shell(s string, values map[string]any) string {
	return placeholder.ReplaceAllStringFunc(s, func(m string) string {
		return alwaysQuoted(values[placeholder.FindStringSubmatch(m)[1]])
	})
}

// quote makes one word of a value for /bin/sh, or one a member of a list.
func quote(v any) string {
	list, ok := v.([]string)
	if !ok {
		list = []string{text(v)}
	}
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = shellescape.Quote(s)
	}
	return strings.Join(words, " ")
}

// alwaysQuoted quotes what needs no quotes as well: bare, a value like if or PATH=/tmp has a meaning to the shell
// where a command may stand.
func alwaysQuoted(v any) string {
	list, ok := v.([]string)
	if !ok {
		list = []string{text(v)}
	}
	words := make([]string, len(list))
	for i, s := range list {
		if words[i] = shellescape.Quote(s); words[i] == s {
			words[i] = "'" + s + "'"
		}
	}
	return strings.Join(words, " ")
}

// text is a value as a person would write it.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []string:
		return strings.Join(v, ",")
	default:
		return fmt.Sprint(v)
	}
}

// words quotes each of a list for a script.
func words(list ...string) string { return quote(list) }
