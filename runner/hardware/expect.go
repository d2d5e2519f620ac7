package hardware

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Expectation is a change that somebody announced.
type Expectation struct {
	Text string

	kind  string // cpu, dimm, memory, disk, nic, pci, bios, bmc or system
	add   int    // so many new ones
	drop  int    // so many missing ones
	name  string // or: this one may be different
	bytes int64  // memory: so much in all
}

// HowExpect is what an expectation looks like.
const HowExpect = `"disk +1", "disk -1" or "disk +-1" (one exchanged), likewise cpu, dimm, nic and pci; "nic eth0" (that one may be different; by name, serial number or MAC); ` +
	`"memory 512GiB" (so much in all); "bios", "bmc" or "system"`

// ParseExpect reads an expectation.
func ParseExpect(s string) (Expectation, error) {
	e := Expectation{Text: s}
	kind, rest, _ := strings.Cut(strings.TrimSpace(s), " ")
	rest = strings.TrimSpace(rest)
	e.kind = map[string]string{"cpus": "cpu", "dimms": "dimm", "disks": "disk", "nics": "nic", "ram": "memory"}[strings.ToLower(kind)]
	if e.kind == "" {
		e.kind = strings.ToLower(kind)
	}
	wrong := fmt.Errorf("%q says no change to expect: write %s", s, HowExpect)
	switch {
	case slices.Contains([]string{"bios", "bmc", "system"}, e.kind):
		e.name = rest
	case e.kind == "memory":
		if e.bytes = size(rest); e.bytes == 0 {
			return e, wrong
		}
	case !slices.Contains([]string{"cpu", "dimm", "disk", "nic", "pci"}, e.kind) || rest == "":
		return e, wrong
	case strings.HasPrefix(rest, "+-"):
		n, err := strconv.Atoi(rest[2:])
		if err != nil || n < 1 {
			return e, wrong
		}
		e.add, e.drop = n, n
	case rest[0] == '+' || rest[0] == '-':
		n, err := strconv.Atoi(rest[1:])
		if err != nil || n < 1 {
			return e, wrong
		}
		if e.add = n; rest[0] == '-' {
			e.add, e.drop = 0, n
		}
	default:
		e.name = rest
	}
	return e, nil
}

// Verdict is what became of the differences.
type Verdict struct {
	Expected   []Difference `json:"expected"`
	Unexpected []Difference `json:"unexpected"`
	Harmless   []Difference `json:"harmless"` // nobody announced them, and they are for the better
	Unmet      []string     `json:"unmet"`    // what was expected and isn't there
	Unknown    []string     `json:"unknown"`  // what could not be compared
}

// Good reports whether everything is as it was or as it was expected to be.
func (v Verdict) Good() bool { return len(v.Unexpected) == 0 && len(v.Unmet) == 0 }

// Judge holds the differences against what was expected. What got worse is never covered by a number: "disk +1" says
// nothing of a disk that fails.
func Judge(before, after Document, diffs []Difference, expected []Expectation) Verdict {
	var v Verdict
	left := slices.Clone(diffs)
	for _, e := range expected {
		covered, rest := e.cover(left)
		if why := e.unmet(covered, after); why != "" {
			v.Unmet = append(v.Unmet, why)
			if e.kind == "memory" { // which modules are wrong is what a person wants to see then
				continue
			}
		}
		v.Expected, left = append(v.Expected, covered...), rest
	}
	covered, left := brought(v.Expected, left)
	v.Expected = append(v.Expected, covered...)
	for _, d := range left {
		if d.Change == better {
			v.Harmless = append(v.Harmless, d)
		} else {
			v.Unexpected = append(v.Unexpected, d)
		}
	}
	for _, gap := range after.Gaps {
		if !slices.Contains(before.Gaps, gap) {
			v.Unknown = append(v.Unknown, gap+" now: what it alone tells could not be compared")
		}
	}
	return v
}

// cover takes the differences that e announces out of diffs.
func (e Expectation) cover(diffs []Difference) (covered, rest []Difference) {
	add, drop := e.add, e.drop
	for _, d := range diffs {
		take := false
		switch {
		case e.kind == "memory":
			take = d.Kind == "memory" || d.Kind == "dimm" && d.Change != worse
		case d.Kind != e.kind:
		case e.add+e.drop == 0:
			take = e.name == "" || e.named(d)
		case d.Change == added && add > 0:
			add--
			take = true
		case d.Change == missing && drop > 0:
			drop--
			take = true
		case d.Change == different && add > 0 && drop > 0: // another one in its place
			add, drop = add-1, drop-1
			take = true
		}
		if take {
			covered = append(covered, d)
		} else {
			rest = append(rest, d)
		}
	}
	return covered, rest
}

func (e Expectation) named(d Difference) bool {
	return slices.ContainsFunc(append([]string{d.Name}, d.keys...), func(k string) bool { return k != "" && strings.EqualFold(k, e.name) })
}

// unmet says what of an expectation didn't come true; "" where it did.
func (e Expectation) unmet(covered []Difference, after Document) string {
	if e.kind == "memory" {
		if has := after.Memory.total(); abs(has-e.bytes) > e.bytes*3/100 {
			return fmt.Sprintf("expected %q, and it has %s", e.Text, gib(has))
		}
		return ""
	}
	if e.add+e.drop == 0 {
		return "" // may be different, need not
	}
	come, gone := 0, 0
	for _, d := range covered {
		switch d.Change {
		case added:
			come++
		case missing:
			gone++
		case different:
			come, gone = come+1, gone+1
		}
	}
	switch {
	case come < e.add:
		return fmt.Sprintf("expected %q, and %d of %d new ones are seen", e.Text, come, e.add)
	case gone < e.drop:
		return fmt.Sprintf("expected %q, and %d of %d are gone", e.Text, gone, e.drop)
	}
	return ""
}

// total is what the modules hold, or what the kernel counts where they aren't known.
func (m Memory) total() int64 {
	var sum int64
	for _, d := range m.DIMMs {
		sum += d.Bytes
	}
	if sum == 0 {
		return m.Bytes
	}
	return sum
}

// brought takes the PCI functions out of diffs that came or went with an expected NIC or disk: those of the same device,
// and the bridges that lead to it, which a board makes for each card.
func brought(expected, diffs []Difference) (covered, rest []Difference) {
	devices := map[string]bool{}
	for _, d := range expected {
		if d.bus != "" {
			devices[device(d.bus)] = true
		}
	}
	for _, d := range diffs {
		bridge := len(devices) > 0 && strings.Contains(strings.ToLower(d.Text), "bridge")
		if d.Kind == "pci" && d.Change != worse && (devices[device(d.bus)] || bridge) {
			covered = append(covered, d)
		} else {
			rest = append(rest, d)
		}
	}
	return covered, rest
}

// device is a PCI address without its function.
func device(address string) string {
	d, _, _ := strings.Cut(address, ".")
	return d
}
