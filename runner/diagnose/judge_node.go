package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"

	"github.com/fleetup/fleetup/runner/finding"
)

func (j *judge) files() {
	w := told{by: &j.t.Files, rule: "files-open", meaning: "nothing more can be opened at the limit: connections, logs and files fail with EMFILE or ENFILE", action: "restart what leaks; then raise its limit (LimitNOFILE)"}
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
	j.add(j.t.Threads.Of(s.Percent()), told{by: &j.t.Threads, rule: "threads", meaning: "nothing can start at the limit", action: "see which process has so many; set a pod's PID limit (podPidsLimit)",
		command: "ps -eo nlwp,pid,comm --sort=-nlwp | head"}, "%d of %d threads used", s.Used, s.Max)
}

func (j *judge) conntrack() {
	s := j.l.Conntrack
	j.add(j.t.Conntrack.Of(s.Percent()), told{by: &j.t.Conntrack, rule: "conntrack", meaning: "new connections are dropped when the table is full", action: "see who opens so many; raise net.netfilter.nf_conntrack_max",
		command: fmt.Sprintf("sysctl -w net.netfilter.nf_conntrack_max=%d", 2*s.Max)}, "%d of %d connections tracked", s.Used, s.Max)
}

func (j *judge) stuck() {
	var names []string
	command := "head -v -n 20"
	for _, p := range j.l.Stuck {
		names = append(names, fmt.Sprintf("%s (%d)", p.Name, p.PID))
		command += fmt.Sprintf(" /proc/%d/stack", p.PID)
	}
	j.add(j.t.Stuck.Of(float64(len(names))), told{by: &j.t.Stuck, rule: "stuck-tasks", meaning: "they wait for a disk or a file server that doesn't answer, and no signal ends them",
		action: "see what they wait for; NFS or Ceph that is away, or a dying disk", command: command}, "in uninterruptible sleep: %s", strings.Join(names, ", "))
}

// settled is how long after its boot a machine may take to find the time.
const settled = 10 * time.Minute

// clock judges by our own clock, by what chrony measures, and whether anything keeps the clock at all: the first that is wrong.
func (j *judge) clock() {
	c := j.l.Clock
	off, astray := max(c.Skew, -c.Skew), max(c.Offset, -c.Offset)
	which := "behind yours"
	if c.Skew > 0 {
		which = "ahead of yours"
	}
	unkept := c.Synced != nil && !*c.Synced && (j.l.Uptime == 0 || j.l.Uptime > settled)
	more := ""
	if unkept {
		more = ", and no time service keeps it"
	}
	w := told{rule: "clock", meaning: "certificates and tokens are refused, leases are lost, logs mislead", action: "mend the time service", command: "timedatectl; chronyc -n sources"}
	switch {
	case j.t.Skew.Of(off.Seconds()) != finding.None:
		w.by = &j.t.Skew
		j.add(j.t.Skew.Of(off.Seconds()), w, "its clock is at least %s %s%s", off.Round(100*time.Millisecond), which, more)
	case j.t.Skew.Of(astray) != finding.None:
		w.by = &j.t.Skew
		j.add(j.t.Skew.Of(astray), w, "chrony is %.3f s off its servers' time%s", c.Offset, more)
	case unkept:
		w.rule, w.meaning = "clock-unsynced", "the clock runs on its own and drifts, seconds in a week, until certificates are refused and leases are lost"
		w.action = "start a time service (chrony, systemd-timesyncd), or see why it reaches no server"
		j.add(finding.Warning, w, "no time service keeps the clock")
	}
}

