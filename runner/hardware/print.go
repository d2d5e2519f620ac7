package hardware

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Print writes the document for people: a line each, what is of one kind in columns of its own.
func Print(out io.Writer, d Document) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	last := ""
	row := func(kind string, cells ...string) {
		for len(cells) > 0 && cells[len(cells)-1] == "" {
			cells = cells[:len(cells)-1]
		}
		if kind != last {
			_ = w.Flush() // the last one tells what went wrong
			last = kind
		}
		fmt.Fprintf(w, "  %-10s  %s\n", kind, strings.Join(cells, "\t"))
	}
	s := d.System
	row("system", strings.TrimSpace(s.Vendor+" "+s.Model)+serial(s.Serial))
	row("firmware", strings.TrimSpace("BIOS "+cmp.Or(s.BIOS, "unknown")), mode(s.UEFI), bmcFirmware(s))
	for _, c := range d.CPUs {
		size := fmt.Sprintf("%d cores, %d threads", c.Cores, c.Threads)
		if c.Cores == 0 { // of a machine that tells its threads alone
			size = fmt.Sprintf("%d threads", c.Threads)
		}
		row("cpu", c.Socket, c.Model, size)
	}
	row("memory", gib(d.Memory.total()), counts(d.Memory))
	for _, m := range d.Memory.DIMMs {
		row("dimm", m.Slot, m.plain(), strings.Join(strings.Fields(m.Type+" "+transfers(m.Speed)+" "+m.Vendor+" "+m.Part), " "))
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
	modules := fmt.Sprintf("%d modules", len(m.DIMMs))
	if len(m.DIMMs) == 1 {
		modules = "1 module"
	}
	return fmt.Sprintf("%s, %d errors corrected, %d not", modules, m.Corrected, m.Uncorrected)
}

// transfers is a module's speed; "" where it isn't known.
func transfers(speed int) string {
	if speed == 0 {
		return ""
	}
	return fmt.Sprintf("%d MT/s", speed)
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
