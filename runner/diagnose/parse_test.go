package diagnose

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/runner/parts"
)

// now is when testdata/sick.txt was asked for.
var now = time.Unix(1700000010, 0)

// sick is a machine that has everything at once, as its tools tell it.
func sick(t *testing.T) Look {
	t.Helper()
	text, err := os.ReadFile("testdata/sick.txt")
	if err != nil {
		t.Fatal(err)
	}
	return Parse(Raw{Text: string(text), Asked: time.Unix(1700000005, 0), Got: now}, time.Time{})
}

func TestParse(t *testing.T) {
	l := sick(t)
	no := false
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"uptime", l.Uptime, 86402 * time.Second},
		{"cores", l.Cores, 2},
		{"load", l.Load, [3]float64{7.5, 6, 4}},
		{"cpu", fmt.Sprintf("%.1f %.1f %.1f", l.Busy, l.IOWait, l.Steal), "94.0 3.5 4.0"},
		{"pressure", *l.CPU, Pressure{Some10: 91, Some60: 70.5, Some300: 40}},
		{"no pressure of disks", l.IO == nil, true},
		{"memory", l.Memory.Total >> 10, int64(16384000)},
		{"available", l.Memory.Available, int64(640 << 20)},
		{"kills", l.Memory.OOMKills, int64(3)},
		{"disks", l.Disks, []Disk{{Name: "sda", Util: 80, Await: 100, Read: 1024000, Write: 1024000}, {Name: "nvme0n1"}}},
		{"links", l.Links, []Link{
			{Name: "eno1", Up: true, Mbit: 1000, Duplex: "half", MTU: 9000, Changes: 40, Rx: 120e6, Tx: 1e6, Use: 96, Errors: 2, Drops: 20, Errored: 9, Packets: 104000},
			{Name: "eno2", MTU: 1500, Changes: 1}}},
		{"tcp", l.TCP, TCP{Sent: 1000, Again: 50, Percent: 5}},
		{"peers", l.Peers, []Peer{{Address: "10.0.0.2", Loss: 20, RTT: 0.35, MTU: 9000, Whole: &no}}},
		{"top", l.Top, []Process{{PID: 4711, Name: "java (old) gen", Cores: 1.9, RSS: 10 << 20}, {PID: 12, Name: "kubelet", Cores: 0.1, RSS: 409600}}},
		{"stuck", l.Stuck, []Process{{PID: 99, Name: "nfsd", RSS: 40960}}},
		{"files", l.Files, Files{Share{90000, 100000}, []FileHolder{{4711, "java (old) gen", 1000, 1024}, {1, "systemd", 20, 0}}}},
		{"threads", l.Threads, Share{900, 1000}},
		{"conntrack", l.Conntrack, Share{262000, 262144}},
		{"units", l.Units, []Unit{{Name: "kubelet", Active: "activating", Sub: "auto-restart", Result: "exit-code", Restarts: 41}}},
		{"failed", l.FailedUnits, []string{"kubelet.service", "backup.service"}},
		{"synced", *l.Clock.Synced, false},
		{"skew", l.Clock.Skew, -4500 * time.Millisecond},
		{"api", l.API, API{Server: "https://10.0.0.1:6443", Seconds: 4, Asked: true}},
		{"dns", l.DNS, DNS{Name: "registry.k8s.io", Asked: true, Servers: []NameServer{{"127.0.0.3", "REFUSED"}, {"127.0.0.6", ""}}}},
		{"gaps", l.Gaps, []string{"ping isn't installed"}},
		{"hardware", l.Health, []string{"disk sda (Disk, 447 GiB, serial S1): SMART says it is failing"}},
		{"corrected", l.Hardware.Memory.Corrected, 12},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
	}
}

