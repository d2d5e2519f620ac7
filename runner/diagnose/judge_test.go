package diagnose

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/runner/finding"
	"github.com/fleetup/fleetup/runner/hardware"
)

func defaults(t *testing.T) Thresholds {
	t.Helper()
	limits, err := LoadThresholds("")
	if err != nil {
		t.Fatal(err)
	}
	return limits
}

// healthy is a machine at work that nothing is wrong with.
func healthy() Look {
	yes := true
	answers := []NameServer{{"10.0.0.53", "NXDOMAIN"}, {"10.0.0.54", "NOERROR"}}
	return Look{
		Cores: 8, Load: [3]float64{6, 6, 6}, Busy: 95, CPU: &Pressure{Some60: 10}, IO: &Pressure{Some60: 5},
		Memory:      Memory{Total: 64 << 30, Available: 20 << 30, Pressure: &Pressure{}},
		FileSystems: []FileSystem{{Mount: "/", Used: 60, Inodes: 5}, {Mount: "/boot", ReadOnly: true}, {Mount: "/var/lib/kubelet/plugins/x", ReadOnly: true, Intended: true}},
		Disks:       []Disk{{Name: "sda", Util: 100, Await: 20}, {Name: "sdb", Util: 1, Await: 900}},
		Links:       []Link{{Name: "eno1", Up: true, Mbit: 25000, Duplex: "full", Use: 30}, {Name: "eno2", Duplex: "half", Mbit: 10}},
		TCP:         TCP{Percent: 0.1}, Peers: []Peer{{Address: "10.0.0.2", Whole: &yes}},
		Files: Files{Share{1000, 1000000}, []FileHolder{{1, "x", 100, 1024}}}, Threads: Share{900, 100000}, Conntrack: Share{900, 262144},
		API: API{Asked: true, Code: 401, Seconds: 0.01}, DNS: DNS{Asked: true, Answers: true, Servers: answers},
		Units: []Unit{{Name: "kubelet", Active: "active", Restarts: 1, Enabled: true}, {Name: "containerd", Active: "active", Enabled: true},
			{Name: "docker", Active: "inactive"}, {Name: "ssh", Active: "inactive"}},
		Clock:        Clock{Synced: &yes},
		Certificates: []Certificate{{File: "a", From: now.AddDate(0, -1, 0), Until: now.AddDate(1, 0, 0)}},
		Logs: []Shape{{Source: "kubelet", Count: 3, First: now.Add(-time.Hour), Last: now},
			{Source: "kernel", Example: "I/O error, dev sdz", Count: 4, First: now.AddDate(0, 0, -90), Last: now.AddDate(0, 0, -80)}},
	}
}

func TestHealthyMachineHasNoFinding(t *testing.T) {
	for _, f := range Judge("n1", healthy(), defaults(t), now) {
		t.Errorf("%+v", f)
	}
}

