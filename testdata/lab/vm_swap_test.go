package lab_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/runner/hardware"
	"github.com/fleetup/fleetup/testdata/lab"
)

// ownStorage makes a volume on LVM and an OSD's logical volume on the first disk, and a volume on a RAID on the second.
const ownStorage = `set -e
one=$(readlink -f /dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_lab-nvme-1) two=$(readlink -f /dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_lab-nvme-2)
vgcreate -q -y lab "$one"
lvcreate -q -y -L 64M -n data lab
lvcreate -q -y -L 64M -n osd-block --addtag ceph.osd_id=4 --addtag ceph.type=block lab
mdadm --quiet --create /dev/md0 --run --level=1 --raid-devices=2 --metadata=1.2 "$two" missing
for m in lab/data md0; do mke2fs -q -t ext4 "/dev/$m"; mkdir -p "/mnt/$m"; mount "/dev/$m" "/mnt/$m"; done`

// ownVolume is a volume that can be used on v1 alone.
func ownVolume(name, path string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: PersistentVolume
metadata: {name: %[1]s}
spec:
  capacity: {storage: 64Mi}
  accessModes: [ReadWriteOnce]
  storageClassName: own
  local: {path: %[2]s}
  claimRef: {namespace: shop, name: %[1]s}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [v1]}]}]}}
