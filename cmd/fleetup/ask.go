package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner"
	"github.com/fleetup/fleetup/runner/gate"
)

// gateSpec is a gate of the inventory in the words of the package that asks it.
func gateSpec(g inventory.Gate) gate.Spec {
	return gate.Spec{
		Name: g.Name, Query: g.Query, URL: g.URL, Status: g.Status, MaxLatency: g.MaxLatency, Command: g.Command,
		Object: gate.Object{Resource: g.Resource, Namespace: g.Namespace, Name: g.Object, JSONPath: g.JSONPath},
		Equals: g.Equals, Min: g.Min, Max: g.Max, MaxIncrease: g.MaxIncrease, Timeout: g.Timeout, Deadline: g.Deadline,
	}
}

// gates makes the inventory's gates. An error is inventory.Problems.
func (s *session) gates() ([]runner.Gate, error) {
	var problems inventory.Problems
	var gates []runner.Gate
	w := s.gateWorld()
	for _, g := range s.fleet.Gates {
		if g.JSONPath != "" {
			if err := gate.CheckJSONPath(g.JSONPath); err != nil {
				problems = append(problems, s.fleet.Problem(g.Key+".jsonpath", err.Error()))
			}
		}
		gates = append(gates, gate.New(gateSpec(g), w))
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return gates, nil
}

// gateWorld is the way to what gates ask.
func (s *session) gateWorld() gate.World {
	return gate.World{
		Prometheus: s.app.prometheus(s.fleet.Prometheus),
		Dial:       s.app.dial,
		Objects: func(ctx context.Context, o gate.Object) ([]map[string]any, error) {
			return s.cluster.Objects(ctx, o.Resource, o.Namespace, o.Name)
		},
		Names:   metricNames(s.fleet.Hosts),
		Environ: environ(s.fleet), Dir: filepath.Dir(s.fleet.Path),
	}
}

// prometheus is the way to the inventory's; its secrets are fetched when a question needs them.
func (a *app) prometheus(p inventory.Prometheus) gate.Prometheus {
	return gate.Prometheus{
		URL: p.URL, User: p.User, CAFile: p.CAFile,
		Bearer:   a.gateSecret("prometheus.bearer", p.Bearer),
		Password: a.gateSecret("prometheus.password", p.Password),
	}
}

func (a *app) gateSecret(key string, source inventory.Secret) gate.Secret {
	if source.IsZero() {
		return nil
	}
	return func(ctx context.Context) (string, error) { return a.secret(ctx, key, source) }
}

// metricNames are what metrics may call a node, beside the name of its Node object: exporters are often known by address.
func metricNames(hosts []inventory.Host) func(string) []string {
	names := make(map[string][]string, len(hosts))
	for _, h := range hosts {
		names[h.Node] = []string{h.Name, h.Address}
		if ip, err := netip.ParseAddr(h.Address); err == nil && ip.Is6() {
			names[h.Node] = append(names[h.Node], "["+h.Address+"]")
		}
	}
	return func(node string) []string { return names[node] }
}

// environ is this process's environment without the variables that the inventory names as secrets.
func environ(f *inventory.Fleet) []string {
	secret := map[string]bool{}
	for _, s := range f.Secrets() {
		secret[s.Env] = true
	}
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return secret[name]
	})
}

// askGates asks each gate once, all nodes being new and old, and says what it reads. A run would halt at one that isn't good.
func (s *session) askGates(ctx context.Context) []runner.Finding {
	var nodes []string
	for _, h := range s.hosts {
		nodes = append(nodes, h.Node)
	}
	findings := make([]runner.Finding, len(s.asked))
	var all sync.WaitGroup
	for i, g := range s.asked {
		all.Go(func() {
			reading, err := g.Measure(ctx, nodes, nodes)
			findings[i] = runner.Finding{What: "gate", Why: fmt.Sprintf("%q reads %s", g.Name(), reading)}
			if err != nil {
				findings[i].Why, findings[i].Refuse = fmt.Sprintf("%q can't be judged: %v", g.Name(), err), true
			} else if err := g.Judge(reading, reading); err != nil {
				findings[i].Why, findings[i].Refuse = fmt.Sprintf("%q is bad: %v", g.Name(), err), true
			}
		})
	}
	all.Wait()
	return findings
}
