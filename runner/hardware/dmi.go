package hardware

import (
	"slices"
	"strings"
)

// parseDMI reads dmidecode: blocks that begin with "Handle", a line with the structure's name, and indented fields
// (SMBIOS 3.6: types 0, 1, 4 and 17).
func parseDMI(text string, d *Document) {
	for block := range strings.SplitSeq(strings.ReplaceAll(text, "\r", ""), "\nHandle ") {
		_, rest, ok := strings.Cut(block, "\n")
		if !ok {
			continue
		}
		title, body, _ := strings.Cut(rest, "\n")
		f := dmiFields(body)
		switch strings.TrimSpace(title) {
		case "BIOS Information":
			d.System.BIOS = strings.TrimSpace(f["Version"] + " " + f["Release Date"])
		case "System Information":
			d.System.Vendor, d.System.Model, d.System.Serial = f["Manufacturer"], f["Product Name"], f["Serial Number"]
		case "Processor Information":
			if strings.HasPrefix(f["Status"], "Populated") || f["Status"] == "" && f["Version"] != "" {
				d.CPUs = append(d.CPUs, CPU{
					Socket: f["Socket Designation"], Model: squeeze(f["Version"]), Cores: number(f["Core Count"]), Threads: number(f["Thread Count"]),
				})
			}
		case "Memory Device":
			if m, ok := dimm(f); ok {
				d.Memory.DIMMs = append(d.Memory.DIMMs, m)
			}
		}
	}
}

// dmiFields are the fields of one structure. Those of lists within it are indented once more, and are left out.
func dmiFields(body string) map[string]string {
	f := map[string]string{}
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "\t\t") {
			continue
		}
		k, v, ok := strings.Cut(strings.TrimSpace(line), ":")
		if v = strings.TrimSpace(v); ok && !unsaid(v) {
			f[k] = v
		}
	}
	return f
}

// unsaid reports whether a value is one of the many ways to say nothing.
func unsaid(v string) bool {
	return slices.Contains([]string{
		"not specified", "unknown", "none", "no dimm", "n/a", "to be filled by o.e.m.", "default string", "not provided", "<out of spec>", "not present",
	}, strings.ToLower(v))
}

// dimm is the module in a slot; false where the slot is empty.
func dimm(f map[string]string) (DIMM, bool) {
	bytes := size(f["Size"])
	if bytes == 0 {
		return DIMM{}, false
	}
	slot := f["Locator"]
	if bank := f["Bank Locator"]; bank != "" && !strings.Contains(slot, bank) && ambiguous(slot) {
		slot = bank + " " + slot
	}
	speed := number(f["Configured Memory Speed"])
	if speed == 0 {
		speed = number(f["Configured Clock Speed"]) // before dmidecode 3.2
	}
	return DIMM{
		Slot: slot, Bytes: bytes, Type: f["Type"], Speed: speed, Vendor: f["Manufacturer"], Part: f["Part Number"], Serial: f["Serial Number"],
	}, true
}

// ambiguous reports whether a locator needs its bank beside it: "DIMM 0" comes once a channel.
func ambiguous(slot string) bool {
	return slot == "" || strings.HasPrefix(slot, "DIMM ") && number(slot[len("DIMM "):]) < 10 && len(slot) <= len("DIMM 0")
}

var units = map[string]int64{"B": 1, "KB": 1 << 10, "KIB": 1 << 10, "MB": 1 << 20, "MIB": 1 << 20, "GB": 1 << 30, "GIB": 1 << 30, "TB": 1 << 40, "TIB": 1 << 40}

// size reads "32 GB", "32768 MB" or "512GiB", where the units are those of memory, powers of two. 0: it is none.
func size(s string) int64 {
	s = strings.TrimSpace(s)
	n := number(s)
	unit := units[strings.ToUpper(strings.TrimSpace(strings.TrimLeft(s, "0123456789")))]
	if n < 0 || unit == 0 || int64(n) > (1<<62)/unit {
		return 0
	}
	return int64(n) * unit
}

// squeeze makes one blank of many, as vendors pad CPU names.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }
