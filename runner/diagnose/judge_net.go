package diagnose

import (
	"strings"

	"al.essio.dev/pkg/shellescape"

	"github.com/fleetup/fleetup/runner/finding"
)

func (j *judge) links() {
	for _, l := range j.l.Links {
		if !l.Up {
			continue // a port without a cable; what was lost is for --hardware and for the peers to tell
		}
		j.add(j.t.LinkUse.Of(l.Use), told{by: &j.t.LinkUse, rule: "link-full", meaning: "packets wait or are dropped", action: "see which pods send or receive most; a second link, or a faster one"},
			"%s carries %.0f %% of its %d Mbit/s", l.Name, l.Use, l.Mbit)
		j.add(j.t.LinkErrors.Of(l.Errors), told{by: &j.t.LinkErrors, rule: "link-errors", meaning: "packets arrive broken: a cable, a connector, an optic or a port", action: "replace the cable or the optic first",
			command: "ethtool -S " + shellescape.Quote(l.Name) + " | grep -iE 'err|crc|drop'"}, "%s has %.0f errors a second, %d since the boot", l.Name, l.Errors, l.Errored)
		j.add(j.t.LinkDrops.Of(l.Drops), told{by: &j.t.LinkDrops, rule: "link-drops", meaning: "packets arrive faster than they are taken", action: "look at the ring buffer and at which core takes the interrupts",
			command: "ethtool -g " + shellescape.Quote(l.Name)}, "%s drops %.0f packets a second", l.Name, l.Drops)
		j.add(j.t.LinkChanges.Of(float64(l.Changes)), told{by: &j.t.LinkChanges, rule: "link-flaps", meaning: "the link goes up and down", action: "replace the cable or the optic; look at the switch's port"},
			"%s changed between link and no link %d times since the boot", l.Name, l.Changes)
		if l.Mbit > 0 && l.Mbit < int(j.t.SlowLink[0]) {
			j.add(j.t.SlowLink.Of(float64(l.Mbit)), told{by: &j.t.SlowLink, rule: "link-slow", meaning: "the card and the switch agreed on less than a server's link", action: "replace the cable; look at the switch's port"},
				"%s runs at %d Mbit/s", l.Name, l.Mbit)
		}
		if l.Duplex == "half" {
			j.add(finding.Critical, told{rule: "link-duplex", meaning: "one side must wait while the other sends: collisions", action: "set both ends to negotiate"}, "%s runs at half duplex", l.Name)
		}
	}
}

func (j *judge) retransmits() {
	j.add(j.t.Retransmits.Of(j.l.TCP.Percent), told{by: &j.t.Retransmits, rule: "tcp-retransmits", meaning: "packets are lost on the way to or from this node", action: "look at the links' errors, and at what the neighbours say"},
		"%.1f %% of TCP segments are sent again", j.l.TCP.Percent)
}

// peers tells whom the node doesn't reach well; those that it reaches not at all are told together, and those that answer TCP and
// no ping too: that is somebody's rule, no fault.
func (j *judge) peers() {
	var away, silent []string
	for _, p := range j.l.Peers {
		switch {
		case p.Loss >= 100 && p.TCP != nil && *p.TCP:
			silent = append(silent, p.Address)
			continue
		case p.Loss >= 100:
			away = append(away, p.Address)
			continue
		}
		j.add(j.t.Loss.Of(p.Loss), told{by: &j.t.Loss, rule: "packet-loss", meaning: "connections to that machine stall and break", action: "look at the links' errors on both ends, then at the switches between"},
			"%.0f %% of packets to %s are lost", p.Loss, p.Address)
		if p.Whole != nil && !*p.Whole {
			j.add(finding.Critical, told{rule: "mtu", meaning: "small packets pass and full ones vanish: connections open and then hang", action: "set one MTU on the whole way, switches and overlays too",
				command: "tracepath -n " + shellescape.Quote(p.Address)}, "packets of %d bytes don't reach %s, small ones do", p.MTU, p.Address)
		}
	}
	if len(silent) > 0 {
		j.add(finding.Info, told{rule: "icmp-filtered", meaning: "ICMP is filtered: how much is lost, and whether full packets pass, can't be told from here", action: "let echo and \"fragmentation needed\" pass between nodes, or live with it"},
			"no ping comes back from %s, TCP does", strings.Join(silent, ", "))
	}
	if len(away) > 0 {
		severity := finding.Warning // one machine may be down; a node that reaches the API server isn't cut off
		if len(away) == len(j.l.Peers) && len(away) > 1 && j.l.API.Code == 0 {
			severity = finding.Critical
		}
		j.add(severity, told{rule: "peer-away", meaning: "the machine doesn't reach its neighbours, or they answer no ping", action: "see whether they are up; look at this machine's routes"},
			"no answer from %s", strings.Join(away, ", "))
	}
}

func (j *judge) api() {
	a := j.l.API
	if !a.Asked {
		return
	}
	w := told{rule: "api-away", meaning: "the kubelet can't report: the node turns NotReady, and its pods are replaced", action: "look at the way to the load balancer or control plane",
		command: "curl -kv " + shellescape.Quote(a.Server+"/livez")}
	switch {
	case a.Code == 0:
		j.add(finding.Critical, w, "no answer from %s", a.Server)
	case a.Code >= 500:
		j.add(finding.Critical, w, "%s/livez answers %d", a.Server, a.Code)
	default: // 401 and 403 too: it is there
		w.rule, w.by = "api-slow", &j.t.APISeconds
		j.add(j.t.APISeconds.Of(a.Seconds), w, "%s took %.1f s to answer", a.Server, a.Seconds)
	}
}

// dns wants a server that does its work. One of several that doesn't costs each lookup that asks it first some seconds.
func (j *judge) dns() {
	d := j.l.DNS
	if !d.Asked {
		return
	}
	w := told{rule: "dns-away", meaning: "images can't be pulled, and names outside the cluster don't resolve", action: "look at the name servers in /etc/resolv.conf",
		command: "getent ahosts " + shellescape.Quote(d.Name)}
	var bad []string
	for _, s := range d.Servers {
		switch {
		case s.answered():
		case s.Answer == "":
			bad = append(bad, s.Address+" doesn't answer")
		default:
			bad = append(bad, s.Address+" says "+s.Answer)
		}
	}
	switch {
	case !d.Answers && len(bad) > 0:
		j.add(finding.Critical, w, "no name server tells about %s: %s", d.Name, strings.Join(bad, ", "))
	case !d.Answers && len(d.Servers) == 0:
		j.add(finding.Critical, w, "no name server answers for %s", d.Name)
	case len(bad) > 0:
		w.rule, w.meaning = "dns-server", "lookups that ask it first take seconds, or fail"
		j.add(finding.Warning, w, "of %d name servers %s", len(d.Servers), strings.Join(bad, ", "))
	}
}
