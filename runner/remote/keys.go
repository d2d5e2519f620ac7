package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/crypto/ssh"
)

// maxKeys is how many keys are offered in one login: sshd hangs up after MaxAuthTries, 6 by default.
const maxKeys = 6

// usualNames are tried where neither the inventory nor ~/.ssh/config names a key, in OpenSSH's order.
var usualNames = []string{"id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"}

// cachedSigner is a key that may be offered, with its name for people.
type cachedSigner struct {
	ssh.Signer
	name string
}

// keyring reads keys once for all hosts.
type keyring struct {
	net    *Net
	asking atomic.Int32 // passphrases that a human is being asked for

	mu    sync.Mutex
	cache map[string][]cachedSigner // by the list of files
	notes map[string][]string
	files map[string]*keyFile
	conns []net.Conn // to the agent; older ones may still be signing
	agent []cachedSigner
	asked bool   // whether the agent was
	mute  string // why it is done without; "" where it answered, or isn't there
}

// signers returns the keys to offer at e in OpenSSH's order (certificates, keys of the agent that e names, other keys
// of the agent, key files), at most maxKeys, and notes about keys that can't be used.
func (k *keyring) signers(e endpoint) ([]cachedSigner, []string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	id := fmt.Sprintf("%q %q %v", e.idents, e.certs, e.only)
	if s, ok := k.cache[id]; ok {
		return s, k.notes[id], nil
	}
	files, notes, err := k.load(e)
	if err != nil {
		return nil, nil, err
	}
	certs, more := readCerts(e.certs)
	notes = append(notes, more...)
	all := order(files, certs, k.agentKeys(), e.only)
	if k.mute != "" {
		notes = append(notes, k.mute)
	}
	if len(all) > maxKeys {
		notes = append(notes, fmt.Sprintf("%d more keys weren't offered, because sshd hangs up after %d: name the right one in ssh.identity_files",
			len(all)-maxKeys, maxKeys))
		all = all[:maxKeys]
	}
	if k.notes == nil {
		k.notes = map[string][]string{}
	}
	k.cache[id], k.notes[id] = all, notes
	return all, notes, nil
}

// load reads the key files of e. One that was named must be there; the usual names need not.
func (k *keyring) load(e endpoint) (files []*keyFile, notes []string, err error) {
	names, named := e.idents, len(e.idents) > 0
	if !named {
		for _, n := range usualNames {
			names = append(names, filepath.Join(k.net.o.home, ".ssh", n))
		}
	}
	for _, name := range names {
		f, err := k.file(name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && named && e.only:
			return nil, nil, fmt.Errorf("identity file %s: %w; name another in ssh.identity_files", name, syscall.ENOENT)
		case errors.Is(err, fs.ErrNotExist):
		case err != nil && named:
			return nil, nil, fmt.Errorf("identity file %s: %w", name, err)
		case err != nil:
			notes = append(notes, fmt.Sprintf("%s: %v", name, err))
		default:
			files = append(files, f)
			if note := f.note(k); note != "" {
				notes = append(notes, note)
			}
		}
	}
	return files, notes, nil
}

// order sorts as pubkey_prepare of OpenSSH's sshconnect2.c does. only leaves out what the files don't name.
func order(files []*keyFile, apart []namedCert, inAgent []cachedSigner, only bool) []cachedSigner {
	var named, others, rest []cachedSigner
	certs := pairedCerts(files, apart, inAgent)
	used := map[int]bool{}
	for _, f := range files {
		signer := cachedSigner{f, f.name}
		fromAgent := false
		for i, a := range inAgent {
			if sameKey(a.PublicKey(), f.pub) {
				signer, fromAgent, used[i] = a, true, true
			} else if c, ok := a.PublicKey().(*ssh.Certificate); ok && sameKey(c.Key, f.pub) {
				certs, used[i] = append(certs, a), true
			}
		}
		if f.cert != nil {
			if s, err := ssh.NewCertSigner(f.cert, signer.Signer); err == nil {
				certs = append(certs, cachedSigner{s, f.name + "-cert.pub"})
			}
		}
		switch {
		case fromAgent:
			named = append(named, signer)
		case f.private != nil || f.locked != nil:
			rest = append(rest, signer)
		}
	}
	for i, a := range inAgent {
		if !used[i] && !only {
			others = append(others, a)
		}
	}
	return append(append(append(certs, named...), others...), rest...)
}

// namedCert is a certificate that ssh_config's CertificateFile names, apart from its key.
type namedCert struct {
	*ssh.Certificate
	file string
}

func readCerts(files []string) (certs []namedCert, notes []string) {
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			notes = append(notes, fmt.Sprintf("certificate: %v", err))
			continue
		}
		pub, _, _, _, err := ssh.ParseAuthorizedKey(data)
		if c, ok := pub.(*ssh.Certificate); err == nil && ok {
			certs = append(certs, namedCert{c, file})
		} else {
			notes = append(notes, file+" holds no certificate")
		}
	}
	return certs, notes
}

// pairedCerts pairs certificates with the private halves of their keys, in files or in the agent.
func pairedCerts(files []*keyFile, apart []namedCert, inAgent []cachedSigner) []cachedSigner {
	halves := slices.Clone(inAgent)
	for _, f := range files {
		if f.private != nil || f.locked != nil {
			halves = append(halves, cachedSigner{f, f.name})
		}
	}
	var out []cachedSigner
	for _, c := range apart {
		i := slices.IndexFunc(halves, func(s cachedSigner) bool { return sameKey(s.PublicKey(), c.Key) })
		if i < 0 {
			continue
		}
		if s, err := ssh.NewCertSigner(c.Certificate, halves[i].Signer); err == nil {
			out = append(out, cachedSigner{s, c.file})
		}
	}
	return out
}

