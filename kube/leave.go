package kube

import (
	"fmt"
	"strings"
)

// What becomes of a Service's last ready endpoint on a node that is drained; DrainOptions.LastEndpoint.
const (
	LastSurge = "surge" // its Deployment is restarted, so that maxSurge makes the new pod before the old one goes
	LastBlock = "block" // it counts as blocked
	LastAllow = "allow" // it goes
)

// leave is how a pod leaves its node.
type leave int

const (
	goes   leave = iota // evicted now
	rolls               // the rollout that was begun for it is about to end it
	waits               // until a Service of it has another endpoint, or its turn comes
	surges              // its Deployment is told to make another one first, and takes this one away itself
	stays               // nothing makes another one, and nobody accepted that
)

// serving is one Service of which a pod is a ready endpoint.
type serving struct {
	service  string   // "shop/web"
	others   int      // ready endpoints besides the pod that are there to stay
	owed     int      // ready endpoints that it had before we took one, and hasn't again; 0: it is whole
	coming   []string // pods of it that start, "shop/web-x is Pending"
	unseen   string   // a pod of it that is ready, and that it doesn't show yet; ""
	accepted bool     // somebody accepted that it has none for a while
}

// maker is what makes a pod anew.
type maker struct {
	name    string // "Deployment shop/web"; "" for a bare pod
	rigid   string // why it can't make another one first; "": it can
	surging bool   // it was told to, for this very pod
}

// howItLeaves decides about one pod. alone says that no budget guards it, so that it is on us to take one at a time.
func howItLeaves(services []serving, m maker, mode string, alone bool) (how leave, why string) {
	how = goes
	for _, s := range services {
		if s.others > 0 || mode == LastAllow {
			continue
		}
		h, text := lastLeaves(s, m, mode)
		if h > how {
			how, why = h, text
		}
	}
	switch {
	case how > goes:
		return how, why
	case m.surging:
		return rolls, fmt.Sprintf("%s has a new pod and is about to end the old one", m.name)
	}
	for _, s := range services {
		if s.unseen != "" {
			return waits, fmt.Sprintf("Service %s to send requests to pod %s too, which is ready", s.service, s.unseen)
		}
	}
	if !alone {
		return goes, ""
	}
	for _, s := range services {
		if s.owed > 0 || len(s.coming) > 0 {
			return waits, turnOf(s)
		}
	}
	return goes, ""
}

// lastLeaves decides for a Service that has no other endpoint.
func lastLeaves(s serving, m maker, mode string) (how leave, why string) {
	last := fmt.Sprintf("Service %s has no other endpoint", s.service)
	switch {
	case m.surging && len(s.coming) > 0:
		return waits, fmt.Sprintf("%s until %s has made a new pod: %s", last, m.name, shorten(s.coming, 3))
	case m.surging:
		return waits, fmt.Sprintf("%s until %s has made a new pod", last, m.name)
	case len(s.coming) > 0:
		return waits, fmt.Sprintf("%s until another is ready: %s", last, shorten(s.coming, 3))
	case mode == LastSurge && m.rigid == "":
		return surges, fmt.Sprintf("%s: %s is restarted, so that its new pod is ready before the old one goes", last, m.name)
	case s.accepted:
		return goes, ""
	case mode == LastBlock:
		return stays, last + `, and last_endpoint is "block"`
	}
	return stays, fmt.Sprintf("%s, and has none while it moves: %s", last, m.rigid)
}

// turnOf says what a pod that isn't guarded by a budget waits for.
func turnOf(s serving) string {
	text := fmt.Sprintf("one pod of Service %s at a time", s.service)
	if s.owed > 0 {
		text += fmt.Sprintf(": it had %d ready endpoints", s.owed)
	}
	if len(s.coming) > 0 {
		text += ": pod " + shorten(s.coming, 3)
	}
	return text
}

// wayOut is what a user can do about a pod that stays.
func wayOut(services []serving) string {
	var names []string
	for _, s := range services {
		if s.others == 0 && !s.accepted {
			names = append(names, "--accept-downtime "+s.service)
		}
	}
	return "; keep another pod of it ready, or accept that with " + strings.Join(names, " ")
}
