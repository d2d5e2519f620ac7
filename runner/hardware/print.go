package hardware

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Print writes the document for people.
func Print(out io.Writer, d Document) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(kind string, cells ...string) { fmt.Fprintf(w, "  %s\t%s\n", kind, strings.Join(cells, "\t")) }
	s := d.System
	row("system", strings.TrimSpace(s.Vendor+" "+s.Model)+serial(s.Serial))
	row("firmware", strings.TrimSpace("BIOS "+cmp.Or(s.BIOS, "unknown")), mode(s.UEFI), bmcFirmware(s))
	for _, c := range d.CPUs {
		row("cpu", c.Socket, c.Model, fmt.Sprintf("%d cores, %d threads", c.Cores, c.Threads))
	}
	row("memory", gib(d.Memory.total()), counts(d.Memory))
	for _, m := range d.Memory.DIMMs {
		row("dimm", m.Slot, m.plain(), strings.TrimSpace(fmt.Sprintf("%s %d MT/s %s %s", m.Type, m.Speed, m.Vendor, m.Part)))
	}
	for _, k := range d.Disks {
		row("disk", k.Name, gib(k.Bytes)+serial(k.Serial), k.Model, strings.TrimSpace(k.Transport+" "+k.Firmware), health(k))
	}
	for _, n := range d.NICs {
		link := "no link"
		if n.Link {
			link = speed(n.Mbit)
		}
		row("nic", n.Name, n.MAC, link, strings.TrimSpace(n.Driver+" "+n.Firmware), n.Bus)
	}
	for _, p := range d.PCI {
		row("pci", p.Address, cmp.Or(p.Name, p.ID), lanes(p))
	}
	for _, p := range d.BMC {
		row("by the BMC", p.Kind+" "+p.Slot, strings.TrimSpace(p.Model+serial(p.Serial)), strings.TrimSpace(p.Health+" "+p.Firmware))
	}
	for _, gap := range d.Gaps {
		row("not asked", gap)
	}
	return w.Flush()
}

func bmcFirmware(s System) string {
	if s.BMCFirmware == "" {
		return ""
	}
	return "BMC " + s.BMCFirmware
}

func counts(m Memory) string {
	return fmt.Sprintf("%d modules, %d errors corrected, %d not", len(m.DIMMs), m.Corrected, m.Uncorrected)
}

func health(d Disk) string {
	if len(d.Complaints) == 0 {
		return d.Health
	}
	return d.Health + ": " + strings.Join(d.Complaints, ", ")
}

func lanes(p PCI) string {
	if p.Width == 0 {
		return ""
	}
	return fmt.Sprintf("x%d, %s", p.Width, p.Speed)
}
