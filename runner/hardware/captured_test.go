package hardware

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/runner/parts"
)

// TestCaptured says by hand what the tools said of real machines (see samples for whose they are): the golden documents hold all of it.
func TestCaptured(t *testing.T) {
	all := samples(t)
	for name, want := range map[string][]any{
		"captured-dell-r6515": { // 8 TB disks behind an HBA, whose serial number udev takes from the WWN; two cards, each with its link
			System{Vendor: "Dell Inc.", Model: "PowerEdge R6515", Serial: "7N62AI2", BIOS: "2.2.4 04/12/2021"},
			Disk{Name: "sdb", Model: "SSDSCKKB480G8R", Serial: "PHYH937100WD480K", WWN: "0x55cd2e415119aed8", Bytes: 480103981056, Firmware: "DL6N"},
			Disk{Name: "sdh", Model: "HGST_HUS728T8TAL", Serial: "5000cca0bbcea4d3", WWN: "0x5000cca0bbcea4d3", Bytes: 8001563222016, Rotating: true, Firmware: "RT04"},
			PCI{Address: "0000:45:00.0", Class: "0200", ID: "8086:1521/8086:00a3", Name: "Intel Corporation I350 Gigabit Network Connection", Width: 4, Speed: "5.0 GT/s"},
			PCI{Address: "0000:a2:00.0", Class: "0200", ID: "8086:159b/8086:0003", Name: "Intel Corporation Ethernet Controller E810-XXV for SFP", Width: 8, Speed: "16.0 GT/s"},
		},
		"captured-ocp-hynix": { // nvme-cli 1.x
			Disk{Name: "nvme1n1", Model: "HFS256GD9TNG-62A0A", Serial: "MN95N637910306E2I", Bytes: 256060514304, Transport: "nvme", Bus: "0000:02:00.0", Health: "ok"},
			PCI{Address: "0000:02:00.0", Class: "0108", ID: "15b7:5017/15b7:5017", Width: 4, Speed: "16.0 GT/s"},
		},
		"captured-kingston-lvm": { // without udev nobody knows a SATA disk's serial number; nvme-cli 1.x that writes 0.0; loops are no disks
			Disk{Name: "sda", Model: "KINGSTON SH103S3", Bytes: 240057409536, Bus: "0000:00:1f.2", Firmware: "BBF0"},
			Disk{Name: "sdb", Model: "WDC WD800JD-00MS", Bytes: 80026361856, Rotating: true, Bus: "0000:00:1f.2", Firmware: "1E01"},
			Disk{Name: "nvme0n1", Model: "KINGSTON SKC1000240G", Serial: "50026B728203601D", Bytes: 240057409536, Transport: "nvme", Bus: "0000:01:00.0", Health: "ok"},
		},
		"captured-asus-x99": { // nvme-cli 2.x; lspci without domains; a disk with all that lsblk can say
			Disk{Name: "nvme0n1", Model: "SAMSUNG MZVPV512HDGL-000H1", Serial: "S27FNYAH407000", WWN: "eui.002538646100e442", Bytes: 512110190592, Transport: "nvme", Health: "ok"},
			PCI{Address: "0000:00:19.0", Class: "0200", ID: "8086:15a1/1043:85c4", Name: "Intel Corporation Ethernet Connection (2) I218-V"},
			PCI{Address: "0000:05:00.0", Slot: "2-1", Class: "0108", ID: "144d:a802/144d:a801", Name: "Samsung Electronics Co Ltd NVMe SSD Controller SM951/PM951"},
		},
		"captured-framework-13": {
			PCI{Address: "0000:00:00.0", Class: "0600", ID: "1022:14e8/f111:0006", Name: "Advanced Micro Devices, Inc. [AMD] Phoenix Root Complex"},
			PCI{Address: "0000:00:02.4", Class: "0604", ID: "1022:14ee/1022:1453", Name: "Advanced Micro Devices, Inc. [AMD] Phoenix GPP Bridge", Width: 4, Speed: "16.0 GT/s"},
		},
		"captured-lenovo": {
			PCI{Address: "0000:01:00.0", Class: "0108", ID: "c0a9:540a/c0a9:5021", Name: "Micron/Crucial Technology P2 NVMe PCIe SSD", Width: 4, Speed: "8.0 GT/s"},
		},
		"captured-lenovo-p620": { // without lspci
			PCI{Address: "0000:23:00.1", Class: "1080", ID: "1022:1486/17aa:1046", Width: 16, Speed: "16.0 GT/s"},
		},
		"captured-asus-p6t6": {
			PCI{Address: "0000:00:00.0", Class: "0600", ID: "8086:3405/1043:836b", Name: "Intel Corporation 5520/5500/X58 I/O Hub to ESI Port"},
		},
		"captured-ibm-pseries": { // five domains
			PCI{Address: "0001:01:01.1", Class: "0100", ID: "1000:0021/1000:1000", Name: "Broadcom / LSI 53c1010 66MHz  Ultra3 SCSI Adapter"},
			PCI{Address: "0004:01:01.0", Class: "0200", ID: "8086:1229/1014:01ff", Name: "Intel Corporation 82557/8/9/0/1 Ethernet Pro 100"},
		},
		"captured-server-cards": { // of an Arm server, one of Google's, and two Intel ones
			PCI{Address: "0000:01:00.0", Class: "0200", ID: "8086:10c9/8086:a03c", Name: "Intel Corporation 82576 Gigabit Network Connection"},
			PCI{Address: "0000:03:00.0", Class: "0200", ID: "15b3:1007/1ae0:0034", Name: "Mellanox Technologies MT27520 Family [ConnectX-3 Pro]"},
			PCI{Address: "0002:01:00.0", Class: "0200", ID: "177d:a01e/177d:a11e", Name: "Cavium, Inc. THUNDERX Network Interface Controller"},
		},
		"captured-fujitsu-p8010": {
			PCI{Address: "0000:00:02.0", Class: "0300", ID: "8086:2a02/10cf:13fe", Name: "Intel Corporation Mobile GM965/GL960 Integrated Graphics Controller (primary)"},
		},
	} {
		d := Parse(all[name])
		var have []any
		have = append(have, d.System)
		for _, v := range d.Disks {
			have = append(have, v)
		}
		for _, v := range d.PCI {
			have = append(have, v)
		}
		for _, v := range want {
			if !slices.ContainsFunc(have, func(h any) bool { return cmp.Equal(h, v) }) {
				t.Errorf("%s: no %+v in\n%+v", name, v, have)
			}
		}
	}
	for name, want := range map[string][2]int{ // how many disks and PCI functions
		"captured-dell-r6515": {7, 2}, "captured-kingston-lvm": {3, 0}, "captured-asus-x99": {1, 6}, "captured-framework-13": {0, 6}, "captured-asus-p6t6": {0, 53}, "captured-fujitsu-p8010": {0, 22},
		"captured-ibm-pseries": {0, 31}, "captured-server-cards": {0, 5},
	} {
		if d := Parse(all[name]); len(d.Disks) != want[0] || len(d.PCI) != want[1] {
			t.Errorf("%s: %d disks and %d functions, not %v", name, len(d.Disks), len(d.PCI), want)
		}
	}
}

