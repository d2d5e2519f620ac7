// Package finding is what a look at a fleet comes to: something that a person should know, how bad it is, the evidence,
// what it means and what to do about it.
//
//	list = append(list, finding.Finding{Severity: finding.Warning, Rule: "disk-space", Object: "node n1", …})
//	finding.Sort(list)                 // the worst first
//	finding.Worst(list) >= finding.Warning
//
// diagnose finds what is wrong now, audit what will hurt later. Both show and print them alike.
package finding

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity is how bad something is; a higher one is worse. As text it is info, warning or critical.
type Severity int

// The severities. None is no finding at all.
const (
	None     Severity = iota
	Info              // worth knowing; nothing to do now
	Warning           // hurts soon, or in the next maintenance
	Critical          // hurts now
)

var severities = []string{"none", "info", "warning", "critical"}

func (s Severity) String() string {
	if s < None || s > Critical {
		return fmt.Sprintf("severity %d", int(s))
	}
	return severities[s]
}

// MarshalText implements encoding.TextMarshaler.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes what MarshalText gives. Its error lists what there is.
func (s *Severity) UnmarshalText(text []byte) error {
	i := slices.Index(severities, string(text))
	if i < 0 {
		return fmt.Errorf("%q is no severity; they are %s", text, strings.Join(severities, ", "))
	}
	*s = Severity(i)
	return nil
}

// Finding is one of them.
type Finding struct {
	Severity Severity `json:"severity"`
	Rule     string   `json:"rule"`     // what kind of finding, stable: "disk-space"
	Object   string   `json:"object"`   // whom it is about: "node n1", "pod shop/web-1"
	Evidence string   `json:"evidence"` // what was seen, with numbers and units
	// Threshold says from where on it is one of this severity, and what that is called; "": it is one however much of it there is.
	Threshold string `json:"threshold,omitempty"`
	Meaning   string `json:"meaning"`           // why that matters
	Action    string `json:"action"`            // what to do about it, in words
	Command   string `json:"command,omitempty"` // ready to be pasted: a command, a patch or lines of an inventory
	Care      string `json:"care,omitempty"`    // what whoever runs Command has to know of the workload first; "": it takes nothing away
}

// Sort puts the worst first, then one rule beside the other, by the names of their objects.
func Sort(list []Finding) {
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Object, b.Object), cmp.Compare(a.Evidence, b.Evidence))
	})
}

// Worst is the highest severity of a list; None where it is empty.
func Worst(list []Finding) Severity {
	worst := None
	for _, f := range list {
		worst = max(worst, f.Severity)
	}
	return worst
}
