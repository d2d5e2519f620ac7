package runner

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/playbooks"
)

// markStep leaves a mark on the machine.
type markStep struct {
	fakeStep
	name   string
	marked *bool
}

func (s markStep) Name() string { return s.name }

func (s markStep) Check(ctx context.Context, _ playbooks.Host) (playbooks.Status, error) {
	if *s.marked {
		return playbooks.Status{Clean: true}, ctx.Err()
	}
	return playbooks.Status{Changes: []string{s.name}}, ctx.Err()
}

func (s markStep) Apply(ctx context.Context, _ playbooks.Host, _ func(string)) error {
	if err := pause(ctx, time.Minute); err != nil {
		return err
	}
	s.w.do(s.node, "mark "+s.name, func(*fakeNode) { *s.marked = true })
	return nil
}

// A playbook reboots where it stands, another changes something after it, and reboot = "always" wants one reboot more.
// Wherever the process is killed, the machine is rebooted after its last change, and no more often than that.
func TestFault01RebootInPlaceAndALaterStep(t *testing.T) {
	run := func(t *testing.T, kill int) (effects []string, events int) {
		w := newFakeWorld("n1")
		var flashed, tuned bool
		mark := func(name, playbook string, marked *bool) markStep {
			s := markStep{w.kubeletStep("n1", ""), name, marked}
			s.traits.Playbook = playbook
			return s
		}
		here := fakeStep{w: w, node: "n1", want: "-", traits: playbooks.Traits{Playbook: "nic", Reboots: true, Disruptive: true, Timeout: time.Hour}}
		wk := w.work("n1", mark("flash", "nic", &flashed), here, mark("tune", "sysctl", &tuned))
		wk.RebootPolicy = rebootAlways
		f := newFleet(t, w, wk)
		end, _ := f.process(func(_ Event, cancel context.CancelFunc) {
			if events++; events == kill {
				cancel()
			}
		})
		if kill > 0 {
			end, _ = f.process(nil)
		}
		if end.Exit != 0 || !end.Finished {
			t.Errorf("killed at event %d: end %+v", kill, end)
		}
		for _, e := range w.of("n1") {
			if e == "reboot" || strings.HasPrefix(e, "mark") {
				effects = append(effects, e)
			}
		}
		return effects, events
	}
	bubble(t, func(t *testing.T) {
		undisturbed, points := run(t, 0)
		if d := cmp.Diff([]string{"mark flash", "reboot", "mark tune", "reboot"}, undisturbed); d != "" {
			t.Fatal(d)
		}
		for kill := 1; kill < points; kill++ {
			got, _ := run(t, kill)
			all := strings.Join(got, " ")
			if !strings.HasSuffix(all, "reboot") || strings.Count(all, "mark") != 2 || strings.Count(all, "reboot") > 2 {
				t.Errorf("killed at event %d: %v", kill, got)
			}
		}
	})
}
