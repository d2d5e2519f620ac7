package playbooks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

var _ = register("upload", stepType{
	keys:     map[string]kind{"from": aString, "to": aString, "mode": aString},
	required: []string{"from", "to"},
	defaults: Traits{Repeatable: true, Timeout: 30 * time.Minute},
	build:    buildUpload,
})

// upload copies a file to the machine.
type upload struct {
	base
	from, to string
	mode     fs.FileMode
}

func buildUpload(b *binding) Step {
	s := &upload{base: b.base(), from: b.local("from"), to: b.remote("to"), mode: 0o644}
	if text := b.str("mode"); text != "" {
		mode, err := strconv.ParseUint(text, 8, 12)
		if err != nil {
			b.fail("mode", "%q is no mode: write it in octal, like \"0600\"", text)
		}
		s.mode = fs.FileMode(mode)
	}
	return s
}

// local is a key that names a path on this machine; a relative one starts from the inventory's folder.
func (b *binding) local(key string) string {
	path := b.str(key)
	switch {
	case path == "":
		b.fail(key, "is empty")
	case !filepath.IsAbs(path):
		path = filepath.Join(b.book.Dir, path)
	}
	return path
}

// remote is a key that names a path on the machine of the fleet.
func (b *binding) remote(key string) string {
	path := b.str(key)
	if !strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/") {
		b.fail(key, "%q must be the full path of a file", path)
	}
	return path
}

// Check compares the two files' contents.
func (s *upload) Check(ctx context.Context, h Host) (Status, error) {
	dirty := Status{Changes: []string{s.from + " → " + s.to}}
	local, err := digest(s.from)
	if err != nil {
		dirty.Problems = []string{err.Error()}
		return dirty, nil
	}
	remote, err := remoteDigest(ctx, h, s.to)
	if err != nil {
		return Status{}, s.failed("check", err)
	}
	if local == remote {
		return Status{Clean: true}, nil
	}
	return dirty, nil
}

// Apply copies; the target is never half written.
func (s *upload) Apply(ctx context.Context, h Host, say func(string)) error {
	ctx, cancel := context.WithTimeout(ctx, s.traits.Timeout)
	defer cancel()
	if err := h.Upload(ctx, s.from, s.to, s.mode); err != nil {
		return s.failed("upload "+s.to, err)
	}
	return nil
}

// Undoable: the file that was there is kept.
func (s *upload) Undoable() string { return "" }

// Before keeps the file that is there.
func (s *upload) Before(ctx context.Context, h Host) (string, error) {
	record, err := keepOnly(ctx, h, s.to)
	if err != nil {
		return "", s.failed("keep "+s.to, err)
	}
	return record, nil
}

// Undo puts back the file that was there, or none.
func (s *upload) Undo(record string) Step {
	return &filesBack{inverse: s.inverse(), files: parseFiles(record)}
}

// digest is the SHA-256 of a file of this machine.
func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("this machine: %w", err)
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", fmt.Errorf("this machine: %w", err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// remoteDigest is the SHA-256 of a file of the machine, "" where there is none.
func remoteDigest(ctx context.Context, h Host, path string) (string, error) {
	out, err := h.Run(ctx, "[ ! -f "+words(path)+" ] || sha256sum <"+words(path))
	if err != nil {
		return "", err
	}
	sum, _, _ := strings.Cut(out, " ")
	return strings.TrimSpace(sum), nil
}