---
`, name, path)
}

// newHostKey has the machine come up with another host key at its next boot, as one with another system disk does.
const newHostKey = `set -e
ssh-keygen -q -t ed25519 -N '' -C '' -f /root/new_key
cat >/etc/systemd/system/new-key.service <<'END'
[Unit]
DefaultDependencies=no
After=systemd-remount-fs.service
Before=sysinit.target
[Service]
Type=oneshot
ExecStart=/bin/sh -ec 'mv /root/new_key /etc/ssh/ssh_host_ed25519_key; mv /root/new_key.pub /etc/ssh/ssh_host_ed25519_key.pub; rm /etc/systemd/system/*/new-key.service'
[Install]
WantedBy=sysinit.target
END
systemctl -q enable new-key.service
ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub | cut -d ' ' -f 2
ssh-keygen -lf /root/new_key.pub | cut -d ' ' -f 2`

// ofHardware is what `fleetup diagnose --hardware` says of v1.
func ofHardware(t *testing.T, l *lab.Lab, inventory string) hardware.Document {
	t.Helper()
	out, diagnostics, code := l.Fleetup("diagnose", inventory, "v1", "--hardware", "--output", "json")
	var all struct {
		Nodes []struct{ Hardware hardware.Document }
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil || code != 0 || len(all.Nodes) != 1 {
		t.Fatalf("exit %d, %v\n%s%s", code, err, out, diagnostics)
	}
	return all.Nodes[0].Hardware
}

// madeOf is the part of a document that the machine's make-up decides, in an order that names don't.
func madeOf(d hardware.Document) (parts []string) {
	parts = append(parts, d.System.Vendor+" "+d.System.Model+" "+d.System.Serial)
	for _, m := range d.Memory.DIMMs {
		parts = append(parts, fmt.Sprintf("%s %d MiB %s", m.Slot, m.Bytes>>20, m.Serial))
	}
	for _, k := range d.Disks {
		if k.Transport == "nvme" { // which of them is the first, their probing decides
			parts = append(parts, fmt.Sprintf("disk %s %d GiB at %s, %s", k.Serial, k.Bytes>>30, k.Bus, k.Health))
		} else {
			parts = append(parts, "disk "+k.Name+" "+k.Serial)
		}
	}
	for _, n := range d.NICs {
		parts = append(parts, fmt.Sprintf("NIC %s at %s, link %v", n.MAC, n.Bus, n.Link))
	}
	slices.Sort(parts)
	return parts
}

// capture writes what the machine told of its hardware to where FLEETUP_CAPTURE says, for the parsers' samples.
func capture(t *testing.T, v *lab.VM) {
	t.Helper()
	to := os.Getenv("FLEETUP_CAPTURE")
	if to == "" {
		return
	}
	script, err := os.ReadFile("../../runner/hardware/gather.sh")
	if err == nil {
		err = os.WriteFile(to, []byte("\n"+v.Must(string(script))+"\n"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestVMSwap does hardware work on a machine that has real hardware's tools: one disk is exchanged, as was announced, and so,
// which nobody announced, are the memory, the network card and the host key.
func TestVMSwap(t *testing.T) {
	t.Parallel()
	l, v := virtual(t, lab.Options{Disks: []lab.Disk{{Serial: "lab-nvme-1", GiB: 1}, {Serial: "lab-nvme-2", GiB: 1}}})
	inventory := l.WriteInventory(l.Hosts("ops"))
	v.Must(ownStorage)
	l.Apply(ownVolume("data", "/mnt/lab/data") + ownVolume("raid", "/mnt/md0"))
	keys := strings.Fields(v.Must(newHostKey))
	capture(t, v)
	oldMAC, newMAC := v.MAC, "52:54:00:1a:b1:f1"
	want := func(module, first, mac string) []string {
		return []string{
			"DIMM 0 " + module, "Lab VM lab-v1", "NIC " + mac + " at 0000:00:10.0, link true",
			"disk lab-nvme-2 1 GiB at 0000:00:19.0, ok", "disk " + first + " at 0000:00:18.0, ok", "disk vda lab-disk0",
		}
	}
	same := func(want []string, d hardware.Document) {
		t.Helper()
		slices.Sort(want)
		if d := cmp.Diff(want, madeOf(d)); d != "" {
			t.Errorf("hardware (-want +got):\n%s", d)
		}
	}
	before := ofHardware(t, l, inventory)
	same(want("1024 MiB lab-module-1", "lab-nvme-1 1 GiB", oldMAC), before)
	if len(before.Gaps) > 0 || len(before.PCI) < 5 || before.PCI[0].Name == "" {
		t.Errorf("%+v", before)
	}

	swap := func(code int, arguments ...string) string {
		t.Helper()
		begin := time.Now()
		cmd, heard := start(t, l, append([]string{"swap"}, arguments...)...)
		text := exit(t, cmd, heard, code)
		t.Logf("%v: %v\n%s", arguments[0], time.Since(begin).Round(time.Second), text)
		return text
	}
	text := swap(0, "begin", inventory, "v1", "--yes", "--reason", "a disk that dies", "--expect", "disk +-1")
	for _, words := range []string{
		" (serial lab-nvme-1) bears Ceph's osd.4, volume data (claim shop/data): ", " (serial lab-nvme-2) bears volume raid (claim shop/raid): ",
		" carries the node's address", "v1 is off and held",
	} {
		if !strings.Contains(text, words) {
			t.Errorf("%q isn't said", words)
		}
	}
	equal(t, "powered", v.Powered(), false)
	out, _, _ := l.Fleetup("status", inventory)
	says(t, out, "held for hardware work by ", ": a disk that dies")
	equal(t, "cordoned", getNode(t, l, "v1").Spec.Unschedulable, true)

	v.Disks[0] = lab.Disk{Serial: "lab-nvme-3", GiB: 2}
	v.Memory, v.Module, v.MAC = 1536, "lab-module-2", newMAC
	text = swap(1, "finish", inventory, "v1", "--yes")
	says(t, text, "KNOWN AS", keys[0], "shows", keys[1], "kept in ", "as expected: disk: ", "v1 stays held: compare: not as expected:")
	card := before.NICs[0].Name
	wrong := []string{
		"dimm: DIMM 0 (1.5 GiB, serial lab-module-2), was 1 GiB, serial lab-module-1",
		"nic: " + card + " has MAC " + newMAC + ", had " + oldMAC,
	}
	if d := cmp.Diff(wrong, complaints(text)); d != "" {
		t.Errorf("what is wrong (-want +got):\n%s", d)
	}
	equal(t, "powered", v.Powered(), true)
	equal(t, "kubelet", v.Must("systemctl is-enabled kubelet || true; systemctl is-active kubelet || true"), "disabled\ninactive")

	text = swap(0, "finish", inventory, "v1", "--yes", "--expect", "memory 1536MiB", "--expect", "nic "+oldMAC)
	says(t, text, "v1 is back, as it should be")
	saysNot(t, text, "KNOWN AS")
	l.WaitReady(v.Machine, "")
	n := getNode(t, l, "v1")
	equal(t, "cordoned", n.Spec.Unschedulable, false)
	equal(t, "claim", n.Annotations["fleetup.io/run"], "")
	equal(t, "kubelet", v.Must("systemctl is-enabled kubelet"), "enabled")
	same(want("1536 MiB lab-module-2", "lab-nvme-3 2 GiB", newMAC), ofHardware(t, l, inventory))
}

// complaints are the lines between "not as expected:" and what to do about it.
func complaints(text string) (lines []string) {
	_, text, _ = strings.Cut(text, "not as expected:\n")
	text, _, _ = strings.Cut(text, "mend it")
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}
