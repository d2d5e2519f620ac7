package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fleetup/fleetup/runner"
)

// fold writes names that end in numbers as ranges: node3, node1, gpu7, node2 → "node[1-3],gpu7". Names that differ in their
// number alone stand together, by number, where the first of them was given; zero padding is kept.
func fold(names []string) string {
	names = byNumber(names)
	var parts []string
	for i := 0; i < len(names); {
		stem, digits := splitNumber(names[i])
		j, last := i+1, digits
		for j < len(names) && digits != "" {
			s, d := splitNumber(names[j])
			if s != stem || len(d) != len(successor(last)) || d != successor(last) {
				break
			}
			last = d
			j++
		}
		if j == i+1 {
			parts = append(parts, names[i])
		} else {
			parts = append(parts, fmt.Sprintf("%s[%s-%s]", stem, digits, last))
		}
		i = j
	}
	return strings.Join(parts, ",")
}

// byNumber puts names of one stem together, in the order of their numbers.
func byNumber(names []string) []string {
	first := map[string]int{}
	for i, name := range names {
		if stem, _ := splitNumber(name); first[stem] == 0 {
			first[stem] = i + 1
		}
	}
	names = slices.Clone(names)
	slices.SortStableFunc(names, func(a, b string) int {
		stemA, a := splitNumber(a)
		stemB, b := splitNumber(b)
		valueA, valueB := strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		return cmp.Or(first[stemA]-first[stemB], len(valueA)-len(valueB), strings.Compare(valueA, valueB), len(a)-len(b))
	})
	return names
}

// together tells findings that differ in their node alone as one, with the nodes as ranges: what is true of a whole
// fleet is said once. Each stands where its first node did.
func together(findings []runner.Finding) []runner.Finding {
	nodes, at := map[runner.Finding][]string{}, []runner.Finding{}
	for _, f := range findings {
		node := f.Node
		f.Node = ""
		if len(nodes[f]) == 0 {
			at = append(at, f)
		}
		nodes[f] = append(nodes[f], node)
	}
	for i, f := range at {
		at[i].Node = fold(nodes[f])
	}
	return at
}

// splitNumber cuts the decimal digits off the end of a name.
func splitNumber(name string) (stem, digits string) {
	i := len(name)
	for i > 0 && name[i-1] >= '0' && name[i-1] <= '9' {
		i--
	}
	return name[:i], name[i:]
}

// successor adds one to a decimal number, keeping its padding: 009 → 010, 99 → 100.
func successor(digits string) string {
	b := []byte(digits)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < '9' {
			b[i]++
			return string(b)
		}
		b[i] = '0'
	}
	return "1" + string(b)
}

// outputs groups hosts by what they answered, most hosts first, equal groups in the order of their first host.
type outputs struct {
	order []string
	hosts map[string][]string
}

func (o *outputs) add(host, answer string) {
	if o.hosts == nil {
		o.hosts = map[string][]string{}
	}
	if _, known := o.hosts[answer]; !known {
		o.order = append(o.order, answer)
	}
	o.hosts[answer] = append(o.hosts[answer], host)
}

func (o *outputs) sorted() []string {
	answers := slices.Clone(o.order)
	slices.SortStableFunc(answers, func(a, b string) int { return len(o.hosts[b]) - len(o.hosts[a]) })
	return answers
}
