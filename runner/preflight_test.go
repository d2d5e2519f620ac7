package runner

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/playbooks"
)

// dirty is a survey of a node that has a disruptive step to do.
func dirty(w Work) *Surveyed {
	step := fakeStep{want: "2", traits: playbooks.Traits{Disruptive: true}}
	return &Surveyed{Work: w, Items: []Item{{Step: step, Status: playbooks.Status{Changes: []string{"1 → 2"}}}}}
}

func TestJudge(t *testing.T) {
	member := SituationNode{Kubelet: "v1.36.4"}
	for _, c := range []struct {
		name        string
		change      func(*Surveyed, *Situation)
		unreachable string
		want        string // a part of the finding, "" none
		refuse      bool
	}{
		{"nothing", func(*Surveyed, *Situation) {}, "fail", "", false},
		{"not in the cluster", func(_ *Surveyed, s *Situation) { delete(s.Nodes, "n1") }, "fail", "no Node object of this name", true},
		{"unreachable", func(v *Surveyed, _ *Situation) { v.Err = errors.New("no route") }, "fail", "n1: reach: no route", true},
		{"unreachable, to be skipped", func(v *Surveyed, _ *Situation) { v.Err = errors.New("no route") }, "skip", "no route", false},
		{"unreachable in flight", func(v *Surveyed, s *Situation) {
			v.Err = errors.New("booting")
			s.Nodes["n1"] = SituationNode{Ours: true}
		}, "fail", "booting", false},
		{"a problem of the machine", func(v *Surveyed, _ *Situation) { v.Problems = []string{"/var is full"} }, "fail", "/var is full", true},
		{"a warning", func(v *Surveyed, _ *Situation) { v.Warnings = []string{"unattended-upgrades runs"} }, "fail", "unattended-upgrades", false},
		{"its clock", func(v *Surveyed, _ *Situation) { v.Offset = -2 * time.Hour }, "fail", "clock is 2h0m0s off", false},
		{"our clock", func(_ *Surveyed, s *Situation) { s.ClockOffset = time.Minute }, "fail", "1m0s off the API server's", false},
		{"skew", func(v *Surveyed, _ *Situation) { v.Work.KubeletVersion = "v1.38.0" }, "fail", "newer than the oldest API server", true},
		{"refused pod", func(_ *Surveyed, s *Situation) {
			s.Nodes["n1"] = SituationNode{Refused: []string{"pod a/b: no controller"}}
		}, "fail", "no controller", true},
		{"budget", func(_ *Surveyed, s *Situation) { s.Nodes["n1"] = SituationNode{Blockers: []string{"budget a/b"}} }, "fail", "would wait now: budget a/b", false},
		{"right", func(_ *Surveyed, s *Situation) { s.Missing = []string{"create pods/eviction"} }, "fail", "rights: create pods/eviction", true},
		{"quorum", func(v *Surveyed, s *Situation) {
			v.Work.ControlPlane = true
			s.Unhealthy = []string{"control-plane node cp2 isn't Ready"}
		}, "fail", "quorum: control-plane node cp2", true},
		{"quorum without a member to touch", func(_ *Surveyed, s *Situation) { s.Unhealthy = []string{"cp2 isn't Ready"} }, "fail", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := dirty(Work{Node: "n1"})
			s := Situation{Nodes: map[string]SituationNode{"n1": member}, OldestAPI: "1.37.2", NewestAPI: "1.37.2"}
			c.change(v, &s)
			found := Judge(map[string]*Surveyed{"n1": v}, s, c.unreachable)
			if c.want == "" {
				if len(found) != 0 {
					t.Errorf("found %v", found)
				}
				return
			}
			if len(found) != 1 || !strings.Contains(found[0].String(), c.want) || found[0].Refuse != c.refuse {
				t.Errorf("found %+v, want %q, refuse %v", found, c.want, c.refuse)
			}
		})
	}
}

// A node whose changes need no drain is not asked about its pods.
func TestJudgeLooksAtPodsOnlyBeforeADrain(t *testing.T) {
	v := dirty(Work{Node: "n1"})
	v.Items[0].Step = fakeStep{want: "2"}
	s := Situation{Nodes: map[string]SituationNode{"n1": {Refused: []string{"pod a/b"}}}}
	if found := Judge(map[string]*Surveyed{"n1": v}, s, "fail"); len(found) != 0 {
		t.Errorf("found %v", found)
	}
}

// Fault 31.
func TestFault31Skew(t *testing.T) {
	for _, c := range []struct{ kubelet, oldest, newest, kubeadm, want string }{
		{"v1.37.2", "1.37.0", "1.37.2", "", ""},
		{"v1.37.9", "1.37.0", "1.37.0", "", ""}, // patches never count
		{"v1.38.0", "1.37.2", "1.38.0", "", "newer than the oldest API server (1.37.2)"},
		{"v1.38.0", "1.37.2", "1.37.2", "v1.38.1", ""}, // the same run upgrades the control plane first
		{"v1.34.0", "1.37.2", "1.37.2", "", ""},
		{"v1.33.9", "1.37.2", "1.37.2", "", "more than 3 minors older than the newest API server (1.37.2)"},
		{"v1.34.0", "1.37.2", "1.38.0", "", "more than 3 minors older"},
		{"", "1.37.2", "1.37.2", "", ""}, // the kubelet isn't upgraded
		{"v1.37.2", "", "", "", ""},
		{"v2.0.0", "1.37.2", "1.37.2", "", "newer"},
	} {
		got := Skew(c.kubelet, c.oldest, c.newest, c.kubeadm)
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("kubelet %q, API %q to %q, kubeadm %q: %q, want %q", c.kubelet, c.oldest, c.newest, c.kubeadm, got, c.want)
		}
	}
}
