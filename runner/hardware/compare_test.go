package hardware

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// change is a sample machine with something done to it.
type change struct {
	sample string
	do     func(*Document)
	want   []string // the differences, for people
}

func remove[T any](list *[]T, i int) { *list = slices.Delete(slices.Clone(*list), i, i+1) }

func edit[T any](list *[]T, i int, f func(*T)) {
	*list = slices.Clone(*list)
	f(&(*list)[i])
}

var changes = map[string]change{
	"nothing":        {"dell-r650", func(*Document) {}, nil},
	"missing DIMM":   {"dell-r650", func(d *Document) { remove(&d.Memory.DIMMs, 0) }, []string{"dimm: A1 (32 GiB, serial 40D5C1A1) is missing"}},
	"exchanged DIMM": {"dell-r650", func(d *Document) { edit(&d.Memory.DIMMs, 1, func(m *DIMM) { m.Serial, m.Bytes = "F00", 64<<30 }) }, []string{"dimm: B1 (64 GiB, serial F00), was 32 GiB, serial 40D5C1B7"}},
	"slower DIMM":    {"dell-r650", func(d *Document) { edit(&d.Memory.DIMMs, 1, func(m *DIMM) { m.Speed = 2400 }) }, []string{"dimm: B1 runs at 2400 MT/s, ran at 2933"}},
	"slower link":    {"dell-r650", func(d *Document) { edit(&d.NICs, 0, func(n *NIC) { n.Mbit = 10000 }) }, []string{"nic: eno1np0: the link is slower: 10 Gbit/s, was 25 Gbit/s"}},
	"no link":        {"dell-r650", func(d *Document) { edit(&d.NICs, 0, func(n *NIC) { n.Link, n.Mbit = false, 0 }) }, []string{"nic: eno1np0 has no link, had 25 Gbit/s"}},
	"a link more":    {"dell-r650", func(d *Document) { edit(&d.NICs, 1, func(n *NIC) { n.Link, n.Mbit = true, 25000 }) }, []string{"nic: eno2np1 has a link now (25 Gbit/s)"}},
	"another MAC":    {"dell-r650", func(d *Document) { edit(&d.NICs, 0, func(n *NIC) { n.MAC = "02:00:00:00:00:01" }) }, []string{"nic: eno1np0 has MAC 02:00:00:00:00:01, had b0:7b:25:f1:00:0a"}},
	"renamed NIC":    {"dell-r650", func(d *Document) { edit(&d.NICs, 0, func(n *NIC) { n.Name = "ens1" }) }, []string{"nic: eno1np0 is called ens1 now"}},
	"lost NIC": {"dell-r650", func(d *Document) { remove(&d.NICs, 1); remove(&d.PCI, 2) }, []string{
		"nic: eno2np1 (MAC b0:7b:25:f1:00:0b) isn't seen", "pci: 0000:31:00.1 (Intel Corporation Ethernet Controller E810-XXV for SFP) isn't seen",
	}},
	"disk not seen": {"supermicro-nvme", func(d *Document) { remove(&d.Disks, 0); remove(&d.PCI, 0) }, []string{
		"disk: nvme0n1 (SAMSUNG MZQL21T9HCJR-00A07, 1788 GiB, serial S64GNE0T300541) isn't seen",
		"pci: 0000:41:00.0 (Samsung Electronics Co Ltd NVMe SSD Controller PM9A1/PM9A3/980PRO) isn't seen",
	}},
	"disk that fails": {"dell-r650", func(d *Document) { edit(&d.Disks, 0, func(k *Disk) { k.worse("failed", "SMART says it is failing") }) }, []string{
		"disk: sda (MZ7LH960HAJR0D3, 894 GiB, serial S6EPNA0T500117): health is failed: SMART says it is failing",
	}},
	"disks called otherwise": {"dell-r650", func(d *Document) {
		d.Disks = slices.Clone(d.Disks)
		d.Disks[0].Name, d.Disks[1].Name = "sdb", "sda"
	}, nil},
	"other addresses": {"supermicro-nvme", func(d *Document) { edit(&d.PCI, 0, func(p *PCI) { p.Address = "0000:43:00.0" }) }, nil},
	"narrower slot":   {"supermicro-nvme", func(d *Document) { edit(&d.PCI, 2, func(p *PCI) { p.Width = 8 }) }, []string{"pci: 0000:81:00.0 (Mellanox Technologies MT27800 Family [ConnectX-5]) has a link of 8 lanes, had 16"}},
	"less memory":     {"qemu", func(d *Document) { d.Memory.Bytes /= 2 }, []string{"memory: 488 MiB, was 977 MiB"}},
	"another kernel":  {"qemu", func(d *Document) { d.System.Kernel = "6.1.0-56"; d.Memory.Bytes -= 1 << 20 }, nil},
	"missing CPU":     {"dell-r650", func(d *Document) { remove(&d.CPUs, 1) }, []string{"cpu: CPU2 (Intel(R) Xeon(R) Gold 5318Y CPU @ 2.10GHz) is missing"}},
	"another CPU":     {"dell-r650", func(d *Document) { edit(&d.CPUs, 1, func(c *CPU) { c.Model = "Xeon 9" }) }, []string{"cpu: CPU2 is Xeon 9, was Intel(R) Xeon(R) Gold 5318Y CPU @ 2.10GHz"}},
	"fewer cores":     {"dell-r650", func(d *Document) { edit(&d.CPUs, 1, func(c *CPU) { c.Cores = 20 }) }, []string{"cpu: CPU2 has 20 cores and 48 threads, had 24 and 48"}},
	"another board": {"dell-r650", func(d *Document) {
		d.System.Serial, d.System.BIOS, d.System.UEFI, d.System.BMCFirmware = "8ABC", "1.14", false, "7.10"
	}, []string{"system: serial number is 8ABC, was 7XK2QJ3", "bios: version is 1.14, was 1.13.2 12/19/2023", "bios: boot mode is BIOS, was UEFI", "bmc: firmware is 7.10, was 7.00"}},
}

