package inventory

import (
	"slices"
	"time"
)

// Hook is a command on this machine at a moment of a run or of a node's life ([[hook]]).
type Hook struct {
	At        string // one of HookTimes
	Command   []string
	Timeout   time.Duration // default 1m
	OnFailure string        // fail (default) or ignore
	Key       string        // in the inventory: hook[0]
}

// Notify is one receiver of messages ([[notify]]).
type Notify struct {
	URL    Secret // of a shoutrrr service
	Events []string
	Key    string // in the inventory: notify[0]
}

// The moments that hooks may have, in the order in which they come: of the run, or of a node.
const (
	HookStarted       = "started"
	HookBeforeDrain   = "before-drain"
	HookAfterDrain    = "after-drain"
	HookBeforeReboot  = "before-reboot"
	HookAfterUncordon = "after-uncordon"
	HookFailed        = "failed"
	HookFinished      = "finished"
)

var (
	hookTimes    = []string{HookStarted, HookBeforeDrain, HookAfterDrain, HookBeforeReboot, HookAfterUncordon, HookFailed, HookFinished}
	notifyEvents = []string{"started", "halted", "failed", "finished"}
)

// hooks is [[hook]].
func (r *reader) hooks(root *table) []Hook {
	var all []Hook
	for _, t := range root.subs("hook") {
		h := Hook{Timeout: time.Minute, OnFailure: "fail", Key: t.path}
		t.needs("at", `at = "before-drain"`)
		t.needs("command", `command = ["./silence.sh"]`)
		h.At, _ = oneOf(hookTimes)(t, "at")
		if command, ok := t.strings("command"); ok {
			h.Command = t.program("command", command)
		}
		if d, ok := t.timeout("timeout"); ok {
			h.Timeout = d
		}
		if s, ok := oneOf([]string{"fail", "ignore"})(t, "on_failure"); ok {
			h.OnFailure = s
		}
		t.done()
		all = append(all, h)
	}
	return all
}

// notifies is [[notify]].
func (r *reader) notifies(root *table) []Notify {
	var all []Notify
	for _, t := range root.subs("notify") {
		n := Notify{Events: slices.Clone(notifyEvents), Key: t.path}
		t.needs("url", `url = { env = "SLACK_URL" }`)
		n.URL, _ = t.secret("url")
		if events, ok := t.strings("events"); ok {
			n.Events = events
			for _, e := range events {
				if !slices.Contains(notifyEvents, e) {
					t.bad("events", "unknown value %q%s", e, didYouMean(e, notifyEvents))
				}
			}
			if len(events) == 0 {
				t.bad("events", "names no event; leave it out for all of them")
			}
		}
		t.done()
		all = append(all, n)
	}
	return all
}
