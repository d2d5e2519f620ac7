//go:build page

package page

import (
	"bufio"
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

var addressLine = regexp.MustCompile(`followed at (http://\S+/)`)

// demo starts a demo run that shows itself, and returns where, and what waits for its end.
func demo(t *testing.T) (url string, end func() error) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "fleetup")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../../cmd/fleetup").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, program, "demo", "--serve", "127.0.0.1:0")
	cmd.Dir = t.TempDir() // it leaves its inventory there
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for url == "" && lines.Scan() {
		if m := addressLine.FindStringSubmatch(lines.Text()); m != nil {
			url = m[1]
		}
	}
	drained := make(chan bool)
	go func() { // or it would wait for us
		for lines.Scan() {
			t.Log(lines.Text())
		}
		close(drained)
	}()
	if url == "" {
		t.Fatal("it doesn't say where it can be followed")
	}
	return url, func() error { <-drained; return cmd.Wait() }
}

// TestLive: the page of a demo run follows it to its end without being loaded again; what was opened stays open.
func TestLive(t *testing.T) {
	b := open(t)
	url, end := demo(t)
	b.view(1440, false)
	b.do(chromedp.Navigate(url), chromedp.WaitVisible(chromedp.CSS(`details[id^="node-"]`)))
	eval[bool](b, `window.same = document.querySelector('details[id^="node-"]').open = true`)
	opened := eval[string](b, `document.querySelector('details[id^="node-"]').id`)
	states := eval[string](b, `document.querySelector('.verdict').textContent`)
	b.do(chromedp.Poll[chromedp.Void](`document.getElementById('live').textContent.includes('has ended')`, chromedp.WithPollingTimeout(0)))
	if err := end(); err != nil {
		t.Fatal(err)
	}
	after := eval[string](b, `document.querySelector('.verdict').textContent`)
	if states == after || !strings.Contains(after, "finished: 6 nodes done") {
		t.Errorf("it said %q, and at the end %q", states, after)
	}
	if title := eval[string](b, `document.title`); !strings.HasSuffix(title, ": finished") {
		t.Errorf("the title is %q", title)
	}
	if !eval[bool](b, `window.same === true`) || !eval[bool](b, `document.getElementById('`+opened+`').open`) {
		t.Error("the page was loaded anew, or what was open has closed")
	}
	if got := eval[[]int](b, drawn); got[0] != 6 || got[2] != got[1] {
		t.Errorf("%d rows, %d bars of which %d are seen", got[0], got[1], got[2])
	}
	b.picture("live-end")
	b.quiet()
	for _, asked := range b.asked() {
		if !strings.HasPrefix(asked, url) && asked != "data:," {
			t.Errorf("the page fetches %s", asked)
		}
	}
}