func (j *judge) units() {
	for _, u := range j.l.Units {
		w := told{rule: "unit-restarts", meaning: "the service ends and is started again and again", action: "read its last lines", command: "journalctl -n 50 -u " + shellescape.Quote(u.Name)}
		switch {
		case u.Active == "failed" || u.Sub == "auto-restart":
			w.rule, w.meaning = "unit-down", "the node doesn't work without it"
			again := ""
			if u.Restarts > 0 {
				again = ", restarted " + times(u.Restarts, "time", "times")
			}
			j.add(finding.Critical, w, "%s is %s%s%s", u.Name, u.Active, in(u), again)
		case u.Active == "inactive" && j.missed(u):
			j.stopped(u)
		default:
			w.by = &j.t.UnitRestarts
			j.add(j.t.UnitRestarts.Of(float64(u.Restarts)), w, "%s was restarted %s by systemd", u.Name, times(u.Restarts, "time", "times"))
		}
	}
	for _, name := range j.l.FailedUnits {
		if !j.needed(name) {
			j.add(finding.Warning, told{rule: "unit-failed", meaning: "a service of the machine doesn't run", action: "read why; mend it, or disable it", command: "systemctl status " + shellescape.Quote(name)}, "%s has failed", name)
		}
	}
}

// runtimes are the services of which a kubelet needs one.
var runtimes = []string{"containerd", "docker", "crio"}

// missed reports whether a node needs a service that is stopped: its kubelet; a runtime that is to be started with the machine, or
// that there is no other of. The rest may be started when somebody asks.
func (j *judge) missed(u Unit) bool {
	another := slices.ContainsFunc(j.l.Units, func(v Unit) bool {
		return v.Name != u.Name && slices.Contains(runtimes, v.Name) && (v.Enabled || v.Active == "active")
	})
	return u.Name == "kubelet" || slices.Contains(runtimes, u.Name) && (u.Enabled || !another)
}

// stopped tells of a service that nobody ended by an error. A run of fleetup stops services on a node that it holds.
func (j *judge) stopped(u Unit) {
	w := told{rule: "unit-stopped", meaning: "the node doesn't work without it", action: "see who stopped it, and start it", command: "systemctl start " + shellescape.Quote(u.Name)}
	how := ""
	switch {
	case u.Barred:
		how = ", by a drop-in that a run of fleetup has written (/run/systemd/system/" + u.Name + ".service.d/fleetup.conf)"
	case u.Masked:
		how = ", and masked"
		w.command = "systemctl unmask --runtime " + u.Name + "; systemctl start " + u.Name
	}
	severity := finding.Critical
	switch h := j.l.Holder; {
	case h != nil:
		severity, how = h.severity(), how+"; "+h.String()
		w.action, w.command = h.next(j.node)
	case u.Barred:
		w.action, w.command = "see whether a run works there, or was cut off: run, or abort, gives the node back", "fleetup status INVENTORY"
	}
	j.add(severity, w, "%s is stopped%s", u.Name, how)
}

// severity of what a run does to a node that it holds: to know while it works, worse once it has failed there.
func (h Holder) severity() finding.Severity {
	if h.Failed != "" {
		return finding.Warning
	}
	return finding.Info
}

func (h Holder) String() string {
	if h.Spare {
		return "it is a closed spare, which may be off"
	}
	if h.Failed != "" {
		return fmt.Sprintf("run %s holds the node, and failed there: %s", h.Run, h.Failed)
	}
	if h.Work != "" {
		return h.Work
	}
	return fmt.Sprintf("run %s holds the node", h.Run)
}

// next is what to do about what is found on a node that is held: nothing by hand.
func (h Holder) next(node string) (action, command string) {
	if h.Spare {
		return "nothing: the run that lends it turns it on", "fleetup power status INVENTORY " + node
	}
	if h.Work != "" {
		return "nothing, until the work is done: then give it back", "fleetup swap finish INVENTORY " + node
	}
	return "nothing by hand: see how the run stands", "fleetup status INVENTORY"
}

