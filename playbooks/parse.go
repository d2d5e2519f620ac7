package playbooks

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// spec is one [[steps]] table: its type, the keys that every step may have, and those of its type.
type spec struct {
	index  int
	line   int
	kind   string
	common map[string]any
	keys   map[string]any
}

// kind is what a key's value must be.
type kind string

const (
	aString   kind = "string"
	aBool     kind = "bool"
	aList     kind = "list"
	aDuration kind = "duration"
	aShell    kind = "shell" // a script for /bin/sh, its parameters quoted
)

// commonKeys may stand in a step of any type. What is not given follows from the type.
var commonKeys = map[string]kind{
	"name": aString, "timeout": aDuration, "disruptive": aBool, "repeatable": aBool, "running": aBool, "stop": aString, "when": aString,
}

// stepType is one type of step: its keys, and how a step is made of them. Each is one file of this package.
type stepType struct {
	keys     map[string]kind
	required []string
	defaults Traits
	build    func(b *binding) Step
	// topLevel: the keys stand in the step itself rather than in a table under the type's name.
	topLevel bool
}

// types is filled by the files of the types, see register.
var types = map[string]stepType{}

// register makes a step type known; the file of a type calls it in a variable's declaration.
func register(name string, t stepType) struct{} {
	types[name] = t
	return struct{}{}
}

// parser collects what is wrong with one file.
type parser struct {
	file     string
	lines    []string
	params   map[string]Param
	problems Problems
}

func (p *parser) problem(line int, key, format string, args ...any) {
	p.problems = append(p.problems, Problem{File: p.file, Line: line, Key: key, Message: fmt.Sprintf(format, args...)})
}

// parse makes a playbook of a file's text.
func parse(dir, file, name string, source []byte) (*Playbook, error) {
	var doc map[string]any
	if _, err := toml.Decode(string(source), &doc); err != nil {
		problem := Problem{File: file, Message: err.Error()}
		var syntax toml.ParseError
		if errors.As(err, &syntax) {
			problem.Line, problem.Message = syntax.Position.Line, syntax.Message
		}
		return nil, Problems{problem}
	}
	p := &parser{file: file, lines: strings.Split(string(source), "\n")}
	book := &Playbook{Name: name, File: file, Dir: dir}
	for _, key := range slices.Sorted(maps.Keys(doc)) {
		if !slices.Contains([]string{"description", "params", "steps"}, key) {
			p.problem(p.find(0, key), key, "unknown key%s", didYouMean(key, []string{"description", "params", "steps"}))
		}
	}
	if d, ok := doc["description"]; ok {
		if book.Description, ok = d.(string); !ok {
			p.problem(p.find(0, "description"), "description", "must be a string")
		}
	}
	p.params = p.readParams(doc["params"])
	book.Params = p.params
	book.steps = p.readSteps(doc["steps"])
	return book, p.problems.err()
}

// find returns the line of a key's first appearance at or after a line (counted from 1), or that line.
func (p *parser) find(from int, key string) int {
	pattern := regexp.MustCompile(`(^|[\s{,.\["])` + regexp.QuoteMeta(key) + `["\s]*(=|\])`)
	for i := max(from-1, 0); i < len(p.lines); i++ {
		if i >= max(from, 1) && strings.HasPrefix(strings.TrimSpace(p.lines[i]), "[[") {
			break
		}
		if pattern.MatchString(p.lines[i]) {
			return i + 1
		}
	}
	return from
}

func (p *parser) readParams(v any) map[string]Param {
	params := map[string]Param{}
	if v == nil {
		return params
	}
	tables, ok := v.(map[string]any)
	if !ok {
		p.problem(p.find(0, "params"), "params", "must be a table of parameters: [params]")
		return params
	}
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		line := p.find(0, name)
		table, ok := tables[name].(map[string]any)
		switch {
		case !ok:
			p.problem(line, "params."+name, "must be a table: { required = true, help = \"…\" }")
		case !placeholder.MatchString("{{." + name + "}}"):
			p.problem(line, "params."+name, "a parameter's name has letters, digits and _ only")
		case slices.Contains(extraNames, name):
			p.problem(line, "params."+name, "is given by fleetup itself: choose another name")
		default:
			params[name] = p.readParam(line, name, table)
		}
	}
	return params
}

func (p *parser) readParam(line int, name string, table map[string]any) Param {
	param := Param{line: line, Type: "string"}
	at := "params." + name
	if d, ok := table["default"]; ok {
		param.Default, param.Type = normal(d)
		if param.Type == "" {
			p.problem(line, at+".default", "must be a string, bool, int or a list of strings")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		ok := true
		switch key {
		case "default":
		case "required":
			param.Required, ok = table[key].(bool)
		case "help":
			param.Help, ok = table[key].(string)
		case "type":
			want, _ := table[key].(string)
			ok = slices.Contains([]string{"string", "bool", "int", "list"}, want) && (param.Default == nil || param.Type == want)
			param.Type = want
		default:
			p.problem(line, at+"."+key, "unknown key%s", didYouMean(key, []string{"default", "required", "help", "type"}))
		}
		if !ok {
			p.problem(line, at+"."+key, "doesn't fit: required is a bool, help a string, type one of string, bool, int, list and that of the default")
		}
	}
	if param.Required && param.Default != nil {
		p.problem(line, at, "a required parameter has no default")
	}
	return param
}

// normal brings a TOML value to one of the four types of parameters; its type's name is "" where it is none of them.
func normal(v any) (any, string) {
	switch v := v.(type) {
	case string:
		return v, "string"
	case bool:
		return v, "bool"
	case int:
		return int64(v), "int"
	case int64:
		return v, "int"
	case []string:
		return v, "list"
	case []any:
		list := make([]string, len(v))
		for i, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, ""
			}
			list[i] = s
		}
		return list, "list"
	}
	return nil, ""
}

// duration reads "20m", and "30d" besides, for days are what uptimes are counted in.
func duration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		if _, err := fmt.Sscanf(days+"\n", "%d\n", &n); err == nil && n >= 0 && n < 36500 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no duration: write it like 90s, 20m, 2h or 30d", s)
	}
	return d, nil
}
