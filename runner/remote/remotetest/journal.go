package remotetest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
)

// entry is a line of the journal.
type entry struct {
	at         time.Time
	boot, unit string
	text       string // "kubelet[123]: message"
}

func (m *Machine) logUnit(unit, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.journal = append(m.journal, entry{time.Now(), m.bootID, unit, text})
}

// Journal writes a line as a service would: Journal("kubelet", "E1123 failed to run").
func (m *Machine) Journal(service, text string) {
	if unitName(service) == kernelLog {
		m.logUnit(kernelLog, "kernel: "+text)
		return
	}
	m.logUnit(unitName(service), service+"[1000]: "+text)
}

// kernelLog is what the kernel's own lines are kept under: Journal("kernel", "Out of memory: …").
const kernelLog = "kernel.service"

// journalStream is the output of a service.
type journalStream struct {
	m    *Machine
	unit string
	mu   sync.Mutex
	rest string
}

func (s *journalStream) Read(context.Context, []byte) (int, error) { return 0, io.EOF }

func (s *journalStream) Write(_ context.Context, b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	parts := strings.Split(s.rest+string(b), "\n")
	for _, line := range parts[:len(parts)-1] {
		s.m.logUnit(s.unit, "sh[1000]: "+line)
	}
	s.rest = parts[len(parts)-1]
	return len(b), nil
}

func (s *journalStream) Close() error { return nil }

// nothing is /dev/null.
type nothing struct{}

func (nothing) Read(context.Context, []byte) (int, error)      { return 0, io.EOF }
func (nothing) Write(_ context.Context, b []byte) (int, error) { return len(b), nil }
func (nothing) Close() error                                   { return nil }

// journalctl knows -u, -b, -b -1, -k, -n, -r, -o cat|short|short-unix|export, -p err (what says "error" or "fail"), --since @SECONDS or "-10min", -q and --no-pager; vacuuming does nothing.
func (m *Machine) journalctl(p *shell.Proc) int {
	opts, args := options(p.Args[1:], "u unit n lines o output p S since U until g")
	m.mu.Lock()
	all := append([]entry{}, m.journal...)
	boot := m.bootID
	m.mu.Unlock()
	if has(opts, "1") {
		boot = bootBefore(all, boot)
	}
	since := sinceTime(opts["S"] + opts["since"])
	var shown []entry
	for _, e := range all {
		if e.wanted(opts, boot) && !e.at.Before(since) {
			shown = append(shown, e)
		}
	}
	_ = args
	if n, err := strconv.Atoi(opts["n"] + opts["lines"]); err == nil {
		shown = shown[max(len(shown)-n, 0):]
	}
	if len(shown) == 0 && !has(opts, "q", "quiet", "rotate", "vacuum-size", "vacuum-time", "flush", "sync", "disk-usage") {
		p.Printf("-- No entries --\n")
	}
	if has(opts, "r", "reverse") {
		slices.Reverse(shown)
	}
	for _, e := range shown {
		text := e.text
		if opts["o"] == "export" {
			p.Printf("_BOOT_ID=%s\n", strings.ReplaceAll(e.boot, "-", ""))
			continue
		}
		if o := opts["o"] + opts["output"]; o == "cat" {
			_, text, _ = strings.Cut(text, ": ")
		} else if o == "short-unix" {
			text = fmt.Sprintf("%d.%06d %s %s", e.at.Unix(), e.at.Nanosecond()/1000, m.o.Name, text)
		} else {
			text = e.at.UTC().Format("Jan 02 15:04:05") + " " + m.o.Name + " " + text
		}
		p.Printf("%s\n", text)
	}
	return 0
}

// wanted reports whether an entry is of the unit, the boot, the kernel or the priority that is asked for.
func (e entry) wanted(opts map[string]string, boot string) bool {
	units := strings.Fields(opts["u"] + "\n" + opts["unit"])
	for i := range units {
		units[i] = unitName(units[i])
	}
	switch {
	case len(units) > 0 && !slices.Contains(units, e.unit), has(opts, "b", "boot") && e.boot != boot, has(opts, "k") && e.unit != kernelLog:
		return false
	}
	return opts["p"] != "err" || strings.Contains(e.text, "error") || strings.Contains(e.text, "ail")
}

// bootBefore is the last boot in the journal that isn't this one.
func bootBefore(all []entry, boot string) string {
	for _, e := range slices.Backward(all) {
		if e.boot != boot {
			return e.boot
		}
	}
	return "none"
}

func sinceTime(text string) time.Time {
	if n, err := strconv.ParseInt(strings.TrimPrefix(text, "@"), 10, 64); err == nil {
		if strings.HasPrefix(text, "@") {
			return time.Unix(n, 0)
		}
	}
	if d, err := time.ParseDuration(strings.NewReplacer("min", "m", " ", "").Replace(text)); err == nil {
		return time.Now().Add(d)
	}
	if at, err := time.Parse("2006-01-02 15:04:05", text); err == nil {
		return at
	}
	return time.Time{}
}
