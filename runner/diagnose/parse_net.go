package diagnose

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fleetup/fleetup/runner/parts"
)

func parseLink(name, text string) Link {
	f := parts.Fields(text, ":")
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
	f := parts.Fields(text, ":")
	p := Peer{Address: address, Loss: decimal(m[1]), MTU: int(whole(f["mtu"]))}
	if tcp := f["tcp"]; tcp != "" {
		answers := tcp == "yes"
		p.TCP = &answers
	}
	if t := trip.FindStringSubmatch(text); t != nil {
		p.RTT = decimal(t[1])
	}
	return []Peer{p}
}

// wholePackets says whether packets as large as the way out takes arrive too. Where small ones don't, it says nothing.
func (b *builder) wholePackets(p parts.Part) {
	for i := range b.Peers {
		if peer := &b.Peers[i]; peer.Address == p.Of && peer.Loss < 50 && peer.MTU > 0 {
			arrived := strings.Contains(p.Text, "bytes from") || trip.MatchString(p.Text)
			peer.Whole = &arrived
		}
	}
}

func parseAPI(p parts.Part) API {
	f := parts.Fields(p.Text, ": ")
	return API{Server: f["server"], Code: int(whole(f["code"])), Seconds: decimal(f["seconds"]), Asked: f["server"] != "" && p.Why() == ""}
}

// timedOut is the status of timeout(1) for a command that it ended.
const timedOut = 124

// rcodes are the answers of a name server that are met (RFC 1035, 4.1.1; RFC 2136, 2.2).
var rcodes = map[string]string{"0": "NOERROR", "1": "FORMERR", "2": "SERVFAIL", "3": "NXDOMAIN", "4": "NOTIMP", "5": "REFUSED", "9": "NOTAUTH"}

// answered reports whether a name server did its work: "there is no such name" is an answer.
func (s NameServer) answered() bool { return s.Answer == "NOERROR" || s.Answer == "NXDOMAIN" }

// parseDNS counts what each name server itself says. getent alone tells a name that there isn't from a server that refuses by
// nothing: only its success, and that it took too long, mean something.
func parseDNS(text string) DNS {
	f := parts.Fields(text, ": ")
	d := DNS{Name: f["name"]}
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "server: "); ok {
			w := strings.Fields(rest)
			code := column(w, 1)
			d.Servers = append(d.Servers, NameServer{Address: column(w, 0), Answer: cmp.Or(rcodes[code], code)})
		}
	}
	status := f["status"]
	switch {
	case len(d.Servers) > 0:
		d.Asked, d.Answers = true, slices.ContainsFunc(d.Servers, NameServer.answered)
	case status == "0", f["none"] != "": // by other means than a server that is named: a file, systemd-resolved
		d.Asked, d.Answers = status != "", status == "0"
	default:
		d.Asked = whole(status) == timedOut
	}
	return d
}

func parseNTP(text string) *bool {
	v, ok := parts.Fields(text, "=")["NTPSynchronized"]
	if !ok {
		return nil
	}
	synced := v == "yes"
	return &synced
}

// parseChrony reads chronyc tracking: "System time : 0.000012 seconds slow of NTP time".
func parseChrony(text string, c *Clock) {
	f := parts.Fields(text, ":")
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
