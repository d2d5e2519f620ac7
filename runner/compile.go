package runner

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/playbooks"
	"github.com/fleetup/fleetup/runner/hardware"
)

// Compile binds each host's playbooks to it and returns the work by node name. All that is wrong with the playbooks
// and their parameters is returned at once, as inventory.Problems.
// machine gives the way to a host; the steps are bound without touching it.
func Compile(f *inventory.Fleet, hosts []inventory.Host, machine func(inventory.Host) Machine) (map[string]Work, error) {
	c := compiler{fleet: f, loaded: map[string]*playbooks.Playbook{}, seen: map[inventory.Problem]bool{}}
	work := make(map[string]Work, len(hosts))
	first := firstControlPlane(f)
	for _, h := range hosts {
		t := playbooks.Target{Node: h.Node, ControlPlane: h.ControlPlane(), First: h.Name == first, RebootTimeout: h.Reboot.Timeout}
		work[h.Node] = Work{
			Node: h.Node, Host: h.Name, Machine: machine(h), Steps: c.bind(h, t),
			Wanted: playbooks.Wanted{
				Kubelet:    strings.TrimPrefix(versionOf(h, "kubelet"), "v"),
				Containerd: strings.TrimPrefix(versionOf(h, "containerd"), "v"),
				Kubeadm:    versionOf(h, "kubeadm") != "",
			},
			KubeletVersion: versionOf(h, "kubelet"), KubeadmVersion: versionOf(h, "kubeadm"), ControlPlane: h.ControlPlane(),
			RebootPolicy: h.Reboot.Policy, RebootTimeout: h.Reboot.Timeout, VerifyTimeout: h.Verify.Timeout,
			LBSettle: h.Drain.LBSettle, OnBlocked: h.Drain.OnBlocked,
		}
	}
	c.expectations(work)
	if len(c.wrong) > 0 {
		return work, c.wrong
	}
	return work, nil
}

// expectations refuses announced changes of hardware that mean nothing.
func (c *compiler) expectations(work map[string]Work) {
	for _, w := range work {
		for _, s := range w.Steps {
			h, holds := s.(playbooks.Holder)
			for i := 0; holds && i < len(h.Expect()); i++ {
				if _, err := hardware.ParseExpect(h.Expect()[i]); err != nil {
					c.add(c.fleet.Problem("upgrade."+s.Traits().Playbook, fmt.Sprintf("step %q: expect: %v", s.Name(), err)))
				}
			}
		}
	}
}

// firstControlPlane is the host on which `kubeadm upgrade apply` runs: the inventory's first control-plane node,
// whatever a --limit selects, so that two limited runs don't both apply.
func firstControlPlane(f *inventory.Fleet) string {
	for _, h := range f.Hosts {
		if h.ControlPlane() {
			return h.Name
		}
	}
	return ""
}

// versionOf is what the API will report after a playbook has run, "v1.37.2"; "" where the host doesn't use it.
func versionOf(h inventory.Host, playbook string) string {
	for _, u := range h.Upgrade {
		if v, ok := u.Params["version"].(string); ok && u.Playbook == playbook {
			v, _, _ = strings.Cut(strings.TrimPrefix(v, "v"), "-")
			return "v" + v
		}
	}
	return ""
}

type compiler struct {
	fleet  *inventory.Fleet
	loaded map[string]*playbooks.Playbook // nil: could not be loaded, said already
	seen   map[inventory.Problem]bool     // problems are said once, not once a host
	wrong  inventory.Problems
}

// bind returns the host's steps in the order in which they are to be applied.
func (c *compiler) bind(h inventory.Host, t playbooks.Target) []playbooks.Step {
	names, after := make([]string, 0, len(h.Upgrade)), map[string]string{}
	byName := map[string]inventory.Use{}
	for _, u := range h.Upgrade {
		names = append(names, u.Playbook)
		byName[u.Playbook] = u
		if u.After != "" {
			after[u.Playbook] = u.After
		}
	}
	order, err := playbooks.Order(names, after)
	if err != nil {
		c.add(c.fleet.Problem("upgrade", err.Error()))
		return nil
	}
	var steps []playbooks.Step
	for _, name := range order {
		steps = append(steps, c.bindOne(byName[name], t)...)
	}
	return steps
}

func (c *compiler) bindOne(u inventory.Use, t playbooks.Target) []playbooks.Step {
	pb, known := c.loaded[u.Playbook]
	if !known {
		var err error
		if pb, err = playbooks.Load(filepath.Dir(c.fleet.Path), u.Playbook); err != nil {
			c.problems(u, err)
			pb = nil
		}
		c.loaded[u.Playbook] = pb
	}
	if pb == nil {
		return nil
	}
	steps, err := pb.Bind(u.Params, t)
	if err != nil {
		c.problems(u, err)
	}
	return steps
}

// problems puts what a playbook says of the inventory's parameters onto the inventory's own lines.
func (c *compiler) problems(u inventory.Use, err error) {
	var ps playbooks.Problems
	if !errors.As(err, &ps) {
		c.add(c.fleet.Problem(u.Key, err.Error()))
		return
	}
	for _, p := range ps {
		if p.File != "" {
			c.add(inventory.Problem(p))
			continue
		}
		key := u.Key
		if k, ok := u.ParamKeys[p.Key]; ok {
			key = k
		} else if p.Key != "" && p.Key != u.Playbook { // the playbook itself is wrong, not a parameter of it
			key += "." + p.Key
		}
		c.add(c.fleet.Problem(key, p.Message))
	}
}

func (c *compiler) add(p inventory.Problem) {
	if !c.seen[p] {
		c.seen[p] = true
		c.wrong = append(c.wrong, p)
	}
}
