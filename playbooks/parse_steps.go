package playbooks

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// readSteps reads [[steps]].
func (p *parser) readSteps(v any) []spec {
	tables, ok := v.([]map[string]any)
	if !ok {
		list, _ := v.([]any)
		for _, e := range list {
			if table, isTable := e.(map[string]any); isTable {
				tables = append(tables, table)
			}
		}
		if len(tables) != len(list) || len(list) == 0 {
			p.problem(p.find(0, "steps"), "steps", "a playbook needs at least one [[steps]] table")
			return nil
		}
	}
	headers := p.headers()
	steps := make([]spec, 0, len(tables))
	for i, table := range tables {
		s := spec{index: i, common: map[string]any{}, keys: map[string]any{}}
		if i < len(headers) {
			s.line = headers[i]
		}
		p.readStep(&s, table)
		steps = append(steps, s)
	}
	return steps
}

// headers are the lines where the steps begin.
func (p *parser) headers() []int {
	var lines []int
	for i, line := range p.lines {
		if strings.HasPrefix(strings.Join(strings.Fields(line), ""), "[[steps]]") {
			lines = append(lines, i+1)
		}
	}
	return lines
}

func (p *parser) readStep(s *spec, table map[string]any) {
	s.kind = stepKind(table)
	t, ok := types[s.kind]
	at := func(key string) string { return "steps[" + strconv.Itoa(s.index) + "]." + key }
	switch {
	case !ok:
		p.problem(s.line, strings.TrimSuffix(at(""), "."), "has no type: one of %s, or apply with check", strings.Join(tableTypes(), ", "))
		return
	}
	own := map[string]any{}
	if inner, isTable := table[s.kind].(map[string]any); isTable && !t.topLevel {
		own = inner
	}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		_, common := commonKeys[key]
		switch {
		case common:
			s.common[key] = p.value(s.line, at(key), key, commonKeys[key], table[key])
		case key == s.kind && !t.topLevel:
		case t.topLevel:
			own[key] = table[key]
		default:
			p.problem(p.find(s.line, key), at(key), "unknown key for a %s step%s", s.kind, didYouMean(key, slices.Concat(tableTypes(), slices.Sorted(maps.Keys(commonKeys)))))
		}
	}
	p.readKeys(s, t, own, at)
}

// readKeys reads the keys of the step's own type.
func (p *parser) readKeys(s *spec, t stepType, own map[string]any, at func(string) string) {
	line, near := s.line, slices.Sorted(maps.Keys(t.keys))
	if t.topLevel {
		near = append(near, slices.Sorted(maps.Keys(commonKeys))...)
	} else {
		line = p.find(s.line, s.kind)
	}
	for _, key := range slices.Sorted(maps.Keys(own)) {
		want, known := t.keys[key]
		if !known {
			p.problem(p.find(line, key), at(key), "unknown key for a %s step%s", s.kind, didYouMean(key, near))
			continue
		}
		s.keys[key] = p.value(line, at(key), key, want, own[key])
	}
	for _, key := range t.required {
		if _, ok := own[key]; !ok {
			p.problem(s.line, at(key), "is missing: a %s step needs it", s.kind)
		}
	}
}

// stepKind names a step's type by its keys.
func stepKind(table map[string]any) string {
	for _, name := range tableTypes() {
		if v, ok := table[name]; ok && !(name == "reboot" && isBool(v)) {
			return name
		}
	}
	if _, ok := table["power"]; ok {
		return "power"
	}
	for key := range types["command"].keys {
		if _, ok := table[key]; ok {
			return "command"
		}
	}
	return ""
}

func isBool(v any) bool { _, ok := v.(bool); return ok }

// tableTypes are the types that are written as a table, sorted.
func tableTypes() []string {
	var names []string
	for name, t := range types {
		if !t.topLevel {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// value checks one key's value as far as it can be without the parameters, and returns it.
func (p *parser) value(line int, at, key string, want kind, v any) any {
	line = p.find(line, key)
	switch v := v.(type) {
	case string:
		p.checkText(line, at, want, v)
		return v
	case bool:
		if want == aBool {
			return v
		}
	default:
		if list, name := normal(v); want == aList && name == "list" {
			for _, s := range list.([]string) {
				p.checkText(line, at, aString, s)
			}
			return list
		}
	}
	p.problem(line, at, "must be a %s", strings.Replace(string(want), "shell", "string", 1))
	return nil
}

// checkText checks a string's parameters, and, where it has none, that it fits its key.
func (p *parser) checkText(line int, at string, want kind, s string) {
	names, problem := templateNames(s)
	for _, name := range names {
		if _, known := p.params[name]; !known && !slices.Contains(extraNames, name) {
			p.problem(line, at, "{{.%s}} is no parameter of this playbook%s", name, didYouMean(name, slices.Concat(slices.Sorted(maps.Keys(p.params)), extraNames)))
		}
	}
	if problem == "" && want == aShell {
		problem = shellWords(s)
	}
	if strings.ContainsRune(s, 0) {
		problem = "holds a NUL character"
	}
	if problem != "" {
		p.problem(line, at, "%s", problem)
	}
	if len(names) > 0 {
		return
	}
	switch want {
	case aDuration:
		if _, err := duration(s); err != nil {
			p.problem(line, at, "%v", err)
		}
	case aBool, aList:
		p.problem(line, at, "must be a %s", want)
	}
}
