package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

// HostKeyError says that a machine's key isn't trusted.
type HostKeyError struct {
	Host, Address string
	Key           ssh.PublicKey // what it showed
	Want          []KnownKey    // what known_hosts holds for it; none: it is unknown
	Revoked       *KnownKey     // the @revoked line that forbids it
	Files         []string
	Notes         []string // lines of these files that can't be read: the right one may be among them
	Err           error
}

// KnownKey is a line of a known_hosts file.
type KnownKey = xknownhosts.KnownKey

// Unknown reports whether all that is wrong is that nobody has accepted a key of the machine yet.
func (e *HostKeyError) Unknown() bool {
	return e.Key != nil && e.Revoked == nil && len(e.Want) == 0 && e.Err == nil && len(e.Notes) == 0
}

// Error shows every fingerprint that is needed to decide, and the way out.
func (e *HostKeyError) Error() string {
	shown := "no key"
	if e.Key != nil {
		shown = describe(e.Key)
	}
	where := fmt.Sprintf("host %s: host key of %s: ", e.Host, e.Address)
	switch {
	case e.Revoked != nil:
		return where + fmt.Sprintf("%s is revoked by %s:%d", shown, e.Revoked.Filename, e.Revoked.Line)
	case len(e.Want) > 0:
		return where + fmt.Sprintf("changed: it shows %s, known is %s; if the machine was reinstalled or its board replaced, "+
			"compare the key on its console and accept it with `fleetup trust INVENTORY`", shown, describeKnown(e.Want))
	}
	why := ""
	if e.Err != nil {
		why = fmt.Sprintf(" (%v)", e.Err)
	}
	for _, note := range e.Notes[:min(len(e.Notes), 3)] {
		why += "; " + note
	}
	return where + fmt.Sprintf("unknown: it shows %s and %s doesn't know it%s; compare it and accept it with `fleetup trust INVENTORY`",
		shown, strings.Join(e.Files, ", "), why)
}

func (e *HostKeyError) Unwrap() error { return e.Err }

// HostKey tells callers that don't import this package what happened: "unknown", "changed" or "revoked".
func (e *HostKeyError) HostKey() string {
	switch {
	case e.Revoked != nil:
		return "revoked"
	case len(e.Want) > 0:
		return "changed"
	}
	return "unknown"
}

// describe names a key as ssh-keygen -l does: type and SHA-256 fingerprint.
func describe(k ssh.PublicKey) string {
	if c, ok := k.(*ssh.Certificate); ok {
		return fmt.Sprintf("a certificate for %s, signed by %s", describe(c.Key), describe(c.SignatureKey))
	}
	return strings.TrimPrefix(k.Type(), "ssh-") + " " + ssh.FingerprintSHA256(k)
}

func describeKnown(keys []KnownKey) string {
	var all []string
	for _, k := range keys {
		all = append(all, fmt.Sprintf("%s (%s:%d)", describe(k.Key), k.Filename, k.Line))
	}
	return strings.Join(all, ", ")
}

// knownFiles reads known_hosts files once, and again when one has changed.
type knownFiles struct {
	log   func(string)
	mu    sync.Mutex
	cache map[string]*knownDB
}

func (k *knownFiles) open(files []string) (*knownDB, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	id, stamp := strings.Join(files, "\n"), stampOf(files)
	if c := k.cache[id]; c != nil && c.stamp == stamp {
		return c, nil
	}
	d := &knownDB{stamp: stamp}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		d.read(f, text)
	}
	for _, note := range d.notes {
		k.log("known_hosts: " + note)
	}
	k.cache[id] = d
	return d, nil
}

func stampOf(files []string) string {
	var s strings.Builder
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			fmt.Fprint(&s, info.ModTime().UnixNano(), info.Size(), ";")
		} else {
			s.WriteString("-;")
		}
	}
	return s.String()
}
