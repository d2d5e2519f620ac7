package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fleetup/fleetup/kube"
)

// moves is how often the run's drains moved pods: each once at best.
type moves struct {
	Pods  int     `json:"pods"`
	Again []again `json:"again"` // those that had to move more than once
	// Part says that an earlier process of the run moved others, which nobody counts any more.
	Part bool `json:"since_picked_up,omitempty"`
}

// again is a pod that moved more than once: the name that it had last, and the nodes that it had to leave.
type again struct {
	Pod   string   `json:"pod"`
	Nodes []string `json:"nodes"`
}

// movesOf is nil where nothing moved.
func movesOf(list []kube.Move) *moves {
	if len(list) == 0 {
		return nil
	}
	m := &moves{Pods: len(list), Again: []again{}}
	for _, p := range list {
		if len(p.Nodes) > 1 {
			m.Again = append(m.Again, again{p.Pod, p.Nodes})
		}
	}
	return m
}

// String is "41 pods moved, each once", or "41 pods moved, 3 of them twice, 1 3 times over"; "" where nothing moved.
func (m *moves) String() string {
	switch {
	case m == nil:
		return ""
	case m.Part:
		return m.words() + ", since the run was picked up"
	}
	return m.words()
}

func (m *moves) words() string {
	text := plural(m.Pods, "pod") + " moved"
	if len(m.Again) == 0 && m.Pods == 1 {
		return text + " once"
	}
	if len(m.Again) == 0 {
		return text + ", each once"
	}
	times := map[int]int{}
	for _, p := range m.Again {
		times[len(p.Nodes)]++
	}
	var parts []string
	for _, n := range slices.Sorted(maps.Keys(times)) {
		parts = append(parts, fmt.Sprintf("%d %s", times[n], often(n)))
	}
	parts[0] = strings.Replace(parts[0], " ", " of them ", 1)
	return text + ", " + strings.Join(parts, ", ")
}

func often(n int) string {
	if n == 2 {
		return "twice"
	}
	return fmt.Sprintf("%d times over", n)
}

// showMoves prints it, and with --verbose which pods moved more than once, and from where.
func (a *app) showMoves(m *moves) {
	if m == nil {
		return
	}
	a.say("%s", m)
	if !a.flags.verbose {
		return
	}
	for _, p := range m.Again {
		a.say("  %s had to leave %s", p.Pod, strings.Join(p.Nodes, ", then "))
	}
}