func sameKey(a, b ssh.PublicKey) bool {
	return a != nil && b != nil && bytes.Equal(a.Marshal(), b.Marshal())
}

// forget drops what was read, so that keys added to the agent meanwhile are found. Unlocked keys stay unlocked.
func (k *keyring) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.cache)
	k.agent, k.asked = nil, false
}

func (k *keyring) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.conns {
		c.Close()
	}
	k.conns, k.agent, k.asked = nil, nil, false
}

// keyFile is a private key on disk. An encrypted one is unlocked when a server wants its signature, not before.
type keyFile struct {
	name    string
	pub     ssh.PublicKey
	cert    *ssh.Certificate
	private ssh.Signer // nil while encrypted
	locked  []byte     // the encrypted file

	ring *keyring
	mu   sync.Mutex
	err  error // of the one attempt to unlock it
}

// file reads one key file. A file NAME.pub alone will do where the agent holds the private half.
func (k *keyring) file(name string) (*keyFile, error) {
	if f := k.files[name]; f != nil {
		return f, nil
	}
	f := &keyFile{name: name, ring: k}
	data, err := os.ReadFile(name)
	if err == nil {
		err = f.parse(data)
	}
	if err == nil && (f.private != nil || f.locked != nil) {
		if err := private(name); err != nil {
			return nil, err
		}
	}
	if err != nil && f.readPublic() != nil {
		return nil, err
	}
	f.readCert()
	k.files[name] = f
	return f, nil
}

// private refuses the file of a private key that others than its owner may read, as sshkey_perm_ok of OpenSSH's authfile.c
// does: one that belongs to somebody else, as in a pod, is that one's business.
func private(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	if mode := info.Mode().Perm(); known && int(owner.Uid) == os.Getuid() && mode&0o077 != 0 {
		return fmt.Errorf("others may read it (mode %04o), so ssh wouldn't use it either: chmod 600 %s", mode, name)
	}
	return nil
}

func (f *keyFile) parse(data []byte) error {
	private, err := ssh.ParsePrivateKey(data)
	var missing *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &missing):
		f.locked, f.pub = data, missing.PublicKey
		if f.pub == nil { // the old PEM format keeps it to itself
			if err := f.readPublic(); err != nil {
				return fmt.Errorf("encrypted, and its public half can't be read: %w; ssh-keygen -y -f %s > %s.pub writes it", err, f.name, f.name)
			}
		}
		return nil
	case err != nil:
		if pub, _, _, _, pubErr := ssh.ParseAuthorizedKey(data); pubErr == nil { // IdentityFile may name the public half
			f.pub = pub
			return nil
		}
		return err
	}
	f.private, f.pub = private, private.PublicKey()
	return nil
}

func (f *keyFile) readPublic() error {
	data, err := os.ReadFile(f.name + ".pub")
	if err != nil {
		return err
	}
	f.pub, _, _, _, err = ssh.ParseAuthorizedKey(data)
	return err
}

func (f *keyFile) readCert() {
	data, err := os.ReadFile(strings.TrimSuffix(f.name, ".pub") + "-cert.pub")
	if err != nil {
		return
	}
	if pub, _, _, _, err := ssh.ParseAuthorizedKey(data); err == nil {
		f.cert, _ = pub.(*ssh.Certificate)
	}
}

// note says what stands in the way of using the key, for a login that is refused.
func (f *keyFile) note(k *keyring) string {
	if f.locked == nil || k.net.o.Passphrase != nil {
		return ""
	}
	for _, a := range k.agentKeys() {
		if sameKey(a.PublicKey(), f.pub) {
			return ""
		}
	}
	return f.encrypted().Error()
}

func (f *keyFile) encrypted() error {
	return fmt.Errorf("%s is encrypted and the agent doesn't hold it: ssh-add %s", f.name, f.name)
}

// PublicKey is known without the passphrase.
func (f *keyFile) PublicKey() ssh.PublicKey { return f.pub }

// Sign unlocks the key first.
func (f *keyFile) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return f.SignWithAlgorithm(rand, data, "")
}

// SignWithAlgorithm unlocks the key first.
func (f *keyFile) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	s, err := f.unlock(f.ring.net.ctx)
	if err != nil {
		return nil, err
	}
	if a, ok := s.(ssh.AlgorithmSigner); ok {
		return a.SignWithAlgorithm(rand, data, algorithm)
	}
	return s.Sign(rand, data)
}

// unlock asks for the passphrase at most once, whoever asks and however often.
func (f *keyFile) unlock(ctx context.Context) (ssh.Signer, error) {
	f.ring.asking.Add(1)
	defer f.ring.asking.Add(-1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.private != nil || f.err != nil {
		return f.private, f.err
	}
	ask := f.ring.net.o.Passphrase
	if f.locked == nil || ask == nil {
		f.err = f.encrypted()
		return nil, f.err
	}
	phrase, err := ask(ctx, f.name)
	if err == nil {
		f.private, err = ssh.ParsePrivateKeyWithPassphrase(f.locked, phrase)
		clear(phrase)
	}
	if err != nil {
		f.err = fmt.Errorf("key %s: %w", f.name, err)
	}
	return f.private, f.err
}
