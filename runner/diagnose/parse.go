package diagnose

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fleetup/fleetup/runner/hardware"
	"github.com/fleetup/fleetup/runner/parts"
)

// Parse reads what the script printed, or what is left of it. Log lines before since are left out; its zero keeps all.
func Parse(raw Raw, since time.Time) Look {
	b := builder{raw: raw, since: since, one: map[string]string{}, seen: map[string]bool{}}
	for _, p := range parts.Split(raw.Text) {
		if why := p.Why(); why != "" && !slices.Contains(b.Gaps, why) && p.Name != "nvme" {
			b.Gaps = append(b.Gaps, why)
		}
		if read := readers[p.Name]; read != nil {
			read(&b, p)
			continue
		}
		b.one[p.Name] = p.Text
	}
	b.finish()
	return b.Look
}

// builder puts a Look together; rates need two parts.
type builder struct {
	Look
	raw   Raw
	since time.Time
	one   map[string]string // parts that are read at the end, by name
	lines []line            // of logs
	seen  map[string]bool   // lines of the journal
}

// readers read the parts that stand for themselves, by their names.
var readers = map[string]func(*builder, parts.Part){
	"loadavg":     func(b *builder, p parts.Part) { parseLoad(p.Text, &b.Look) },
	"meminfo":     func(b *builder, p parts.Part) { parseMemory(p.Text, &b.Memory) },
	"vmstat":      func(b *builder, p parts.Part) { b.Memory.OOMKills = whole(parts.Fields(p.Text, " ")["oom_kill"]) },
	"pressure":    func(b *builder, p parts.Part) { b.pressure(p) },
	"limits":      func(b *builder, p parts.Part) { parseLimits(p.Text, &b.Look) },
	"link":        func(b *builder, p parts.Part) { b.Links = append(b.Links, parseLink(p.Of, p.Text)) },
	"ping":        func(b *builder, p parts.Part) { b.Peers = append(b.Peers, parsePing(p.Of, p.Text)...) },
	"bigping":     func(b *builder, p parts.Part) { b.wholePackets(p) },
	"descriptors": func(b *builder, p parts.Part) { b.Files.Top = parseDescriptors(p.Text) },
	"unit":        func(b *builder, p parts.Part) { b.unit(p) },
	"failed":      func(b *builder, p parts.Part) { b.FailedUnits = parseFailed(p.Text) },
	"ntp":         func(b *builder, p parts.Part) { b.Clock.Synced = parseNTP(p.Text) },
	"chrony":      func(b *builder, p parts.Part) { parseChrony(p.Text, &b.Clock) },
	"api":         func(b *builder, p parts.Part) { b.API = parseAPI(p) },
	"dns":         func(b *builder, p parts.Part) { b.DNS = parseDNS(p.Text) },
	"certificate": func(b *builder, p parts.Part) {
		b.Certificates = append(b.Certificates, parsePEM(p.Of, []byte(p.Text))...)
	},
	"kubeconfig": func(b *builder, p parts.Part) {
		b.Certificates = append(b.Certificates, parseKubeconfig(p.Of, p.Text)...)
	},
	"journal": func(b *builder, p parts.Part) { b.logs(p.Text, "", true) },
	"logfile": func(b *builder, p parts.Part) { b.logs(p.Text, "", false) },
	"podlog":  func(b *builder, p parts.Part) { b.podLog(p) },
}

// finish reads what takes several parts.
func (b *builder) finish() {
	first, second := seconds(b.one["uptime1"]), seconds(b.one["uptime2"])
	b.Uptime = time.Duration(second * float64(time.Second))
	took := second - first
	unit := parts.Fields(b.one["units_of_measure"], ":")
	tick, page := cmp.Or(decimal(unit["tick"]), 100), cmp.Or(whole(unit["page"]), 4096)
	parseCPU(b.one["stat1"], b.one["stat2"], &b.Look)
	b.Disks = parseDisks(b.one["diskstats1"], b.one["diskstats2"], took)
	rateLinks(b.Links, b.one["netdev1"], b.one["netdev2"], took)
	b.TCP = parseTCP(b.one["snmp1"], b.one["snmp2"])
	b.Top = parseProcesses(b.one["processes"], took*tick, page)
	b.Top = slices.DeleteFunc(b.Top, func(p Process) bool { return p.Cores == 0 })
	b.Largest, b.Stuck = parseProcesses(b.one["largest"], took*tick, page), parseProcesses(b.one["stuck"], took*tick, page)
	b.Largest = slices.DeleteFunc(b.Largest, func(p Process) bool { return p.RSS == 0 })
	b.FileSystems = parseFileSystems(b.one["mounts"], b.one["mountinfo"], b.one["fstab"], b.one["space"], b.one["inodes"])
	b.Clock.Skew = skew(b.one["clock"], b.one["clock2"], b.raw.Asked, b.raw.Got)
	b.Logs, b.OOMs = grouped(b.lines, b.since)
	b.Hardware = hardware.Parse(b.raw.Text)
	b.Health = hardware.Problems(b.Hardware)
}

// whole reads an integer, 0 where there is none.
func whole(s string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// decimal reads a number, 0 where there is none.
func decimal(s string) float64 {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) { // JSON has no word for them
		return 0
	}
	return f
}

// seconds is the first number of a line.
func seconds(text string) float64 {
	f := strings.Fields(text)
	if len(f) == 0 {
		return 0
	}
	return decimal(f[0])
}

// column is the nth of words, "" where there are fewer.
func column(words []string, n int) string {
	if n >= len(words) {
		return ""
	}
	return words[n]
}
