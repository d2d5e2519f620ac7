package inventory

import (
	"fmt"
	"reflect"
	"slices"
)

// setting is one key that applies to hosts.
type setting struct {
	key   string // drain.timeout
	full  string // where it stands: groups.gpu.drain.timeout
	value any
	set   func(*Host)
}

// layer is the settings of the whole fleet, of a group, or of one key of [hosts]. Layers are laid over each other:
// the fleet's, then the groups', then the host's own.
type layer []setting

func (l layer) apply(h *Host) {
	for _, s := range l {
		s.set(h)
	}
}

func (l layer) has(key string) bool {
	return slices.ContainsFunc(l, func(s setting) bool { return s.key == key })
}

// put reads name from t with read and, if it is there, adds it to the layer: field says where it ends up in a host.
func put[T any](l *layer, t *table, section, name string, read func(*table, string) (T, bool), field func(*Host) *T) {
	v, ok := read(t, name)
	if !ok {
		return
	}
	key := child(section, name)
	if l.has(key) {
		t.bad(name, "is set twice for this host: as a key of its own and in %s", section)
		return
	}
	*l = append(*l, setting{key: key, full: t.key(name), value: v, set: func(h *Host) { *field(h) = v }})
}

// conflict is a key that two groups of one host set differently.
type conflict struct {
	first, second       string // groups
	firstKey, secondKey string // where each sets it
}

// conflicts finds host's groups' disagreements, other than those that the host's own keys settle.
func conflicts(groups []string, layers map[string]layer, own layer) []conflict {
	type said struct {
		group string
		setting
	}
	var found []conflict
	before := map[string]said{}
	for _, group := range groups {
		for _, s := range layers[group] {
			first, ok := before[s.key]
			if !ok {
				before[s.key] = said{group, s}
				continue
			}
			if !reflect.DeepEqual(first.value, s.value) && !own.has(s.key) {
				found = append(found, conflict{first.group, group, first.full, s.full})
			}
		}
	}
	return found
}

// tally counts conflicts over all hosts, so that 120 hosts of a range make one problem.
type tally struct {
	order []conflict
	hosts map[conflict][]string
}

func (t *tally) add(host string, found []conflict) {
	for _, c := range found {
		if t.hosts == nil {
			t.hosts = map[conflict][]string{}
		}
		if t.hosts[c] == nil {
			t.order = append(t.order, c)
		}
		t.hosts[c] = append(t.hosts[c], host)
	}
}

func (t *tally) report(r *reader) {
	for _, c := range t.order {
		_, line := r.places.pos(c.firstKey)
		r.problem(c.secondKey, "host %s is in the groups %q and %q, which set this key differently (%s, line %d); %s",
			andMore(t.hosts[c]), c.first, c.second, c.firstKey, line, "say it in one group or for the host")
	}
}

// andMore names the first of many.
func andMore(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return fmt.Sprintf("%s (and %d more)", names[0], len(names)-1)
}
