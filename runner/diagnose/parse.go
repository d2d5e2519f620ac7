package diagnose

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fleetup/fleetup/runner/hardware"
)

// Parse reads what the script printed, or what is left of it. Log lines before since are left out; its zero keeps all.
func Parse(raw Raw, since time.Time) Look {
	b := builder{raw: raw, since: since, one: map[string]string{}, seen: map[string]bool{}}
	for _, p := range split(raw.Text) {
		if why := p.why(); why != "" && !slices.Contains(b.Gaps, why) && p.name != "nvme" {
			b.Gaps = append(b.Gaps, why)
		}
		if read := readers[p.name]; read != nil {
			read(&b, p)
			continue
		}
		b.one[p.name] = p.text
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
var readers = map[string]func(*builder, part){
	"loadavg":     func(b *builder, p part) { parseLoad(p.text, &b.Look) },
	"meminfo":     func(b *builder, p part) { parseMemory(p.text, &b.Memory) },
	"vmstat":      func(b *builder, p part) { b.Memory.OOMKills = whole(fields(p.text, " ")["oom_kill"]) },
	"pressure":    func(b *builder, p part) { b.pressure(p) },
	"limits":      func(b *builder, p part) { parseLimits(p.text, &b.Look) },
	"link":        func(b *builder, p part) { b.Links = append(b.Links, parseLink(p.of, p.text)) },
	"ping":        func(b *builder, p part) { b.Peers = append(b.Peers, parsePing(p.of, p.text)...) },
	"bigping":     func(b *builder, p part) { b.wholePackets(p) },
	"descriptors": func(b *builder, p part) { b.Files.Top = parseDescriptors(p.text) },
	"unit":        func(b *builder, p part) { b.unit(p) },
	"failed":      func(b *builder, p part) { b.FailedUnits = parseFailed(p.text) },
	"ntp":         func(b *builder, p part) { b.Clock.Synced = parseNTP(p.text) },
	"chrony":      func(b *builder, p part) { parseChrony(p.text, &b.Clock) },
	"api":         func(b *builder, p part) { b.API = parseAPI(p) },
	"dns":         func(b *builder, p part) { b.DNS = parseDNS(p.text) },
	"certificate": func(b *builder, p part) { b.Certificates = append(b.Certificates, parsePEM(p.of, []byte(p.text))...) },
	"kubeconfig":  func(b *builder, p part) { b.Certificates = append(b.Certificates, parseKubeconfig(p.of, p.text)...) },
	"journal":     func(b *builder, p part) { b.logs(p.text, "", true) },
	"logfile":     func(b *builder, p part) { b.logs(p.text, "", false) },
	"podlog":      func(b *builder, p part) { b.logs(p.text, p.of, false) },
}

// finish reads what takes several parts.
func (b *builder) finish() {
	first, second := seconds(b.one["uptime1"]), seconds(b.one["uptime2"])
	b.Uptime = time.Duration(second * float64(time.Second))
	took := second - first
	unit := fields(b.one["units_of_measure"], ":")
	tick, page := cmp.Or(decimal(unit["tick"]), 100), cmp.Or(whole(unit["page"]), 4096)
	parseCPU(b.one["stat1"], b.one["stat2"], &b.Look)
	b.Disks = parseDisks(b.one["diskstats1"], b.one["diskstats2"], took)
	rateLinks(b.Links, b.one["netdev1"], b.one["netdev2"], took)
	b.TCP = parseTCP(b.one["snmp1"], b.one["snmp2"])
	b.Top = parseProcesses(b.one["processes"], took*tick, page)
	b.Top = slices.DeleteFunc(b.Top, func(p Process) bool { return p.Cores == 0 })
	b.Largest, b.Stuck = parseProcesses(b.one["largest"], took*tick, page), parseProcesses(b.one["stuck"], took*tick, page)
	b.Largest = slices.DeleteFunc(b.Largest, func(p Process) bool { return p.RSS == 0 })
	b.FileSystems = parseFileSystems(b.one["mounts"], b.one["fstab"], b.one["space"], b.one["inodes"])
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
	if err != nil || f != f {
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