// TestUnnamedFunctions: what lspci's database doesn't know is told apart by its number, as lspci itself does for people.
func TestUnnamedFunctions(t *testing.T) {
	d := Parse(parts.Mark + "lspci\nSlot:\t0000:00:00.0\nClass:\tHost bridge [0600]\nVendor:\tIntel Corporation [8086]\nDevice:\tDevice [4621]\n\n" +
		"Slot:\t0000:3b:00.0\nClass:\tProcessing accelerators [1200]\nVendor:\tVendor [1f4b]\nDevice:\tDevice [0001]\n\n")
	want := []PCI{
		{Address: "0000:00:00.0", Class: "0600", ID: "8086:4621", Name: "Intel Corporation Device 4621"},
		{Address: "0000:3b:00.0", Class: "1200", ID: "1f4b:0001", Name: "Vendor 1f4b Device 0001"},
	}
	if diff := cmp.Diff(want, d.PCI); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLinkThatTellsNothing: a function that sleeps or has fallen off its bus answers with all bits set, which is no link of 63 lanes.
func TestLinkThatTellsNothing(t *testing.T) {
	const line = "pcilinks\n0000:01:00.0 class=0x030200 vendor=0x10de device=0x20b5 sv=0x10de sd=0x1533 vf= width=%s speed=%s\n"
	link := func(width, speed string) Document {
		return Parse(parts.Mark + strings.NewReplacer("width=%s", "width="+width, "speed=%s", "speed="+speed).Replace(line))
	}
	asleep, awake := link("63", "Unknown"), link("16", "16.0 GT/s PCIe")
	if p := asleep.PCI[0]; p.Width != 0 || p.Speed != "" {
		t.Errorf("asleep: %+v", p)
	}
	if diffs := Compare(asleep, awake); len(diffs) > 0 {
		t.Errorf("awake now: %v", diffs)
	}
}
