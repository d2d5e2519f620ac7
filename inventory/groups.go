package inventory

import (
	"maps"
	"slices"
)

// groups reads [groups.X]: a layer each, and its own limit.
func (r *reader) groups(root *table, f *Fleet) map[string]layer {
	t, _ := root.sub("groups")
	groups := map[string]layer{}
	f.GroupLimits = map[string]Amount{}
	for _, name := range t.names() {
		group, ok := t.sub(name)
		if !ok {
			continue
		}
		if err := check(name, checkWord); err != nil {
			t.bad(name, "a group's name: %v", err)
		}
		var l layer
		group.shared(&l, "ssh", "upgrade", "drain", "reboot", "verify")
		if limit, ok := group.amount("max_unavailable"); ok {
			f.GroupLimits[name] = limit
		}
		group.done()
		groups[name] = l
	}
	return groups
}

// memberless refuses settings of a group that no host is in, if its name is a slip of one that has hosts:
// [groups.gpus] would otherwise be ignored. An empty group with a name of its own may stay, for the hosts to come.
func (r *reader) memberless(hosts []Host, groups map[string]layer) {
	used := map[string]bool{}
	for _, h := range hosts {
		for _, g := range h.Groups {
			used[g] = true
		}
	}
	names := slices.Sorted(maps.Keys(used))
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		if near := slip(name, names); !used[name] && near != "" && groups[near] == nil {
			r.problem(child("groups", name), "no host is in this group; did you mean %q? If not, leave it out until it has hosts", near)
		}
	}
}
