package inventory

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// prometheus is [prometheus].
func (r *reader) prometheus(root *table) Prometheus {
	var p Prometheus
	t, ok := root.sub("prometheus")
	if !ok {
		return p
	}
	t.needs("url", `url = "http://prometheus:9090"`)
	p.URL, _ = t.url("url")
	p.Bearer, _ = t.secret("bearer")
	p.User, _ = t.safe("user", checkUser)
	p.Password, _ = t.secret("password")
	p.CAFile, _ = t.filePath("ca_file")
	t.done()
	_, bearer := t.m["bearer"]
	_, user := t.m["user"]
	_, password := t.m["password"]
	if user != password {
		t.problem(t.path, "user and password go together")
	}
	if bearer && (user || password) {
		t.problem(t.path, "either bearer, or user and password")
	}
	return p
}

func (t *table) url(name string) (string, bool) {
	s, ok := t.string(name)
	if ok {
		if err := checkURL(s); err != nil {
			t.bad(name, "%v", err)
			return "", false
		}
	}
	return s, ok
}

// gates is [[gate]].
func (r *reader) gates(root *table, p Prometheus) []Gate {
	var all []Gate
	for _, t := range root.subs("gate") {
		t.used()
		g := t.gate()
		t.done()
		if i := slices.IndexFunc(all, func(other Gate) bool { return other.Name == g.Name }); i >= 0 && g.Name != "" {
			_, line := r.places.pos(all[i].Key)
			r.problem(g.Key, "the gate on line %d has the name %q too: give one of them another", line, g.Name)
		}
		if g.Query != "" && p.URL == "" {
			t.bad("query", `needs [prometheus] with url = "http://prometheus:9090"`)
		}
		all = append(all, g)
	}
	return all
}

// kinds are the ways to ask, each with the keys that go with it alone.
var kinds = []struct {
	key   string
	alone []string
}{
	{"query", nil},
	{"url", []string{"status", "max_latency"}},
	{"command", nil},
	{"resource", []string{"namespace", "object", "jsonpath", "equals"}},
}

func (t *table) gate() Gate {
	g := Gate{Status: 200, Timeout: 10 * time.Second, Deadline: time.Minute, Key: t.path}
	t.needs("name", `name = "error rate"`)
	g.Name, _ = t.label("name")
	kind := t.kind()
	g.Query, _ = t.query("query")
	g.URL, _ = t.url("url")
	if n, ok := intIn(100, 599)(t, "status"); ok {
		g.Status = n
	}
	g.MaxLatency, _ = t.duration("max_latency", time.Millisecond)
	if command, ok := t.strings("command"); ok {
		g.Command = t.program("command", command)
	}
	t.object(&g)
	g.Min, g.Max = t.number("min"), t.number("max")
	g.MaxIncrease = t.increase("max_increase")
	t.judged(g, kind)
	if d, ok := t.timeout("timeout"); ok {
		g.Timeout = d
	}
	if d, ok := t.timeout("deadline"); ok {
		g.Deadline = d
	}
	return g
}

// kind is the key that says what is asked; "" where there isn't exactly one.
func (t *table) kind() string {
	kind, n := "", 0
	for _, k := range kinds {
		if _, ok := t.m[k.key]; ok {
			kind = k.key
			n++
		}
	}
	if n != 1 {
		t.problem(t.path, `needs exactly one of query, url, command and resource, or use = "NAME" of "fleetup gates"`)
		kind = ""
	}
	for _, k := range kinds {
		for _, key := range k.alone {
			if _, ok := t.m[key]; ok && kind != "" && kind != k.key {
				t.bad(key, "goes with %s alone", k.key)
			}
		}
	}
	return kind
}

