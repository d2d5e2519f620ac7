package hardware

import (
	"regexp"
	"slices"
	"strings"
)

// named is "Ethernet controller [0200]": a name and its number.
var named = regexp.MustCompile(`^(.*) \[([0-9a-f]{4})\]$`)

// parseLspci reads `lspci -D -vmm -nn`: a block a function. Without -D an address of the first domain comes without it.
func parseLspci(out string) []PCI {
	var all []PCI
	for block := range strings.SplitSeq(strings.ReplaceAll(out, "\r", ""), "\n\n") {
		f := map[string]string{}
		for line := range strings.Lines(block) {
			if k, v, ok := strings.Cut(line, ":\t"); ok {
				f[k] = strings.TrimSpace(v)
			}
		}
		at := f["Slot"]
		if strings.Count(at, ":") == 1 {
			at = "0000:" + at
		}
		_, class := apart(f["Class"])
		vendor, vid := apart(f["Vendor"])
		device, did := apart(f["Device"])
		if !address.MatchString(at) || class == "" {
			continue
		}
		_, svid := apart(f["SVendor"])
		_, sdid := apart(f["SDevice"])
		all = append(all, PCI{
			Address: at, Slot: f["PhySlot"], Class: class, ID: pciID(vid, did, svid, sdid), Name: strings.TrimSpace(vendor + " " + device),
		})
	}
	return all
}

// apart is a name and its number. What lspci has no name for it calls "Device", or "Vendor", alike: the number tells them apart.
func apart(s string) (name, id string) {
	m := named.FindStringSubmatch(s)
	switch {
	case m == nil:
		return s, ""
	case m[1] == "Device", m[1] == "Vendor":
		return m[1] + " " + m[2], m[2]
	}
	return m[1], m[2]
}

// pciID is vendor, device and what they are in: the same card in another server has another subsystem.
func pciID(vendor, device, subVendor, subDevice string) string {
	id := vendor + ":" + device
	if subVendor != "" && subVendor != "0000" {
		id += "/" + subVendor + ":" + subDevice
	}
	return id
}

// noLanes is the width that a function tells which sleeps or has fallen off its bus: all bits of the field are set then. A link has at
// most 32 lanes (PCI Express 5.0, 7.5.3.8).
const noLanes = 63

// parsePCILinks reads what /sys says of each function: what lspci says, without names, and the links that it negotiated.
// Virtual functions are apart, by address: a card makes them when it is told to, as Kubernetes' SR-IOV operator does once
// the kubelet runs, so they are no hardware.
func parsePCILinks(out string) (all []PCI, vfs map[string]bool) {
	vfs = map[string]bool{}
	for line := range strings.Lines(out) {
		at, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !address.MatchString(at) {
			continue
		}
		rest, speed, _ := strings.Cut(rest, " speed=")
		f := map[string]string{}
		for word := range strings.FieldsSeq(rest) {
			k, v, _ := strings.Cut(word, "=")
			f[k] = strings.TrimPrefix(v, "0x")
		}
		if f["vf"] == "yes" {
			vfs[at] = true
			continue
		}
		class := f["class"]
		if len(class) >= 4 {
			class = class[:4] // without the programming interface
		}
		p := PCI{Address: at, Class: class, ID: pciID(f["vendor"], f["device"], f["sv"], f["sd"])}
		if w := number(f["width"]); w > 0 && w < noLanes {
			p.Width, p.Speed = w, strings.TrimSuffix(strings.TrimSpace(speed), " PCIe")
		}
		all = append(all, p)
	}
	return all, vfs
}

// withLinks adds the links to what lspci says, and leaves out what is virtual; without lspci what /sys says is all there is.
func withLinks(all, links []PCI, vfs map[string]bool) []PCI {
	if len(all) == 0 {
		return links
	}
	all = slices.DeleteFunc(all, func(p PCI) bool { return vfs[p.Address] })
	at := make(map[string]PCI, len(links))
	for _, l := range links {
		at[l.Address] = l
	}
	for i := range all {
		all[i].Width, all[i].Speed = at[all[i].Address].Width, at[all[i].Address].Speed
		if l, ok := at[all[i].Address]; ok { // lspci names no subsystem that its database doesn't know
			all[i].ID = l.ID
		}
	}
	return all
}
