package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner/diagnose"
	"github.com/fleetup/fleetup/runner/hardware"
)

// details are what is told of a single machine beside its row: all that was seen, in the order in which one looks.
func (s screen) details(d diagnosed) {
	l := *d.Numbers
	fmt.Fprintln(s.app.out)
	for _, p := range []struct {
		what string
		list []string
	}{
		{"cpu", processor(l)},
		{"memory", memory(l.Memory, d)},
		{"busiest", processes(l.Top, func(p diagnose.Process) string { return fmt.Sprintf("%.2f cores", p.Cores) })},
		{"largest", processes(l.Largest, func(p diagnose.Process) string { return diagnose.Bytes(p.RSS) })},
		{"stuck", processes(l.Stuck, func(diagnose.Process) string { return "in uninterruptible sleep" })},
		{"most of their open files", each(l.Files.Top, func(h diagnose.FileHolder) string {
			return fmt.Sprintf("%s (%d) %s", h.Name, h.PID, share(int64(h.Open), int64(h.Limit)))
		})},
		{"kernel", kernel(l)},
		{"file systems", each(l.FileSystems, fileSystem)},
		{"disks", append(each(l.Disks, func(d diagnose.Disk) string {
			return fmt.Sprintf("%s busy %.0f %%, %.1f ms, read %.1f, write %.1f MB/s", d.Name, d.Util, d.Await, d.Read/1e6, d.Write/1e6)
		}), waited(l.IO)...)},
		{"health", each(l.Hardware.Disks, func(d hardware.Disk) string {
			return strings.TrimSpace(d.Name + " " + d.Health + " " + strings.Join(d.Complaints, ", "))
		})},
		{"links", each(l.Links, wording)},
		{"tcp", []string{fmt.Sprintf("%.1f %% of segments sent again", l.TCP.Percent)}},
		{"peers", each(l.Peers, peer)},
		{"api server", apiServer(l.API)},
		{"name servers", each(l.DNS.Servers, func(n diagnose.NameServer) string {
			if n.Answer == "" {
				return n.Address + " doesn't answer"
			}
			return n.Address + " says " + n.Answer + " to " + l.DNS.Name
		})},
		{"clock", timeKept(l.Clock)},
		{"units", each(l.Units, unit)},
		{"certificates", each(l.Certificates, func(c diagnose.Certificate) string { return c.File + " until " + c.Until.UTC().Format(time.DateOnly) })},
		{"past day", pastDay(d.Day)},
		{"logs", each(l.Logs[:min(len(l.Logs), 10)], func(v diagnose.Shape) string {
			return fmt.Sprintf("%d× %s: %s%s", v.Count, v.Source, clip(v.Example, 160), between(v))
		})},
	} {
		if len(p.list) == 0 {
			continue
		}
		fmt.Fprintln(s.app.out, p.what)
		for _, text := range p.list {
			s.line("  ", text)
		}
	}
}

func processor(l diagnose.Look) []string {
	list := []string{fmt.Sprintf("%s, %.0f %% busy, %.0f %% stolen, %.0f %% waiting for disks", plural(l.Cores, "core"), l.Busy, l.Steal, l.IOWait),
		fmt.Sprintf("load %.2f over 1, %.2f over 5, %.2f over 15 minutes", l.Load[0], l.Load[1], l.Load[2])}
	return append(list, waited(l.CPU)...)
}

// waited is how much of the time tasks waited for something, where the kernel keeps that.
func waited(p *diagnose.Pressure) []string {
	if p == nil {
		return nil
	}
	return []string{fmt.Sprintf("tasks waited for it %.1f %% of the last minute, %.1f %% of five", p.Some60, p.Some300)}
}

func memory(m diagnose.Memory, d diagnosed) []string {
	swap := "no swap"
	if m.SwapTotal > 0 {
		swap = fmt.Sprintf("%s of %s swap used", diagnose.Bytes(m.SwapTotal-m.SwapFree), diagnose.Bytes(m.SwapTotal))
	}
	list := append([]string{fmt.Sprintf("%s of %s available, %s", diagnose.Bytes(m.Available), diagnose.Bytes(m.Total), swap)}, waited(m.Pressure)...)
	if ecc := d.Numbers.Hardware.Memory; ecc.Corrected+ecc.Uncorrected > 0 {
		list = append(list, fmt.Sprintf("%d errors corrected since the boot, %d not", ecc.Corrected, ecc.Uncorrected))
	}
	if n := len(d.Numbers.OOMs); n > 0 {
		list = append(list, fmt.Sprintf("%d killed for want of it", n))
	}
	return append(list, metrics(d.Usage)...)
}

