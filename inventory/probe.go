package inventory

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

// quantity is a positive amount as Kubernetes writes it: 1, 0.5, 500m, 2Gi.
var quantity = regexp.MustCompile(`^([1-9][0-9]*|[0-9]+\.[0-9]*[1-9][0-9]*)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$`)

// probe is { image = "…", … }. An empty table means none, so that a group can do without its fleet's.
func (t *table) probe(name string) (Probe, bool) {
	p := Probe{Namespace: "default", Timeout: 5 * time.Minute}
	sub, ok := t.sub(name)
	if !ok {
		return Probe{}, false
	}
	if len(sub.m) == 0 {
		return Probe{}, true
	}
	p.Image, _ = sub.safe("image", func(string) error { return nil })
	p.Command, _ = sub.strings("command")
	if namespace, ok := sub.safe("namespace", matching(dnsLabel, "a namespace's name")); ok {
		p.Namespace = namespace
	}
	if d, ok := sub.timeout("timeout"); ok {
		p.Timeout = d
	}
	p.StorageClasses = sub.classes("storage_classes")
	p.Resources = sub.quantities("resources")
	if _, named := sub.m["image"]; !named || p.Image == "" && !t.complained(sub.key("image")) {
		t.bad(name, `needs image = "…"; %s = {} means none`, name)
	}
	sub.done()
	return p, true
}

// classes is a list of storage classes.
func (t *table) classes(name string) []string {
	list, _ := t.strings(name)
	for i, class := range list {
		if err := check(class, matching(dnsName, "a storage class's name")); err != nil {
			t.bad(name, "%v", err)
			return nil
		}
		if slices.Contains(list[:i], class) {
			t.bad(name, "%q stands here twice", class)
			return nil
		}
	}
	return list
}

// quantities is { "nvidia.com/gpu" = 1, memory = "2Gi" }.
func (t *table) quantities(name string) map[string]string {
	sub, ok := t.sub(name)
	if !ok {
		return nil
	}
	amounts := map[string]string{}
	for _, resource := range sub.names() {
		if err := check(resource, checkLabelKey); err != nil {
			sub.bad(resource, "%v", err)
		}
		v, _ := sub.get(resource)
		text := fmt.Sprint(v)
		if !quantity.MatchString(text) {
			sub.bad(resource, `%q is not a quantity such as 1, "500m" or "2Gi"`, text)
			continue
		}
		amounts[resource] = text
	}
	return amounts
}

// complained says that a key has a problem already.
func (r *reader) complained(key string) bool {
	return slices.ContainsFunc(r.problems, func(p Problem) bool { return p.Key == key })
}