func TestCompare(t *testing.T) {
	all := samples(t)
	for name, c := range changes {
		before, after := Parse(all[c.sample]), Parse(all[c.sample])
		c.do(&after)
		var got []string
		for _, d := range Compare(before, after) {
			got = append(got, d.String())
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if len(c.want) > 0 && Judge(before, after, Compare(before, after), nil).Good() != (name == "a link more") {
			t.Errorf("%s: unexpected, and judged the other way", name)
		}
	}
}

// TestJudge: what was announced is covered with the PCI functions that it brings, and nothing else is.
func TestJudge(t *testing.T) {
	all := samples(t)
	add := func(d *Document) {
		d.Disks = append(slices.Clone(d.Disks), Disk{Name: "nvme2n1", Serial: "NEW", Bytes: 2 << 40, Bus: "0000:44:00.0"})
		d.PCI = append(slices.Clone(d.PCI), PCI{Address: "0000:44:00.0", Class: "0108", ID: "1:2"}, PCI{Address: "0000:40:01.3", Class: "0604", ID: "3:4", Name: "AMD GPP Bridge"})
	}
	for name, tc := range map[string]struct {
		sample     string
		do         func(*Document)
		expect     []string
		unexpected []string // parts of the texts
		unmet      []string
	}{
		"a disk more":                    {"supermicro-nvme", add, []string{"disk +1"}, nil, nil},
		"a disk more, unannounced":       {"supermicro-nvme", add, nil, []string{"nvme2n1", "44:00.0", "40:01.3"}, nil},
		"announced two":                  {"supermicro-nvme", add, []string{"disk +2"}, nil, []string{`expected "disk +2", and 1 of 2 new ones are seen`}},
		"announced and not there":        {"dell-r650", func(*Document) {}, []string{"disk +1"}, nil, []string{`expected "disk +1", and 0 of 1 new ones are seen`}},
		"a disk more, and a DIMM gone":   {"supermicro-nvme", func(d *Document) { add(d); remove(&d.Memory.DIMMs, 0) }, []string{"disk +1"}, []string{"DIMM 0 (64 GiB, serial 2D4C9A01) is missing"}, nil},
		"a disk gone":                    {"supermicro-nvme", changes["disk not seen"].do, []string{"disk -1"}, nil, nil},
		"a disk exchanged":               {"supermicro-nvme", func(d *Document) { changes["disk not seen"].do(d); add(d) }, []string{"disk +-1"}, nil, nil},
		"not exchanged, but added":       {"supermicro-nvme", add, []string{"disk +-1"}, nil, []string{`expected "disk +-1", and 0 of 1 are gone`}},
		"a failing disk isn't covered":   {"dell-r650", changes["disk that fails"].do, []string{"disk +-1"}, []string{"SMART says"}, []string{"0 of 1"}},
		"memory":                         {"dell-r650", func(d *Document) { edit(&d.Memory.DIMMs, 1, func(m *DIMM) { m.Bytes, m.Serial = 64<<30, "X" }) }, []string{"memory 96GiB"}, nil, nil},
		"memory, not all of it":          {"dell-r650", func(d *Document) { remove(&d.Memory.DIMMs, 1) }, []string{"memory 96 GiB"}, []string{"B1"}, []string{`expected "memory 96 GiB", and it has 32 GiB`}},
		"memory of a VM":                 {"qemu", func(d *Document) { d.Memory.Bytes = 2040109465 }, []string{"memory 1950MiB"}, nil, nil},
		"a slower DIMM isn't covered":    {"dell-r650", changes["slower DIMM"].do, []string{"memory 64GiB"}, []string{"2400 MT/s"}, nil},
		"a NIC by its name":              {"dell-r650", changes["another MAC"].do, []string{"nic eno1np0"}, nil, nil},
		"a NIC by its old MAC":           {"dell-r650", changes["another MAC"].do, []string{"nic B0:7B:25:F1:00:0A"}, nil, nil},
		"a NIC exchanged":                {"dell-r650", changes["another MAC"].do, []string{"nic +-1"}, nil, nil},
		"another NIC than the named":     {"dell-r650", changes["another MAC"].do, []string{"nic eno2np1"}, []string{"eno1np0"}, nil},
		"a port gone, with its function": {"dell-r650", changes["lost NIC"].do, []string{"nic -1"}, nil, nil},
		"another board":                  {"dell-r650", changes["another board"].do, []string{"system", "bios", "bmc"}, nil, nil},
		"only the BIOS":                  {"dell-r650", changes["another board"].do, []string{"bios"}, []string{"serial number", "7.10"}, nil},
	} {
		before, after := Parse(all[tc.sample]), Parse(all[tc.sample])
		tc.do(&after)
		var expected []Expectation
		for _, s := range tc.expect {
			e, err := ParseExpect(s)
			if err != nil {
				t.Fatal(err)
			}
			expected = append(expected, e)
		}
		v := Judge(before, after, Compare(before, after), expected)
		wantParts(t, name+": unexpected", tc.unexpected, textsOf(v.Unexpected))
		wantParts(t, name+": unmet", tc.unmet, v.Unmet)
		if v.Good() != (len(tc.unexpected)+len(tc.unmet) == 0) {
			t.Errorf("%s: good is %v", name, v.Good())
		}
	}
}

func textsOf(diffs []Difference) []string {
	var texts []string
	for _, d := range diffs {
		texts = append(texts, d.String())
	}
	return texts
}

func wantParts(t *testing.T, what string, want, got []string) {
	t.Helper()
	if len(want) != len(got) {
		t.Errorf("%s: %q, want %q", what, got, want)
		return
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("%s: %q, want %q in it", what, got[i], want[i])
		}
	}
}

