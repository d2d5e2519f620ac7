package playbooks

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fleetup/fleetup/playbooks/kubeletconfig"
)

// configuration is what the kubelet starts with, by its files; own says whether the drop-in is one of them. What can't be read
// counts as nothing: the kubelet doesn't start with it.
func (f kubeletFacts) configuration(own bool) map[string]any {
	dropins := slices.Clone(f.others)
	if own {
		dropins = append(dropins, []byte(f.dropin))
	}
	all, _ := kubeletconfig.Merge([]byte(f.main), dropins...)
	return all
}

// has are a field's entries.
func (f kubeletFacts) has(field string, own bool) map[string]string {
	all := map[string]string{}
	entries, _ := f.configuration(own)[field].(map[string]any)
	for name, value := range entries {
		all[name] = fmt.Sprint(value)
	}
	return all
}

// value is that of a field that has none; "" where it isn't set, or can't be read.
func (f kubeletFacts) value(field string) string {
	value, set := f.configuration(true)[field]
	if !set {
		return ""
	}
	return fmt.Sprint(value)
}

// merged is what a field has once the step is applied.
func (s *kubeletConfig) merged(f kubeletFacts, field string) map[string]string {
	all := f.has(field, false)
	named, _ := s.fields[field].(map[string]string)
	maps.Copy(all, named)
	return all
}

// changes say what differs, entry by entry, and what stays as it is, for people.
func (s *kubeletConfig) changes(f kubeletFacts) (changes []string) {
	for _, field := range []string{"kubeReserved", "systemReserved", "evictionHard", "evictionSoft", "evictionSoftGracePeriod"} {
		was, will := f.has(field, true), s.merged(f, field)
		var differ, stay []string
		for _, name := range slices.Sorted(maps.Keys(will)) {
			switch before, there := was[name]; {
			case !there:
				differ = append(differ, name+"="+will[name])
			case before != will[name]:
				differ = append(differ, name+"="+before+" → "+will[name])
			default:
				stay = append(stay, name+"="+before)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(was)) {
			if _, there := will[name]; !there {
				differ = append(differ, name+": no longer set (was "+was[name]+")")
			}
		}
		if len(differ) == 0 {
			continue
		}
		line := field + ": " + strings.Join(differ, ",")
		if len(stay) > 0 {
			line += " (as it is: " + strings.Join(stay, ",") + ")"
		}
		changes = append(changes, line)
	}
	switch want, was := s.fields["maxPods"], f.value("maxPods"); {
	case want == nil || fmt.Sprint(want) == was:
	case was == "":
		changes = append(changes, fmt.Sprintf("maxPods: %v", want))
	default:
		changes = append(changes, fmt.Sprintf("maxPods: %s → %v", was, want))
	}
	if len(changes) == 0 {
		changes = []string{"the kubelet reads " + f.path()}
	}
	return changes
}
