package hardware

import (
	"fmt"
	"slices"
	"strings"
)

// Difference is one thing that isn't as before, exactly named.
type Difference struct {
	Kind string `json:"kind"` // system, bios, bmc, cpu, memory, dimm, disk, nic or pci
	Name string `json:"name"` // DIMM A1, sda, eth0, 0000:3b:00.0
	// Change is "missing", "new", "different" (another one, or its settings), "worse", or "better": more or newer than before.
	Change string `json:"change"`
	Text   string `json:"text"` // all of it, for people

	keys []string // what else an expectation may call it: serial, MAC, PCI address
	bus  string   // PCI address of what it is
}

// String is the difference for people.
func (d Difference) String() string { return d.Kind + ": " + d.Text }

// NoLink reports whether a port lost its link, which one that has just booted gets back by itself.
func (d Difference) NoLink() bool { return d.Kind == "nic" && strings.Contains(d.Text, "has no link") }

// The changes.
const (
	missing   = "missing"
	added     = "new"
	different = "different"
	worse     = "worse"
	better    = "better"
)

// Compare says what is different after, in the order in which a person would look: system, CPUs, memory, disks, NICs,
// PCI. What either document has no source for can't be compared and isn't; Judge says so.
func Compare(before, after Document) []Difference {
	var all []Difference
	all = append(all, compareSystem(before.System, after.System)...)
	all = append(all, compareCPUs(before.CPUs, after.CPUs)...)
	all = append(all, compareMemory(before.Memory, after.Memory)...)
	all = append(all, compareDisks(before.Disks, after.Disks)...)
	all = append(all, compareNICs(before.NICs, after.NICs, before.ownMACs() && after.ownMACs())...)
	return append(all, comparePCI(before.PCI, after.PCI)...)
}

// pairs matches what was before with what is after: by each key in turn, the surest first. An empty key matches nothing;
// what has no key at all is still the same as what looks the same.
func pairs[T any](before, after []T, keys ...func(T) string) (both [][2]T, gone, come []T) {
	left, right := slices.Clone(before), slices.Clone(after)
	for _, key := range append(keys, func(v T) string { return fmt.Sprintf("%+v", v) }) {
		left = slices.DeleteFunc(left, func(b T) bool {
			k := key(b)
			i := slices.IndexFunc(right, func(a T) bool { return k != "" && key(a) == k })
			if i < 0 {
				return false
			}
			both = append(both, [2]T{b, right[i]})
			right = slices.Delete(right, i, i+1)
			return true
		})
	}
	return both, left, right
}

func compareSystem(b, a System) []Difference {
	var all []Difference
	field := func(kind, what, old, now string) {
		if old != now && old != "" && now != "" {
			all = append(all, Difference{Kind: kind, Name: what, Change: different, Text: fmt.Sprintf("%s is %s, was %s", what, now, old)})
		}
	}
	field("system", "model", b.Model, a.Model)
	field("system", "serial number", b.Serial, a.Serial)
	field("bios", "version", b.BIOS, a.BIOS)
	if b.UEFI != a.UEFI {
		field("bios", "boot mode", mode(b.UEFI), mode(a.UEFI))
	}
	field("bmc", "firmware", b.BMCFirmware, a.BMCFirmware)
	return all
}

func mode(uefi bool) string {
	if uefi {
		return "UEFI"
	}
	return "BIOS"
}

// byKernel reports whether the kernel named the sockets: where there is no dmidecode, which calls them and what is in them
// otherwise.
func byKernel(cpus []CPU) bool {
	return len(cpus) > 0 && !slices.ContainsFunc(cpus, func(c CPU) bool { return !strings.HasPrefix(c.Socket, kernelSocket) })
}

// compareCPUs holds only the number of sockets against each other where the kernel named those of one document alone, which
// says of one that it knows no number, too (Arm).
func compareCPUs(before, after []CPU) []Difference {
	var all []Difference
	if kernel := byKernel(after); kernel != byKernel(before) && len(before)*len(after) > 0 {
		if kernel && len(after) == 1 || !kernel && len(before) == 1 {
			return nil
		}
		d := Difference{Kind: "cpu", Name: "cpu", Change: missing}
		if len(after) > len(before) {
			d.Change = added
		}
		d.Text = fmt.Sprintf("a processor is %s (%d now, %d before)", d.Change, len(after), len(before))
		return slices.Repeat([]Difference{d}, int(abs(int64(len(after)-len(before)))))
	}
	both, gone, come := pairs(before, after, func(c CPU) string { return c.Socket })
	for _, c := range gone {
		all = append(all, Difference{Kind: "cpu", Name: c.Socket, Change: missing, Text: fmt.Sprintf("%s (%s) is missing", c.Socket, c.Model)})
	}
	for _, p := range both {
		b, a := p[0], p[1]
		d := Difference{Kind: "cpu", Name: b.Socket, Change: different}
		switch {
		case a.Model != b.Model:
			d.Text = fmt.Sprintf("%s is %s, was %s", b.Socket, a.Model, b.Model)
		case a.Cores != b.Cores, a.Threads != b.Threads:
			d.Change = worse
			if a.Cores >= b.Cores && a.Threads >= b.Threads {
				d.Change = better
			}
			d.Text = fmt.Sprintf("%s has %d cores and %d threads, had %d and %d", b.Socket, a.Cores, a.Threads, b.Cores, b.Threads)
		default:
			continue
		}
		all = append(all, d)
	}
	for _, c := range come {
		all = append(all, Difference{Kind: "cpu", Name: c.Socket, Change: added, Text: fmt.Sprintf("%s (%s) is new", c.Socket, c.Model)})
	}
	return all
}

