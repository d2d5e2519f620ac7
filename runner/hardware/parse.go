package hardware

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Parse reads what the script of Gather printed, or what is left of it.
func Parse(out string) Document {
	d := Document{Version: 1}
	b := builder{d: &d, bus: map[string]string{}, nics: map[string]*NIC{}}
	for _, p := range split(out) {
		if why := p.why(); why != "" && !slices.Contains(d.Gaps, why) && !expendable(p) {
			d.Gaps = append(d.Gaps, why)
		}
		if read := readers[p.name]; read != nil {
			read(&b, p)
		}
	}
	b.finish()
	return d
}

// expendable reports whether nothing is missed: another part tells the same, or there is nothing to ask.
func expendable(p part) bool { return p.name == "ipmitool" || p.name == "nvme" }

// builder puts a Document together; some parts only make sense beside others.
type builder struct {
	d    *Document
	bus  map[string]string // of a disk
	nics map[string]*NIC
	cpus []CPU // as /proc/cpuinfo has them, for machines without dmidecode
	pci  []PCI // as /sys has them
	dmi  map[string]string
}

// readers read the parts, by their names.
var readers = map[string]func(*builder, part){
	"kernel":    func(b *builder, p part) { b.d.System.Kernel = strings.TrimSpace(p.text) },
	"cpuinfo":   func(b *builder, p part) { b.cpus = parseCPUInfo(p.text) },
	"meminfo":   func(b *builder, p part) { b.d.Memory.Bytes = parseMemTotal(p.text) },
	"efi":       func(b *builder, p part) { b.d.System.UEFI = strings.TrimSpace(p.text) == "yes" },
	"dmi":       func(b *builder, p part) { b.dmi = fields(p.text) },
	"dmidecode": func(b *builder, p part) { parseDMI(p.text, b.d) },
	"lsblk":     func(b *builder, p part) { b.d.Disks = parseLsblk(p.text) },
	"bus":       func(b *builder, p part) { b.bus[p.arg] = pciOf(p.text) },
	"smartctl":  func(b *builder, p part) { b.disk(p.arg, func(d *Disk) { parseSmartctl(p.text, d) }) },
	"nvme":      func(b *builder, p part) { b.disk(p.arg, func(d *Disk) { parseNVMe(p.text, d) }) },
	"nic":       func(b *builder, p part) { b.nics[p.arg] = parseNIC(p.arg, p.text) },
	"permanent": func(b *builder, p part) { b.nic(p.arg, func(n *NIC) { parsePermanent(p.text, n) }) },
	"driver":    func(b *builder, p part) { b.nic(p.arg, func(n *NIC) { parseDriver(p.text, n) }) },
	"lspci":     func(b *builder, p part) { b.d.PCI = parseLspci(p.text) },
	"pcilinks":  func(b *builder, p part) { b.pci = parsePCILinks(p.text) },
	"ipmitool":  func(b *builder, p part) { b.d.System.BMCFirmware = fields(p.text)["Firmware Revision"] },
	"edac":      func(b *builder, p part) { b.d.Memory.Corrected, b.d.Memory.Uncorrected = parseEDAC(p.text) },
	"kernellog": func(b *builder, p part) { b.d.Memory.Errors = lines(p.text) },
}

func (b *builder) disk(name string, f func(*Disk)) {
	for i := range b.d.Disks {
		if b.d.Disks[i].Name == name {
			f(&b.d.Disks[i])
		}
	}
}

func (b *builder) nic(name string, f func(*NIC)) {
	if n := b.nics[name]; n != nil {
		f(n)
	}
}

// finish fills what one source knows where another one is missing, and puts everything in order.
func (b *builder) finish() {
	d := b.d
	for _, n := range b.nics {
		d.NICs = append(d.NICs, *n)
	}
	for i := range d.Disks {
		d.Disks[i].Bus = b.bus[d.Disks[i].Name]
	}
	if len(d.CPUs) == 0 {
		d.CPUs = b.cpus
	}
	s, id := &d.System, func(name string) string { return b.dmi["/sys/class/dmi/id/"+name] }
	s.Vendor, s.Model, s.Serial = cmp.Or(s.Vendor, id("sys_vendor")), cmp.Or(s.Model, id("product_name")), cmp.Or(s.Serial, id("product_serial"))
	s.BIOS = cmp.Or(s.BIOS, strings.TrimSpace(id("bios_version")+" "+id("bios_date")))
	d.PCI = withLinks(d.PCI, b.pci)
	slices.SortFunc(d.CPUs, func(a, b CPU) int { return cmp.Compare(a.Socket, b.Socket) })
	slices.SortFunc(d.Disks, func(a, b Disk) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(d.NICs, func(a, b NIC) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(d.PCI, func(a, b PCI) int { return cmp.Compare(a.Address, b.Address) })
}

// number is the digits that s begins with; 0 where it doesn't.
func number(s string) int {
	s = strings.TrimSpace(s)
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(s[:end])
	if err != nil {
		return 0
	}
	return n
}

// lines are the lines that hold something.
func lines(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '!' {
			all = append(all, line)
		}
	}
	return all
}
