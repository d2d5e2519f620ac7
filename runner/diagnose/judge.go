package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"

	"github.com/fleetup/fleetup/runner/finding"
)

// Judge is what is wrong with a node by one look into it, the worst first. now is the time that ages count to.
func Judge(node string, l Look, t Thresholds, now time.Time) []finding.Finding {
	j := judge{node: node, l: l, t: t, now: now}
	for _, rule := range []func(*judge){
		(*judge).cpu, (*judge).steal, (*judge).ioWait, (*judge).memory, (*judge).swap, (*judge).oom, (*judge).health,
		(*judge).space, (*judge).readOnly, (*judge).ioPressure, (*judge).disks,
		(*judge).links, (*judge).retransmits, (*judge).peers, (*judge).api, (*judge).dns,
		(*judge).files, (*judge).threads, (*judge).conntrack, (*judge).stuck, (*judge).clock,
		(*judge).units, (*judge).certificates, (*judge).logs,
	} {
		rule(&j)
	}
	finding.Sort(j.found)
	return j.found
}

// judge is one node before the rules.
type judge struct {
	node  string
	l     Look
	t     Thresholds
	now   time.Time
	found []finding.Finding
}

// told is what a rule says of something: what it means, what to do about it, and perhaps a command; and the thresholds, of
// Thresholds, by which it is one: nil: it is one by itself.
type told struct {
	rule, meaning, action, command string
	by, also                       *Level
}

// add adds a finding about the node, where it is one.
func (j *judge) add(s finding.Severity, w told, format string, args ...any) {
	if s == finding.None {
		return
	}
	j.found = append(j.found, finding.Finding{
		Severity: s, Rule: w.rule, Object: "node " + j.node, Evidence: fmt.Sprintf(format, args...), Threshold: j.t.crossed(s, w.by, w.also),
		Meaning: w.meaning, Action: w.action, Command: w.command,
	})
}

// cpu wants a busy sample, and tasks that have waited for long: for a minute by the kernel's pressure, else by the load.
func (j *judge) cpu() {
	l := j.l
	lasting, evidence, also := finding.None, "", &j.t.CPUPressure
	if p := l.CPU; p != nil {
		lasting, evidence = j.t.CPUPressure.Of(p.Some60), fmt.Sprintf("tasks waited for a core %.0f %% of the last minute", p.Some60)
	} else if l.Cores > 0 {
		lasting, evidence, also = j.t.LoadPerCore.Of(l.Load[1]/float64(l.Cores)), fmt.Sprintf("load %.1f over 5 minutes", l.Load[1]), &j.t.LoadPerCore
	}
	j.add(min(j.t.CPUBusy.Of(l.Busy), lasting), told{by: &j.t.CPUBusy, also: also, rule: "cpu-busy",
		meaning: "there is more work than cores: everything on the node gets slower, probes and heartbeats too",
		action:  "see whether the busiest processes should be; give their pods a CPU limit, or move pods away"},
		"%.0f %% of %d cores busy, %s; %s", l.Busy, l.Cores, evidence, busiest(l.Top))
}

// busiest names the processes that use most.
func busiest(top []Process) string {
	var names []string
	for _, p := range top[:min(len(top), 3)] {
		if p.Cores >= 0.05 {
			names = append(names, fmt.Sprintf("%s (%d) %.1f", p.Name, p.PID, p.Cores))
		}
	}
	if len(names) == 0 {
		return "no process stands out"
	}
	return "most by " + strings.Join(names, ", ") + " cores"
}

func (j *judge) steal() {
	j.add(j.t.Steal.Of(j.l.Steal), told{by: &j.t.Steal, rule: "cpu-steal", meaning: "a hypervisor gives the cores to others",
		action: "look at the host below this machine: it has more virtual cores than real ones"}, "%.0f %% stolen", j.l.Steal)
}

