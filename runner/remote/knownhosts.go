package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/skeema/knownhosts"
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
	Err           error
}

// KnownKey is a line of a known_hosts file.
type KnownKey = xknownhosts.KnownKey

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
			"compare the key on its console and accept it with `fleetup trust`", shown, describeKnown(e.Want))
	case isCert(e.Key):
		return where + fmt.Sprintf("%s: %v", shown, e.Err)
	}
	return where + fmt.Sprintf("unknown: it shows %s and %s doesn't know it; compare it and accept it with `fleetup trust`",
		shown, strings.Join(e.Files, ", "))
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

func isCert(k ssh.PublicKey) bool { _, ok := k.(*ssh.Certificate); return ok }

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

// knownDB is some known_hosts files, compiled.
type knownDB struct {
	db    *knownhosts.HostKeyDB // nil: none of the files exists
	stamp string                // what the files looked like when they were read
}

// knownFiles compiles known_hosts files once, and again when one has changed.
type knownFiles struct {
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
	var there []string
	for _, f := range files {
		if _, err := os.Stat(f); err == nil {
			there = append(there, f)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	c := &knownDB{stamp: stamp}
	if len(there) > 0 {
		db, err := knownhosts.NewDB(there...)
		if err != nil {
			return nil, err
		}
		c.db = db
	}
	k.cache[id] = c
	return c, nil
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

// algorithms returns the host key algorithms to ask for, those that known_hosts holds first: a server shows the first
// that it has, and with another key than the known one an unchanged machine would look changed. The rest follows, so
// that the key of a machine that was reinstalled is seen and can be named. Certificates only where an authority is known.
func (d *knownDB) algorithms(addr string) []string {
	var algos []string
	seen := map[string]bool{ssh.KeyAlgoRSA: true, ssh.CertAlgoRSAv01: true, ssh.InsecureKeyAlgoDSA: true, ssh.InsecureCertAlgoDSAv01: true}
	add := func(list []string, certs bool) {
		for _, a := range list {
			if isCert := strings.Contains(a, "-cert-v01@"); !seen[a] && (certs || !isCert) {
				seen[a] = true
				algos = append(algos, a)
			}
		}
	}
	if d.db != nil {
		for _, k := range d.db.HostKeys(strings.ToLower(addr)) {
			switch {
			case k.Cert: // an authority of one type signs keys of every type
				add(certificates(), true)
			case k.Type() == ssh.KeyAlgoRSA:
				add([]string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}, false)
			default:
				add([]string{k.Type()}, false)
			}
		}
	}
	add(usualHostKeys, false)
	return algos
}

func certificates() []string {
	return slices.DeleteFunc(ssh.SupportedAlgorithms().HostKeys, func(a string) bool { return !strings.Contains(a, "-cert-v01@") })
}

// usualHostKeys is OpenSSH's order, for machines that known_hosts doesn't hold.
var usualHostKeys = []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
	ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}

// check decides about a key that e showed.
func (d *knownDB) check(e endpoint, key ssh.PublicKey) error {
	bad := &HostKeyError{Host: e.name, Address: xknownhosts.Normalize(e.addr()), Key: key, Files: e.known}
	if d.db == nil {
		return bad
	}
	nowhere := &net.TCPAddr{IP: net.IPv4zero, Port: 22} // the name decides, never the address it happens to have
	err := d.db.HostKeyCallback()(strings.ToLower(e.addr()), nowhere, key)
	var mismatch *xknownhosts.KeyError
	var revoked *xknownhosts.RevokedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &mismatch):
		bad.Want = mismatch.Want
	case errors.As(err, &revoked):
		bad.Revoked = &revoked.Revoked
	}
	bad.Err = err
	return bad
}
