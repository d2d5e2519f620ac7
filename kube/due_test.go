package kube

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Of the pods that one budget refused, only as many as it allows are asked for again.
func TestDue(t *testing.T) {
	now := time.Hour // all are ripe unless said otherwise
	refused := func(l *leaver) { l.refusal, l.budgeted, l.seen = "no", "shop/web", "old" }
	flying := func(l *leaver) { refused(l); l.flying = true }
	later := func(l *leaver) { refused(l); l.next = time.Now().Add(now); l.seen = "" }
	tests := []struct {
		name    string
		allowed int32
		pods    []func(*leaver)
		want    string
	}{
		{"the first time all are asked for", 0, []func(*leaver){nil, nil, nil}, "0 1 2"},
		{"one where nothing is allowed, in case the watch lags", 0, []func(*leaver){refused, refused, refused}, "0"},
		{"as many as are allowed", 2, []func(*leaver){refused, refused, refused}, "0 1"},
		{"less those on their way", 2, []func(*leaver){flying, refused, refused}, "1"},
		{"none while the only one is on its way", 1, []func(*leaver){flying, refused}, ""},
		{"those that nobody refused go in any case", 0, []func(*leaver){flying, refused, nil}, "2"},
		{"a change comes before the pause is over", 1, []func(*leaver){later, later}, "0"},
		{"a change that allows nothing doesn't", 0, []func(*leaver){later, later}, ""},
		{"sent ones aren't asked for", 3, []func(*leaver){func(l *leaver) { l.sent = true }, nil}, "1"},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			c := &Cluster{tables: newTables()}
			c.budgets.put(budgetOf("web", test.allowed, 3, 3, 4))
			d := c.newDrain("n1", "drain", ownPods(), false, nil)
			var left []*leaver
			for i, edit := range test.pods {
				l := &leaver{pod: podOf("ReplicaSet", ready)}
				l.pod.UID = types.UID(rune('0' + i))
				if edit != nil {
					edit(l)
				}
				left = append(left, l)
			}
			var got []string
			for _, l := range d.due(left) {
				got = append(got, string(l.pod.UID))
			}
			if slices.Sort(got); strings.Join(got, " ") != test.want {
				t.Errorf("%s: got %q, want %q", test.name, got, test.want)
			}
			d.notBefore = time.Now().Add(time.Second)
			if d.due(left) != nil {
				t.Errorf("%s: the server asked for a pause", test.name)
			}
		})
	}
}

// A probe of a spent budget puts off the next one for all its pods.
func TestDuePostpones(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Cluster{tables: newTables()}
		c.budgets.put(budgetOf("web", 0, 3, 3, 4))
		d := c.newDrain("n1", "drain", ownPods(), false, nil)
		a, b := &leaver{pod: podOf("Job", ready)}, &leaver{pod: podOf("Job", ready)}
		for _, l := range []*leaver{a, b} {
			l.refusal, l.budgeted, l.seen = "no", "shop/web", d.version(l.pod)
		}
		left := []*leaver{a, b}
		if got := d.due(left); len(got) != 1 || time.Until(b.next) != longestPause {
			t.Errorf("%d due, the other in %s", len(got), time.Until(b.next))
		}
		if pause := d.pause([]*leaver{b}); pause != time.Second {
			t.Errorf("pause %s", pause)
		}
	})
}

// The deadline leaves out what the API server was away, and starts at the first refusal.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var watches apiTrouble
		d, began := newDeadline(&watches), time.Now()
		time.Sleep(2 * time.Minute)
		d.refusedNow()
		time.Sleep(50 * time.Second)
		if d.expired(time.Minute, began) {
			t.Error("counted from the beginning, not from the first refusal")
		}
		d.undecided(ErrDoubt)
		time.Sleep(time.Hour)
		if d.expired(time.Minute, began) || !strings.Contains(strings.Join(d.trouble(), ""), "doesn't answer") {
			t.Error("expired while the API server was away")
		}
		d.decided()
		d.refusedNow()
		time.Sleep(9 * time.Second)
		if d.expired(time.Minute, began) || d.trouble() != nil {
			t.Error("the outage was counted")
		}
		time.Sleep(2 * time.Second)
		if !d.expired(time.Minute, began) {
			t.Error("never expires")
		}
	})
}

func TestSpeaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := listen()
		s := newSpeaker(heard.say)
		s.about([]string{"a"}, false)
		if heard.texts != nil {
			t.Error("said at once what may be over in a moment")
		}
		s.about([]string{"a", "b", "c", "d", "e", "f"}, true)
		s.about([]string{"x"}, true) // within a second: not yet
		time.Sleep(time.Second)
		s.about([]string{"x"}, true)
		time.Sleep(time.Hour)
		s.about([]string{"x"}, true) // said already
		s.about(nil, true)
		if got := heard.all(); got != "a; b; c; d; and 2 more\nx" {
			t.Error(got)
		}
		newSpeaker(nil).about([]string{"nobody listens"}, true)
	})
}
