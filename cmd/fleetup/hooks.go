package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner"
	"github.com/fleetup/fleetup/runner/local"
)

// hook is a [[hook]] of the inventory.
type hook struct {
	inventory.Hook
	dir string
	env func(runner.Moment) []string
}

// hooks are the inventory's, in its order.
func (s *session) hooks() []runner.Hook {
	var all []runner.Hook
	for _, h := range s.fleet.Hooks {
		all = append(all, hook{h, filepath.Dir(s.fleet.Path), s.hookEnv})
	}
	return all
}

func (h hook) At() string   { return h.Hook.At }
func (h hook) Name() string { return strings.Join(h.Command, " ") }

// Run implements runner.Hook.
func (h hook) Run(ctx context.Context, m runner.Moment, say func(string)) error {
	c := local.Command{Args: h.Command, Env: h.env(m), Dir: h.dir, Timeout: h.Timeout}
	err := c.Run(ctx, say)
	if err != nil && h.OnFailure == "ignore" && ctx.Err() == nil {
		say(fmt.Sprintf("hook %s: %v; on_failure = \"ignore\"", m.At, err))
		return nil
	}
	return err
}

// hookEnv is what a hook may know, beside the environment of this process without its secrets.
func (s *session) hookEnv(m runner.Moment) []string {
	env := environ(s.fleet)
	set := func(name, value string) { env = append(env, "FLEETUP_"+name+"="+value) }
	set("AT", m.At)
	set("RUN", m.Run)
	set("INVENTORY", s.fleet.Name)
	set("WHY", m.Why)
	set("EXIT", m.Exit)
	set("PHASE", m.Phase)
	set("NODE", m.Node)
	i := slices.IndexFunc(s.fleet.Hosts, func(h inventory.Host) bool { return m.Node != "" && h.Node == m.Node })
	if i < 0 {
		return env
	}
	h := s.fleet.Hosts[i]
	set("HOST", h.Name)
	set("ADDRESS", h.Address)
	set("GROUPS", strings.Join(h.Groups, " "))
	n, _ := s.cluster.Node(h.Node)
	for _, labels := range []map[string]string{n.Labels, h.Labels} { // the inventory's own last, which wins
		for key, value := range labels {
			set("LABEL_"+variableName(key), value)
		}
	}
	return env
}

// variableName is a label's key as the name of a variable: topology.kubernetes.io/zone is TOPOLOGY_KUBERNETES_IO_ZONE.
func variableName(key string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(key))
}