// TestDisksWithWays: what an NVMe disk with two ports does is counted for each way to it, and by newer kernels for the disk, too. It is
// told once, of the disk, which is what has a name under /dev. The second reading is a server's with Linux 5 (netdata's issue 5744).
func TestDisksWithWays(t *testing.T) {
	const first = "   0       0 nvme3c33n1 582 0 16148 59 67791 258573 17172216 57210 0 84 36052 0 0 0 0\n 259      13 nvme3n1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
	const second = "   0       0 nvme3c33n1 682 0 16148 59 67891 258573 17174264 58210 0 584 36052 0 0 0 0\n 259      13 nvme3n1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
	want := []Disk{{Name: "nvme3n1", Util: 50, Await: 5, Write: 1048576}}
	both := func(text string) string {
		way, _, _ := strings.Cut(text, "\n")
		return way + "\n" + strings.Replace(way, "nvme3c33n1", "nvme3n1", 1) + "\n"
	}
	for name, texts := range map[string][2]string{"for the way": {first, second}, "for both": {both(first), both(second)}} {
		if diff := cmp.Diff(want, parseDisks(texts[0], texts[1], 1)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestParseFileSystems(t *testing.T) {
	want := []FileSystem{
		{Mount: "/", Device: "/dev/sda1", Type: "ext4", Size: 100000 << 10, Free: 3000 << 10, Used: 100 * 92000.0 / 95000, Inodes: 90},
		{Mount: "/media/keys", Device: "/dev/sdc1", Type: "ext4", Size: 100000 << 10, Free: 99000 << 10, Used: 1, ReadOnly: true, Intended: true},
		{Mount: "/run", Device: "tmpfs", Type: "tmpfs", Size: 1000 << 10, Free: 990 << 10, Used: 1},
		{Mount: "/var/lib/my data", Device: "/dev/sdb1", Type: "xfs", Size: 100000 << 10, Free: 99000 << 10, Used: 1, ReadOnly: true},
	}
	if diff := cmp.Diff(want, sick(t).FileSystems); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What the script printed on a Linux 6.18: an ext4 that the kernel stopped writing to, which /proc/mounts calls rw, staged for pods;
// the same mounted read-only for one of them; one that somebody mounted read-only; snapshots and images.
func TestParseReadOnly(t *testing.T) {
	const mounts = `/dev/sda1 / ext4 rw,relatime,errors=remount-ro 0 0
/dev/loop0 /var/lib/kubelet/plugins/kubernetes.io/csi/x/globalmount ext4 rw,relatime,abort,errors=remount-ro,emergency_ro 0 0
/dev/loop0 /var/lib/kubelet/pods/1/volumes/kubernetes.io~csi/x/mount ext4 ro,relatime,abort,errors=remount-ro,emergency_ro 0 0
/dev/rbd1 /var/lib/kubelet/plugins/kubernetes.io/csi/y/globalmount ext4 ro,relatime 0 0
/dev/rbd1 /var/lib/kubelet/pods/2/volumes/kubernetes.io~csi/y/mount ext4 ro,relatime 0 0
/dev/sdb1 /old ext4 ro,relatime,errors=remount-ro 0 0
/dev/sdc1 /somebodys ext4 ro,relatime 0 0
tank/data@monday /data/.zfs/snapshot/monday zfs ro,relatime 0 0
/dev/loop1 /snap/core/1 squashfs ro,nodev,relatime 0 0
/dev/sr0 /media/cdrom iso9660 ro,relatime 0 0
`
	const mountinfo = `1 0 8:1 / / rw,relatime - ext4 /dev/sda1 rw,errors=remount-ro
1162 1125 7:0 / /var/lib/kubelet/plugins/kubernetes.io/csi/x/globalmount rw,relatime - ext4 /dev/loop0 rw,abort,errors=remount-ro,emergency_ro
1163 1125 7:0 / /var/lib/kubelet/pods/1/volumes/kubernetes.io~csi/x/mount ro,relatime - ext4 /dev/loop0 rw,abort,errors=remount-ro,emergency_ro
1164 1 8:9 / /var/lib/kubelet/plugins/kubernetes.io/csi/y/globalmount ro,relatime - ext4 /dev/rbd1 ro
1165 1 8:9 / /var/lib/kubelet/pods/2/volumes/kubernetes.io~csi/y/mount ro,relatime - ext4 /dev/rbd1 ro
1166 1 8:17 / /old rw,relatime shared:7 - ext4 /dev/sdb1 ro,errors=remount-ro
1167 1 8:33 / /somebodys ro,relatime shared:8 - ext4 /dev/sdc1 ro
`
	space := "Filesystem 1024-blocks Used Available Capacity Mounted on\n"
	for line := range strings.Lines(mounts) {
		f := strings.Fields(line)
		space += f[0] + " 100 1 99 1% " + f[1] + "\n"
	}
	var got []string
	for _, f := range Judge("n1", Look{FileSystems: parseFileSystems(mounts, mountinfo, "", space, "")}, defaults(t), now) {
		got = append(got, f.Evidence)
	}
	want := []string{
		"/old (/dev/sdb1, ext4) was made read-only by the kernel, after errors",
		"/somebodys (/dev/sdc1, ext4) is mounted read-only, and /etc/fstab doesn't say so",
		"/var/lib/kubelet/plugins/kubernetes.io/csi/x/globalmount (/dev/loop0, ext4) was made read-only by the kernel, after errors",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What the script printed before name servers of each kind: getent fails with 2 alike for a name that isn't there and for a refusal.
func TestParseDNS(t *testing.T) {
	const name = "name: registry.k8s.io\n"
	for _, c := range []struct {
		text           string
		asked, answers bool
	}{
		{name + "status: 2\nserver: 127.0.0.4 3\n", true, true},                      // NXDOMAIN
		{name + "status: 0\nserver: 127.0.0.5 0\n", true, true},                      // NOERROR
		{name + "status: 2\nserver: 127.0.0.2 2\n", true, false},                     // SERVFAIL
		{name + "status: 2\nserver: 127.0.0.3 5\n", true, false},                     // REFUSED
		{name + "status: 2\nserver: 127.0.0.6 \n", true, false},                      // nobody is there
		{name + "status: 2\nserver: 127.0.0.2 2\nserver: 127.0.0.4 3\n", true, true}, // one of two
		{name + "status: 2\nnone: named\n", true, false},                             // an empty resolv.conf
		{name + "status: 0\nnone: named\n", true, true},                              // the same, and systemd-resolved
		{name + "status: 0\n!bash isn't installed, so no name server is asked by itself\n", true, true},
		{name + "status: 124\n!bash isn't installed, so no name server is asked by itself\n", true, false},
		{name + "status: 2\n!bash isn't installed, so no name server is asked by itself\n", false, false}, // it can't be told
		{"", false, false},
	} {
		if d := parseDNS(c.text); d.Asked != c.asked || d.Answers != c.answers {
			t.Errorf("%q: %+v", c.text, d)
		}
	}
}

// A peer's port that is closed answers too.
func TestParsePingFiltered(t *testing.T) {
	const away = "dev: eno1\nmtu: 1500\ntcp: yes\n--- 10.0.0.2 ping statistics ---\n20 packets transmitted, 0 received, 100% packet loss, time 970ms\n"
	if p := parsePing("10.0.0.2", away); len(p) != 1 || p[0].Loss != 100 || p[0].TCP == nil || !*p[0].TCP {
		t.Errorf("%+v", p)
	}
	if p := parsePing("10.0.0.2", strings.Replace(away, "yes", "no", 1)); len(p) != 1 || p[0].TCP == nil || *p[0].TCP {
		t.Errorf("%+v", p)
	}
}

func TestParseCertificates(t *testing.T) {
	l := sick(t)
	if len(l.Certificates) != 2 {
		t.Fatalf("certificates: %+v", l.Certificates)
	}
	for i, file := range []string{"/var/lib/kubelet/pki/kubelet-client-current.pem", "/etc/kubernetes/admin.conf"} {
		c := l.Certificates[i]
		if c.File != file || c.Subject != "system:node:n7" || c.Until.Sub(c.From).Round(time.Hour) != 30*24*time.Hour {
			t.Errorf("certificate %d: %+v", i, c)
		}
	}
}

// Lines are grouped by what they say; the kernel's kills stand apart; nothing older than asked for is kept.
func TestLogs(t *testing.T) {
	l := sick(t)
	var got []string
	for _, s := range l.Logs {
		got = append(got, fmt.Sprintf("%d %s: %s", s.Count, s.Source, s.Shape))
	}
	want := []string{
		`2 kubelet: E kuberuntime.go:<n>] "Failed to pull image" pod="shop/web-<pod>"`,
		`2 sshd: error: maximum authentication attempts exceeded for root from <address> port <n>`,
		`1 pod kube-system/kube-proxy-abcde kube-proxy: E proxier.go:<n>] "Failed to sync" err="timeout"`,
		`1 kernel: blk_update_request: I/O error, dev sdb, sector <n>`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("shapes (-want +got):\n%s", diff)
	}
	first := l.Logs[0]
	if first.First.Unix() != 1699999980 || first.Last.Unix() != 1699999990 || !strings.Contains(first.Example, "zzzz9") {
		t.Errorf("first and last: %+v", first)
	}
	if len(l.OOMs) != 2 || !l.OOMs[0].Cgroup || l.OOMs[1].Cgroup || l.OOMs[1].Process != "java" || l.OOMs[1].PID != 4000 {
		t.Errorf("kills: %+v", l.OOMs)
	}
	text, _ := os.ReadFile("testdata/sick.txt") // sick has read it
	recent := Parse(Raw{Text: string(text), Got: now}, time.Unix(1699999985, 0))
	if len(recent.Logs) != 1 || recent.Logs[0].Count != 1 || len(recent.OOMs) != 0 {
		t.Errorf("since: %+v, %+v", recent.Logs, recent.OOMs)
	}
}

// What systemd says of a kill counts where the kernel's log doesn't tell of it.
func TestUnitKilled(t *testing.T) {
	say := func(second int, source, text string) line { return line{time.Unix(int64(second), 0), source, text} }
	_, got := grouped([]line{
		say(100, "kernel", "Out of memory: Killed process 7 (java) total-vm:1kB"),
		say(103, "systemd", "app.service: A process of this unit has been killed by the OOM killer."),
		say(900, "systemd", "job.service: A process of this unit has been killed by the OOM killer."),
	}, time.Time{})
	if len(got) != 2 || got[0].Process != "java" || got[1] != (OOM{Time: time.Unix(900, 0), Process: "job.service", Cgroup: true}) {
		t.Errorf("kills: %+v", got)
	}
}

func TestReadLine(t *testing.T) {
	want := line{time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC), "kernel", "I/O error"}
	for _, raw := range []string{
		"1700000000.000000 n1 kernel: I/O error",
		"2023-11-14T22:13:20.000000+00:00 n1 kernel: [12345.678901] I/O error",
		"Nov 14 22:13:20 n1 kernel: [12345.678901] I/O error",
	} {
		got, ok := readLine(raw, now)
		if !ok || !got.at.Equal(want.at) || got.source != want.source || got.text != want.text {
			t.Errorf("%s: %+v, %v", raw, got, ok)
		}
	}
	if l, _ := readLine("Dec 31 23:59:59 n1 sshd[1]: error: x", now); l.at.Year() != 2022 {
		t.Errorf("a December before this November is of %d", l.at.Year())
	}
	if _, ok := readLine("no log line at all", now); ok {
		t.Error("what is no log line was read")
	}
}

var number = regexp.MustCompile(`\b[0-9]+(\.[0-9]+)?\b`)

// Whatever a machine prints, reading it ends, and half an answer is worth its half.
func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/sick.txt")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	for _, p := range parts.Split(string(text)) {
		f.Add(parts.Mark + p.Name + " " + p.Of + "\n" + p.Text[:len(p.Text)/2])
	}
	for _, odd := range []string{"NaN", "Inf", "-Inf", "1e309", "-1", "99999999999999999999"} { // JSON has no word for some
		f.Add(number.ReplaceAllString(string(text), odd))
	}
	f.Fuzz(func(t *testing.T, text string) {
		l := Parse(Raw{Text: text, Asked: now, Got: now}, time.Time{})
		Judge("n", l, Thresholds{}, now)
		if _, err := json.Marshal(l); err != nil {
			t.Error(err)
		}
	})
}