// metrics is what metrics-server saw.
func metrics(u *kube.Usage) []string {
	if u == nil {
		return nil
	}
	return []string{fmt.Sprintf("metrics-server saw %.1f cores and %s in use", u.Cores, diagnose.Bytes(u.Bytes))}
}

func kernel(l diagnose.Look) []string {
	return []string{"up " + uptime(l.Uptime), "open files " + share(l.Files.Used, l.Files.Max), "threads " + share(l.Threads.Used, l.Threads.Max),
		"connections tracked " + share(l.Conntrack.Used, l.Conntrack.Max)}
}

func uptime(d time.Duration) string {
	if d > 48*time.Hour {
		return plural(int(d/(24*time.Hour)), "day")
	}
	return short(d.Round(time.Minute))
}

// share words a part of something that ends. most 0: it isn't known where.
func share(used, most int64) string {
	if most <= 0 {
		return fmt.Sprint(used)
	}
	return fmt.Sprintf("%d of %d", used, most)
}

func fileSystem(fs diagnose.FileSystem) string {
	text := fmt.Sprintf("%s %.0f %% used, %s left, %.0f %% of inodes", fs.Mount, fs.Used, diagnose.Bytes(fs.Free), fs.Inodes)
	if fs.ReadOnly {
		text += ", read-only"
	}
	return text
}

func peer(p diagnose.Peer) string {
	switch {
	case p.Loss < 100:
		text := fmt.Sprintf("%s %.0f %% lost, %.1f ms", p.Address, p.Loss, p.RTT)
		if p.Whole != nil && !*p.Whole {
			text += fmt.Sprintf(", none of %d bytes", p.MTU)
		}
		return text
	case p.TCP != nil && *p.TCP:
		return p.Address + " answers TCP, no ping"
	}
	return p.Address + " doesn't answer"
}

func apiServer(a diagnose.API) []string {
	switch {
	case !a.Asked:
		return nil
	case a.Code == 0:
		return []string{a.Server + " doesn't answer"}
	}
	return []string{fmt.Sprintf("%s answers in %.2f s", a.Server, a.Seconds)}
}

func timeKept(c diagnose.Clock) []string {
	var list []string
	switch {
	case c.Synced == nil:
	case *c.Synced:
		list = append(list, "a time service keeps it")
	default:
		list = append(list, "no time service keeps it")
	}
	if c.Offset != 0 {
		list = append(list, fmt.Sprintf("%.6f s off its servers' time", c.Offset))
	}
	return list
}

func unit(u diagnose.Unit) string {
	text := u.Name + " " + u.Active
	if u.Restarts > 0 {
		text += fmt.Sprintf(", restarted %d×", u.Restarts)
	}
	return text
}

// pastDay is what Prometheus knows of one.
func pastDay(d *diagnose.Day) []string {
	if d == nil {
		return nil
	}
	var list []string
	for _, v := range []struct {
		format string
		value  *float64
	}{{"%.0f %% of the cores busy on average", d.CPU}, {"%.0f %% of memory available at its worst", d.Memory}, {"%.0f errors of its links", d.Errors}} {
		if v.value != nil {
			list = append(list, fmt.Sprintf(v.format, *v.value))
		}
	}
	for _, mount := range slices.Sorted(maps.Keys(d.Filling)) {
		list = append(list, fmt.Sprintf("%s is full in %.0f days if it goes on so", mount, d.Filling[mount]))
	}
	return list
}

func processes(list []diagnose.Process, of func(diagnose.Process) string) []string {
	return each(list[:min(len(list), 5)], func(p diagnose.Process) string { return fmt.Sprintf("%s (%d) %s", p.Name, p.PID, of(p)) })
}

func each[T any](list []T, word func(T) string) []string {
	var all []string
	for _, v := range list {
		all = append(all, word(v))
	}
	return all
}

func wording(l diagnose.Link) string {
	if !l.Up {
		return l.Name + " no link"
	}
	text := l.Name
	if l.Mbit > 0 {
		text += fmt.Sprintf(" %d Mbit/s", l.Mbit)
	}
	if l.Duplex != "" {
		text += " " + l.Duplex + " duplex"
	}
	text += fmt.Sprintf(", in %.1f, out %.1f MB/s", l.Rx/1e6, l.Tx/1e6)
	if l.Mbit > 0 {
		text += fmt.Sprintf(", %.0f %% of its speed", l.Use)
	}
	if l.Errored > 0 {
		text += fmt.Sprintf(", %d errors since the boot", l.Errored)
	}
	return text
}