// compareMemory compares modules, or what the kernel counts where modules aren't known: that changes by a little with
// each kernel, so less than 1 % is none (design: allocatable memory within 1 %).
func compareMemory(b, a Memory) []Difference {
	if len(b.DIMMs) == 0 || len(a.DIMMs) == 0 {
		if b.Bytes == 0 || a.Bytes == 0 || abs(b.Bytes-a.Bytes) <= b.Bytes/100 {
			return nil
		}
		change := better
		if a.Bytes < b.Bytes {
			change = worse
		}
		return []Difference{{Kind: "memory", Name: "memory", Change: change, Text: fmt.Sprintf("%s, was %s", gib(a.Bytes), gib(b.Bytes))}}
	}
	var all []Difference
	both, gone, come := pairs(b.DIMMs, a.DIMMs, func(m DIMM) string { return m.Slot })
	for _, m := range gone {
		all = append(all, m.difference(missing, m.String()+" is missing"))
	}
	for _, p := range both {
		b, a := p[0], p[1]
		switch {
		case a.Serial != b.Serial || a.Bytes != b.Bytes:
			all = append(all, a.difference(different, fmt.Sprintf("%s, was %s", a, b.plain()), b.Serial))
		case a.Speed < b.Speed && a.Speed > 0:
			all = append(all, a.difference(worse, fmt.Sprintf("%s runs at %d MT/s, ran at %d", a.Slot, a.Speed, b.Speed)))
		}
	}
	for _, m := range come {
		all = append(all, m.difference(added, m.String()+" is new"))
	}
	return all
}

func (m DIMM) difference(change, text string, keys ...string) Difference {
	return Difference{Kind: "dimm", Name: m.Slot, Change: change, Text: text, keys: append(keys, m.Serial)}
}

// String names a module: its slot, and which one it is.
func (m DIMM) String() string { return fmt.Sprintf("%s (%s)", m.Slot, m.plain()) }

func (m DIMM) plain() string { return gib(m.Bytes) + serial(m.Serial) }

func serial(s string) string {
	if s == "" {
		return ""
	}
	return ", serial " + s
}

// compareDisks matches disks by their serial numbers, never by their names alone: sda may be another one after a boot.
func compareDisks(before, after []Disk) []Difference {
	var all []Difference
	both, gone, come := pairs(before, after, func(d Disk) string { return d.Serial }, func(d Disk) string { return d.WWN }, Disk.nameless)
	for _, d := range gone {
		all = append(all, d.difference(missing, d.String()+" isn't seen"))
	}
	for _, p := range both {
		b, a := p[0], p[1]
		if a.Bytes != b.Bytes {
			all = append(all, a.difference(different, fmt.Sprintf("%s was %s large", a, gib(b.Bytes))))
		}
		if a.Health != b.Health && a.Health != "" && a.Health != "ok" {
			all = append(all, a.difference(worse, fmt.Sprintf("%s: health is %s: %s", a, a.Health, strings.Join(a.Complaints, ", "))))
		}
		if a.Firmware != b.Firmware && a.Firmware != "" && b.Firmware != "" {
			all = append(all, a.difference(different, fmt.Sprintf("%s has firmware %s, had %s", a, a.Firmware, b.Firmware)))
		}
	}
	for _, d := range come {
		all = append(all, d.difference(added, d.String()+" is new"))
	}
	return all
}

// nameless is the key of a disk without a serial number or WWN: its name, model and size together.
func (d Disk) nameless() string {
	if d.Serial != "" || d.WWN != "" {
		return ""
	}
	return fmt.Sprintf("%s %s %d", d.Name, d.Model, d.Bytes)
}

func (d Disk) difference(change, text string) Difference {
	return Difference{Kind: "disk", Name: d.Name, Change: change, Text: text, keys: []string{d.Serial, d.WWN, "/dev/" + d.Name}, bus: d.Bus}
}

// String names a disk.
func (d Disk) String() string {
	words := []string{gib(d.Bytes)}
	if d.Model != "" {
		words = append([]string{d.Model}, words...)
	}
	return fmt.Sprintf("%s (%s%s)", d.Name, strings.Join(words, ", "), serial(d.Serial))
}

