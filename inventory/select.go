package inventory

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Select returns the hosts that a --limit expression names, in the inventory's order: host or Node names, ranges,
// @groups, separated by commas; what has a leading ! is taken away, from all hosts if nothing else is named. "" is all.
//
// A name or group that doesn't exist is an error, and so is a selection of nothing: the command would look as if it had
// done its work.
func (f *Fleet) Select(expr string) ([]Host, error) {
	if strings.TrimSpace(expr) == "" {
		return slices.Clone(f.Hosts), nil
	}
	wanted, unwanted := map[string]bool{}, map[string]bool{}
	all := true
	for _, term := range terms(expr) {
		name, negative := strings.CutPrefix(term, "!")
		into := wanted
		if negative {
			into = unwanted
		} else {
			all = false
		}
		if err := f.match(strings.TrimSpace(name), into); err != nil {
			return nil, fmt.Errorf("--limit %q: %w", expr, err)
		}
	}
	var hosts []Host
	for _, h := range f.Hosts {
		if (all || wanted[h.Name]) && !unwanted[h.Name] {
			hosts = append(hosts, h)
		}
	}
	if len(hosts) == 0 {
		return nil, fmt.Errorf("--limit %q selects no host of the %d in %s", expr, len(f.Hosts), f.Path)
	}
	return hosts, nil
}

// terms splits at the commas that aren't in brackets.
func terms(expr string) []string {
	depth, from := 0, 0
	var out []string
	for i, r := range expr {
		switch {
		case r == '[':
			depth++
		case r == ']':
			depth--
		case r == ',' && depth <= 0:
			out = append(out, strings.TrimSpace(expr[from:i]))
			from = i + 1
		}
	}
	return append(out, strings.TrimSpace(expr[from:]))
}

// match adds the hosts of one term.
func (f *Fleet) match(term string, into map[string]bool) error {
	if term == "" {
		return fmt.Errorf("an empty part between commas")
	}
	if group, isGroup := strings.CutPrefix(term, "@"); isGroup {
		return f.matchGroup(group, into)
	}
	names, err := expand(term)
	if err != nil {
		return err
	}
	known := f.byName()
	for _, name := range names {
		host, ok := known[name]
		if !ok {
			return fmt.Errorf("no host %q in %s%s", name, f.Path, didYouMean(name, slices.Sorted(maps.Keys(known))))
		}
		into[host] = true
	}
	return nil
}

// byName finds a host's name by it and by its Node's name; Load made sure that they don't clash.
func (f *Fleet) byName() map[string]string {
	known := make(map[string]string, len(f.Hosts))
	for _, h := range f.Hosts {
		known[h.Name], known[h.Node] = h.Name, h.Name
	}
	return known
}

func (f *Fleet) matchGroup(group string, into map[string]bool) error {
	groups := map[string]bool{}
	for _, h := range f.Hosts {
		for _, g := range h.Groups {
			groups[g] = true
		}
		if h.InGroup(group) {
			into[h.Name] = true
		}
	}
	if !groups[group] {
		return fmt.Errorf("no host of %s is in a group %q%s", f.Path, group, didYouMean(group, slices.Sorted(maps.Keys(groups))))
	}
	return nil
}