// Each fault that is put into a healthy machine is found once, as what it is.
func TestEachFaultIsFoundOnce(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		fault, rule, evidence string
		severity              finding.Severity
		put                   func(*Look)
	}{
		{"burning CPU", "cpu-busy", "98 % of 8 cores busy, tasks waited for a core 80 % of the last minute; most by burn (7) 7.5 cores", finding.Critical,
			func(l *Look) { l.Busy, l.CPU.Some60, l.Top = 98, 80, []Process{{7, "burn", 7.5, 0}} }},
		{"burning CPU on an old kernel", "cpu-busy", "load 16.0", finding.Warning, func(l *Look) { l.CPU, l.Load[1] = nil, 16 }},
		{"burning CPU outside of what can be seen", "cpu-busy", "80 % of the last minute; no process stands out", finding.Critical,
			func(l *Look) { l.Busy, l.CPU.Some60, l.Top = 98, 80, []Process{{7, "idler", 0.01, 0}} }},
		{"steal", "cpu-steal", "30 %", finding.Critical, func(l *Look) { l.Steal = 30 }},
		{"waiting for disks", "cpu-iowait", "50 %", finding.Warning, func(l *Look) { l.IOWait = 50 }},
		{"little memory", "memory-low", "1.0 GiB of 64 GiB available (2 %)", finding.Critical, func(l *Look) { l.Memory.Available = 1 << 30 }},
		{"memory pressure", "memory-pressure", "20 % of the last minute", finding.Warning, func(l *Look) { l.Memory.Pressure.Some60 = 20 }},
		{"swap", "swap-used", "75 % of 4.0 GiB", finding.Warning, func(l *Look) { l.Memory.SwapTotal, l.Memory.SwapFree = 4<<30, 1<<30 }},
		{"ECC", "memory-corrected", "12 errors", finding.Warning, func(l *Look) { l.Hardware.Memory.Corrected = 12 }},
		{"OOM kill just now", "oom-kill", "1 process killed; the last was java (9), 5 min ago", finding.Critical,
			func(l *Look) { l.OOMs = []OOM{{Time: now.Add(-5 * time.Minute), PID: 9, Process: "java"}} }},
		{"broken disk", "hardware", "disk sda", finding.Critical, func(l *Look) { l.Health = []string{"disk sda: SMART says it is failing"} }},
		{"worn disk", "disk-ageing", "sda: 90 % used", finding.Warning,
			func(l *Look) {
				l.Hardware.Disks = []hardware.Disk{{Name: "sda", Health: "warning", Complaints: []string{"90 % used"}}}
			}},
		{"full disk", "disk-space", "/ is 97 % full, 1.0 GiB left", finding.Critical, func(l *Look) { l.FileSystems[0].Used, l.FileSystems[0].Free = 97, 1<<30 }},
		{"no inodes", "disk-inodes", "/ has 90 %", finding.Warning, func(l *Look) { l.FileSystems[0].Inodes = 90 }},
		{"pod's volume that the kernel made read-only", "read-only-mount", "/var/lib/kubelet/plugins/x (, ) was made read-only by the kernel", finding.Critical,
			func(l *Look) { l.FileSystems[2].Forced = true }},
		{"read-only mount", "read-only-mount", "/ (", finding.Critical, func(l *Look) { l.FileSystems[0].ReadOnly = true }},
		{"disk pressure", "io-pressure", "40 %", finding.Warning, func(l *Look) { l.IO.Some60 = 40 }},
		{"slow disk", "disk-slow", "sda busy 100 %, 600 ms", finding.Critical, func(l *Look) { l.Disks[0].Await = 600 }},
		{"full link", "link-full", "eno1 carries 97 % of its 25000 Mbit/s", finding.Critical, func(l *Look) { l.Links[0].Use = 97 }},
		{"link errors", "link-errors", "eno1 has 5 errors a second", finding.Warning, func(l *Look) { l.Links[0].Errors = 5 }},
		{"drops", "link-drops", "20 packets", finding.Warning, func(l *Look) { l.Links[0].Drops = 20 }},
		{"flapping link", "link-flaps", "300 times", finding.Critical, func(l *Look) { l.Links[0].Changes = 300 }},
		{"slow link", "link-slow", "100 Mbit/s", finding.Critical, func(l *Look) { l.Links[0].Mbit = 100 }},
		{"half duplex", "link-duplex", "eno1", finding.Critical, func(l *Look) { l.Links[0].Duplex = "half" }},
		{"retransmits", "tcp-retransmits", "3.0 %", finding.Warning, func(l *Look) { l.TCP.Percent = 3 }},
		{"packet loss", "packet-loss", "30 % of packets to 10.0.0.2", finding.Critical, func(l *Look) { l.Peers[0].Loss = 30 }},
		{"MTU", "mtu", "packets of 9000 bytes don't reach 10.0.0.2", finding.Critical, func(l *Look) { l.Peers[0].Whole, l.Peers[0].MTU = &no, 9000 }},
		{"a neighbour that is away", "peer-away", "no answer from 10.0.0.2", finding.Warning, func(l *Look) { l.Peers[0].Loss = 100 }},
		{"ICMP that is filtered", "icmp-filtered", "no ping comes back from 10.0.0.2, 10.0.0.3, TCP does", finding.Info, func(l *Look) {
			l.Peers = []Peer{{Address: "10.0.0.2", Loss: 100, TCP: &yes}, {Address: "10.0.0.3", Loss: 100, TCP: &yes}}
		}},
		{"all neighbours away, the API server not", "peer-away", "no answer from 10.0.0.2, 10.0.0.3", finding.Warning, func(l *Look) {
			l.Peers = []Peer{{Address: "10.0.0.2", Loss: 100, TCP: &no}, {Address: "10.0.0.3", Loss: 100}}
		}},
		{"cut off", "peer-away", "no answer from 10.0.0.2, 10.0.0.3", finding.Critical, func(l *Look) {
			l.Peers = []Peer{{Address: "10.0.0.2", Loss: 100, TCP: &no}, {Address: "10.0.0.3", Loss: 100, TCP: &no}}
			l.API = API{}
		}},
		{"API away", "api-away", "no answer from https://10.0.0.1", finding.Critical, func(l *Look) { l.API = API{Asked: true, Server: "https://10.0.0.1"} }},
		{"API ill", "api-away", "answers 503", finding.Critical, func(l *Look) { l.API.Code = 503 }},
		{"API slow", "api-slow", "2.0 s", finding.Warning, func(l *Look) { l.API.Seconds = 2 }},
		{"DNS away", "dns-away", "no name server answers", finding.Critical, func(l *Look) { l.DNS = DNS{Asked: true} }},
		{"DNS that refuses", "dns-away", "about a: 10.0.0.53 says REFUSED, 10.0.0.54 doesn't answer", finding.Critical, func(l *Look) {
			l.DNS = DNS{Name: "a", Asked: true, Servers: []NameServer{{"10.0.0.53", "REFUSED"}, {"10.0.0.54", ""}}}
		}},
		{"one of two name servers", "dns-server", "of 2 name servers 10.0.0.53 says SERVFAIL", finding.Warning, func(l *Look) { l.DNS.Servers[0].Answer = "SERVFAIL" }},
		{"fd leak", "files-open", "leak (5) has 1000 of its 1024 files open", finding.Critical, func(l *Look) { l.Files.Top = []FileHolder{{5, "leak", 1000, 1024}} }},
		{"no files left", "files-open", "900000 of the machine's 1000000", finding.Warning, func(l *Look) { l.Files.Used = 900000 }},
		{"threads", "threads", "99000 of 100000", finding.Critical, func(l *Look) { l.Threads.Used = 99000 }},
		{"conntrack", "conntrack", "262000 of 262144", finding.Critical, func(l *Look) { l.Conntrack.Used = 262000 }},
		{"stuck task", "stuck-tasks", "nfsd (9)", finding.Warning, func(l *Look) { l.Stuck = []Process{{PID: 9, Name: "nfsd"}} }},
		{"clock behind", "clock", "at least 30s behind", finding.Critical, func(l *Look) { l.Clock.Skew = -30 * time.Second }},
		{"clock ahead", "clock", "at least 2s ahead", finding.Warning, func(l *Look) { l.Clock.Skew = 2 * time.Second }},
		{"clock that nobody keeps", "clock-unsynced", "no time service keeps the clock", finding.Warning, func(l *Look) { l.Clock.Synced = &no }},
		{"clock behind that nobody keeps", "clock", "its clock is at least 30s behind yours, and no time service keeps it", finding.Critical,
			func(l *Look) { l.Clock.Synced, l.Clock.Skew = &no, -30*time.Second }},
		{"stopped kubelet", "unit-stopped", "kubelet is stopped", finding.Critical, func(l *Look) { l.Units[0].Active = "inactive" }},
		{"stopped containerd", "unit-stopped", "containerd is stopped", finding.Critical, func(l *Look) { l.Units[1].Active = "inactive" }},
		{"stopped docker beside containerd", "unit-stopped", "docker is stopped", finding.Critical, func(l *Look) { l.Units[2].Enabled = true }},
		{"kubelet that a run stopped", "unit-stopped", "kubelet is stopped, and masked; run r-1 holds the node", finding.Info,
			func(l *Look) {
				l.Units[0].Active, l.Units[0].Masked, l.Holder = "inactive", true, &Holder{Run: "r-1"}
			}},
		{"kubelet that a failed run left", "unit-stopped", "kubelet is stopped; run r-1 holds the node, and failed there: no boot", finding.Warning,
			func(l *Look) { l.Units[0].Active, l.Holder = "inactive", &Holder{Run: "r-1", Failed: "no boot"} }},
		{"kubelet that nobody holds any more", "unit-stopped", "by a drop-in that a run of fleetup has written", finding.Critical,
			func(l *Look) { l.Units[0].Active, l.Units[0].Barred = "inactive", true }},
		{"crash-looping kubelet", "unit-down", "kubelet is activating (exit-code), restarted 41 times", finding.Critical,
			func(l *Look) {
				l.Units[0] = Unit{Name: "kubelet", Active: "activating", Sub: "auto-restart", Result: "exit-code", Restarts: 41}
				l.FailedUnits = []string{"kubelet.service"}
			}},
		{"restarts", "unit-restarts", "4 times", finding.Warning, func(l *Look) { l.Units[0].Restarts = 4 }},
		{"failing unit", "unit-failed", "backup.service has failed", finding.Warning, func(l *Look) { l.FailedUnits = []string{"backup.service"} }},
		{"expired certificate", "certificate", "a (n1) expired 3 days ago, on 2023-11-11", finding.Critical,
			func(l *Look) { l.Certificates[0].Until, l.Certificates[0].Subject = now.AddDate(0, 0, -3), "n1" }},
		{"certificate that soon expires", "certificate", "expires in 20 days", finding.Warning, func(l *Look) { l.Certificates[0].Until = now.AddDate(0, 0, 20) }},
		{"certificate of tomorrow", "certificate", "is valid only from", finding.Critical, func(l *Look) { l.Certificates[0].From = now.AddDate(0, 0, 1) }},
		{"I/O errors", "disk-errors", "kernel logged 1 line: I/O error", finding.Warning,
			func(l *Look) {
				l.Logs = []Shape{{Source: "kernel", Example: "I/O error, dev sdb", Count: 1, First: now, Last: now}}
			}},
		{"a storm of errors", "log-errors", "kubelet logged 5000 lines: it fails (last 0 s ago)", finding.Warning,
			func(l *Look) {
				l.Logs = []Shape{{Source: "kubelet", Example: "it fails", Count: 5000, First: now, Last: now}}
			}},
	} {
		t.Run(c.fault, func(t *testing.T) {
			l := healthy()
			c.put(&l)
			found := Judge("n1", l, defaults(t), now)
			if len(found) != 1 {
				t.Fatalf("%d findings: %+v", len(found), found)
			}
			f := found[0]
			if f.Rule != c.rule || f.Severity != c.severity || !strings.Contains(f.Evidence, c.evidence) || f.Object != "node n1" {
				t.Errorf("found %+v,\nwant %s %s %q", f, c.severity, c.rule, c.evidence)
			}
			if f.Meaning == "" || f.Action == "" {
				t.Errorf("it says neither what it means nor what to do: %+v", f)
			}
			if bySelf := slices.Contains(itself, c.rule); bySelf != (f.Threshold == "") && c.fault != "certificate of tomorrow" {
				t.Errorf("threshold %q", f.Threshold)
			}
		})
	}
}

