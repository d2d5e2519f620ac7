package kube

import (
	"slices"
	"time"
)

// due chooses the pods to ask for now: each at once the first time, then when what refused it has changed, else when its
// pause is over. Of the pods that one budget refused, only as many as it allows are asked for, and one every ten seconds
// where it allows none: a budget says no to each of a hundred pods alike.
func (d *drain) due(left []*leaver) []*leaver {
	now := time.Now()
	if now.Before(d.notBefore) {
		return nil
	}
	var list []*leaver
	room := d.rooms(left)
	for _, l := range left {
		over, changed := !now.Before(l.next), l.refusal != "" && l.seen != d.version(l.pod)
		switch {
		case l.flying || l.sent || l.held != "" || ending(l.pod) || !over && !changed:
		case l.budgeted == "":
			list = append(list, l)
		case room[l.budgeted] > 0:
			if room[l.budgeted]--; room[l.budgeted] == 0 {
				room[l.budgeted] = -1
			}
			list = append(list, l)
		case over && room[l.budgeted] == 0: // a watch that lags must not hold us up for ever
			room[l.budgeted] = -1
			list = append(list, l)
			postpone(left, l.budgeted, now.Add(longestPause))
		default:
			l.seen = d.version(l.pod)
		}
	}
	return d.taken(list)
}

// rooms is how many pods of each budget may be asked for: what it allows less those on their way; -1 where one is on its
// way and nothing more may be.
func (d *drain) rooms(left []*leaver) map[string]int {
	room := map[string]int{}
	for _, l := range left {
		if b, ok := d.c.budgets.get(l.budgeted); ok {
			room[l.budgeted] = int(b.Status.DisruptionsAllowed)
		}
	}
	for _, l := range left {
		if l.flying && l.budgeted != "" {
			if room[l.budgeted]--; room[l.budgeted] <= 0 {
				room[l.budgeted] = -1
			}
		}
	}
	return room
}

// postpone leaves the next question about a budget to a later time.
func postpone(left []*leaver, budget string, until time.Time) {
	for _, l := range left {
		if l.budgeted == budget && l.next.Before(until) {
			l.next = until
		}
	}
}

// pause is how long nothing is due if nothing changes; never more than a second, as grace runs out without a change.
func (d *drain) pause(left []*leaver) time.Duration {
	pause := time.Second
	for _, l := range left {
		if !l.flying && !l.sent && l.held == "" && !ending(l.pod) {
			pause = min(pause, time.Until(l.next))
		}
	}
	return max(pause, time.Until(d.notBefore), 10*time.Millisecond)
}

// reasons say what the drain still waits for, what refuses first; volumes once the pods are gone. Nil: for nothing.
func (d *drain) reasons(left []*leaver) []string {
	var refusals, rest []string
	for _, l := range left {
		switch {
		case l.held != "" && !ending(l.pod):
			refusals = appendNew(refusals, l.held)
		case l.refusal != "" && !ending(l.pod):
			refusals = appendNew(refusals, d.whyRefused(l))
		case l.sent || ending(l.pod):
			rest = append(rest, whyStill(l.pod, d.c.ServerTime()))
		default:
			rest = append(rest, "pod "+keyOf(l.pod)+" is about to be evicted")
		}
	}
	if len(left) == 0 && !d.dry {
		rest = d.attached()
	}
	if len(left)+len(rest) == 0 {
		return nil
	}
	return slices.Concat(d.trouble(), refusals, d.comebacks(), rest)
}

// whyRefused prefers what the watch knows, which is newer and counts, to the server's words.
func (d *drain) whyRefused(l *leaver) string {
	guards := d.c.budgetsOf(l.pod)
	if len(guards) > 1 {
		return twoBudgets(l.pod, guards)
	}
	if l.budgeted != "" && len(guards) == 1 {
		return d.c.held(guards[0])
	}
	return "pod " + keyOf(l.pod) + ": " + l.refusal
}

func (d *drain) comebacks() []string {
	var list []string
	for _, p := range d.c.podsOn(d.node) {
		if d.returned[p.UID] {
			list = append(list, "pod "+keyOf(p)+" came back although the node is closed (of "+ownerOf(p)+"): left there")
		}
	}
	return list
}

// attached lists the volumes that must still leave the node: those of pods that went, and those that are being detached
// and that no pod here uses (a drain that was picked up again finds the pods gone).
func (d *drain) attached() []string {
	used := map[string]bool{}
	for _, p := range d.c.podsOn(d.node) {
		for _, claim := range claimsOf(p) {
			used[claim] = true
		}
	}
	var list []string
	for _, a := range d.c.attachments.of(d.node) {
		claim := ""
		if v, ok := d.c.volumes.get(volumeOf(a)); ok {
			claim = claimOf(v)
		}
		if !used[claim] && (d.claims[claim] || a.DeletionTimestamp != nil) {
			list = append(list, d.c.whyAttached(a))
		}
	}
	slices.Sort(list)
	return list
}
