package inventory

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// mostFleet bounds a fleet as a whole.
const mostFleet = 50_000

// hosts reads [hosts]: every range expanded, every layer applied.
func (r *reader) hosts(root *table, base layer, groups map[string]layer) []Host {
	t, _ := root.sub("hosts")
	var hosts []Host
	var disputes tally
	for _, key := range t.names() {
		if entry, ok := t.sub(key); ok {
			hosts = append(hosts, entry.host(key, base, groups, &disputes)...)
		}
		if len(hosts) > mostFleet {
			t.bad(key, "more than %d hosts", mostFleet)
			return hosts
		}
	}
	if len(t.m) == 0 && len(t.problems) == 0 {
		root.bad("hosts", `an inventory needs at least one host: [hosts] with for example n1 = { address = "10.0.0.1" }`)
	}
	if len(hosts) == 0 {
		return []Host{model(base, groups)}
	}
	disputes.report(r)
	r.memberless(hosts, groups)
	r.duplicates(hosts)
	return hosts
}

// model is the only host of a draft without hosts: all that is set anywhere holds for it.
func model(base layer, groups map[string]layer) Host {
	h := fresh()
	base.apply(&h)
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		groups[name].apply(&h)
	}
	return h
}

// host reads one key of [hosts], which a range makes many hosts. One that is wrong makes a host without a name.
func (t *table) host(key string, base layer, groups map[string]layer, disputes *tally) []Host {
	var own layer
	t.ssh(&own)
	t.shared(&own, "ssh", "upgrade", "drain", "reboot", "verify")
	member := t.words("groups")
	labels := t.labels("labels")
	spare, _ := t.bool("spare")
	hosts := t.expanded(key)
	t.bmcs(hosts)
	if hosts == nil {
		hosts = []Host{{}} // of a draft
	}
	t.elsewhere("fan_out", "[ssh], for the whole fleet")
	t.elsewhere("max_unavailable", "[strategy] and [groups.X]")
	t.done()
	_, line := t.places.pos(t.path)
	for i := range hosts {
		h := fresh()
		h.Name, h.Node, h.Address = hosts[i].Name, hosts[i].Node, hosts[i].Address
		h.MAC, h.BMC = hosts[i].MAC, hosts[i].BMC
		h.Groups, h.Labels, h.Line, h.Key = slices.Clone(member), maps.Clone(labels), line, t.path
		h.Spare = spare
		base.apply(&h)
		for _, group := range member {
			groups[group].apply(&h)
		}
		own.apply(&h)
		disputes.add(h.Name, conflicts(member, groups, own))
		hosts[i] = h
	}
	return hosts
}

// expanded makes names, Node names and addresses of a key. A key that is wrong makes no host.
func (t *table) expanded(key string) []Host {
	rule := checkNode
	if _, hasNode := t.m["node"]; hasNode {
		rule = checkWord
	}
	names, ok := t.expandChecked(t.path, key, rule)
	nodes, okNodes := t.parallel("node", names, checkNode)
	addresses, okAddresses := t.parallel("address", names, checkAddress)
	if !ok || !okNodes || !okAddresses {
		return nil
	}
	hosts := make([]Host, len(names))
	for i := range hosts {
		hosts[i] = Host{Name: names[i], Node: nodes[i], Address: addresses[i]}
	}
	return hosts
}

// parallel expands the range under name, which must make as many as the host's key does; absent, it is the names.
func (t *table) parallel(name string, names []string, rule func(string) error) ([]string, bool) {
	if _, given := t.get(name); !given {
		return names, true
	}
	pattern, ok := t.string(name)
	if !ok {
		return nil, false
	}
	out, ok := t.expandChecked(t.key(name), pattern, rule)
	if ok && len(names) > 0 && len(out) != len(names) {
		t.bad(name, "%q makes %d, the host's key makes %d: ranges must be of equal length", pattern, len(out), len(names))
		return nil, false
	}
	return out, ok
}

// expandChecked reports the first name that the rule refuses.
func (t *table) expandChecked(key, pattern string, rule func(string) error) ([]string, bool) {
	if err := unsafe(pattern); err != nil {
		t.problem(key, "%v", err)
		return nil, false
	}
	names, err := expand(pattern)
	if err != nil {
		t.problem(key, "%v", err)
		return nil, false
	}
	for _, name := range names {
		if err := rule(name); err != nil {
			t.problem(key, "%v", err)
			return nil, false
		}
	}
	return names, true
}

// words is a list of names, each once.
func (t *table) words(name string) []string {
	list, _ := t.strings(name)
	for i, s := range list {
		if err := check(s, checkWord); err != nil {
			t.bad(name, "%v", err)
		} else if slices.Contains(list[:i], s) {
			t.bad(name, "%q stands here twice", s)
		}
	}
	return list
}

// labels are Kubernetes labels.
func (t *table) labels(name string) map[string]string {
	sub, ok := t.sub(name)
	if !ok {
		return nil
	}
	labels := map[string]string{}
	for _, key := range sub.names() {
		if err := check(key, checkLabelKey); err != nil {
			sub.bad(key, "%v", err)
		}
		if v, ok := sub.safe(key, checkLabel); ok {
			labels[key] = v
		}
	}
	return labels
}

// duplicates refuses a Node that stands twice, also as one host's name and another's node = "…", and an address that
// stands twice: two workers on one machine would undo each other. Ports make it two (a NAT's forwarded ports). Likewise a
// BMC and a MAC address: who is told to cut one machine's power must not cut another's.
func (r *reader) duplicates(hosts []Host) {
	var found doubles
	names, addresses, switches, cards := map[string]Host{}, map[string]Host{}, map[string]Host{}, map[string]Host{}
	for _, h := range hosts {
		if h.Name == "" {
			continue
		}
		for _, name := range slices.Compact([]string{h.Name, h.Node}) {
			if first, ok := names[name]; ok {
				found.add(h, first, "node", name)
			} else {
				names[name] = h
			}
		}
		at := fmt.Sprintf("%s %d", canonical(h.Address), cmp.Or(h.SSH.Port, 22))
		if first, ok := addresses[at]; ok {
			if first.Address != first.Name || h.Address != h.Name { // else the name was said
				found.add(h, first, "address", h.Address)
			}
		} else {
			addresses[at] = h
		}
		once(&found, switches, h, "bmc", h.sameBMC())
		once(&found, cards, h, "mac", h.MAC)
	}
	found.report(r)
}

// once notes a value that only one host may have; "" is none.
func once(found *doubles, seen map[string]Host, h Host, what, value string) {
	if first, ok := seen[value]; ok && value != "" {
		found.add(h, first, what, value)
		return
	}
	seen[value] = h
}

// canonical makes one string of one address: 10.0.0.1 and ::ffff:10.0.0.1, Host-1 and host-1.
func canonical(address string) string {
	if ip, err := netip.ParseAddr(address); err == nil {
		return ip.Unmap().String()
	}
	return strings.ToLower(address)
}
