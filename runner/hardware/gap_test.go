package hardware

import (
	"slices"
	"strings"
	"testing"

	"github.com/fleetup/fleetup/runner/parts"
)

// without is what a sample machine prints whose tool isn't installed.
func without(out, tool string) string {
	var b strings.Builder
	for _, p := range parts.Split(out) {
		b.WriteString("\n" + parts.Mark + strings.TrimSpace(p.Name+" "+p.Of) + "\n")
		if p.Name == tool || tool == "ethtool" && (p.Name == "permanent" || p.Name == "driver") {
			b.WriteString("!" + tool + " isn't installed\n")
		} else {
			b.WriteString(p.Text)
		}
	}
	return b.String()
}

// TestToolThatComesOrGoes: what only one of the two looks had a tool for can't be compared, so nothing is said to be missing,
// new, or worse, whichever look it was. A tool that was missing at the second look is told of.
func TestToolThatComesOrGoes(t *testing.T) {
	for name, out := range samples(t) {
		whole := Parse(out)
		for _, tool := range []string{"dmidecode", "smartctl", "nvme", "lspci", "ipmitool", "ethtool"} {
			if tool == "lspci" && slices.ContainsFunc(whole.PCI, func(p PCI) bool { return !strings.Contains(out, "\n"+p.Address+" class=") }) {
				continue // what lspci said was captured without what /sys says, which every machine with PCI has
			}
			less := Parse(without(out, tool))
			for when, docs := range map[string][2]Document{"goes": {whole, less}, "comes": {less, whole}} {
				v := Judge(docs[0], docs[1], Compare(docs[0], docs[1]), nil)
				sick := func(d Difference) bool { return strings.Contains(d.Text, "health is") } // told, whenever it is found
				if v.Unexpected = slices.DeleteFunc(v.Unexpected, sick); !v.Good() {
					t.Errorf("%s, %s %s: %v", name, tool, when, v.Unexpected)
				}
				same := slices.Equal(less.Gaps, whole.Gaps)
				if when == "goes" && !same && !strings.Contains(strings.Join(v.Unknown, "\n"), "isn't installed now") {
					t.Errorf("%s, %s %s: not told: %q", name, tool, when, v.Unknown)
				}
			}
		}
	}
}

// TestBondWithoutEthtool: the ports of a bond have one MAC then. They are told apart by where they are plugged, and a lost one
// is still told of.
func TestBondWithoutEthtool(t *testing.T) {
	own := Document{NICs: []NIC{{Name: "eno1", MAC: "0a", Bus: "31:00.0"}, {Name: "eno2", MAC: "0b", Bus: "31:00.1"}}}
	bond := Document{NICs: []NIC{{Name: "eno1", MAC: "0b", Bus: "31:00.0"}, {Name: "eno2", MAC: "0b", Bus: "31:00.1"}}, Gaps: []string{"ethtool isn't installed"}}
	if diffs := Compare(own, bond); diffs != nil {
		t.Errorf("%v", diffs)
	}
	bond.NICs = bond.NICs[1:]
	wantParts(t, "lost", []string{"eno1 (MAC 0a) isn't seen"}, texts(Compare(own, bond)))
}

// TestSocketsByKernel: without dmidecode the number of processors is all that can be compared, where the kernel knows it.
func TestSocketsByKernel(t *testing.T) {
	dmi := []CPU{{Socket: "CPU1", Model: "Xeon", Cores: 24}, {Socket: "CPU2", Model: "Xeon", Cores: 24}}
	kernel := []CPU{{Socket: "socket 0", Model: "Intel(R) Xeon(R)", Cores: 20}, {Socket: "socket 1", Model: "Intel(R) Xeon(R)", Cores: 20}}
	for name, c := range map[string]struct {
		before, after []CPU
		want          []string
	}{
		"as many":             {dmi, kernel, nil},
		"one less":            {kernel, dmi[:1], []string{"a processor is missing (1 now, 2 before)"}},
		"one more":            {dmi[:1], kernel, []string{"a processor is new (2 now, 1 before)"}},
		"it knows no sockets": {dmi, kernel[:1], nil},
	} {
		if got := texts(compareCPUs(c.before, c.after)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func texts(diffs []Difference) []string {
	var list []string
	for _, d := range diffs {
		list = append(list, d.Text)
	}
	return list
}
