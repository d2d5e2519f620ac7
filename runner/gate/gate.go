// Package gate asks whether a run may go on: a Prometheus query, a URL, a command on this machine, or a field of objects
// in the cluster.
//
//	g := gate.New(gate.Spec{Name: "errors", Query: `sum(rate(…))`, Max: &most}, gate.World{Prometheus: p})
//	before, err := g.Measure(ctx, nil, nodes)          // before the run: the baseline
//	reading, err := g.Measure(ctx, upgraded, others)   // later
//	err = g.Judge(reading, before)                     // nil: good
//
// There are three answers, not two. An error of Measure means that nothing is known: no answer in time, one that says
// no, no sample, several, NaN. That is never good; the run holds, and halts at the gate's deadline. An error of Judge
// means that the reading is bad.
//
// In a query, {{.Upgraded}} and {{.Others}} stand for regular expressions that match the nodes of each kind, by any of
// their names and addresses. The package knows none of its siblings: what it needs of the cluster and of secrets is
// in World.
package gate

import (
	"context"
	"fmt"
	"net"
	"time"
)

// Spec is one gate, as plain values. Exactly one of Query, URL, Command and Object.Resource is set, and says what is asked.
type Spec struct {
	Name string

	Query      string        // PromQL, with one sample for an answer
	URL        string        // asked with GET; redirects aren't followed
	Status     int           // URL: the status that is good
	MaxLatency time.Duration // URL: how long the answer may take; 0: as long as Timeout
	Command    []string      // exits 0; with a bound below it also prints a number
	Object     Object
	Equals     []string // Object: what the field may be; none where bounds judge it

	Min, Max    *float64 // bounds, both included
	MaxIncrease *float64 // over the baseline: 0.2 allows a fifth more

	Timeout time.Duration // of one question
	// Deadline is how long a run holds without an answer before it halts.
	Deadline time.Duration
}

// Object names a field of objects in the cluster.
type Object struct {
	Resource  string // plural and group: "nodes", "cephclusters.ceph.rook.io"
	Namespace string // "": in all, or cluster-wide
	Name      string // "": all of them
	JSONPath  string // as kubectl's: {.status.ceph.health}
}

// World is the way to what gates ask.
type World struct {
	Prometheus Prometheus
	// Dial replaces the TCP dialler; nil: the usual one.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Objects returns the objects that o names, each as decoded JSON.
	Objects func(ctx context.Context, o Object) ([]map[string]any, error)
	// Names returns other names and addresses by which metrics may call a node; nil: none.
	Names func(node string) []string
	// Environ is the environment of commands, beside FLEETUP_UPGRADED and FLEETUP_OTHERS, and Dir their folder.
	Environ []string
	Dir     string
}

// Secret fetches a secret when it is needed, so that one that is renewed meanwhile is the new one.
type Secret func(context.Context) (string, error)

// Gate is a question and the rule that judges its answer.
type Gate struct {
	spec Spec
	ask  func(ctx context.Context, upgraded, others []string) (string, error)
}

// New returns the gate that spec describes. It sends nothing.
func New(spec Spec, w World) *Gate {
	g := &Gate{spec: spec}
	switch {
	case spec.Query != "":
		g.ask = w.askPrometheus(spec)
	case spec.URL != "":
		g.ask = w.askURL(spec)
	case spec.Object.Resource != "":
		g.ask = w.askObjects(spec)
	default:
		g.ask = w.askCommand(spec)
	}
	return g
}

// Name is the gate's name.
func (g *Gate) Name() string { return g.spec.Name }

// Deadline is how long a run holds without an answer before it halts.
func (g *Gate) Deadline() time.Duration { return g.spec.Deadline }

// Measure asks once and returns the reading: for people, and for Judge. An error means that nothing is known, which is
// never good. upgraded and others are names of Node objects; a query about none of a kind has no answer.
func (g *Gate) Measure(ctx context.Context, upgraded, others []string) (string, error) {
	own, cancel := context.WithTimeout(ctx, g.spec.Timeout)
	defer cancel()
	reading, err := g.ask(own, upgraded, others)
	switch {
	case err != nil && own.Err() != nil && ctx.Err() == nil:
		return "", fmt.Errorf("no answer within %s", g.spec.Timeout)
	case err != nil:
		return "", err
	}
	return reading, nil
}
