package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/kube"
)

// TestBearings: each disk is named once, with all that lies on it; an OSD of unknown number only where none is known.
func TestBearings(t *testing.T) {
	volumes := []kube.OwnVolume{{Name: "pv-a", Claim: "shop/data", Path: "/mnt/a"}, {Name: "pv-b"}, {Name: "pv-c", Path: "/mnt/gone"}}
	out := `2: eno1    inet 10.0.0.11/24 brd 10.0.0.255 scope global eno1
on osd.4 nvme0n1 S64GNE0T300541
on osd.4 nvme0n1 S64GNE0T300541
on an-OSD nvme0n1 S64GNE0T300541
on an-OSD sdd
on 0 sdb S-1
on 0 sda S-0
on 1 sdb S-1
on 7 sdc
on
`
	var got []string
	for _, b := range bearings(out, volumes) {
		got = append(got, b.String())
	}
	want := []string{
		"disk nvme0n1 (serial S64GNE0T300541) bears Ceph's osd.4: taken out, it takes that with it, unless another disk mirrors it",
		"disk sda (serial S-0) bears volume pv-a (claim shop/data): taken out, it takes that with it, unless another disk mirrors it",
		"disk sdb (serial S-1) bears volume pv-a (claim shop/data), volume pv-b: taken out, it takes that with it, unless another disk mirrors it",
		"disk sdd bears an OSD of Ceph: taken out, it takes that with it, unless another disk mirrors it",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	left := strings.Join(unplaced(out, volumes), "\n")
	if left != "volume pv-c lies on this node, in /mnt/gone: on which disk could not be told" {
		t.Error(left)
	}
}

// TestAskStorage: what the API tells of a volume is never more than a word of the script.
func TestAskStorage(t *testing.T) {
	script := askStorage([]kube.OwnVolume{{Name: "a", Path: "/mnt/x; reboot"}, {Name: "pvc-1"}})
	for _, want := range []string{"on 0 '/mnt/x; reboot'\n", "kubernetes.io~csi/pvc-1/mount /dev/*/pvc-1; do on 1"} {
		if !strings.Contains(script, want) {
			t.Errorf("no %q in\n%s", want, script)
		}
	}
}
