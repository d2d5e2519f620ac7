package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/runner"
)

// TestForecastInWords: what a forecast rested on, and by how much it was off; where nothing was foreseen nothing is held against it.
func TestForecastInWords(t *testing.T) {
	for _, tc := range []struct {
		ends, known bool
		want        string
	}{
		{true, true, "by how long each phase took in the run before"},
		{true, false, "by guesses for ordinary servers"},
		{false, true, "it was foreseen that it can't end as things stood"},
	} {
		if got := (Report{Foreseen: &Foreseen{Ends: tc.ends, Known: tc.known}}).basis(); !strings.Contains(got, tc.want) {
			t.Errorf("ends %v, known %v: %s", tc.ends, tc.known, got)
		}
	}
	for _, tc := range []struct {
		foreseen, actual time.Duration
		want             string
	}{
		{time.Minute, time.Minute, "+0 %"}, {time.Minute, 2 * time.Minute, "+100 %"}, {time.Minute, 45 * time.Second, "-25 %"}, {time.Minute, 0, "-100 %"}, {0, time.Minute, "–"},
	} {
		if got := (held{foreseen: tc.foreseen, actual: tc.actual}).off(); got != tc.want {
			t.Errorf("%s for %s: %s, want %s", tc.actual, tc.foreseen, got, tc.want)
		}
	}
	for actual, want := range map[time.Duration]string{time.Minute: "–", 4 * time.Minute: "+100 %"} { // of a run that goes on, less says nothing yet
		if got := (held{foreseen: 2 * time.Minute, actual: actual, open: true}).off(); got != want {
			t.Errorf("%s of 2m so far: %s, want %s", actual, got, want)
		}
	}
	if text := written(t, From([]event{{Event: runner.EventStarted}})); strings.Contains(text["html"]+text["md"], "Predicted") {
		t.Error("a run that nobody foresaw is held against a forecast")
	}
}

// TestSurprises: drains that went otherwise than foreseen are told, both ways; those that went as foreseen, or weren't begun, aren't.
func TestSurprises(t *testing.T) {
	node := func(name, foreseen string, ends ...string) Node {
		n := Node{Name: name, Foreseen: &runner.Foreseen{Takes: 60, Blocked: foreseen}}
		for _, end := range ends {
			n.Orders = append(n.Orders, Order{End: end})
		}
		return n
	}
	r := Report{Nodes: []Node{
		node("n1", "budget shop/db", "done"), node("n2", "budget shop/db", "blocked"), node("n3", "", "done"), node("n4", "", "blocked", "done"),
		node("n5", "budget shop/db"), {Name: "n6", Orders: []Order{{End: "blocked"}}},
	}}
	want := []string{"n1 was foreseen to be blocked, and wasn't: budget shop/db", "n4 was blocked, which wasn't foreseen"}
	if diff := cmp.Diff(want, r.surprises()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestVerdicts: a run that is over although nodes failed isn't one that went well; a proof that isn't there is no proof.
func TestVerdicts(t *testing.T) {
	yes, no := true, false
	for _, tc := range []struct {
		name    string
		r       Report
		outcome string
		proof   string
	}{
		{"all done", Report{Outcome: "finished", Zero: &yes, Nodes: []Node{{State: "done"}, {State: "skipped"}}}, "finished", "zero downtime: yes"},
		{"over, and one failed", Report{Outcome: "finished", Zero: &no, Nodes: []Node{{State: "done"}, {State: "failed"}}}, "finished with failures", "zero downtime: no"},
		{"over, and one blocked", Report{Outcome: "finished", Nodes: []Node{{State: "blocked"}}}, "finished with failures", "zero downtime: not proven, the journal holds no proof"},
		{"under way", Report{Outcome: "unfinished", Nodes: []Node{{State: "running"}}}, "unfinished", "zero downtime: not proven yet, the proof comes when the run ends"},
		{"halted, and one failed", Report{Outcome: "halted", Nodes: []Node{{State: "failed"}}}, "halted", "zero downtime: not proven, the journal holds no proof"},
	} {
		if got := tc.r.outcome(); got != tc.outcome || tc.r.verdict() != tc.proof {
			t.Errorf("%s: %s, %s", tc.name, got, tc.r.verdict())
		}
		forms := written(t, tc.r)
		for _, form := range []string{"html", "md"} {
			if !strings.Contains(forms[form], tc.outcome+"</title>") && !strings.Contains(forms[form], "**"+tc.outcome+"**") || !strings.Contains(forms[form], tc.proof) {
				t.Errorf("%s: the %s tells it otherwise", tc.name, form)
			}
		}
	}
}

// TestLive: the page that follows a run is the same page, with the one script that its own policy lets run; a page of a run that is over
// has none.
func TestLive(t *testing.T) {
	r := From(night())
	var live bytes.Buffer
	if err := r.Live(&live); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(live.String(), "<script>"); got != 1 || !strings.Contains(live.String(), "script-src 'sha256-") || !strings.Contains(live.String(), "connect-src 'self'") {
		t.Errorf("%d scripts in a page that follows a run", got)
	}
	html := written(t, r)["html"]
	if strings.Contains(html, "<script") || strings.Contains(html, "script-src") || strings.Contains(html, "connect-src") {
		t.Error("a page that stands by itself runs or asks for something")
	}
	body := func(page string) string { return page[strings.Index(page, "<main>"):strings.Index(page, "</main>")] }
	if diff := cmp.Diff(body(html), body(live.String())); diff != "" {
		t.Errorf("the two tell other things:\n%s", diff)
	}
}
