package diagnose

import (
	"fmt"
	"strings"
	"time"

	"github.com/fleetup/fleetup/runner/finding"
)

func (j *judge) files() {
	w := told{rule: "files-open", meaning: "nothing more can be opened at the limit: connections, logs and files fail with EMFILE or ENFILE", action: "restart what leaks; then raise its limit (LimitNOFILE)"}
	f := j.l.Files
	j.add(j.t.Files.Of(f.Percent()), w, "%d of the machine's %d open files used", f.Used, f.Max)
	for _, h := range f.Top {
		if h.Limit > 0 {
			j.add(j.t.Files.Of(percent(int64(h.Open), int64(h.Limit))), w, "%s (%d) has %d of its %d files open", h.Name, h.PID, h.Open, h.Limit)
		}
	}
}

func (j *judge) threads() {
	s := j.l.Threads
	j.add(j.t.Threads.Of(s.Percent()), told{rule: "threads", meaning: "nothing can start at the limit", action: "see which process has so many; set a pod's PID limit (podPidsLimit)",
		command: "ps -eo nlwp,pid,comm --sort=-nlwp | head"}, "%d of %d threads used", s.Used, s.Max)
}

func (j *judge) conntrack() {
	s := j.l.Conntrack
	j.add(j.t.Conntrack.Of(s.Percent()), told{rule: "conntrack", meaning: "new connections are dropped when the table is full", action: "see who opens so many; raise net.netfilter.nf_conntrack_max",
		command: fmt.Sprintf("sysctl -w net.netfilter.nf_conntrack_max=%d", 2*s.Max)}, "%d of %d connections tracked", s.Used, s.Max)
}

func (j *judge) stuck() {
	var names []string
	for _, p := range j.l.Stuck {
		names = append(names, fmt.Sprintf("%s (%d)", p.Name, p.PID))
	}
	j.add(j.t.Stuck.Of(float64(len(names))), told{rule: "stuck-tasks", meaning: "they wait for a disk or a file server that doesn't answer, and no signal ends them",
		action: "see what they wait for; NFS or Ceph that is away, or a dying disk", command: "cat /proc/PID/stack"}, "in uninterruptible sleep: %s", strings.Join(names, ", "))
}

func (j *judge) clock() {
	c := j.l.Clock
	off := max(c.Skew, -c.Skew)
	which := "behind"
	if c.Skew > 0 {
		which = "ahead"
	}
	w := told{rule: "clock", meaning: "certificates and tokens are refused, leases are lost, logs mislead", action: "mend the time service", command: "timedatectl; chronyc -n sources"}
	j.add(j.t.Skew.Of(off.Seconds()), w, "at least %s %s of this machine's clock", off.Round(100*time.Millisecond), which)
	if c.Offset != 0 && j.t.Skew.Of(off.Seconds()) == finding.None {
		j.add(j.t.Skew.Of(max(c.Offset, -c.Offset)), w, "chrony is %.3f s off its servers' time", c.Offset)
	}
}

func (j *judge) units() {
	for _, u := range j.l.Units {
		w := told{rule: "unit-restarts", meaning: "the service ends and is started again and again", action: "read its last lines", command: "journalctl -u " + u.Name + " -n 50"}
		switch {
		case u.Active == "failed" || u.Sub == "auto-restart":
			w.rule, w.meaning = "unit-down", "the node doesn't work without it"
			j.add(finding.Critical, w, "%s is %s%s, restarted %s", u.Name, u.Active, in(u), times(u.Restarts, "time", "times"))
		default:
			j.add(j.t.UnitRestarts.Of(float64(u.Restarts)), w, "%s was restarted %s by systemd", u.Name, times(u.Restarts, "time", "times"))
		}
	}
	for _, name := range j.l.FailedUnits {
		if !j.needed(name) {
			j.add(finding.Warning, told{rule: "unit-failed", meaning: "a service of the machine doesn't run", action: "read why; mend it, or disable it", command: "systemctl status " + name}, "%s has failed", name)
		}
	}
}

