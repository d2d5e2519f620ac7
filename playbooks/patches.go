package playbooks

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// indexAge is how old the package lists may be before what is pending counts as unknown.
const indexAge = 24 * time.Hour

// patches brings all packages up to date but those that have a playbook of their own.
type patches struct {
	base
	security bool
	never    []string // patterns, the playbook's and the user's
}

func buildPatches(b *binding) Step {
	s := &patches{base: b.base(), security: b.flag("security_only", false), never: slices.Concat(b.list("never"), b.list("exclude"))}
	if b.str("upgrade") != "all" {
		b.fail("upgrade", "%q: only \"all\" can be upgraded; to name packages, use names with a version", b.str("upgrade"))
	}
	for _, key := range []string{"names", "one_of", "optional", "version", "hold", "repository", "starts"} {
		if b.has(key) {
			b.fail(key, "doesn't go with upgrade")
		}
	}
	for _, pattern := range s.never {
		if !packagePattern.MatchString(pattern) {
			b.fail("exclude", "%q is no pattern of packages", pattern)
		}
	}
	return s
}

// update is a package that would be upgraded.
type update struct{ name, from, to, origin string }

func (s *patches) which() string {
	if s.security {
		return "security"
	}
	return "all"
}

// pending is the shell's question for what would be upgraded.
func (s *patches) pending() string {
	return "pending " + words(append([]string{s.which()}, s.never...)...) + "\n"
}

// Check asks the package tool what it would upgrade by the lists that it has. Lists that are older than a day say
// nothing about today's patches: they make the step due.
func (s *patches) Check(ctx context.Context, h Host) (Status, error) {
	out, err := h.Run(ctx, withTool("echo \"tool $(tool)\"\nindex_age\nreboot_required\n("+strings.TrimSpace(s.pending())+") || echo unknown\n"))
	if err != nil {
		return Status{}, s.failed("check", err)
	}
	return s.status(out), nil
}

// status decides by what the machine said.
func (s *patches) status(output string) Status {
	var status Status
	updates, age := parsePending(output)
	for _, u := range updates {
		status.Changes = append(status.Changes, fmt.Sprintf("%s %s → %s", u.name, u.from, u.to))
	}
	if age > indexAge {
		status.Changes = append(status.Changes, "what is pending is known once the package lists are fetched: "+staleness(age))
	}
	required, why, err := rebootRequired(output)
	if err != nil {
		status.Problems = []string{err.Error()}
	}
	switch {
	case len(status.Changes) > 0 && strings.Contains(output, "tool dnf\n"):
		status.Commands = []string{"dnf makecache --refresh", "dnf upgrade " + s.which() + " but " + strings.Join(s.never, ", ")}
	case len(status.Changes) > 0:
		status.Commands = []string{"apt-get update", "apt-get install --only-upgrade, " + s.which() + " but " + strings.Join(s.never, ", ")}
	case required:
		status.Staged, status.Reboot, status.Changes = true, true, []string{"a reboot is required: " + why}
	}
	status.Clean = len(status.Changes) == 0 && err == nil
	return status
}

// noLists is an age that no list has.
const noLists = 10 * 365 * 24 * time.Hour

// staleness is what is wrong with lists of that age.
func staleness(age time.Duration) string {
	if age >= noLists {
		return "there are none, or not of every repository"
	}
	return "they are more than a day old" // not how old: a saved plan would be stale by that alone
}

// parsePending reads what the shell functions index_age and pending print.
func parsePending(output string) (updates []update, age time.Duration) {
	for _, line := range lines(output) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 2 && fields[0] == "age":
			seconds, _ := strconv.ParseInt(fields[1], 10, 64)
			age = time.Duration(min(seconds, 1<<33)) * time.Second
		case len(fields) == 1 && fields[0] == "unknown": // the tool can't tell by the lists that it has
			age = max(age, noLists)
		case len(fields) >= 5 && fields[0] == "pending":
			updates = append(updates, update{fields[1], fields[2], fields[3], strings.Join(fields[4:], " ")})
		}
	}
	return updates, age
}

// Apply fetches the package lists, looks again, and upgrades exactly what it found.
func (s *patches) Apply(ctx context.Context, h Host, say func(string)) error {
	ctx, cancel := context.WithTimeout(ctx, s.traits.Timeout)
	defer cancel()
	script := "set -e\nprepare 600\nmkdir -p \"$kept\"\nrefresh\nlist=$(mktemp)\n" + strings.TrimSpace(s.pending()) + " >\"$list\"\n" +
		"patch_all \"$list\" " + words(s.never...) + "\n"
	if _, err := h.Do(ctx, s.script("upgrade"), withTool(script), said(say)); err != nil {
		return s.failed("upgrade", err)
	}
	return nil
}

// Undoable: whoever takes a whole system's patches back opens what they closed, and hundreds of packages at once have no
// tested way back.
func (s *patches) Undoable() string {
	return "patches of the operating system stay: going back would open again what they closed"
}
