package hardware

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/runner/parts"
)

var update = flag.Bool("update", false, "write the golden files anew")

// samples are what the script prints on machines of several kinds. qemu-nvme is what the vm tests' machine printed (see
// testdata/lab, FLEETUP_CAPTURE). The captured ones hold what was said on real machines, each part on one of them:
//
//   - dmidecode of a Supermicro X9DBL, a Synology RS3614xs+ and a Gigabyte X399: u-root, cmds/exp/dmidecode (BSD-3-Clause)
//   - smartctl of disks behind MegaRAID, USB, SAS and NVMe: telegraf, plugins/inputs/smartctl (MIT)
//   - /proc: ghw, testdata/snapshots (Apache-2.0); ethtool -i of ixgbe, igb and i40e: people's reports
//   - lsblk of a Dell server with 8 TB disks, the first of them, without what --paths and the partitions added: dell/csi-baremetal,
//     pkg/mocks/commands.go (Apache-2.0); of a disk that HP builds into workstations, likewise: microsoft/trident (MIT); of a PC with
//     LVM: lsblk 2.38.1 on the /sys that util-linux has, tests/ts/lsblk/dumps/simple-lvm (GPL-2.0-or-later)
//   - nvme smart-log by nvme-cli 1.x, of a Hynix disk: opencomputeproject/ocp-diag-autoval-ssd (MIT), and with 0.0 for 0; by 2.x:
//     crusoecloud/nvme_exporter, main.go
//   - lspci of an ASUS X99, without -D and cut by them: jr0d/mercury (Rackspace, Apache-2.0); of a Framework 13, the first functions:
//     mkoreneff/iommu_info_generate, issue 8; of an ASUS P6T6, a Fujitsu P8010, an IBM pSeries and cards of servers: lspci 3.9.0 on
//     the registers that pciutils has, tests/ (GPL-2.0-or-later); of a server's network cards and a Lenovo laptop: lspci 3.9.0 on the /sys that procfs and
//     node_exporter have (Apache-2.0), as are the links and what DMI says of a Dell R6515
//   - links of a Framework 13 and a Lenovo P620: fwupd, plugins/nvme and plugins/pci-psp (LGPL-2.1-or-later)
//
// The addresses of network cards, the Hynix disk's line of lsblk and those of X9DBL, RS3614xs+ and X399 are ours. The others were
// written after the tools' formats: a Dell server on Debian with a bond and a worn disk, an HPE server on Red Hat 8 whose lsblk
// writes strings and whose second socket is empty, a Supermicro server with NVMe and a dying disk, and a virtual machine with hardly
// a tool.
func samples(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	all := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(f), ".txt")] = string(b)
	}
	return all
}