// ownMACs reports whether a port's MAC is the card's own, which ethtool knows: without it those of a bond have the bond's.
func (d Document) ownMACs() bool {
	return !slices.ContainsFunc(d.Gaps, func(gap string) bool { return strings.HasPrefix(gap, "ethtool ") })
}

// compareNICs matches ports by their MAC addresses, where they are their own, then by where they are plugged, then by name:
// another MAC in the same place is another card.
func compareNICs(before, after []NIC, own bool) []Difference {
	var all []Difference
	keys := []func(NIC) string{func(n NIC) string { return n.Bus }, func(n NIC) string { return n.Name }}
	if own {
		keys = slices.Insert(keys, 0, func(n NIC) string { return n.MAC })
	}
	both, gone, come := pairs(before, after, keys...)
	for _, n := range gone {
		all = append(all, n.difference(missing, n.String()+" isn't seen"))
	}
	for _, p := range both {
		b, a := p[0], p[1]
		if own && a.MAC != b.MAC {
			all = append(all, a.difference(different, fmt.Sprintf("%s has MAC %s, had %s", a.Name, a.MAC, b.MAC), b.MAC, b.Name))
		}
		if a.Name != b.Name {
			all = append(all, a.difference(different, fmt.Sprintf("%s is called %s now", b.Name, a.Name), b.Name))
		}
		if change, text := a.link(b); change != "" {
			all = append(all, a.difference(change, text))
		}
		if a.Firmware != b.Firmware && a.MAC == b.MAC && a.Firmware != "" && b.Firmware != "" {
			all = append(all, a.difference(different, fmt.Sprintf("%s has firmware %s, had %s", a.Name, a.Firmware, b.Firmware)))
		}
	}
	for _, n := range come {
		all = append(all, n.difference(added, n.String()+" is new"))
	}
	return all
}

// link compares the links: one that wasn't there before, or is faster, is no harm.
func (n NIC) link(before NIC) (change, text string) {
	switch {
	case before.Link && !n.Link:
		return worse, fmt.Sprintf("%s has no link, had %s", n.Name, speed(before.Mbit))
	case n.Link && !before.Link:
		return better, fmt.Sprintf("%s has a link now (%s)", n.Name, speed(n.Mbit))
	case n.Mbit > 0 && n.Mbit < before.Mbit:
		return worse, fmt.Sprintf("%s: the link is slower: %s, was %s", n.Name, speed(n.Mbit), speed(before.Mbit))
	case before.Mbit > 0 && n.Mbit > before.Mbit:
		return better, fmt.Sprintf("%s: the link is faster: %s, was %s", n.Name, speed(n.Mbit), speed(before.Mbit))
	}
	return "", ""
}

func (n NIC) difference(change, text string, keys ...string) Difference {
	return Difference{Kind: "nic", Name: n.Name, Change: change, Text: text, keys: append(keys, n.MAC, n.Bus), bus: n.Bus}
}

// String names a port.
func (n NIC) String() string { return fmt.Sprintf("%s (MAC %s)", n.Name, n.MAC) }

// comparePCI matches functions by address and kind, then by kind alone: a card more may give all others new addresses.
func comparePCI(before, after []PCI) []Difference {
	var all []Difference
	both, gone, come := pairs(before, after, func(p PCI) string { return p.Address + " " + p.ID }, func(p PCI) string { return p.ID + " " + p.Class })
	for _, p := range gone {
		all = append(all, p.difference(missing, p.String()+" isn't seen"))
	}
	for _, pair := range both {
		b, a := pair[0], pair[1]
		if a.Width > 0 && a.Width < b.Width {
			all = append(all, a.difference(worse, fmt.Sprintf("%s has a link of %d lanes, had %d", a, a.Width, b.Width)))
		}
	}
	for _, p := range come {
		all = append(all, p.difference(added, p.String()+" is new"))
	}
	return all
}

func (p PCI) difference(change, text string) Difference {
	return Difference{Kind: "pci", Name: p.Address, Change: change, Text: text, keys: []string{p.Slot, p.ID}, bus: p.Address}
}

// String names a function.
func (p PCI) String() string {
	name := p.Name
	if name == "" {
		name = p.ID
	}
	return fmt.Sprintf("%s (%s)", p.Address, name)
}

func abs(n int64) int64 { return max(n, -n) }

// gib writes an amount of bytes for people: memory and disks alike in powers of two.
func gib(bytes int64) string {
	switch {
	case bytes >= 10<<40:
		return fmt.Sprintf("%.1f TiB", float64(bytes)/(1<<40))
	case bytes >= 1<<30 && bytes%(1<<30) == 0, bytes >= 100<<30:
		return fmt.Sprintf("%d GiB", bytes>>30)
	case bytes >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}

func speed(mbit int) string {
	switch {
	case mbit == 0:
		return "an unknown speed"
	case mbit%1000 == 0:
		return fmt.Sprintf("%d Gbit/s", mbit/1000)
	}
	return fmt.Sprintf("%d Mbit/s", mbit)
}
