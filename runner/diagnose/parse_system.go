package diagnose

import (
	"strings"

	"github.com/fleetup/fleetup/runner/parts"
)

func parseLoad(text string, l *Look) {
	f := strings.Fields(text)
	for i := range l.Load {
		l.Load[i] = decimal(column(f, i))
	}
	if _, all, ok := strings.Cut(column(f, 3), "/"); ok {
		l.Threads.Used = whole(all)
	}
}

func parseMemory(text string, m *Memory) {
	f := parts.Fields(text, ":")
	kib := func(key string) int64 { return whole(strings.TrimSuffix(f[key], " kB")) << 10 }
	m.Total, m.Available, m.SwapTotal, m.SwapFree = kib("MemTotal"), kib("MemAvailable"), kib("SwapTotal"), kib("SwapFree")
}

func (b *builder) pressure(p parts.Part) {
	pressure := parsePressure(p.Text)
	switch p.Of {
	case "cpu":
		b.CPU = pressure
	case "memory":
		b.Memory.Pressure = pressure
	case "io":
		b.IO = pressure
	}
}

// parsePressure is nil where the kernel keeps none.
func parsePressure(text string) *Pressure {
	var p Pressure
	found := false
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		v := parts.Fields(strings.Join(f, "\n"), "=")
		switch column(f, 0) {
		case "some":
			p.Some10, p.Some60, p.Some300, found = decimal(v["avg10"]), decimal(v["avg60"]), decimal(v["avg300"]), true
		case "full":
			p.Full10, p.Full60, p.Full300 = decimal(v["avg10"]), decimal(v["avg60"]), decimal(v["avg300"])
		}
	}
	if !found {
		return nil
	}
	return &p
}

func parseLimits(text string, l *Look) {
	f := parts.Fields(text, ":")
	l.Threads.Max = whole(f["/proc/sys/kernel/threads-max"])
	if pids := whole(f["/proc/sys/kernel/pid_max"]); pids > 0 && (pids < l.Threads.Max || l.Threads.Max == 0) {
		l.Threads.Max = pids
	}
	n := strings.Fields(f["/proc/sys/fs/file-nr"])
	l.Files.Share = Share{Used: whole(column(n, 0)), Max: whole(column(n, 2))}
	l.Conntrack = Share{Used: whole(f["/proc/sys/net/netfilter/nf_conntrack_count"]), Max: whole(f["/proc/sys/net/netfilter/nf_conntrack_max"])}
}

// parseCPU compares two readings of /proc/stat (proc_stat(5): user nice system idle iowait irq softirq steal, and guests,
// which user and nice hold already).
func parseCPU(first, second string, l *Look) {
	a, b := cpuTimes(first), cpuTimes(second)
	for line := range strings.Lines(second) {
		if strings.HasPrefix(line, "cpu") && !strings.HasPrefix(line, "cpu ") {
			l.Cores++
		}
	}
	var all float64
	for i := range b {
		b[i] -= a[i]
		all += max(b[i], 0)
	}
	if all <= 0 {
		return
	}
	l.IOWait, l.Steal = 100*max(b[4], 0)/all, 100*max(b[7], 0)/all
	l.Busy = 100 * (all - max(b[3], 0) - max(b[4], 0)) / all
}

func cpuTimes(text string) (t [8]float64) {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); column(f, 0) == "cpu" {
			for i := range t {
				t[i] = decimal(column(f, i+1))
			}
		}
	}
	return t
}

// parseProcesses reads lines of ticks, pages, state, pid and name. ticks is how many there were for one core.
func parseProcesses(text string, ticks float64, page int64) []Process {
	var all []Process
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 5)
		if len(f) < 5 {
			continue
		}
		p := Process{PID: int(whole(f[3])), Name: f[4], RSS: whole(f[1]) * page}
		if ticks > 0 {
			p.Cores = decimal(f[0]) / ticks
		}
		all = append(all, p)
	}
	return all
}

// parseDescriptors reads lines of count, limit, pid and name.
func parseDescriptors(text string) []FileHolder {
	var all []FileHolder
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 4)
		if len(f) == 4 && whole(f[0]) > 0 {
			all = append(all, FileHolder{PID: int(whole(f[2])), Name: f[3], Open: int(whole(f[0])), Limit: int(whole(f[1]))})
		}
	}
	return all
}

func (b *builder) unit(p parts.Part) {
	f := parts.Fields(p.Text, "=")
	if f["LoadState"] == "" || f["LoadState"] == "not-found" {
		return
	}
	u := Unit{Name: p.Of, Active: f["ActiveState"], Sub: f["SubState"], Result: f["Result"], Restarts: int(whole(f["NRestarts"])),
		Enabled: strings.HasPrefix(f["UnitFileState"], "enabled"), Masked: f["LoadState"] == "masked", Barred: strings.Contains(f["DropInPaths"], "/fleetup.conf")}
	b.Units = append(b.Units, u)
}

// parseFailed reads systemctl list-units.
func parseFailed(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		f := strings.Fields(strings.TrimLeft(line, "●* "))
		if len(f) > 0 && strings.Contains(f[0], ".") {
			all = append(all, f[0])
		}
	}
	return all
}
