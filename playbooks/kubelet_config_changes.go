package playbooks

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// has is what the kubelet's files set of a field that has entries: a later file's entries count, as the kubelet merges them
// (mergeKubeletConfigurations of cmd/kubelet/app/server.go, a JSON merge patch). own are the drop-in's too.
func (f kubeletFacts) has(field string, own bool) map[string]string {
	texts := slices.Clone(f.files)
	if len(texts) == 0 {
		texts = []string{""} // there is no main file
	}
	if own {
		texts = append(texts, f.dropin)
	}
	all := map[string]string{}
	for i, text := range texts {
		var file map[string]any
		_ = yaml.Unmarshal([]byte(text), &file) // what isn't to be read the kubelet doesn't start with
		entries, set := file[field].(map[string]any)
		for name, value := range entries {
			all[name] = fmt.Sprint(value)
		}
		if field == "evictionHard" && i == 0 && (!set || file["mergeDefaultEvictionSettings"] == true) {
			for signal, threshold := range hardDefaults {
				if _, named := entries[signal]; !named {
					all[signal] = threshold
				}
			}
		}
	}
	return all
}

// value is a field that has none, as the last file sets it; "" where none does.
func (f kubeletFacts) value(field string) (value string) {
	for _, text := range append(slices.Clone(f.files), f.dropin) {
		var file map[string]any
		_ = yaml.Unmarshal([]byte(text), &file)
		if v, set := file[field]; set {
			value = fmt.Sprint(v)
		}
	}
	return value
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
