package diagnose

import (
	"regexp"
	"strings"
	"time"
)

func parseLink(name, text string) Link {
	f := fields(text, ":")
	l := Link{Name: name, Up: f["carrier"] == "1", Duplex: f["duplex"], MTU: int(whole(f["mtu"])), Changes: int(whole(f["carrier_changes"]))}
	if l.Up {
		l.Mbit = int(max(whole(f["speed"]), 0))
	}
	if l.Duplex == "unknown" {
		l.Duplex = ""
	}
	return l
}

// rateLinks adds what two readings of /proc/net/dev tell, took seconds apart.
func rateLinks(links []Link, first, second string, took float64) {
	before, after := netDev(first), netDev(second)
	for i := range links {
		l := &links[i]
		a, b := before[l.Name], after[l.Name]
		if len(a) < 16 || len(b) < 16 || took <= 0 {
			continue
		}
		rate := func(columns ...int) (sum float64) {
			for _, n := range columns {
				sum += max(decimal(b[n])-decimal(a[n]), 0) / took
			}
			return sum
		}
		l.Rx, l.Tx, l.Errors, l.Drops = rate(0), rate(8), rate(2, 10), rate(3, 11)
		l.Errored, l.Packets = whole(b[2])+whole(b[10]), whole(b[1])+whole(b[9])
		if l.Mbit > 0 {
			l.Use = 100 * 8 * max(l.Rx, l.Tx) / (1e6 * float64(l.Mbit))
		}
	}
}

// netDev reads the sixteen columns of each interface.
func netDev(text string) map[string][]string {
	all := map[string][]string{}
	for line := range strings.Lines(text) {
		if name, rest, ok := strings.Cut(line, ":"); ok {
			all[strings.TrimSpace(name)] = strings.Fields(rest)
		}
	}
	return all
}

// enoughSegments make a sample's share of retransmits worth something.
const enoughSegments = 200

func parseTCP(first, second string) TCP {
	a, b := tcpCounters(first), tcpCounters(second)
	t := TCP{Sent: max(b["OutSegs"]-a["OutSegs"], 0), Again: max(b["RetransSegs"]-a["RetransSegs"], 0)}
	if t.Sent >= enoughSegments {
		t.Percent = percent(t.Again, t.Sent)
	} else if b["OutSegs"] >= enoughSegments {
		t.Percent = percent(b["RetransSegs"], b["OutSegs"])
	}
	return t
}

func tcpCounters(text string) map[string]int64 {
	var names []string
	counters := map[string]int64{}
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "Tcp:")
		f := strings.Fields(rest)
		switch {
		case !ok:
		case names == nil:
			names = f
		default:
			for i, name := range names {
				counters[name] = whole(column(f, i))
			}
		}
	}
	return counters
}

var (
	lost = regexp.MustCompile(`([0-9.]+)% packet loss`)
	trip = regexp.MustCompile(`= [0-9.]+/([0-9.]+)/`)
)

// parsePing reads ping -q; nothing where it could not be run.
func parsePing(address, text string) []Peer {
	m := lost.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	p := Peer{Address: address, Loss: decimal(m[1]), MTU: int(whole(fields(text, ":")["mtu"]))}
	if t := trip.FindStringSubmatch(text); t != nil {
		p.RTT = decimal(t[1])
	}
	return []Peer{p}
}

// wholePackets says whether packets as large as the way out takes arrive too. Where small ones don't, it says nothing.
func (b *builder) wholePackets(p part) {
	for i := range b.Peers {
		if peer := &b.Peers[i]; peer.Address == p.of && peer.Loss < 50 && peer.MTU > 0 {
			arrived := strings.Contains(p.text, "bytes from") || trip.MatchString(p.text)
			peer.Whole = &arrived
		}
	}
}

func parseAPI(p part) API {
	f := fields(p.text, ": ")
	return API{Server: f["server"], Code: int(whole(f["code"])), Seconds: decimal(f["seconds"]), Asked: f["server"] != "" && p.why() == ""}
}

// timedOut is the status of timeout(1) for a command that it ended.
const timedOut = 124

// parseDNS takes "there is no such name" for an answer.
func parseDNS(text string) DNS {
	f := fields(text, ": ")
	return DNS{Name: f["name"], Asked: f["status"] != "", Answers: f["status"] != "" && whole(f["status"]) != timedOut}
}

func parseNTP(text string) *bool {
	v, ok := fields(text, "=")["NTPSynchronized"]
	if !ok {
		return nil
	}
	synced := v == "yes"
	return &synced
}

// parseChrony reads chronyc tracking: "System time : 0.000012 seconds slow of NTP time".
func parseChrony(text string, c *Clock) {
	f := fields(text, ":")
	words := strings.Fields(f["System time"])
	if len(words) < 3 {
		return
	}
	c.Offset = decimal(words[0])
	if words[2] == "slow" {
		c.Offset = -c.Offset
	}
	synced := f["Leap status"] != "Not synchronised"
	c.Synced = &synced
}

// skew is by how much the machine's clock must be wrong if ours is right: the machine read its clock between asked and
// got, so only what lies outside counts.
func skew(first, second string, asked, got time.Time) time.Duration {
	a, b := instant(first), instant(second)
	switch {
	case a.IsZero() || b.IsZero() || asked.IsZero():
		return 0
	case a.Before(asked):
		return a.Sub(asked)
	case b.After(got):
		return b.Sub(got)
	}
	return 0
}

// instant reads `date +%s.%N`.
func instant(text string) time.Time {
	s := seconds(text)
	if s <= 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(s * 1e6))
}
