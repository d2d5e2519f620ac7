package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"
)

// Machine is what a machine told about itself.
type Machine struct {
	Error  string // why it didn't tell; all else is empty then
	Uptime time.Duration
	// Patches and Kernel are what an upgrade would change now, for people; RebootRequired is who asks for a reboot.
	Patches, Kernel, RebootRequired []string
	Certificates                    []Certificate
	// Failing is what speaks against its hardware, Ageing what a person should know of it.
	Failing, Ageing []string
	// Alike are the facts in which machines of a group should be alike: "kernel", "package containerd", "sysctl
	// vm.max_map_count"; Model those that only machines of one model share: "BIOS", "firmware of eno1".
	Alike    map[string]string
	Model    string
	Firmware map[string]string
}

// Certificate is one that the node needs.
type Certificate struct {
	Path     string
	NotAfter time.Time
}

// machines asks a question about each machine that told.
func (w *world) machines(rule string, ask func(node string, m Machine) []hit) (hits []hit) {
	for _, node := range slices.Sorted(maps.Keys(w.Machines)) {
		m := w.Machines[node]
		if n := w.nodes[node]; m.Error != "" || n != nil && accepted(n.Annotations, rule) {
			continue
		}
		for _, h := range ask(node, m) {
			h.object = cmp.Or(h.object, "node "+node)
			hits = append(hits, h)
		}
	}
	return hits
}

func unreachable(w *world) (hits []hit) {
	for _, node := range slices.Sorted(maps.Keys(w.Machines)) {
		if m := w.Machines[node]; m.Error != "" && !w.spare(node) { // which may be off
			hits = append(hits, hit{object: "node " + node, evidence: m.Error, command: "fleetup ssh INVENTORY " + node})
		}
	}
	return hits
}

// expiry is how long before its end a certificate counts, and counts as a danger.
const (
	expiresSoon = 30 * 24 * time.Hour
	expiresNow  = 7 * 24 * time.Hour
)

// certificates: the kubelet's renew themselves, so one that is about to expire says that this fails.
func certificates(w *world) []hit {
	return w.machines("certificate", func(node string, m Machine) (hits []hit) {
		for _, c := range m.Certificates {
			left := c.NotAfter.Sub(w.Now)
			if left > expiresSoon {
				continue
			}
			h := hit{evidence: fmt.Sprintf("%s expires in %s", c.Path, about(left)), command: "kubeadm certs renew all   # on " + node + ", then restart its static pods"}
			if strings.Contains(c.Path, "/kubelet/") {
				h.command = "systemctl restart kubelet   # on " + node + ": it asks for a new one; else look for its CertificateSigningRequest: kubectl get csr"
			}
			if left < expiresNow {
				h.severity = critical
			}
			if left <= 0 {
				h.evidence = fmt.Sprintf("%s expired %s ago", c.Path, about(-left))
			}
			hits = append(hits, h)
		}
		return hits
	})
}

// short joins the first of a list.
func short(list []string) string {
	if len(list) <= 2 {
		return strings.Join(list, "; ")
	}
	return fmt.Sprintf("%s; %s and %d more", list[0], list[1], len(list)-2)
}

func rebootRequired(w *world) []hit {
	return w.machines("reboot-required", func(_ string, m Machine) []hit {
		if len(m.RebootRequired) == 0 {
			return nil
		}
		return []hit{{evidence: short(m.RebootRequired), command: "[upgrade]\nrestart = { max_uptime = \"0s\" }"}}
	})
}

func newKernels(w *world) []hit {
	return w.machines("new-kernel", func(_ string, m Machine) []hit {
		if len(m.Kernel) == 0 {
			return nil
		}
		return []hit{{evidence: short(m.Kernel), command: "[upgrade]\nkernel = \"latest\""}}
	})
}

func patches(w *world) []hit {
	return w.machines("patches", func(_ string, m Machine) []hit {
		if len(m.Patches) == 0 {
			return nil
		}
		return []hit{{evidence: short(m.Patches), command: "[upgrade]\nos-patches = {}"}}
	})
}

// longUp is the uptime from which on nobody knows whether a machine boots.
const longUp = 180 * 24 * time.Hour

func uptimes(w *world) []hit {
	return w.machines("uptime", func(_ string, m Machine) []hit {
		if m.Uptime < longUp {
			return nil
		}
		return []hit{{evidence: "up for " + about(m.Uptime), command: "[upgrade]\nrestart = { max_uptime = \"90d\" }"}}
	})
}