func (j *judge) ioWait() {
	j.add(j.t.IOWait.Of(j.l.IOWait), told{by: &j.t.IOWait, rule: "cpu-iowait", meaning: "cores are idle because a disk is waited for",
		action: "see which disk is busy below, and which process reads or writes", command: "iotop -boP -n 2"}, "%.0f %% of the time waiting for disks", j.l.IOWait)
}

func (j *judge) memory() {
	m := j.l.Memory
	if m.Total > 0 {
		free := percent(m.Available, m.Total)
		j.add(j.t.MemoryFree.Of(free), told{by: &j.t.MemoryFree, rule: "memory-low", meaning: "the kubelet evicts pods soon, or the kernel kills a process",
			action: "see whether the largest processes should be so; set memory limits, or move pods away"},
			"%s of %s available (%.0f %%); %s", Bytes(m.Available), Bytes(m.Total), free, largest(j.l.Largest))
	}
	if p := m.Pressure; p != nil {
		j.add(j.t.MemoryPressure.Of(p.Some60), told{by: &j.t.MemoryPressure, rule: "memory-pressure", meaning: "tasks stand still while memory is reclaimed: the node thrashes",
			action: "set memory limits on what grows, or move pods away"},
			"tasks waited for memory %.0f %% of the last minute; %s", p.Some60, largest(j.l.Largest))
	}
	h := j.l.Hardware.Memory
	if h.Corrected > 0 && h.Uncorrected == 0 {
		j.add(j.t.MemoryCorrected.Of(float64(h.Corrected)), told{by: &j.t.MemoryCorrected, rule: "memory-corrected", meaning: "a memory module begins to fail; ECC still mends it",
			action: "plan to replace the module that edac-util or the BMC names", command: "fleetup swap begin INVENTORY " + j.node}, "%d errors corrected since the boot", h.Corrected)
	}
}

func largest(list []Process) string {
	if len(list) == 0 {
		return "no process stands out"
	}
	var names []string
	for _, p := range list[:min(len(list), 3)] {
		names = append(names, fmt.Sprintf("%s (%d) %s", p.Name, p.PID, Bytes(p.RSS)))
	}
	return "largest " + strings.Join(names, ", ")
}

func (j *judge) swap() {
	m := j.l.Memory
	if m.SwapTotal > 0 {
		used := percent(m.SwapTotal-m.SwapFree, m.SwapTotal)
		j.add(j.t.SwapUsed.Of(used), told{by: &j.t.SwapUsed, rule: "swap-used", meaning: "memory is short, and what was swapped out is slow to come back",
			action: "see which processes are largest; a node without NodeSwap set up on purpose should have none"}, "%.0f %% of %s swap used", used, Bytes(m.SwapTotal))
	}
}

// oom tells of the newest kill.
func (j *judge) oom() {
	if len(j.l.OOMs) == 0 {
		return
	}
	last := j.l.OOMs[len(j.l.OOMs)-1]
	severity, ago := finding.Warning, "at a time that the log doesn't tell"
	var by *Level
	if !last.Time.IsZero() {
		by = &j.t.OOMHours
		severity, ago = j.t.OOMHours.Of(j.now.Sub(last.Time).Hours()), since(last.Time, j.now)+" ago"
	}
	w := told{by: by, rule: "oom-kill", meaning: "the machine ran out of memory, and the kernel chose a victim: it may take a kubelet as well",
		action: "set limits on what grew, and reserve memory for the system (system-reserved); `fleetup audit INVENTORY` says how much"}
	if last.Cgroup {
		w.meaning, w.action = "a container or service reached its own memory limit", "raise the limit, or mend the leak"
	}
	who := last.Process
	if last.PID > 0 {
		who += fmt.Sprintf(" (%d)", last.PID)
	}
	j.add(severity, w, "%s killed; the last was %s, %s", times(len(j.l.OOMs), "process", "processes"), who, ago)
}

