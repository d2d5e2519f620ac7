package runner

import (
	"testing"
)

// TestMessagesArePlain: what a machine prints is kept and shown without what a terminal would obey.
func TestMessagesArePlain(t *testing.T) {
	j, err := Create(t.TempDir(), simRun)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	shown := ""
	r := &Runner{Run: simRun, Journal: j, Show: func(e Event) { shown = e.Message }}
	for _, e := range []Event{{Event: EventStarted}, {Event: EventFailed, Node: "n1", Phase: "apply", Message: "flash:  10 %\r100 %\n\x1b]0;pwned\x07\x1b[31mno such image\x1b[0m"}} {
		if err := r.emit(e); err != nil {
			t.Fatal(err)
		}
	}
	events, p, _, err := ReadJournal(j.Path())
	if err != nil {
		t.Fatal(err)
	}
	const want = "100 %\nno such image"
	if kept := events[1].Message; kept != want || shown != want || p.Nodes["n1"].Why != want || r.Progress.Nodes["n1"].Why != want {
		t.Errorf("kept %q, shown %q, the node failed for %q", kept, shown, p.Nodes["n1"].Why)
	}
}