func broken(w *world) []hit {
	return w.machines("hardware", func(node string, m Machine) (hits []hit) {
		command := "fleetup swap begin INVENTORY " + node
		for _, text := range m.Failing {
			hits = append(hits, hit{evidence: text, command: command, severity: critical})
		}
		for _, text := range m.Ageing {
			hits = append(hits, hit{evidence: text, command: command})
		}
		return hits
	})
}

// drift compares each machine with those of the same groups, and its firmware with those of the same groups and model. The
// packages in which a machine differs are one finding: there may be hundreds.
func drift(w *world) (hits []hit) {
	alike := w.differ(func(h Host, m Machine) (string, map[string]string) { return strings.Join(h.Groups, ","), m.Alike })
	packages := map[string][]string{}
	for _, h := range alike {
		if text, ok := strings.CutPrefix(h.evidence, "package "); ok {
			if packages[h.object] = append(packages[h.object], text); len(packages[h.object]) > 1 {
				continue
			}
		}
		hits = append(hits, h)
	}
	for i, h := range hits {
		if list := packages[h.object]; strings.HasPrefix(h.evidence, "package ") && len(list) > 1 {
			hits[i].evidence = fmt.Sprintf("%d packages: %s", len(list), short(list))
			hits[i].command = "[upgrade]\nos-patches = {}"
		}
	}
	return append(hits, w.differ(func(h Host, m Machine) (string, map[string]string) {
		return strings.Join(h.Groups, ",") + "/" + m.Model, m.Firmware
	})...)
}

// differ finds the machines that have another value than most of their like have. of tells a machine's like and its facts.
// Without a majority all are told, once.
func (w *world) differ(of func(Host, Machine) (like string, facts map[string]string)) (hits []hit) {
	like := map[string][]string{}
	facts := map[string]map[string]string{}
	for _, h := range w.Hosts {
		m, told := w.Machines[h.Node]
		if !told || m.Error != "" || h.Spare {
			continue
		}
		key, f := of(h, m)
		like[key] = append(like[key], h.Node)
		facts[h.Node] = f
	}
	for _, key := range slices.Sorted(maps.Keys(like)) {
		nodes := like[key]
		names := map[string]bool{}
		for _, node := range nodes {
			for name := range facts[node] {
				names[name] = true
			}
		}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			hits = append(hits, w.minority(name, nodes, facts)...)
		}
	}
	return hits
}

// minority are the nodes whose value isn't that of most.
func (w *world) minority(name string, nodes []string, facts map[string]map[string]string) (hits []hit) {
	by := map[string]int{}
	for _, node := range nodes {
		by[facts[node][name]]++
	}
	if len(by) < 2 {
		return nil
	}
	values := slices.Sorted(maps.Keys(by))
	slices.SortStableFunc(values, func(a, b string) int { return by[b] - by[a] })
	usual := values[0]
	told := func(v string) string { return cmp.Or(v, "none") }
	if by[usual]*2 <= len(nodes) {
		var all []string
		for _, v := range values {
			all = append(all, fmt.Sprintf("%s on %d", told(v), by[v]))
		}
		return []hit{{object: "nodes " + nodes[0] + " and its like", evidence: fmt.Sprintf("%s: %s", name, strings.Join(all, ", ")), command: compareCommand(name)}}
	}
	for _, node := range nodes {
		if v := facts[node][name]; v != usual && !(w.nodes[node] != nil && accepted(w.nodes[node].Annotations, "drift")) {
			hits = append(hits, hit{object: "node " + node, evidence: fmt.Sprintf("%s: %s, and %s on %d of %d", name, told(v), told(usual), by[usual], len(nodes)),
				command: compareCommand(name)})
		}
	}
	return hits
}

// compareCommand shows a fact on all machines, or brings it in line.
func compareCommand(name string) string {
	kind, what, _ := strings.Cut(name, " ")
	switch kind {
	case "kernel":
		return "[upgrade]\nkernel = \"latest\""
	case "package":
		what = shellescape.Quote(what) // for the machine's shell, and all of it once more for this one
		return "fleetup exec INVENTORY -- " + shellescape.Quote("dpkg-query -W "+what+" 2>/dev/null || rpm -q "+what)
	case "sysctl":
		return "fleetup exec INVENTORY -- " + shellescape.Quote("sysctl "+shellescape.Quote(what))
	}
	return "fleetup diagnose INVENTORY --hardware"
}