// TestParse compares what is read of each machine with its golden document, and how that is printed.
func TestParse(t *testing.T) {
	for name, out := range samples(t) {
		d := Parse(out)
		js, err := json.MarshalIndent(d, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		if err := Print(&text, d); err != nil {
			t.Fatal(err)
		}
		golden(t, "testdata/"+name+".json", string(js)+"\n")
		golden(t, "testdata/"+name+".print", text.String())
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil { //nolint:gosec // a golden file
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// TestTruncated cuts each sample at every line and at odd bytes: less is read, and nothing falls.
func TestTruncated(t *testing.T) {
	for name, out := range samples(t) {
		whole := Parse(out)
		for cut := 0; cut < len(out); cut += 97 {
			d := Parse(out[:cut])
			if len(d.Disks) > len(whole.Disks) || len(d.NICs) > len(whole.NICs) || len(d.Memory.DIMMs) > len(whole.Memory.DIMMs) {
				t.Errorf("%s cut at %d: more is read than there is", name, cut)
			}
			Judge(whole, d, Compare(whole, d), nil)
		}
	}
}

// FuzzParse: whatever a machine prints, nothing falls; and every document is as itself.
func FuzzParse(f *testing.F) {
	for _, out := range samples(f) {
		f.Add(out)
		for _, p := range parts.Split(out) {
			f.Add(parts.Mark + p.Name + " " + p.Of + "\n" + p.Text)
		}
	}
	f.Add(parts.Mark + "lsblk\n{\"blockdevices\":[{\"name\":{},\"size\":[1]}]}")
	f.Add(parts.Mark + "dmidecode\nHandle 0x1\nMemory Device\n\tSize: 99999999999999999999 TB\n")
	for _, garbage := range []string{
		"\x00\xff\xfe", "{", "}{", `{"blockdevices":null}`, `{"blockdevices":[null,1,"x"]}`, `{"smart_status":{"passed":"yes"}}`, `{"critical_warning":{"value":"x"},"media_errors":{}}`,
		"Handle \nHandle \n\n", "\tSize:\n:\n", "Slot:\t\n\nSlot:\t0000:00:00.0\n", "0000:00:00.0 class= width=99999999999999999999 vf=yes speed=", ": : :", "processor", "physical id : \nprocessor",
	} {
		for name := range readers {
			f.Add(parts.Mark + name + " x\n" + garbage)
		}
	}
	f.Fuzz(func(t *testing.T, out string) {
		d := Parse(out)
		if diffs := Compare(d, d); len(diffs) > 0 {
			t.Errorf("a machine differs from itself: %v", diffs)
		}
		Problems(d)
		Warnings(d)
		if err := Print(&strings.Builder{}, d); err != nil {
			t.Error(err)
		}
	})
}

func TestGather(t *testing.T) {
	whole := samples(t)["qemu"]
	for name, tc := range map[string]struct {
		out  string
		err  error
		want string
	}{
		"whole":   {whole, nil, ""},
		"cut off": {whole[:len(whole)-8], nil, "hardware: what the machine told is cut off"},
		"refused": {"", errors.New("host n1: sudo: no"), "hardware: host n1: sudo: no"},
	} {
		asked := ""
		d, err := Gather(t.Context(), func(ctx context.Context, script string) (string, error) {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("it may take for ever")
			}
			asked = script
			return tc.out, tc.err
		})
		if tc.want == "" && (err != nil || len(d.Disks) != 2) || tc.want != "" && (err == nil || err.Error() != tc.want) {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
		if !strings.Contains(asked, "dmidecode -t 17") && !strings.Contains(asked, "-t 17") {
			t.Error("the script doesn't ask for memory modules")
		}
	}
}

// TestSCSI: a SAS disk tells its model, firmware and errors by names of their own (smartmontools 7.4 on a server).
func TestSCSI(t *testing.T) {
	d := Disk{Name: "sda", Model: "AL15SEB24EQY"}
	parseSmartctl(`{"scsi_vendor": "TOSHIBA", "scsi_product": "AL15SEB24EQY", "scsi_model_name": "TOSHIBA AL15SEB24EQY", "scsi_revision": "EF06",
		"scsi_grown_defect_list": 0, "serial_number": "Z", "smart_status": {"passed": true}, "scsi_error_counter_log": {
		"read": {"total_errors_corrected": 4, "total_uncorrected_errors": 2}, "verify": {"total_uncorrected_errors": 0}, "write": {"total_uncorrected_errors": 1}}}`, &d)
	want := Disk{Name: "sda", Model: "TOSHIBA AL15SEB24EQY", Serial: "Z", Firmware: "EF06", Health: "warning", Complaints: []string{"2 uncorrected read errors", "1 uncorrected write errors"}}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestKernelLog: what EDAC says of each memory controller at every boot is no error (drivers/edac/edac_mc.c; the lines of a server
// with skx_edac, and of one that counts errors).
func TestKernelLog(t *testing.T) {
	const ce = "EDAC MC0: 1 CE memory read error on CPU_SrcID#0_MC#0_Chan#0_DIMM#0 (channel:0 slot:0 page:0x3f6a4 offset:0x5c0 grain:32 syndrome:0x0)"
	const ue = "EDAC MC1: 1 UE memory scrubbing error on CPU_SrcID#1_MC#0_Chan#1_DIMM#0 (channel:1 slot:0)"
	const mce = "mce: [Hardware Error]: Machine check events logged"
	d := Parse(parts.Mark + "kernellog\nEDAC MC0: Giving out device to module skx_edac controller Skylake Socket#0 IMC#0: DEV 0000:64:0a.0 (INTERRUPT)\n" +
		"EDAC PCI0: Giving out device to module i10nm_edac controller: DEV 0000:00:00.0 (POLLED)\n" + strings.Join([]string{ce, mce, ue}, "\n") + "\n")
	if diff := cmp.Diff([]string{ce, mce, ue}, d.Memory.Errors); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	d = Parse(parts.Mark + "kernellog\nEDAC MC1: Giving out device to module amd64_edac controller F19h: DEV 0000:00:18.3 (INTERRUPT)\n")
	if problems := Problems(d); len(problems) > 0 {
		t.Errorf("a healthy machine: %q", problems)
	}
}

// TestVirtualFunctions: those of SR-IOV come and go with what runs on the machine, and are no hardware.
func TestVirtualFunctions(t *testing.T) {
	const links = "pcilinks\n0000:31:00.0 class=0x020000 vendor=0x8086 device=0x159b sv=0x8086 sd=0x0007 vf= width=8 speed=16.0 GT/s PCIe\n" +
		"0000:31:01.0 class=0x020000 vendor=0x8086 device=0x1889 sv=0x8086 sd=0x0000 vf=yes width=0 speed=Unknown\n"
	const lspci = "lspci\nSlot:\t0000:31:00.0\nClass:\tEthernet controller [0200]\nVendor:\tIntel Corporation [8086]\nDevice:\tEthernet Controller E810-XXV for SFP [159b]\n\n" +
		"Slot:\t0000:31:01.0\nClass:\tEthernet controller [0200]\nVendor:\tIntel Corporation [8086]\nDevice:\tEthernet Adaptive Virtual Function [1889]\n\n"
	for name, out := range map[string]string{"with lspci": parts.Mark + lspci + parts.Mark + links, "without": parts.Mark + links} {
		if d := Parse(out); len(d.PCI) != 1 || d.PCI[0].Address != "0000:31:00.0" || d.PCI[0].Width != 8 {
			t.Errorf("%s: %+v", name, d.PCI)
		}
	}
	const nic = "\nbus: /sys/devices/pci0000:30/0000:30:02.0/0000:31:00.0\naddress: 9e:00:11:22:33:44\ncarrier: 1\nspeed: 25000\nphys_port_name: "
	d := Parse(parts.Mark + "nic ens1np0" + nic + "p0\n" + parts.Mark + "nic eth3" + nic + "pf0vf3\n" + parts.Mark + "permanent eth3\nPermanent address: not set\n" + parts.Mark + "nic ens1c1" + nic + "c1pf0sf88\n")
	if len(d.NICs) != 1 || d.NICs[0].Name != "ens1np0" {
		t.Errorf("representors: %+v", d.NICs)
	}
}

// TestNVMeBySmartctl: without nvme-cli smartctl (7.3, JSON) alone tells of a worn disk, whose status is still that it passed; with it
// nothing is said twice.
func TestNVMeBySmartctl(t *testing.T) {
	const smartctl = `smartctl nvme0n1
{"model_name": "KIOXIA KCD61LUL960G", "serial_number": "9190A01QT5E8", "firmware_version": "0105", "smart_status": {"passed": true, "nvme": {"value": 0}},
 "nvme_smart_health_information_log": {"critical_warning": 0, "temperature": 34, "available_spare": 100, "available_spare_threshold": 10, "percentage_used": 104, "media_errors": 3}}
`
	const lsblk = `lsblk
{"blockdevices": [{"name": "nvme0n1", "type": "disk", "size": 960197124096, "rota": false, "model": "KIOXIA KCD61LUL960G", "serial": "9190A01QT5E8", "wwn": null, "tran": "nvme", "rev": null}]}
`
	const nvme = `nvme nvme0n1
{"critical_warning": 0, "avail_spare": 100, "spare_thresh": 10, "percent_used": 104, "media_errors": "3"}
`
	want := []string{"3 media errors", "104 % of its life used"}
	for name, out := range map[string]string{"smartctl alone": parts.Mark + lsblk + parts.Mark + smartctl, "both": parts.Mark + lsblk + parts.Mark + nvme + parts.Mark + smartctl} {
		d := Parse(out).Disks
		if len(d) != 1 || d[0].Health != "warning" || d[0].Firmware != "0105" || cmp.Diff(want, d[0].Complaints) != "" {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// TestOtherMakes: what dmidecode (3.3 to 3.6), /proc/cpuinfo, lsblk, ethtool and ipmitool print on machines of makes that no sample is of, after
// the tools' formats: an Arm server, one with two EPYC sockets, one with persistent memory, a blade whose disks are a SAN's.
func TestOtherMakes(t *testing.T) {
	device := func(fields ...string) string {
		return "\nHandle 0x0011, DMI type 17, 92 bytes\nMemory Device\n\t" + strings.Join(fields, "\n\t") + "\n"
	}
	for name, tc := range map[string]struct {
		out  string
		want Document
	}{
		"Arm, whose kernel knows no model": {"cpuinfo\nprocessor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\nprocessor\t: 1\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n",
			Document{CPUs: []CPU{{Socket: "socket 0", Model: "0xd0c", Threads: 2}}}},
		"Arm, by its firmware": {"dmidecode\n# dmidecode 3.3\nGetting SMBIOS data from sysfs.\nSMBIOS 3.3.0 present.\n\nHandle 0x0004, DMI type 4, 51 bytes\nProcessor Information\n\tSocket Designation: CPU 1\n\t" +
			"Version: Ampere(R) Altra(R) Processor\n\tStatus: Populated, Enabled\n\tCore Count: 80\n\tCore Enabled: 80\n\tThread Count: 80\n\tCharacteristics:\n\t\t64-bit capable\n\t\tMulti-Core\n",
			Document{CPUs: []CPU{{Socket: "CPU 1", Model: "Ampere(R) Altra(R) Processor", Cores: 80, Threads: 80}}}},
		"an empty socket": {"dmidecode\n\nHandle 0x0005, DMI type 4, 48 bytes\nProcessor Information\n\tSocket Designation: P1\n\tVersion: Unknown\n\tStatus: Unpopulated\n", Document{}},
		"DIMM 0 of two channels, and slots that are empty": {"dmidecode\n" +
			device("Size: 64 GB", "Locator: DIMM 0", "Bank Locator: P0 CHANNEL A", "Type: DDR5", "Speed: 4800 MT/s", "Manufacturer: Micron Technology", "Serial Number: 3F2A11C0", "Part Number: MTC40F2046S1RC48BA1  ", "Configured Memory Speed: 4800 MT/s", "Volatile Size: 64 GB") +
			device("Size: 64 GB", "Locator: DIMM 0", "Bank Locator: P0 CHANNEL B", "Type: DDR5", "Manufacturer: Micron Technology", "Serial Number: 3F2A11C1", "Configured Memory Speed: Unknown") +
			device("Size: No Module Installed", "Locator: DIMM 1", "Bank Locator: P0 CHANNEL A", "Type: Unknown", "Serial Number: Unknown") + device("Size: Unknown", "Locator: DIMM 1", "Bank Locator: P0 CHANNEL B"),
			Document{Memory: Memory{DIMMs: []DIMM{
				{Slot: "P0 CHANNEL A DIMM 0", Bytes: 64 << 30, Type: "DDR5", Speed: 4800, Vendor: "Micron Technology", Part: "MTC40F2046S1RC48BA1", Serial: "3F2A11C0"},
				{Slot: "P0 CHANNEL B DIMM 0", Bytes: 64 << 30, Type: "DDR5", Vendor: "Micron Technology", Serial: "3F2A11C1"},
			}}}},
		"persistent memory": {"dmidecode\n" + device("Size: 129408 MB", "Locator: PROC 1 DIMM 2", "Type: Logical non-volatile device", "Configured Clock Speed: 2666 MHz", "Non-Volatile Size: 126 GB", "Serial Number: 8089A21937 "),
			Document{Memory: Memory{DIMMs: []DIMM{{Slot: "PROC 1 DIMM 2", Bytes: 129408 << 20, Type: "Logical non-volatile device", Speed: 2666, Serial: "8089A21937"}}}}},
		"a dmidecode that may read nothing": {"dmidecode\n# dmidecode 3.3\nScanning /dev/mem for entry point.\n# No SMBIOS nor DMI entry point found, sorry.\n", Document{}},
		"a SAN's disks, a card reader, a disc": {"lsblk\n" + `{"blockdevices": [{"name":"sda","type":"disk","size":"480103981056","rota":"0","model":"INTEL SSDSC2KB48  ","serial":"PHYF0011","wwn":"0x55cd2e","tran":"sata","rev":"0132"},
			{"name":"sdb","type":"disk","size":1099511627776,"rota":true,"model":"LUN C-Mode","serial":"80A4w","wwn":null,"tran":"iscsi","rev":"9800"},
			{"name":"sdc","type":"disk","size":0,"rota":true,"model":"SD Reader","serial":null,"wwn":null,"tran":"usb","rev":"1.0"}, {"name":"sr0","type":"rom","size":1073741312,"rota":true}]}`,
			Document{Disks: []Disk{{Name: "sda", Model: "INTEL SSDSC2KB48", Serial: "PHYF0011", WWN: "0x55cd2e", Bytes: 480103981056, Transport: "sata", Firmware: "0132"}}}},
		"a card without a permanent address, whose firmware is unknown": {"nic ib0\nbus: /sys/devices/pci0000:40/0000:40:01.1/0000:41:00.0\naddress: 52:54:00:aa:bb:cc\ncarrier: 1\nspeed: -1\n" +
			parts.Mark + "permanent ib0\nPermanent address: not set\n" + parts.Mark + "driver ib0\ndriver: mlx5_core\nversion: 5.14\nfirmware-version: N/A\nbus-info: 0000:41:00.0\n",
			Document{NICs: []NIC{{Name: "ib0", MAC: "52:54:00:aa:bb:cc", Bus: "0000:41:00.0", Driver: "mlx5_core", Link: true}}}},
		"carriage returns": {"dmidecode\r\n\r\nHandle 0x0001, DMI type 1, 27 bytes\r\nSystem Information\r\n\tManufacturer: Lenovo\r\n\tProduct Name: ThinkSystem SR650 V3\r\n\tSerial Number: J30ABCDE\r\n",
			Document{System: System{Vendor: "Lenovo", Model: "ThinkSystem SR650 V3", Serial: "J30ABCDE"}}},
	} {
		tc.want.Version = 1
		if diff := cmp.Diff(tc.want, Parse(parts.Mark+tc.out)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestLsblkThatCannot: CentOS 7's (util-linux 2.23) knows no -J and prints nothing but an error. That is said, for nobody looked at the
// disks then; a machine without any is another matter.
func TestLsblkThatCannot(t *testing.T) {
	for out, want := range map[string]string{
		"\n": "lsblk told of no disks: util-linux before 2.27 can't", `{"blockdevices": [` + "\n\n   ]\n}\n": "", "!lsblk took longer than 10 s\n": "lsblk took longer than 10 s",
	} {
		if got := strings.Join(Parse(parts.Mark+"lsblk\n"+out).Gaps, ", "); got != want {
			t.Errorf("%q: %q, not %q", out, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for s, want := range map[string]int64{
		"32 GB": 32 << 30, "32768 MB": 32 << 30, "512GiB": 512 << 30, "1TiB": 1 << 40, "65523068 kB": 65523068 << 10, "": 0, "No Module Installed": 0,
		"GB": 0, "12": 0, "-5 GB": 0, "99999999999 TB": 0, "99999999999999999999 GB": 0,
	} {
		if got := size(s); got != want {
			t.Errorf("%q is %d, not %d", s, got, want)
		}
	}
}
