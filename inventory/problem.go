package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// setFile stands for a file's name in problems with a --set value.
const setFile = "--set"

// Problem is one thing that is wrong with an inventory.
type Problem struct {
	File    string // as given to Load, or "--set"
	Line    int    // from 1; 0 where no line is to blame, such as a missing table
	Key     string // dotted, as TOML would write it; "" for a syntax error outside of any key
	Message string
}

// Error is the problem on one line: file:line: key: message.
func (p Problem) Error() string {
	where := p.File
	switch {
	case p.File == setFile:
		return fmt.Sprintf("%s %s: %s", setFile, p.Key, p.Message)
	case p.Line > 0:
		where = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	if p.Key == "" {
		return where + ": " + p.Message
	}
	return where + ": " + p.Key + ": " + p.Message
}

// Problems is everything that is wrong with an inventory, in the file's order, --set last.
type Problems []Problem

// Error lists the problems, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

// sorted orders by place, files as they first appear and --set last, and drops what was said twice.
func (p Problems) sorted() Problems {
	rank := map[string]int{setFile: len(p)}
	for i, problem := range p {
		if _, known := rank[problem.File]; !known {
			rank[problem.File] = i
		}
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(rank[a.File], rank[b.File]),
			cmp.Compare(a.Line, b.Line),
		)
	})
	return slices.Compact(p)
}

// With adds what a later reader found. What is about a key that has a problem already, or about what stands in it, is
// left out: a version of the wrong type is no missing one besides.
func (p Problems) With(found Problems) Problems {
	type place struct{ file, key string }
	known := map[place]bool{}
	for _, problem := range p {
		known[place{problem.File, problem.Key}] = problem.Key != ""
	}
	all := slices.Clone(p)
	for _, problem := range found {
		key := problem.Key
		for key != "" && !known[place{problem.File, key}] {
			key = parent(key)
		}
		if key == "" {
			all = append(all, problem)
		}
	}
	return all.sorted()
}

// Pos says where key stands: the file and line, or "--set" and 0. The line of a key that doesn't stand there itself is
// that of the nearest table around it, and 0 if there is none.
func (f *Fleet) Pos(key string) (file string, line int) {
	return f.places.pos(key)
}

// Problem is a problem with key that a later reader found, placed as Load would have.
func (f *Fleet) Problem(key, message string) Problem {
	file, line := f.places.pos(key)
	return Problem{File: file, Line: line, Key: key, Message: message}
}

// Require returns Problems where the fleet lacks what a command needs: [upgrade] with at least one playbook for at
// least one host, or a [cluster] table.
func (f *Fleet) Require(upgrade, cluster bool) error {
	var problems Problems
	if cluster && !f.Cluster.HasSection {
		problems = append(problems, f.Problem("cluster",
			"this command talks to a cluster: add [cluster], which may be empty to use $KUBECONFIG or ~/.kube/config"))
	}
	if upgrade && !slices.ContainsFunc(f.Hosts, func(h Host) bool { return len(h.Upgrade) > 0 }) {
		problems = append(problems, f.Problem("upgrade",
			`nothing to upgrade: add [upgrade] with at least one playbook, for example kubelet = "1.37.2"`))
	}
	if len(problems) == 0 {
		return nil
	}
	return problems.sorted()
}
