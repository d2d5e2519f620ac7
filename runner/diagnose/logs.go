package diagnose

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fleetup/fleetup/runner/parts"
)

// Shape is log lines that say the same but for numbers, names of pods, addresses and the like.
type Shape struct {
	Source  string    `json:"source"` // kernel, kubelet, …, or the pod and container
	Shape   string    `json:"shape"`
	Example string    `json:"example"` // the newest of them
	Count   int       `json:"count"`
	First   time.Time `json:"first"` // zero: the log has no times that could be read
	Last    time.Time `json:"last"`
}

// line is one line of a log.
type line struct {
	at           time.Time
	source, text string
}

// logs reads lines of journalctl -o short-unix, of syslog's files in either way of writing the time, or, where a pod
// and its container are named, of the runtime's log files. The journal is asked several questions, and what it answers to two
// of them counts once: its times tell microseconds. It answers with the newest first.
func (b *builder) logs(text, pod string, journal bool) {
	lines := strings.Split(text, "\n")
	if journal {
		slices.Reverse(lines)
	}
	for _, raw := range lines {
		raw = strings.TrimRight(raw, "\r")
		if raw == "" || raw[0] == '!' || b.seen[raw] {
			continue
		}
		if journal {
			b.seen[raw] = true
		}
		l, ok := readLine(raw, b.raw.Got)
		if pod != "" {
			l, ok = readPodLine(raw, pod)
		}
		if ok {
			b.lines = append(b.lines, l)
		}
	}
}

// podLog reads the log of one container: "NAMESPACE/POD CONTAINER".
func (b *builder) podLog(p parts.Part) {
	b.logs(p.Text, p.Of, false)
	if pod, _, _ := strings.Cut(p.Of, " "); !slices.Contains(b.PodLogs, pod) {
		b.PodLogs = append(b.PodLogs, pod)
	}
}

var (
	unixLine = regexp.MustCompile(`^(\d{9,11}\.\d+) \S+ ([^\s:\[]+)(?:\[\d+\])?: (.*)$`)
	isoLine  = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\S+) \S+ ([^\s:\[]+)(?:\[\d+\])?: (.*)$`)
	bsdLine  = regexp.MustCompile(`^([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) \S+ ([^\s:\[]+)(?:\[\d+\])?: (.*)$`)
	uptime   = regexp.MustCompile(`^\[ *\d+\.\d+\] `)
)

// readLine reads one; now tells the year of a time that lacks it.
func readLine(raw string, now time.Time) (line, bool) {
	if m := unixLine.FindStringSubmatch(raw); m != nil {
		return line{instant(m[1]), m[2], m[3]}, true
	}
	if m := isoLine.FindStringSubmatch(raw); m != nil {
		at, err := time.Parse(time.RFC3339Nano, m[1])
		return line{at, m[2], uptime.ReplaceAllString(m[3], "")}, err == nil
	}
	m := bsdLine.FindStringSubmatch(raw)
	if m == nil {
		return line{}, false
	}
	at, err := time.ParseInLocation(time.Stamp, m[1], time.UTC)
	if err != nil {
		return line{}, false
	}
	if at = at.AddDate(now.Year(), 0, 0); at.After(now.AddDate(0, 0, 2)) {
		at = at.AddDate(-1, 0, 0)
	}
	return line{at, m[2], uptime.ReplaceAllString(m[3], "")}, true
}

// readPodLine reads what a container runtime writes: time, stream, whether the line is whole, and the line.
func readPodLine(raw, pod string) (line, bool) {
	f := strings.SplitN(raw, " ", 4)
	if len(f) < 4 {
		return line{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, f[0])
	return line{at, "pod " + pod, f[3]}, err == nil
}

// What makes two lines that say the same differ, the more particular first.
var variable = []struct {
	find *regexp.Regexp
	put  string
}{
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "<uid>"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?`), "<time>"},
	{regexp.MustCompile(`^([EFW])\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ `), "$1 "},
	{regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b`), "<address>"},
	{regexp.MustCompile(`\b[0-9a-f]{12,}\b`), "<id>"},
	{regexp.MustCompile(`\b0x[0-9a-fA-F]+\b`), "<number>"},
	{regexp.MustCompile(`-[0-9a-f]{8,10}-[a-z0-9]{5}\b`), "-<pod>"},
	{regexp.MustCompile(`\d+(?:\.\d+)?`), "<n>"},
}

// shapeOf is what stays of a line when all that varies is taken out.
func shapeOf(text string) string {
	for _, v := range variable {
		text = v.find.ReplaceAllString(text, v.put)
	}
	return text
}

// unitKilled is what systemd says of a unit, also where the kernel's own log can't be read.
var unitKilled = regexp.MustCompile(`^(\S+): A process of this unit has been killed by the OOM killer`)

var killed = regexp.MustCompile(`(?i)(memory cgroup )?out of memory: kill(?:ed)? process (\d+) \(([^)]*)\)`)

// AddLogs adds lines that were asked for later.
func (l *Look) AddLogs(more []Shape) {
	l.Logs = append(l.Logs, more...)
	sortShapes(l.Logs)
}

// sortShapes puts the most frequent first.
func sortShapes(all []Shape) {
	slices.SortFunc(all, func(a, b Shape) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), b.Last.Compare(a.Last), cmp.Compare(a.Source+a.Shape, b.Source+b.Shape))
	})
}

// grouped counts lines by their shapes, and takes out the kernel's kills. Those before since are left out.
func grouped(lines []line, since time.Time) ([]Shape, []OOM) {
	type key struct{ source, shape string }
	shapes, oom, units := map[key]*Shape{}, []OOM(nil), []OOM(nil)
	for _, l := range lines {
		if !l.at.IsZero() && l.at.Before(since) {
			continue
		}
		if m := killed.FindStringSubmatch(l.text); m != nil && l.source == "kernel" {
			pid, _ := strconv.Atoi(m[2]) // digits
			oom = append(oom, OOM{Time: l.at, PID: pid, Process: m[3], Cgroup: m[1] != ""})
			continue
		}
		if m := unitKilled.FindStringSubmatch(l.text); m != nil && l.source == "systemd" {
			units = append(units, OOM{Time: l.at, Process: m[1], Cgroup: true})
			continue
		}
		k := key{l.source, shapeOf(l.text)}
		s := shapes[k]
		if s == nil {
			s = &Shape{Source: l.source, Shape: k.shape, Example: l.text, First: l.at, Last: l.at}
			shapes[k] = s
		}
		s.Count++
		if l.at.Before(s.First) {
			s.First = l.at
		}
		if !l.at.Before(s.Last) {
			s.Last, s.Example = l.at, l.text
		}
	}
	var all []Shape
	for _, s := range shapes {
		all = append(all, *s)
	}
	sortShapes(all)
	for _, u := range units { // of which the kernel didn't tell itself
		if !slices.ContainsFunc(oom, func(o OOM) bool { return o.Time.Sub(u.Time).Abs() < 10*time.Second }) {
			oom = append(oom, u)
		}
	}
	slices.SortStableFunc(oom, func(a, b OOM) int { return a.Time.Compare(b.Time) })
	return all, oom
}