func in(u Unit) string {
	if u.Result == "" || u.Result == "success" {
		return ""
	}
	return " (" + u.Result + ")"
}

// needed reports whether a unit is told of by units already.
func (j *judge) needed(name string) bool {
	for _, u := range j.l.Units {
		if u.Name+".service" == name {
			return true
		}
	}
	return false
}

func (j *judge) certificates() {
	for _, c := range j.l.Certificates {
		w := told{rule: "certificate", meaning: "whoever shows it is refused from then on", action: "renew it", command: "kubeadm certs renew all"}
		if strings.HasPrefix(c.File, "/var/lib/kubelet/pki/kubelet-client") {
			w.action, w.command = "see why the kubelet doesn't rotate it (rotateCertificates, pending CertificateSigningRequests)", "kubectl get csr"
		}
		left := c.Until.Sub(j.now)
		switch {
		case left <= 0:
			w.meaning = "whoever shows it is refused"
			j.add(finding.Critical, w, "%s (%s) expired %s ago, on %s", c.File, c.Subject, age(-left), c.Until.UTC().Format(time.DateOnly))
		case c.From.After(j.now):
			j.add(finding.Critical, w, "%s (%s) is valid only from %s on", c.File, c.Subject, c.From.UTC().Format(time.DateTime))
		default:
			j.add(j.t.CertificateDays.Of(left.Hours()/24), w, "%s (%s) expires in %s, on %s", c.File, c.Subject, age(left), c.Until.UTC().Format(time.DateOnly))
		}
	}
}

// Lines of the kernel that are a finding however few they are.
var kernelSays = []struct{ rule, words, meaning, action string }{
	{"disk-errors", "I/O error", "a disk doesn't answer or answers wrongly", "look at the disk's health, and drain the node before it dies"},
	{"disk-errors", "Remounting filesystem read-only", "the kernel gave up writing to a file system", "look at the disk's health, drain the node, check the file system"},
	{"hung-tasks", "blocked for more than", "tasks waited for minutes", "look for the disk or file server that doesn't answer"},
	{"conntrack", "table full, dropping packet", "new connections were dropped", "raise net.netfilter.nf_conntrack_max"},
	{"soft-lockup", "soft lockup", "a core was stuck in the kernel", "look for a bug of a driver; update the kernel"},
}

// sampled is the least time that an hourly rate is taken over.
const sampled = time.Hour

// logs tells what the kernel says of disks and tasks, and services that log one error again and again.
func (j *judge) logs() {
	for _, s := range j.l.Logs {
		evidence := fmt.Sprintf("%s logged %s: %s", s.Source, times(s.Count, "line", "lines"), short(s.Example))
		if !s.Last.IsZero() {
			evidence += fmt.Sprintf(" (last %s ago)", since(s.Last, j.now))
		}
		known := false
		for _, k := range kernelSays {
			if known = s.Source == "kernel" && strings.Contains(s.Example, k.words); known {
				j.add(finding.Warning, told{rule: k.rule, meaning: k.meaning, action: k.action}, "%s", evidence)
				break
			}
		}
		fresh := s.Last.IsZero() || j.now.Sub(s.Last) < sampled
		if hours := max(s.Last.Sub(s.First), sampled).Hours(); !known && fresh {
			j.add(min(j.t.LogErrors.Of(float64(s.Count)/hours), finding.Warning), told{rule: "log-errors", meaning: "a service fails at something again and again", action: "read what it says",
				command: "fleetup diagnose INVENTORY " + j.node + " --logs-all"}, "%s", evidence)
		}
	}
}

// longestLine is as much of a log's line as a finding shows.
const longestLine = 160

func short(text string) string {
	if r := []rune(text); len(r) > longestLine {
		return string(r[:longestLine]) + "…"
	}
	return text
}
