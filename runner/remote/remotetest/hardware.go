package remotetest

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
	"github.com/fleetup/fleetup/runner/remote/remotetest/vfs"
)

// Hardware is what a machine is made of, as its tools tell it. A change shows once it boots.
type Hardware struct {
	DIMMs []DIMM
	Disks []Disk
	NICs  []NIC
}

// DIMM is a memory module.
type DIMM struct {
	Slot, Serial string
	GiB          int
}

// Disk is a disk; a failing one is called so by SMART.
type Disk struct {
	Name, Serial string
	GiB          int
	Failing      bool
}

// NIC is a network card; Mbit 0 is one without a link.
type NIC struct {
	Name, MAC string
	Mbit      int
}

// defaultHardware is that of a small server.
func defaultHardware(name string) Hardware {
	return Hardware{
		DIMMs: []DIMM{{"A1", "D-" + name + "-1", 32}, {"B1", "D-" + name + "-2", 32}},
		Disks: []Disk{{"sda", "S-" + name + "-1", 480, false}, {"sdb", "S-" + name + "-2", 1920, false}},
		NICs:  []NIC{{"eno1", "52:54:00:00:00:01", 25000}, {"eno2", "52:54:00:00:00:02", 0}},
	}
}

// SetHardware changes what the machine is made of, as a person with a screwdriver does.
func (m *Machine) SetHardware(change func(*Hardware)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.hardware)
}

func (m *Machine) seen() Hardware {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.shown
}

// mountSys fills /sys with what there is at boot.
func (m *Machine) mountSys() {
	root := vfs.Cred{}
	m.mu.Lock()
	hw := Hardware{
		DIMMs: append([]DIMM{}, m.hardware.DIMMs...), Disks: append([]Disk{}, m.hardware.Disks...), NICs: append([]NIC{}, m.hardware.NICs...),
	}
	m.shown = hw
	m.mu.Unlock()
	file := func(name, text string) {
		m.FS.MkdirAll(root, path.Dir(name), 0o755)
		m.FS.WriteFile(root, name, []byte(text+"\n"), 0o444)
	}
	for _, dir := range []string{"/sys/block", "/sys/class", "/sys/bus", "/sys/devices"} {
		m.FS.RemoveAll(root, dir)
	}
	for name, text := range map[string]string{
		"sys_vendor": "Simulated", "product_name": "Box 1U", "product_serial": "B-" + m.o.Name, "bios_version": "1.0", "bios_date": "01/01/2026",
	} {
		file("/sys/class/dmi/id/"+name, text)
	}
	for i, d := range hw.Disks {
		at := fmt.Sprintf("/sys/devices/pci0000:00/0000:00:1f.2/ata%d/host%d", i+1, i)
		m.FS.MkdirAll(root, at, 0o755)
		m.FS.MkdirAll(root, "/sys/block/"+d.Name, 0o755)
		m.FS.Symlink(root, at, "/sys/block/"+d.Name+"/device")
	}
	for i, n := range hw.NICs {
		at := fmt.Sprintf("/sys/devices/pci0000:00/0000:00:%02x.0", i+4)
		for name, text := range map[string]string{
			"class": "0x020000", "vendor": "0x8086", "device": "0x159b", "subsystem_vendor": "0x8086", "subsystem_device": "0x0007",
			"current_link_width": "8", "current_link_speed": "16.0 GT/s PCIe",
		} {
			file(at+"/"+name, text)
		}
		m.FS.MkdirAll(root, "/sys/bus/pci/devices", 0o755)
		m.FS.Symlink(root, at, "/sys/bus/pci/devices/"+path.Base(at))
		file("/sys/class/net/"+n.Name+"/address", n.MAC)
		carrier := map[bool]string{true: "1", false: "0"}[n.Mbit > 0]
		file("/sys/class/net/"+n.Name+"/carrier", carrier)
		file("/sys/class/net/"+n.Name+"/speed", fmt.Sprint(n.Mbit))
		m.FS.Symlink(root, at, "/sys/class/net/"+n.Name+"/device")
	}
}

// hardwarePrograms tell what the machine is made of.
func (m *Machine) hardwarePrograms() map[string]shell.Program {
	return map[string]shell.Program{"lsblk": m.lsblk, "smartctl": m.smartctl, "dmidecode": m.dmidecode, "ethtool": m.ethtool}
}

// lsblk knows -J alone, whatever columns are asked for.
func (m *Machine) lsblk(p *shell.Proc) int {
	var all []map[string]any
	for _, d := range m.seen().Disks {
		all = append(all, map[string]any{
			"name": d.Name, "type": "disk", "size": d.GiB << 30, "rota": false, "model": "Simulated SSD", "serial": d.Serial, "wwn": nil, "tran": "sata", "rev": "1.0",
		})
	}
	b, _ := json.Marshal(map[string]any{"blockdevices": all})
	p.Printf("%s\n", b)
	return 0
}

func (m *Machine) smartctl(p *shell.Proc) int {
	name := strings.TrimPrefix(p.Args[len(p.Args)-1], "/dev/")
	for _, d := range m.seen().Disks {
		if d.Name == name {
			p.Printf(`{"serial_number":%q,"smart_status":{"passed":%v}}`+"\n", d.Serial, !d.Failing)
			return map[bool]int{true: 8, false: 0}[d.Failing]
		}
	}
	return p.Fail(2, "unable to open %s", name)
}

func (m *Machine) dmidecode(p *shell.Proc) int {
	if p.Cred.UID != 0 {
		return p.Fail(1, "/dev/mem: Permission denied")
	}
	p.Printf("# dmidecode 3.4\n\nHandle 0x0100, DMI type 1, 27 bytes\nSystem Information\n\tManufacturer: Simulated\n\tProduct Name: Box 1U\n\tSerial Number: B-%s\n", m.o.Name)
	for i, d := range m.seen().DIMMs {
		p.Printf("\nHandle 0x11%02d, DMI type 17, 92 bytes\nMemory Device\n\tSize: %d GB\n\tLocator: %s\n\tType: DDR5\n\tSerial Number: %s\n\tConfigured Memory Speed: 4800 MT/s\n",
			i, d.GiB, d.Slot, d.Serial)
	}
	return 0
}

// ethtool knows -P and -i.
func (m *Machine) ethtool(p *shell.Proc) int {
	name := p.Args[len(p.Args)-1]
	for _, n := range m.seen().NICs {
		switch {
		case n.Name != name:
		case p.Args[1] == "-P":
			p.Printf("Permanent address: %s\n", n.MAC)
			return 0
		case p.Args[1] == "-i":
			p.Printf("driver: ice\nfirmware-version: 4.40\nbus-info: 0000:00:04.0\n")
			return 0
		}
	}
	return p.Fail(71, "Cannot get device settings: No such device")
}