// itself are the rules that need no threshold.
var itself = strings.Fields("hardware disk-ageing read-only-mount link-duplex mtu peer-away icmp-filtered api-away dns-away dns-server clock-unsynced unit-stopped unit-down unit-failed")

// A finding names the threshold that it is one by, and its key; with a threshold of one's own, that.
func TestFindingsNameTheirThresholds(t *testing.T) {
	limits := defaults(t)
	limits.SpaceUsed = Level{50, 96.5}
	l := healthy()
	l.FileSystems[0].Used, l.Memory.Available = 97, 5<<30
	l.Busy, l.CPU.Some60 = 98, 30
	var told []string
	for _, f := range Judge("n1", l, limits, now) {
		told = append(told, f.Rule+": "+f.Threshold)
	}
	want := []string{"disk-space: critical from 96.5 on (space_used_percent)", "cpu-busy: warning from 90 on (cpu_busy_percent) and from 25 on (cpu_pressure_percent)",
		"memory-low: warning at 10 or less (memory_free_percent)"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q\nwant %q", told, want)
	}
}

// Each threshold of the file is used: a finding of some rule names it.
func TestEachThresholdIsUsed(t *testing.T) {
	var source strings.Builder
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err != nil {
			t.Fatal(err)
		} else if !strings.HasSuffix(file, "_test.go") && file != "thresholds.go" {
			source.Write(text)
		}
	}
	limits := reflect.TypeFor[Thresholds]()
	for i := range limits.NumField() {
		if name := limits.Field(i).Name; !regexp.MustCompile(`\bt\.` + name + `\b`).MatchString(source.String()) {
			t.Errorf("nothing is judged by %s", limits.Field(i).Tag.Get("toml"))
		}
	}
}

