package playbooks

import (
	"context"
	"time"
)

var _ = register("download", stepType{
	keys:     map[string]kind{"from": aString, "to": aString},
	required: []string{"from", "to"},
	defaults: Traits{Repeatable: true, Timeout: 30 * time.Minute},
	build:    buildDownload,
})

// download copies a file of the machine to this one; {{.node}} in to keeps the machines' files apart.
type download struct {
	base
	from, to string
}

func buildDownload(b *binding) Step {
	return &download{base: b.base(), from: b.remote("from"), to: b.local("to")}
}

// Check compares the two files' contents.
func (s *download) Check(ctx context.Context, h Host) (Status, error) {
	status := Status{Changes: []string{s.from + " → " + s.to + " on this machine"}}
	remote, err := remoteDigest(ctx, h, s.from)
	if err != nil {
		return Status{}, s.failed("check", err)
	}
	if remote == "" {
		status.Problems = []string{"no file " + s.from}
		return status, nil
	}
	if local, err := digest(s.to); err == nil && local == remote {
		return Status{Clean: true}, nil
	}
	return status, nil
}

// Apply copies; the target is never half written.
func (s *download) Apply(ctx context.Context, h Host, _ func(string)) error {
	ctx, cancel := context.WithTimeout(ctx, s.traits.Timeout)
	defer cancel()
	if err := h.Download(ctx, s.from, s.to); err != nil {
		return s.failed("download "+s.from, err)
	}
	return nil
}

// Undoable: the machine isn't changed, and what was fetched from it stays here. Undo is base's: there is nothing to do.
func (s *download) Undoable() string { return "" }
