package runner

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/playbooks"
)

// stubbornStep can't be taken back.
type stubbornStep struct{ fakeStep }

func (stubbornStep) ID() string       { return "firmware.0" }
func (stubbornStep) Undoable() string { return "it is burnt in" }

func TestStaysAreKnownBeforehand(t *testing.T) {
	w := newFakeWorld("n1")
	version, firmware := w.kubeletStep("n1", "2"), stubbornStep{w.kubeletStep("n1", "2")}
	v := &Surveyed{Work: w.work("n1", version, firmware), Items: []Item{
		{version, playbooks.Status{Stays: []string{"its archive is nowhere to be had"}}}, {firmware, playbooks.Status{}},
	}}
	stay := func(why string) playbooks.Stay { return playbooks.Stay{Step: "version", Why: why} }
	want := []playbooks.Stay{stay(`"version", which came after it and rests on it, stays`), stay("it is burnt in"), stay("its archive is nowhere to be had")}
	if d := cmp.Diff(want, v.Stays()); d != "" {
		t.Error(d)
	}
	v.Items[1].Status.Clean, v.Items[0].Status.Stays = true, nil
	if got := v.Stays(); len(got) != 0 {
		t.Errorf("nothing of it is changed: %v", got)
	}
}
