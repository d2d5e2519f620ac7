package inventory

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// reader collects problems, so that a file with twenty mistakes takes one reading and not twenty.
type reader struct {
	places   *places
	folder   string // of the inventory, absolute
	problems Problems
}

func (r *reader) problem(key, format string, args ...any) {
	file, line := r.places.pos(key)
	r.problems = append(r.problems, Problem{File: file, Line: line, Key: key, Message: fmt.Sprintf(format, args...)})
}

// table is a TOML table that is being read. Every key that is asked for is thereby known; done refuses the others.
// Getters return false for a key that is absent or wrong, and report the wrong one.
type table struct {
	*reader
	path  string
	m     map[string]any
	known map[string]bool
}

func (t *table) key(name string) string { return child(t.path, name) }

func (t *table) bad(name, format string, args ...any) { t.problem(t.key(name), format, args...) }

func (t *table) get(name string) (any, bool) {
	t.know(name)
	v, ok := t.m[name]
	return v, ok
}

func (t *table) know(name string) {
	if t.known == nil {
		t.known = map[string]bool{}
	}
	t.known[name] = true
}

// done refuses the keys that nobody asked for.
func (t *table) done() {
	for _, name := range t.names() {
		if !t.known[name] {
			t.bad(name, "unknown key%s", t.hint(name))
		}
	}
}

// elsewhere refuses a key that is known, but not in this table.
func (t *table) elsewhere(name, where string) {
	if _, ok := t.m[name]; ok {
		t.know(name)
		t.bad(name, "stands only in %s", where)
	}
}

// wrongType says what was expected, and how it would look.
func (t *table) wrongType(name, want string) {
	t.bad(name, "must be %s, not %s", want, kindOf(t.m[name]))
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case bool:
		return "true or false"
	case int64:
		return "a whole number"
	case float64:
		return "a decimal number"
	case time.Time:
		return "a date or time"
	case map[string]any:
		return "a table"
	default:
		return "a list"
	}
}

// sub is the table name within t; without one it is empty, and ok is false.
func (t *table) sub(name string) (sub *table, ok bool) {
	sub = &table{reader: t.reader, path: t.key(name)}
	v, ok := t.get(name)
	if !ok {
		return sub, false
	}
	if sub.m, ok = v.(map[string]any); !ok {
		t.wrongType(name, "a table")
	}
	return sub, ok
}

// subs are the tables in the list name, be it [[name]] or name = [{ … }].
func (t *table) subs(name string) []*table {
	v, ok := t.get(name)
	if !ok {
		return nil
	}
	var subs []*table
	add := func(m map[string]any) {
		subs = append(subs, &table{reader: t.reader, path: element(t.key(name), len(subs)), m: m})
	}
	switch list := v.(type) {
	case []map[string]any:
		for _, m := range list {
			add(m)
		}
		return subs
	case []any:
		for _, e := range list {
			m, isTable := e.(map[string]any)
			if !isTable {
				t.wrongType(name, "a list of tables")
				return nil
			}
			add(m)
		}
		return subs
	}
	t.wrongType(name, "a list of tables")
	return nil
}

// names are the table's keys, in the file's order.
func (t *table) names() []string {
	return slices.SortedFunc(maps.Keys(t.m), func(a, b string) int {
		return t.places.find(t.key(a)).seq - t.places.find(t.key(b)).seq
	})
}

// string takes the value of a --set as it was typed, so that --set upgrade.kubelet=1.37 is the version 1.37.
func (t *table) string(name string) (string, bool) {
	v, ok := t.get(name)
	if !ok {
		return "", false
	}
	if s, ok := v.(string); ok {
		return s, true
	}
	if at, ok := t.places.at[t.key(name)]; ok && at.set && isScalar(v) {
		return at.raw, true
	}
	t.wrongType(name, "a string")
	return "", false
}

func isScalar(v any) bool {
	switch v.(type) {
	case bool, int64, float64, time.Time:
		return true
	}
	return false
}

func (t *table) bool(name string) (value, ok bool) {
	v, ok := t.get(name)
	if !ok {
		return false, false
	}
	if value, ok = v.(bool); !ok {
		t.wrongType(name, "true or false")
	}
	return value, ok
}

// strings is a list of strings.
func (t *table) strings(name string) ([]string, bool) {
	v, ok := t.get(name)
	if !ok {
		return nil, false
	}
	list, ok := v.([]any)
	if !ok {
		t.wrongType(name, `a list of strings such as ["a", "b"]`)
		return nil, false
	}
	out := make([]string, len(list))
	for i, e := range list {
		if out[i], ok = e.(string); !ok {
			t.bad(name, "must hold strings only, not %s", kindOf(e))
			return nil, false
		}
	}
	return out, true
}

// intIn is a whole number from low to high.
func intIn(low, high int) func(*table, string) (int, bool) {
	return func(t *table, name string) (int, bool) {
		v, ok := t.get(name)
		if !ok {
			return 0, false
		}
		n, ok := v.(int64)
		if !ok {
			t.wrongType(name, "a whole number")
			return 0, false
		}
		if n < int64(low) && high == most {
			t.bad(name, "%d is too few: the least is %d", n, low)
			return 0, false
		}
		if n < int64(low) || n > int64(high) {
			t.bad(name, "%d is not between %d and %d", n, low, high)
			return 0, false
		}
		return int(n), true
	}
}

// oneOf is one of valid.
func oneOf(valid []string) func(*table, string) (string, bool) {
	return func(t *table, name string) (string, bool) {
		v, ok := t.string(name)
		if !ok || slices.Contains(valid, v) {
			return v, ok
		}
		t.bad(name, "unknown value %q%s", v, didYouMean(v, valid))
		return "", false
	}
}
