package playbooks

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"
)

var _ = register("service", stepType{
	keys:     map[string]kind{"name": aString, "state": aString, "enabled": aBool, "files": aList},
	required: []string{"name"},
	defaults: Traits{Disruptive: true, Repeatable: true, Timeout: 5 * time.Minute},
	build:    buildService,
})

var unitName = regexp.MustCompile(`^[A-Za-z0-9:_.@\\-]+$`)

// service brings a systemd unit to a state. restarted means: it runs with what is on the disk, that is, since after
// its unit, its program, its environment files and the files that the step names were last changed.
type service struct {
	base
	unit    string
	state   string // started, stopped, restarted or ""
	enabled *bool
	files   []string
}

func buildService(b *binding) Step {
	s := &service{base: b.base(), unit: b.str("name"), state: b.str("state"), files: b.list("files")}
	if s.name == "service" { // the table's name is the unit; the step's own name stands outside of it
		s.name += " " + s.unit
	}
	if !unitName.MatchString(s.unit) || strings.HasPrefix(s.unit, "-") {
		b.fail("name", "%q is no name of a unit", s.unit)
	}
	if b.has("enabled") {
		enabled := b.flag("enabled", true)
		s.enabled = &enabled
	}
	switch s.state {
	case "restarted":
		s.traits.Follows = true
	case "started", "stopped":
	case "":
		if s.enabled == nil {
			b.fail("state", "is missing: started, stopped or restarted; or enabled = true or false")
		}
	default:
		b.fail("state", "%q: one of started, stopped, restarted", s.state)
	}
	return s
}

// Check asks systemd.
func (s *service) Check(ctx context.Context, h Host) (Status, error) {
	unit := words(s.unit)
	script := lib(serviceShell) + "state " + unit + "\n"
	if s.state == "restarted" {
		script += "fresh " + unit + " " + quote(s.files) + "\n"
	}
	out, err := h.Run(ctx, script)
	if err != nil {
		return Status{}, s.failed("check", err)
	}
	return s.status(facts(out)), nil
}

// status compares what systemd said with what is wanted.
func (s *service) status(is map[string]string) Status {
	var status Status
	do := func(verb, change string) {
		status.Changes = append(status.Changes, s.unit+": "+change)
		status.Commands = append(status.Commands, "systemctl "+verb+" "+s.unit)
	}
	if is["load"] == "not-found" {
		status.Problems = []string{s.unit + ": no such unit on this machine"}
	}
	running := is["active"] == "active"
	switch {
	case s.state == "stopped" && (running || is["active"] == "activating"):
		do("stop", "stop it")
	case s.state == "started" && !running, s.state == "restarted" && !running:
		do("start", "start it")
	case s.state == "restarted" && is["changed"] != "":
		do("restart", "restart it: "+is["changed"]+" changed since it was started")
	}
	if s.enabled != nil && *s.enabled != strings.HasPrefix(is["enabled"], "enabled") && is["enabled"] != "static" {
		if *s.enabled {
			do("enable", "enable it")
		} else if is["enabled"] != "disabled" && is["enabled"] != "masked" {
			do("disable", "disable it")
		}
	}
	status.Clean = len(status.Changes) == 0 && len(status.Problems) == 0
	return status
}

// Apply starts, stops or restarts it, and enables or disables it; a unit that doesn't come up fails with its log.
func (s *service) Apply(ctx context.Context, h Host, say func(string)) error {
	ctx, cancel := context.WithTimeout(ctx, s.traits.Timeout)
	defer cancel()
	script := lib(serviceShell)
	if s.enabled != nil {
		script += fmt.Sprintf("switch_on %s %t\n", words(s.unit), *s.enabled)
	}
	if s.state != "" {
		script += "bring " + words(s.unit) + " " + s.state + "\n"
	}
	if _, err := h.Do(ctx, s.script("apply"), script, said(say)); err != nil {
		return s.failed(s.unit, err)
	}
	return nil
}

// Verify asks whether it still runs.
func (s *service) Verify(ctx context.Context, h Host) error {
	if s.state != "started" && s.state != "restarted" {
		return nil
	}
	return s.verifyActive(ctx, h, s.unit)
}

// verifyActive fails with the unit's last log lines where it doesn't run.
func (s *base) verifyActive(ctx context.Context, h Host, unit string) error {
	if _, err := h.Run(ctx, lib(serviceShell)+"runs "+words(unit)+"\n"); err != nil {
		return s.failed("verify", err)
	}
	return nil
}

// facts reads lines of "key value".
func facts(output string) map[string]string {
	all := map[string]string{}
	for _, line := range lines(output) {
		key, value, _ := strings.Cut(line, " ")
		all[key] = value
	}
	return all
}