// object reads which objects, and which field.
func (t *table) object(g *Gate) {
	g.Resource, _ = t.safe("resource", matching(dnsName, `a resource such as "nodes" or "cephclusters.ceph.rook.io"`))
	g.Namespace, _ = t.safe("namespace", matching(dnsLabel, "a namespace's name"))
	g.Object, _ = t.safe("object", checkNode)
	if path, ok := t.string("jsonpath"); ok {
		if g.JSONPath = path; strings.TrimSpace(path) == "" {
			t.bad("jsonpath", "names no field; write one such as {.status.phase}")
		}
	}
	if one, ok := t.m["equals"].(string); ok {
		t.know("equals")
		g.Equals = []string{one}
	} else {
		g.Equals, _ = t.strings("equals")
	}
	if slices.Contains(g.Equals, "") {
		t.bad("equals", "an empty field never passes")
	}
}

// judged makes sure that something judges the answer.
func (t *table) judged(g Gate, kind string) {
	bounded := slices.ContainsFunc(bounds[:3], func(b string) bool { _, ok := t.m[b]; return ok })
	_, equals := t.m["equals"]
	switch {
	case kind == "query" && !bounded:
		t.problem(t.path, "needs min, max or max_increase: without one nothing is ever bad")
	case kind == "url" && bounded:
		t.problem(t.path, "min, max and max_increase don't go with url; status and max_latency do")
	case kind == "resource" && equals == bounded:
		t.problem(t.path, "needs either equals, or one of min, max and max_increase")
	}
	if kind == "resource" {
		t.needs("jsonpath", `jsonpath = "{.status.phase}"`)
	}
	if g.Min != nil && g.Max != nil && *g.Min > *g.Max {
		t.bad("min", "is more than max: nothing would ever be good")
	}
}

// label is a name for people.
func (t *table) label(name string) (string, bool) {
	s, ok := t.string(name)
	if !ok {
		return "", false
	}
	if strings.TrimSpace(s) != s || s == "" || len(s) > 63 || strings.IndexFunc(s, unicode.IsControl) >= 0 {
		t.bad(name, "%q is not a name of 1 to 63 characters on one line", s)
		return "", false
	}
	return s, true
}

var anyPlaceholder = regexp.MustCompile(`\{\{[^}]*\}\}`)

// query is PromQL. It is no template: the two placeholders are all there is.
func (t *table) query(name string) (string, bool) {
	s, ok := t.string(name)
	if !ok {
		return "", false
	}
	s = strings.TrimSpace(s)
	if s == "" {
		t.bad(name, "an empty query")
	}
	for _, p := range anyPlaceholder.FindAllString(s, -1) {
		if inside := strings.TrimSpace(p[2 : len(p)-2]); inside != ".Upgraded" && inside != ".Others" {
			t.bad(name, "%s: known are {{.Upgraded}} and {{.Others}}", p)
			return "", false
		}
	}
	return s, s != ""
}

// number is a whole or decimal number; TOML knows inf and nan, which bound nothing.
func (t *table) number(name string) *float64 {
	v, ok := t.get(name)
	if !ok {
		return nil
	}
	var n float64
	switch v := v.(type) {
	case int64:
		n = float64(v)
	case float64:
		n = v
	default:
		t.wrongType(name, "a number")
		return nil
	}
	if math.IsNaN(n) || math.IsInf(n, 0) {
		t.bad(name, "%v bounds nothing", v)
		return nil
	}
	return &n
}

var percentage = regexp.MustCompile(`^([0-9]{1,6}(\.[0-9]{1,6})?)%$`)

// increase is a percent, which may be more than a hundred.
func (t *table) increase(name string) *float64 {
	s, ok := t.string(name)
	if !ok {
		return nil
	}
	match := percentage.FindStringSubmatch(s)
	if match == nil {
		t.bad(name, `%q is not a percent such as "20%%"`, s)
		return nil
	}
	n, err := strconv.ParseFloat(match[1], 64)
	if err != nil {
		t.bad(name, "%v", fmt.Errorf("%q: %w", s, err))
		return nil
	}
	n /= 100
	return &n
}
