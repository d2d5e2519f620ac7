package playbooks

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// extraNames are the names that every playbook may use besides its parameters: the node, and the minor of its
// parameter version ("1.37" of "1.37.2", "" where that has none).
var extraNames = []string{"node", "minor"}

var minorPattern = regexp.MustCompile(`^(\d+\.\d+)\.\d+`)

// versionPattern is what a version may look like, which is stricter than what a shell needs, for versions also become
// parts of file names and package names.
var versionPattern = regexp.MustCompile(`^[0-9][A-Za-z0-9.+:~^_-]{0,99}$`)

// binding is one step being made: the parameters' values, the node, and where problems go.
type binding struct {
	spec
	book     *Playbook
	target   Target
	values   map[string]any
	problems *Problems
}

// Bind checks the parameters and makes the steps for one node. What is wrong is returned as Problems, all at once.
func (p *Playbook) Bind(params map[string]any, t Target) ([]Step, error) {
	values, problems := p.bindParams(params)
	if len(problems) > 0 {
		return nil, problems.err()
	}
	values["node"], values["minor"] = t.Node, ""
	if m := minorPattern.FindStringSubmatch(text(values["version"])); m != nil {
		values["minor"] = m[1]
	}
	var steps []Step
	for _, s := range p.steps {
		b := &binding{spec: s, book: p, target: t, values: values, problems: &problems}
		if when, ok := s.common["when"]; ok && slices.Contains([]string{"", "false"}, literal(text(when), values)) {
			continue
		}
		if step := types[s.kind].build(b); step != nil {
			steps = append(steps, step)
		}
	}
	if len(problems) > 0 {
		return nil, problems.err()
	}
	return steps, nil
}

// written is what a parameter of a type looks like in an inventory.
var written = map[string]string{
	"string": `a string, in quotes`, "bool": `true or false, without quotes`, "int": `a whole number, without quotes`, "list": `a list of strings, as ["a", "b"]`,
}

// bindParams checks the given parameters and puts the defaults beside them.
func (p *Playbook) bindParams(given map[string]any) (map[string]any, Problems) {
	values := map[string]any{}
	meant := map[string]bool{} // told already, beside the name that was misspelt
	var problems Problems
	problem := func(name, format string, args ...any) {
		problems = append(problems, Problem{Key: name, Message: fmt.Sprintf(format, args...)})
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		param, known := p.Params[name]
		v, kind := normal(given[name])
		switch {
		case !known:
			meant[nearest(name, slices.Sorted(maps.Keys(p.Params)))] = true
			problem(name, "unknown parameter of playbook %s%s", p.Name, didYouMean(name, slices.Sorted(maps.Keys(p.Params))))
		case kind != param.Type:
			problem(name, "must be %s", written[param.Type])
		case unsafe(v):
			problem(name, "holds a control character: refused")
		default:
			values[name] = v
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Params)) {
		param := p.Params[name]
		_, has := given[name]
		switch {
		case !has && param.Required && !meant[name]:
			problem(name, "is missing: playbook %s needs it (%s)", p.Name, param.Help)
		case has && param.Required && text(values[name]) == "" && values[name] != nil:
			problem(name, "is empty: playbook %s needs it (%s)", p.Name, param.Help)
		case !has:
			values[name] = param.Default
		}
	}
	return values, problems
}

// unsafe reports whether a value holds what no shell, log or terminal should be given.
func unsafe(v any) bool {
	if list, ok := v.([]string); ok {
		return slices.ContainsFunc(list, func(s string) bool { return unsafe(s) })
	}
	s, ok := v.(string)
	return ok && strings.ContainsFunc(s, unicode.IsControl)
}

// fail notes that a key of this step can't be used with the parameters that it was given. One that is nothing but a
// parameter is that one's problem, on the inventory's line.
func (b *binding) fail(key, format string, args ...any) {
	v, ok := b.keys[key]
	if !ok {
		v = b.common[key]
	}
	raw, _ := v.(string)
	if m := placeholder.FindStringSubmatch(raw); m != nil && m[0] == raw {
		*b.problems = append(*b.problems, Problem{Key: m[1], Message: fmt.Sprintf(format, args...)})
		return
	}
	*b.problems = append(*b.problems, Problem{
		File: b.book.File, Line: b.line, Key: fmt.Sprintf("steps[%d].%s", b.index, key), Message: fmt.Sprintf(format, args...),
	})
}

// value is a key's value with the parameters in it; where it is nothing but a parameter, that one's own value.
func (b *binding) value(key string) any {
	v, ok := b.keys[key]
	if !ok {
		v = b.common[key]
	}
	switch v := v.(type) {
	case string:
		if m := placeholder.FindStringSubmatch(v); m != nil && m[0] == v {
			return b.values[m[1]]
		}
		return literal(v, b.values)
	case []string:
		list := make([]string, len(v))
		for i, s := range v {
			list[i] = literal(s, b.values)
		}
		return list
	}
	return v
}

func (b *binding) has(key string) bool { _, ok := b.keys[key]; return ok }

func (b *binding) str(key string) string { return text(b.value(key)) }

// script is a shell key with its parameters quoted.
func (b *binding) script(key string) string {
	s, _ := b.keys[key].(string)
	return shell(s, b.values)
}

func (b *binding) list(key string) []string {
	switch v := b.value(key).(type) {
	case nil:
	case []string:
		return v
	case string:
		if v != "" {
			return []string{v}
		}
	default:
		b.fail(key, "must be a list")
	}
	return nil
}

func (b *binding) flag(key string, otherwise bool) bool {
	switch v := b.value(key).(type) {
	case nil:
		return otherwise
	case bool:
		return v
	}
	b.fail(key, "must be true or false")
	return otherwise
}

func (b *binding) duration(key string, otherwise time.Duration) time.Duration {
	s := b.str(key)
	if s == "" {
		return otherwise
	}
	d, err := duration(s)
	if err != nil {
		b.fail(key, "%v", err)
	}
	return d
}

// version is a key that holds a version; words are what is allowed beside one.
func (b *binding) version(key string, words ...string) string {
	v := b.str(key)
	if !slices.Contains(words, v) && !versionPattern.MatchString(v) {
		b.fail(key, "%q is no version: it begins with a digit (1.37.2 rather than v1.37.2) and has letters, digits and . + : ~ ^ _ - only", v)
	}
	return v
}