// TestGapIsSaid: a tool that has gone since can't tell, and that is told.
func TestGapIsSaid(t *testing.T) {
	before := Parse(samples(t)["dell-r650"])
	after := before
	after.Memory.DIMMs, after.Gaps = nil, []string{"dmidecode isn't installed"}
	v := Judge(before, after, Compare(before, after), nil)
	wantParts(t, "unknown", []string{"dmidecode isn't installed now"}, v.Unknown)
	if !v.Good() {
		t.Errorf("%+v", v)
	}
}

func TestParseExpectRefuses(t *testing.T) {
	for _, s := range []string{"", "disk", "disc +1", "disk +0", "disk +x", "disk +-", "memory", "memory lots", "memory +1"} {
		if e, err := ParseExpect(s); err == nil || !strings.Contains(err.Error(), `"disk +1"`) {
			t.Errorf("%q: %+v, %v", s, e, err)
		}
	}
}

func TestProblems(t *testing.T) {
	all := samples(t)
	for name, want := range map[string][]string{
		"dell-r650":       nil,
		"hpe-dl380":       {"memory: 1 errors that could not be corrected", "EDAC MC0: 1 UE"},
		"supermicro-nvme": {"nvme1n1", "sda (ST4000NM000A-2HZ100"},
		"qemu":            nil,
	} {
		wantParts(t, name, want, Problems(Parse(all[name])))
	}
	wantParts(t, "warnings", []string{"12 reallocated sectors", "3 errors corrected"}, Warnings(Parse(all["dell-r650"])))
	d := Document{BMC: []Part{{Kind: "disk", Slot: "Bay 1", Health: "critical"}, {Kind: "cpu", Slot: "1", Health: "ok"}}}
	d.BMCErrors = []string{"memory error in DIMM A1 (2026-03-01 10:00 UTC)"}
	wantParts(t, "the BMC's", []string{"the BMC's event log: memory error in DIMM A1", "the BMC calls disk Bay 1 critical"}, Problems(d))
	d = Document{BMC: []Part{{Kind: "disk", Slot: "Bay 1", Serial: "S6EPNA0T500123", Health: "warning"}, {Kind: "disk", Slot: "Bay 0", Health: "ok"}}}
	wantParts(t, "what the BMC expects to fail", []string{"the BMC warns of disk Bay 1, serial S6EPNA0T500123"}, Warnings(d))
	wantParts(t, "it is no reason to keep holding", nil, Problems(d))
}
