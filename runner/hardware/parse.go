package hardware

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fleetup/fleetup/runner/parts"
)

// Parse reads what the script of Gather printed, or what is left of it.
func Parse(out string) Document {
	d := Document{Version: 1}
	b := builder{d: &d, bus: map[string]string{}, nics: map[string]*NIC{}}
	for _, p := range parts.Split(out) {
		if why := p.Why(); why != "" && !slices.Contains(d.Gaps, why) && !expendable(p) {
			d.Gaps = append(d.Gaps, why)
		}
		if read := readers[p.Name]; read != nil {
			read(&b, p)
		}
	}
	b.finish()
	return d
}

// expendable reports whether nothing is missed: another part tells the same, or there is nothing to ask.
func expendable(p parts.Part) bool { return p.Name == "ipmitool" || p.Name == "nvme" }

// builder puts a Document together; some parts only make sense beside others.
type builder struct {
	d    *Document
	bus  map[string]string // of a disk
	nics map[string]*NIC
	cpus []CPU // as /proc/cpuinfo has them, for machines without dmidecode
	pci  []PCI // as /sys has them
	vfs  map[string]bool
	dmi  map[string]string
}

// readers read the parts, by their names.
var readers = map[string]func(*builder, parts.Part){
	"kernel":    func(b *builder, p parts.Part) { b.d.System.Kernel = strings.TrimSpace(p.Text) },
	"cpuinfo":   func(b *builder, p parts.Part) { b.cpus = parseCPUInfo(p.Text) },
	"meminfo":   func(b *builder, p parts.Part) { b.d.Memory.Bytes = parseMemTotal(p.Text) },
	"efi":       func(b *builder, p parts.Part) { b.d.System.UEFI = strings.TrimSpace(p.Text) == "yes" },
	"dmi":       func(b *builder, p parts.Part) { b.dmi = fields(p.Text) },
	"dmidecode": func(b *builder, p parts.Part) { parseDMI(p.Text, b.d) },
	"lsblk":     func(b *builder, p parts.Part) { b.disks(p) },
	"bus":       func(b *builder, p parts.Part) { b.place(p.Of, pciOf(p.Text)) },
	"smartctl":  func(b *builder, p parts.Part) { b.disk(p.Of, func(d *Disk) { parseSmartctl(p.Text, d) }) },
	"nvme":      func(b *builder, p parts.Part) { b.disk(p.Of, func(d *Disk) { parseNVMe(p.Text, d) }) },
	"nic":       func(b *builder, p parts.Part) { b.nics[p.Of] = parseNIC(p.Of, p.Text) },
	"permanent": func(b *builder, p parts.Part) { b.nic(p.Of, func(n *NIC) { parsePermanent(p.Text, n) }) },
	"driver":    func(b *builder, p parts.Part) { b.nic(p.Of, func(n *NIC) { parseDriver(p.Text, n) }) },
	"lspci":     func(b *builder, p parts.Part) { b.d.PCI = parseLspci(p.Text) },
	"pcilinks":  func(b *builder, p parts.Part) { b.pci, b.vfs = parsePCILinks(p.Text) },
	"ipmitool":  func(b *builder, p parts.Part) { b.d.System.BMCFirmware = fields(p.Text)["Firmware Revision"] },
	"edac":      func(b *builder, p parts.Part) { b.d.Memory.Corrected, b.d.Memory.Uncorrected = parseEDAC(p.Text) },
	"kernellog": func(b *builder, p parts.Part) { b.d.Memory.Errors = broken(lines(p.Text)) },
}

// disks reads what lsblk says, which is nothing at all where it knows no JSON.
func (b *builder) disks(p parts.Part) {
	b.d.Disks = parseLsblk(p.Text)
	if p.Why() == "" && jsonIn(p.Text) == "" {
		b.d.Gaps = append(b.d.Gaps, "lsblk told of no disks: util-linux before 2.27 can't")
	}
}

func (b *builder) disk(name string, f func(*Disk)) {
	for i := range b.d.Disks {
		if b.d.Disks[i].Name == name {
			f(&b.d.Disks[i])
		}
	}
}

// way is a way to an NVMe disk that the kernel may reach by several: nvme10c65n1 is one to nvme10n1, which hangs on no bus itself.
var way = regexp.MustCompile(`^(nvme[0-9]+)c[0-9]+(n[0-9]+)$`)

// DiskOf is the disk that a name of the kernel's stands for: that to which it is a way, or itself.
func DiskOf(name string) string { return way.ReplaceAllString(name, "$1$2") }

// place notes on which bus a disk, or the first way to it, is.
func (b *builder) place(disk, bus string) {
	disk = DiskOf(disk)
	b.bus[disk] = cmp.Or(b.bus[disk], bus)
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
		if n != nil {
			d.NICs = append(d.NICs, *n)
		}
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
	d.PCI = withLinks(d.PCI, b.pci, b.vfs)
	slices.SortFunc(d.CPUs, func(a, b CPU) int { return cmp.Compare(a.Socket, b.Socket) })
	slices.SortFunc(d.Disks, func(a, b Disk) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(d.NICs, func(a, b NIC) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(d.PCI, func(a, b PCI) int { return cmp.Compare(a.Address, b.Address) })
}

// ofBroken is what the kernel's log says of broken hardware. EDAC names what it counts, CE or UE, in capitals: what it says of
// each memory controller at every boot ("EDAC MC0: Giving out device to module skx_edac") is no error.
var ofBroken = regexp.MustCompile(`(?i:hardware error|machine check|uncorrect)|EDAC .*[ :](CE|UE) `)

func broken(log []string) []string {
	return slices.DeleteFunc(log, func(line string) bool { return !ofBroken.MatchString(line) })
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
