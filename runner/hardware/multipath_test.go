package hardware

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/runner/parts"
)

// TestNVMeMultipath: where the kernel may reach an NVMe disk by several ways, as Red Hat's does every disk with two ports, the disk hangs
// on its subsystem, and each way on a controller (the paths of a Dell server with twelve such disks, as its sosreport lists them). The
// disk's place is that of its way, so that the PCI function which it brings is expected with it; a way has no node that could be asked.
func TestNVMeMultipath(t *testing.T) {
	root := t.TempDir()
	for disk, device := range map[string]string{
		"nvme10n1": "virtual/nvme-subsystem/nvme-subsys10", "nvme8n1": "virtual/nvme-subsystem/nvme-subsys8", "nvme4n1": "virtual/nvme-subsystem/nvme-subsys4",
		"nvme10c65n1": "pci0000:ae/0000:ae:00.0/0000:af:00.0/0000:b0:04.0/0000:b1:00.0/0000:b2:04.0/0000:b7:00.0/nvme/nvme6",
		"nvme8c65n1":  "pci0000:ae/0000:ae:00.0/0000:af:00.0/0000:b0:04.0/0000:b1:00.0/0000:b2:05.0/0000:b8:00.0/nvme/nvme7",
	} {
		at := filepath.Join(root, "devices", device)
		if err := errors.Join(os.MkdirAll(at, 0o700), os.MkdirAll(filepath.Join(root, "block", disk), 0o700), os.Symlink(at, filepath.Join(root, "block", disk, "device"))); err != nil {
			t.Fatal(err)
		}
	}
	const tools = `nvme() { echo '{"critical_warning": 0}'; }
smartctl() { echo '{}'; }
lsblk() { printf '{"blockdevices": ['; for d in nvme8n1 nvme10n1 nvme4n1; do printf '{"name":"%s","type":"disk","size":3840755982336,"serial":"%s"}, ' $d $d; done; echo 'null]}'; }
timeout() { shift; "$@"; }
`
	script := tools + parts.Script(strings.ReplaceAll(gatherScript, "/sys/", root+"/"))
	out, err := exec.CommandContext(t.Context(), "sh", "-c", script).Output()
	if err != nil {
		t.Fatal(err)
	}
	d := Parse(string(out))
	one := Document{Disks: d.Disks[:1], PCI: []PCI{{Address: d.Disks[0].Bus, ID: "1e0f:0014", Class: "0108"}}}
	want, err := ParseExpect("disk +1")
	if err != nil {
		t.Fatal(err)
	}
	if v := Judge(Document{}, one, Compare(Document{}, one), []Expectation{want}); !v.Good() {
		t.Errorf("%s came with its function: %+v", d.Disks[0].Name, v)
	}
	got := map[string]string{}
	for _, d := range d.Disks {
		got[d.Name] = d.Bus + " " + d.Health
	}
	if diff := cmp.Diff(map[string]string{"nvme10n1": "0000:b7:00.0 ok", "nvme8n1": "0000:b8:00.0 ok", "nvme4n1": " ok"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, p := range parts.Split(string(out)) {
		if (p.Name == "nvme" || p.Name == "smartctl") && strings.Contains(p.Of, "c65") {
			t.Errorf("%s asks %s", p.Name, p.Of)
		}
	}
}