// health is what SMART, ECC and the kernel say of the hardware.
func (j *judge) health() {
	for _, problem := range j.l.Health {
		j.add(finding.Critical, told{rule: "hardware", meaning: "a part is broken or about to be",
			action: "take the node out for hardware work", command: "fleetup swap begin INVENTORY " + j.node}, "%s", problem)
	}
	for _, d := range j.l.Hardware.Disks {
		if d.Health == "warning" {
			j.add(finding.Warning, told{rule: "disk-ageing", meaning: "the disk wears out", action: "order a disk, and replace it in the next maintenance"},
				"disk %s: %s", d.Name, strings.Join(d.Complaints, ", "))
		}
	}
}

func (j *judge) space() {
	for _, fs := range j.l.FileSystems {
		j.add(j.t.SpaceUsed.Of(fs.Used), told{by: &j.t.SpaceUsed, rule: "disk-space", meaning: "what writes there fails when it is full; the kubelet evicts pods before",
			action: "see what is large there", command: largestIn(fs.Mount)},
			"%s is %.0f %% full, %s left", fs.Mount, fs.Used, Bytes(fs.Free))
		j.add(j.t.InodesUsed.Of(fs.Inodes), told{by: &j.t.InodesUsed, rule: "disk-inodes", meaning: "no file can be made there when they are used up, however much space is left",
			action: "see where the many small files are", command: "du -x --inodes --max-depth=2 " + shellescape.Quote(fs.Mount) + " | sort -n | tail"},
			"%s has %.0f %% of its inodes used", fs.Mount, fs.Inodes)
	}
}

// largestIn is a command that shows what is large below a folder.
func largestIn(dir string) string {
	return "du -xh --max-depth=2 " + shellescape.Quote(dir) + " | sort -h | tail"
}

func (j *judge) readOnly() {
	for _, fs := range j.l.FileSystems {
		if !fs.ReadOnly || !fs.Forced && (fs.Intended || slices.Contains(j.t.ReadOnlyMounts, fs.Mount)) {
			continue
		}
		why := "is mounted read-only, and /etc/fstab doesn't say so"
		if fs.Forced {
			why = "was made read-only by the kernel, after errors"
		}
		j.add(finding.Critical, told{rule: "read-only-mount", meaning: "nothing can be written there; a kernel makes a file system so after errors",
			action: "look for the disk's errors in the kernel's log, drain the node, check the file system", command: "dmesg -T | grep -iE 'i/o error|ext4|xfs|remount' | tail"},
			"%s (%s, %s) %s", fs.Mount, fs.Device, fs.Type, why)
	}
}

func (j *judge) ioPressure() {
	if p := j.l.IO; p != nil {
		j.add(j.t.IOPressure.Of(p.Some60), told{by: &j.t.IOPressure, rule: "io-pressure", meaning: "tasks stand still for disks",
			action: "see which disk is busy below, and who reads or writes", command: "iotop -boP -n 2"}, "tasks waited for disks %.0f %% of the last minute", p.Some60)
	}
}

// busyDisk is the share of a sample in which a disk must have been busy for its answers to count.
const busyDisk = 50

func (j *judge) disks() {
	for _, d := range j.l.Disks {
		if d.Util >= busyDisk {
			j.add(j.t.DiskAwait.Of(d.Await), told{by: &j.t.DiskAwait, rule: "disk-slow", meaning: "the disk can't keep up, or fails", action: "see who reads and writes, and the disk's health", command: "smartctl -a /dev/" + d.Name},
				"%s busy %.0f %%, %.0f ms for each request", d.Name, d.Util, d.Await)
		}
	}
}

// Bytes words a size: 1.5 GiB.
func Bytes(n int64) string {
	f, unit := float64(n), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		if f < 1024 {
			break
		}
		f, unit = f/1024, next
	}
	if f >= 10 || unit == "B" {
		return fmt.Sprintf("%.0f %s", f, unit)
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}

// since words an age: 3 h, 12 min.
func since(at, now time.Time) string { return age(now.Sub(at)) }

func age(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

func times(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
