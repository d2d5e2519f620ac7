package runner

import (
	"fmt"
	"time"
)

// Finding is one thing that preflight found.
type Finding struct {
	Node   string `json:"node,omitempty"` // "" for the run or the cluster
	What   string `json:"what"`           // one word of the area: reach, packages, drain, skew, rights, …
	Why    string `json:"why"`            // cause and way out
	Refuse bool   `json:"refuse"`         // the run doesn't begin with this; else it is a warning
}

// WouldWait begins what is said of a drain that would have to wait at this moment, whatever the run does before it.
const WouldWait = "would wait now: "

// String is the finding on one line.
func (f Finding) String() string {
	if f.Node == "" {
		return fmt.Sprintf("%s: %s", f.What, f.Why)
	}
	return fmt.Sprintf("%s: %s: %s", f.Node, f.What, f.Why)
}

// Situation is what the cluster says, as preflight needs it.
type Situation struct {
	Nodes       map[string]SituationNode
	OldestAPI   string   // of the API servers, "1.36.4"
	NewestAPI   string   //
	Missing     []string // rights that the credentials lack, each with the rule to add
	Unhealthy   []string // control-plane members that aren't well, with the reason
	ClockOffset time.Duration
}

// SituationNode is one planned node, as the cluster sees it.
type SituationNode struct {
	Kubelet  string   // version as the API reports it
	Ours     bool     // claimed by the run that is picked up: it may be rebooting just now
	Spare    bool     // it may be off
	Refused  []string // pods that its drain would refuse, with the reason
	Blockers []string // budgets that allow nothing now
	Warnings []string // what a drain would lose, or can't do
}

// clockSkew is how far a clock may be off before certificates and leases are in danger.
const clockSkew = 30 * time.Second

// Judge says what stands against the run, from a survey of the machines and the cluster's situation. unreachable is
// the inventory's strategy.unreachable: with "skip", hosts that don't answer are warned of, not refused.
func Judge(found map[string]*Surveyed, s Situation, unreachable string) []Finding {
	var all []Finding
	for _, right := range s.Missing {
		all = append(all, Finding{What: "rights", Why: right, Refuse: true})
	}
	if off := s.ClockOffset.Abs(); off > clockSkew {
		all = append(all, Finding{What: "clock", Why: fmt.Sprintf("this machine's clock is %s off the API server's: set one of them right", off.Round(time.Second))})
	}
	kubeadm := kubeadmTarget(found)
	for _, node := range SortedNames(found) {
		all = append(all, judgeNode(node, found[node], s, kubeadm, unreachable)...)
	}
	return append(all, judgeQuorum(found, s)...)
}

func judgeNode(node string, v *Surveyed, s Situation, kubeadm, unreachable string) []Finding {
	var all []Finding
	add := func(refuse bool, what, why string) { all = append(all, Finding{node, what, why, refuse}) }
	seen, there := s.Nodes[node]
	if !there {
		add(true, "cluster", "the cluster has no Node object of this name: write node = \"NAME\" for its host, or take the host out of the inventory")
	}
	if v.Work.Hold != "" {
		add(false, "left alone", v.Work.Hold+"; it counts as down")
		return all
	}
	if v.Err != nil && seen.Spare {
		why := "a spare that is off, it seems: it is powered on where the strategy asks for it"
		if v.Work.Power == nil {
			why = "a spare that can't be reached, and without a bmc key of its host nobody but you can power it on: the run goes on without it"
		}
		add(false, "reach", why+": "+v.Err.Error())
		return all
	}
	if v.Err != nil {
		add(unreachable != "skip" && !seen.Ours, "reach", v.Err.Error())
		return all
	}
	for _, p := range v.Problems { // in flight it may stand between two versions: going on is what mends it
		add(!seen.Ours, "machine", p)
	}
	for _, w := range v.Warnings {
		add(false, "machine", w)
	}
	if off := v.Offset.Abs(); off > clockSkew {
		add(false, "clock", fmt.Sprintf("its clock is %s off this machine's: certificates may not be valid there yet, or no more; set it right (chrony, systemd-timesyncd)", off.Round(time.Second)))
	}
	if why := Skew(v.Work.KubeletVersion, s.OldestAPI, s.NewestAPI, kubeadm); why != "" {
		add(true, "skew", why)
	}
	if !v.Work.NeedsDrain(v.Items) {
		return all
	}
	for _, why := range seen.Refused {
		add(!seen.Ours, "drain", why)
	}
	for _, why := range seen.Blockers {
		add(false, "drain", WouldWait+why)
	}
	for _, why := range seen.Warnings {
		add(false, "drain", why)
	}
	return all
}

// judgeQuorum refuses to touch a control plane that isn't whole: taking one member down could end its quorum.
func judgeQuorum(found map[string]*Surveyed, s Situation) []Finding {
	for _, v := range found {
		if !v.Work.ControlPlane || v.NothingToDo() {
			continue
		}
		var all []Finding
		for _, why := range s.Unhealthy {
			all = append(all, Finding{What: "quorum", Why: why + ": all other members must be healthy before one is taken down", Refuse: true})
		}
		return all
	}
	return nil
}
