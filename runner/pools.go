package runner

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Pool is one pool of a blue-green run, as its nodes are now.
type Pool struct {
	Name  string
	Nodes []PoolNode
}

// PoolNode is one node of a pool, in plain values. Amounts are millicores of cpu, and whole units of all else.
type PoolNode struct {
	Name         string
	Labels       map[string]string
	Taints       []string // "key=value:Effect"
	Architecture string
	Allocatable  map[string]int64
	Moving       map[string]int64 // requests of the pods that could run elsewhere
	Staying      map[string]int64 // of DaemonSets' and static pods
	Bound        []string         // pods with a volume of this very node, "namespace/name: volume"
}

// JudgePools says what stands against letting two pools change places. Refused is what is certain to leave pods without a
// node: too little room on one pool for what both carry, or a volume that can't leave its node. Differences that may do
// so, for pods that ask for them, are named.
func JudgePools(serving, idle Pool) []Finding {
	all := slices.Concat(roomOn(serving, idle), roomOn(idle, serving), bound(serving), bound(idle))
	return append(all, differences(serving, idle)...)
}

// roomOn compares what both pools carry with what one of them has to offer.
func roomOn(pool, other Pool) []Finding {
	offers, stays, needs := map[string]int64{}, map[string]int64{}, map[string]int64{}
	for _, n := range pool.Nodes {
		sum(offers, n.Allocatable)
		sum(stays, n.Staying)
		sum(needs, n.Moving)
	}
	for _, n := range other.Nodes {
		sum(needs, n.Moving)
	}
	var all []Finding
	for _, resource := range slices.Sorted(maps.Keys(needs)) {
		free := offers[resource] - stays[resource]
		if needs[resource] <= free {
			continue
		}
		all = append(all, Finding{What: "room", Refuse: true, Why: fmt.Sprintf(
			"pool %s can't hold everything: %s: the pods of both pools ask for %s, and %s is free there (%s allocatable, %s for DaemonSets); add nodes to it, or use kind = \"rolling\"",
			pool.Name, resource, amount(resource, needs[resource]), amount(resource, free), amount(resource, offers[resource]), amount(resource, stays[resource]))})
	}
	return all
}

func sum(to, more map[string]int64) {
	for name, n := range more {
		to[name] += n
	}
}

// amount writes an amount as Kubernetes would: cpu in cores, bytes in the largest unit that keeps two digits.
func amount(resource string, n int64) string {
	switch {
	case resource == "cpu":
		return strconv.FormatFloat(float64(n)/1000, 'f', -1, 64)
	case resource != "memory" && resource != "ephemeral-storage" && !strings.HasPrefix(resource, "hugepages-"):
		return strconv.FormatInt(n, 10)
	}
	units := []string{"", "Ki", "Mi", "Gi", "Ti"}
	k, value := 0, float64(n)
	for k < len(units)-1 && (value >= 1024 || value <= -1024) {
		value, k = value/1024, k+1
	}
	return strconv.FormatFloat(float64(int64(value*10))/10, 'f', -1, 64) + units[k]
}

// bound refuses pods that can't leave the node they are on.
func bound(pool Pool) []Finding {
	var all []Finding
	for _, n := range pool.Nodes {
		for _, pod := range n.Bound {
			all = append(all, Finding{Node: n.Name, What: "pools", Refuse: true,
				Why: "pod " + pod + " lies on this node alone, so the pod can't move to the other pool; move its data, or use kind = \"rolling\""})
		}
	}
	return all
}

// differences are what one pool has and the other hasn't: pods that ask for it find no node there.
func differences(serving, idle Pool) []Finding {
	var all []Finding
	say := func(format string, args ...any) {
		all = append(all, Finding{What: "pools", Why: fmt.Sprintf(format, args...)})
	}
	for _, pair := range [][2]Pool{{serving, idle}, {idle, serving}} {
		a, b := pair[0], pair[1]
		for _, label := range common(a, labels) {
			if !slices.Contains(common(b, labels), label) {
				say("label %s is on every node of %s, and not on every one of %s: pods that ask for it may find none there", label, a.Name, b.Name)
			}
		}
		for _, taint := range some(a, func(n PoolNode) []string { return n.Taints }) {
			if !slices.Contains(some(b, func(n PoolNode) []string { return n.Taints }), taint) {
				say("taint %s is on %s alone: pods that don't tolerate it can't run there", taint, a.Name)
			}
		}
		for _, resource := range some(a, resources) {
			if !slices.Contains(some(b, resources), resource) {
				say("%s is offered by %s alone", resource, a.Name)
			}
		}
	}
	if x, y := some(serving, architecture), some(idle, architecture); !slices.Equal(x, y) {
		say("architecture: %s is %s, %s is %s: images must be there for both", serving.Name, strings.Join(x, " and "), idle.Name, strings.Join(y, " and "))
	}
	for _, resource := range []string{"cpu", "memory"} {
		x, y := largest(serving, resource), largest(idle, resource)
		if min(x, y)*100 < max(x, y)*95 {
			say("%s: the largest node of %s offers %s, that of %s %s: a pod that needs the more finds no node on the other", resource,
				serving.Name, amount(resource, x), idle.Name, amount(resource, y))
		}
	}
	return all
}

// tells are labels that name a node or its place, which no two pools share.
var tells = []string{"kubernetes.io/hostname", "beta.kubernetes.io/", "topology.kubernetes.io/", "failure-domain.beta.kubernetes.io/", "node.kubernetes.io/exclude-from-external-load-balancers"}

func labels(n PoolNode) []string {
	var all []string
	for key, value := range n.Labels {
		if !slices.ContainsFunc(tells, func(t string) bool { return strings.HasPrefix(key, t) }) {
			all = append(all, key+"="+value)
		}
	}
	return all
}

func resources(n PoolNode) []string {
	return slices.DeleteFunc(slices.Collect(maps.Keys(n.Allocatable)), func(name string) bool { return n.Allocatable[name] == 0 })
}

func architecture(n PoolNode) []string { return []string{n.Architecture} }

// some are what any node of the pool has, sorted; common what each has.
func some(pool Pool, of func(PoolNode) []string) []string {
	var all []string
	for _, n := range pool.Nodes {
		all = append(all, of(n)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func common(pool Pool, of func(PoolNode) []string) []string {
	counts := map[string]int{}
	for _, n := range pool.Nodes {
		for _, s := range of(n) {
			counts[s]++
		}
	}
	return slices.DeleteFunc(some(pool, of), func(s string) bool { return counts[s] < len(pool.Nodes) })
}

func largest(pool Pool, resource string) int64 {
	var most int64
	for _, n := range pool.Nodes {
		most = max(most, n.Allocatable[resource])
	}
	return most
}
