package runner

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestEndpointsInTheJournal: what Services have is taken down when it changes, and no oftener than a chart needs it.
func TestEndpointsInTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, err := Create(t.TempDir(), NewRunID(time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		var told []map[string]string
		ready, asked := map[string]int{"shop/web": 4, "shop/db": 2}, 0
		r := &Runner{Run: runOf(j.Path()), Journal: j, Show: func(e Event) {
			if e.Event == EventEndpoints {
				told = append(told, e.Data)
			}
		}, Endpoints: func() map[string]int {
			asked++
			found := map[string]int{}
			for k, v := range ready {
				found[k] = v
			}
			return found
		}}
		if err := r.emit(Event{Event: EventStarted}); err != nil {
			t.Fatal(err)
		}
		count := func(after time.Duration, change func()) {
			change()
			time.Sleep(after)
			if err := r.count(time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		count(0, func() {})
		count(3*time.Second, func() { ready["shop/web"] = 3 }) // too soon
		count(8*time.Second, func() { ready["shop/db"] = 1 })
		count(20*time.Second, func() {}) // nothing changed
		count(20*time.Second, func() { ready["shop/db"] = 2 })
		want := []map[string]string{{"shop/web": "4", "shop/db": "2"}, {"shop/web": "3", "shop/db": "1"}, {"shop/db": "2"}}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if asked != 4 { // who is asked too soon must not forget a dip for it
			t.Errorf("asked %d times, want 4", asked)
		}
	})
}