// A machine that has just booted is still looking for the time.
func TestClockAfterBoot(t *testing.T) {
	no := false
	l := healthy()
	l.Uptime, l.Clock.Synced = time.Minute, &no
	for _, f := range Judge("n1", l, defaults(t), now) {
		t.Errorf("%+v", f)
	}
}

// Whatever a mount point is called, a command that is to be pasted takes it as one word and runs nothing of it.
func TestCommandsAreQuoted(t *testing.T) {
	dir := t.TempDir()
	mount := "/srv/a b'c\"$(touch " + dir + "/ran)`touch " + dir + "/ran`;&"
	l := healthy()
	l.FileSystems = []FileSystem{{Mount: mount, Used: 99, Inodes: 99}}
	l.FailedUnits = []string{`srv-a\x20b$(touch ` + dir + `/ran).mount`}
	list := append(Judge("n1", l, defaults(t), now), JudgeDay("n1", Day{Filling: map[string]float64{mount: 0.1}}, defaults(t))...)
	if len(list) != 4 {
		t.Fatalf("%d findings: %+v", len(list), list)
	}
	for _, f := range list {
		said, err := exec.CommandContext(t.Context(), "sh", "-c", `du() { for w in "$@"; do printf '<%s>' "$w"; done; }; systemctl() { du "$@"; }; `+f.Command).Output()
		if want := "<" + mount + ">"; f.Rule == "unit-failed" && !strings.Contains(string(said), "<"+l.FailedUnits[0]+">") || f.Rule != "unit-failed" && !strings.Contains(string(said), want) || err != nil {
			t.Errorf("%s: %q: %v", f.Command, said, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("a name was run: %v, %v", left, err)
	}
}

// What is past is no finding for ever, and what one rule tells another doesn't tell again.
func TestNoFindingTwice(t *testing.T) {
	l := healthy()
	l.OOMs = []OOM{{Time: now.AddDate(0, 0, -3), Process: "java"}}
	l.Logs = []Shape{{Source: "kubelet", Count: 5000, First: now.AddDate(0, 0, -9), Last: now.AddDate(0, 0, -8)},
		{Source: "kernel", Example: "task x blocked for more than 120 seconds", Count: 1, First: now.AddDate(0, 0, -2), Last: now.AddDate(0, 0, -2)}}
	for _, f := range Judge("n1", l, defaults(t), now) {
		t.Errorf("%+v", f)
	}
}

// All that the sick machine has is found, by as many rules.
func TestSickMachine(t *testing.T) {
	var rules []string
	for _, f := range Judge("n7", sick(t), defaults(t), now) {
		if !slices.Contains(rules, f.Rule) {
			rules = append(rules, f.Rule)
		}
	}
	slices.Sort(rules)
	want := "api-away clock conntrack cpu-busy disk-errors disk-inodes disk-slow disk-space dns-away files-open hardware link-drops link-duplex link-errors link-flaps " +
		"link-full memory-corrected memory-low memory-pressure mtu oom-kill packet-loss read-only-mount stuck-tasks swap-used tcp-retransmits threads unit-down unit-failed"
	if got := strings.Join(slices.DeleteFunc(rules, func(r string) bool { return r == "certificate" }), " "); got != want {
		t.Errorf("found %s\nwant  %s", got, want)
	}
}

func TestThresholds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "own.toml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("space_used_percent = [50, 60.5]\nread_only_mounts = [\"/ro\"]\n")
	own, err := LoadThresholds(file)
	if err != nil || !slices.Equal(own.ReadOnlyMounts, []string{"/ro"}) || own.SpaceUsed != (Level{50, 60.5}) || own.InodesUsed != defaults(t).InodesUsed {
		t.Errorf("own: %+v, %v", own, err)
	}
	for text, want := range map[string]string{
		"space_used = [1, 2]\n":                             "space_used: there is no such key; did you mean space_used_percent?",
		"much = 1\nmore = 2\n":                              "more: there is no such key; `fleetup diagnose --show-thresholds` shows them all; much: ",
		"\nspace_used_percent = \"much\"\n":                 "space_used_percent: two numbers, from where on it is a warning and from where on critical, such as [85, 95]",
		"space_used_percent = [1]\n":                        "space_used_percent: two numbers",
		"space_used_percent = [1, \"2\"]\n":                 "space_used_percent: two numbers",
		"space_used_percent = [1, 2, 3]\n":                  "space_used_percent: two numbers",
		"read_only_mounts = [1]\n":                          "read_only_mounts: a list of folders",
		"swap_used_percent = 1\nread_only_mounts = \"/\"\n": "read_only_mounts: a list of folders such as [\"/usr\"]; swap_used_percent: two numbers",
		"\n\n=\n": "own.toml:3",
	} {
		write(text)
		if _, err := LoadThresholds(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := LoadThresholds(file + "x"); err == nil {
		t.Error("a file that isn't there")
	}
	less := Level{10, 5}
	if less.Of(11) != finding.None || less.Of(10) != finding.Warning || less.Of(5) != finding.Critical {
		t.Error("less is worse")
	}
}