// Away is the finding on a machine that can't be asked, and why. One that was turned off for hardware work is no trouble, nor is a closed
// spare; held may be nil.
func Away(node, why string, held *Holder) finding.Finding {
	f := finding.Finding{
		Severity: finding.Critical, Rule: "unreachable", Object: "node " + node, Evidence: why,
		Meaning: "nothing is known of the machine but what others say of it", Action: "see whether it has power, and what its BMC says",
		Command: "fleetup power status INVENTORY " + node,
	}
	switch {
	case held == nil:
	case held.Spare:
		f.Severity, f.Evidence, f.Meaning = held.severity(), why+"; "+held.String(), "nothing runs there"
		f.Action, f.Command = held.next(node)
	case held.Off:
		f.Severity, f.Evidence, f.Meaning = held.severity(), "off, and "+held.String(), "it was drained and turned off for that"
		f.Action, f.Command = held.next(node)
	}
	return f
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
			w.meaning, w.by = "whoever shows it is refused", &j.t.CertificateDays
			j.add(finding.Critical, w, "%s (%s) expired %s ago, on %s", c.File, c.Subject, age(-left), c.Until.UTC().Format(time.DateOnly))
		case c.From.After(j.now):
			w.meaning, w.action, w.command = "whoever shows it is refused until then", "see whether the machine's clock is right; if it is, renew it", "date -u"
			j.add(finding.Critical, w, "%s (%s) is valid only from %s on", c.File, c.Subject, c.From.UTC().Format(time.DateTime))
		default:
			w.by = &j.t.CertificateDays
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

// logs tells what the kernel said of disks and tasks of late, and services that log one error again and again.
func (j *judge) logs() {
	for _, s := range j.l.Logs {
		evidence := fmt.Sprintf("%s logged %s: %s%s", s.Source, times(s.Count, "line", "lines"), short(s.Example), j.when(s))
		known := false
		for _, k := range kernelSays {
			if known = s.Source == "kernel" && strings.Contains(s.Example, k.words); known {
				severity := finding.Warning
				var by *Level
				if !s.Last.IsZero() {
					by = &j.t.KernelHours
					severity = min(j.t.KernelHours.Of(j.now.Sub(s.Last).Hours()), finding.Warning)
				}
				j.add(severity, told{by: by, rule: k.rule, meaning: k.meaning, action: k.action}, "%s", evidence)
				break
			}
		}
		fresh := s.Last.IsZero() || j.now.Sub(s.Last) < sampled
		if hours := max(s.Last.Sub(s.First), sampled).Hours(); !known && fresh {
			j.add(min(j.t.LogErrors.Of(float64(s.Count)/hours), finding.Warning), told{by: &j.t.LogErrors, rule: "log-errors", meaning: "a service fails at something again and again", action: "read what it says", command: readMore(s.Source)}, "%s", evidence)
		}
	}
}

// readMore is a command that shows more of a log: of the kernel, of a pod's container ("pod NAMESPACE/POD CONTAINER"), or of a service.
func readMore(source string) string {
	pod, ofPod := strings.CutPrefix(source, "pod ")
	switch w := strings.Fields(pod); {
	case source == "kernel":
		return "journalctl -k -p warning -n 50"
	case ofPod && len(w) == 2:
		return "fleetup diagnose INVENTORY --logs " + shellescape.Quote(w[0]) + " --container " + shellescape.Quote(w[1])
	}
	return "journalctl -n 50 -t " + shellescape.Quote(source)
}

// when is how long ago lines of a shape were logged.
func (j *judge) when(s Shape) string {
	switch {
	case s.Last.IsZero():
		return " (at times that the log doesn't tell)"
	case s.Count > 1 && s.Last.Sub(s.First) > time.Minute:
		return fmt.Sprintf(" (the first %s ago, the last %s ago)", since(s.First, j.now), since(s.Last, j.now))
	}
	return fmt.Sprintf(" (last %s ago)", since(s.Last, j.now))
}

// longestLine is as much of a log's line as a finding shows.
const longestLine = 160

func short(text string) string {
	if r := []rune(text); len(r) > longestLine {
		return string(r[:longestLine]) + "…"
	}
	return text
}
