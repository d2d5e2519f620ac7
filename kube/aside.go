package kube

import (
	"cmp"
	"encoding/json"
	"maps"

	coordinationv1 "k8s.io/api/coordination/v1"
)

// The Lease is the cluster's, and several inventories may share it. What it says of a run (its id, its halt, its pause) is
// that of the inventory which held it last. When another one takes it, that is put aside, in one annotation by inventory,
// and is put back when its own inventory takes the Lease again: neither ends what the other has unfinished.
//
//	fleetup.io/aside: {"prod-east":{"run":"20261123-190102-7f3a","halt":"node n1 failed"}}

// standing are what a Lease says of an inventory's run, by their names among what was put aside.
var standing = map[string]string{"run": AnnotationRun, "halt": AnnotationHalt, "paused": AnnotationPaused}

// asOf returns a Lease's annotations as the holder's inventory is to see them: with its own run in front, and aside what is
// said of another's.
func asOf(found map[string]string, h Holder) map[string]string {
	next, last := map[string]string{}, found[AnnotationInventory]
	maps.Copy(next, found)
	if h.Run == "" || last == h.Inventory {
		return next
	}
	aside := asideIn(found)
	own := aside[h.Inventory]
	delete(aside, h.Inventory)
	if last != "" {
		if theirs := saidIn(found); len(theirs) > 0 {
			aside[last] = theirs
		}
		for _, key := range standing {
			delete(next, key)
		}
		delete(next, AnnotationInventory)
	}
	for name, key := range standing {
		set(next, key, cmp.Or(own[name], next[key]))
	}
	if own["run"] != "" {
		next[AnnotationInventory] = h.Inventory
	}
	set(next, AnnotationAside, asideText(aside))
	return next
}

// saidIn is what a Lease says of the run of the inventory that held it last.
func saidIn(annotations map[string]string) map[string]string {
	said := map[string]string{}
	for name, key := range standing {
		set(said, name, annotations[key])
	}
	return said
}

// saidOf is what a Lease says of an inventory's run, wherever that stands.
func saidOf(annotations map[string]string, inventory string) map[string]string {
	last := annotations[AnnotationInventory]
	if last == inventory {
		return saidIn(annotations)
	}
	said := map[string]string{}
	if last == "" { // of nobody's run: it is said of whichever comes first
		said = saidIn(annotations)
		delete(said, "run")
	}
	maps.Copy(said, asideIn(annotations)[inventory])
	return said
}

// markOf writes what is said of an inventory's run, wherever that stands; "" takes it away.
func markOf(l *coordinationv1.Lease, inventory, key, value string) {
	last := l.Annotations[AnnotationInventory]
	if last == inventory || last == "" && value == "" {
		annotate(l, key, value)
	}
	if last == inventory {
		return
	}
	aside := asideIn(l.Annotations)
	own := map[string]string{}
	maps.Copy(own, aside[inventory])
	for name, k := range standing {
		if k == key {
			set(own, name, value)
		}
	}
	if aside[inventory] = own; len(own) == 0 {
		delete(aside, inventory)
	}
	annotate(l, AnnotationAside, asideText(aside))
}

// asideIn reads what was put aside, by inventory. What can't be read is as good as nothing.
func asideIn(annotations map[string]string) map[string]map[string]string {
	var aside map[string]map[string]string
	if json.Unmarshal([]byte(annotations[AnnotationAside]), &aside) != nil || aside == nil {
		aside = map[string]map[string]string{}
	}
	return aside
}

// asideText is the annotation; "" where nothing is aside.
func asideText(aside map[string]map[string]string) string {
	if len(aside) == 0 {
		return ""
	}
	text, err := json.Marshal(aside)
	if err != nil {
		return "" // strings always marshal
	}
	return string(text)
}

// set gives a key a value, or takes it away where that is "".
func set(m map[string]string, key, value string) {
	if value == "" {
		delete(m, key)
		return
	}
	m[key] = value
}
