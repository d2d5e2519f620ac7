package gate

import (
	"regexp"
	"slices"
	"strings"
)

var placeholder = regexp.MustCompile(`\{\{\s*\.(Upgraded|Others)\s*\}\}`)

// filled puts the nodes into a query.
func (w World) filled(query string, upgraded, others []string) string {
	return placeholder.ReplaceAllStringFunc(query, func(name string) string {
		if strings.Contains(name, "Upgraded") {
			return w.pattern(upgraded)
		}
		return w.pattern(others)
	})
}

// nobody is the pattern of no nodes: a word that no node can be called, since names don't begin with a dash. An empty
// pattern would match every series that lacks the label.
const nobody = "-none-"

// pattern is a regular expression (RE2) that matches each node by each of its names, and nothing else. It is a group, so that
// whatever stands beside it in the query goes with all of them. Prometheus anchors patterns by itself.
func (w World) pattern(nodes []string) string {
	var names []string
	for _, n := range nodes {
		names = append(names, quoteName(n))
		if w.Names != nil {
			for _, other := range w.Names(n) {
				names = append(names, quoteName(other))
			}
		}
	}
	if len(names) == 0 {
		names = []string{nobody}
	}
	slices.Sort(names)
	return "(?:" + strings.Join(slices.Compact(names), "|") + ")"
}

var escaped = regexp.MustCompile(`\\(.)`)

// quoteName matches the name itself. Without backslashes, which mean one thing between double quotes of a query and another
// between backquotes: n[.]1 rather than n\.1.
func quoteName(name string) string {
	if strings.ContainsAny(name, `\^`) { // can't stand so in a class; nor in the name of a node or an address
		return nobody
	}
	return escaped.ReplaceAllString(regexp.QuoteMeta(name), "[$1]")
}
