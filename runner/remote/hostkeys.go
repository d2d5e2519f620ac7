package remote

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// errSeen ends a handshake when the key has been shown.
var errSeen = errors.New("the key was seen")

// keyTypes are asked for one by one: a server shows one key a connection.
var keyTypes = [][]string{
	{ssh.KeyAlgoED25519},
	{ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521},
	{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256},
}

// keyTypes are those, and what is allowed besides.
func (e endpoint) keyTypes() [][]string {
	types := slices.Clone(keyTypes)
	for _, a := range e.hostKeys() {
		if a == ssh.KeyAlgoRSA { // the same key as with the better signatures
			types[2] = append(slices.Clone(types[2]), a)
		} else {
			types = append(types, []string{a})
		}
	}
	return types
}

// HostKeys returns the keys that the machine of l shows, one of each type it has. It doesn't log in there; on jump hosts
// it does, so their keys must be trusted first: see Hops. Connections that end before a login cost a second of penalty
// each in OpenSSH 9.8 and later, far below where that is enforced.
func (n *Net) HostKeys(ctx context.Context, l Login) ([]ssh.PublicKey, error) {
	h := n.Host(l, Fence{})
	p, err := h.machine()
	if err != nil {
		return nil, err
	}
	var keys []ssh.PublicKey
	for _, algorithms := range p.e.keyTypes() {
		key, err := p.showKey(ctx, algorithms)
		var none *ssh.AlgorithmNegotiationError
		switch {
		case err == nil:
			keys = append(keys, key)
		case !errors.As(err, &none), !strings.Contains(none.What, "host key"):
			return nil, err
		}
	}
	if len(keys) == 0 {
		return nil, h.named("host keys", errors.New("it has none of a type that is still safe"))
	}
	return keys, nil
}

func (p *peer) showKey(ctx context.Context, algorithms []string) (ssh.PublicKey, error) {
	for wait := 200 * time.Millisecond; ; wait *= 2 {
		key, err := p.showKeyOnce(ctx, algorithms)
		var connect *ConnectError
		if err == nil || !errors.As(err, &connect) || !connect.early || wait > 2*time.Second {
			return key, err
		}
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

func (p *peer) showKeyOnce(ctx context.Context, algorithms []string) (ssh.PublicKey, error) {
	var seen ssh.PublicKey
	shown := &shownKey{}
	cfg := &ssh.ClientConfig{Config: p.e.config(), User: p.e.user, HostKeyAlgorithms: algorithms, ClientVersion: "SSH-2.0-fleetup"}
	cfg.HostKeyCallback = func(_ string, _ net.Addr, key ssh.PublicKey) error {
		seen, shown.err = key, errSeen
		return errSeen
	}
	_, err := p.dialWith(ctx, 0, cfg, shown)
	if seen != nil {
		return seen, nil
	}
	return nil, err
}

// Hops returns the jump hosts that lead to l's machine, each before those that are reached through it, with all
// alternatives. Each can be given to HostKeys and Check itself.
func (n *Net) Hops(l Login) ([]Login, error) {
	_, chains, err := n.resolve(fill(l))
	if err != nil {
		return nil, err
	}
	var hops []Login
	for _, chain := range chains {
		through := ""
		for _, e := range chain {
			hop := Login{Name: e.name, Address: e.host, Port: e.port, User: e.user, KnownHosts: e.known, ConnectTimeout: e.timeout, Legacy: e.legacy}
			if e.only {
				hop.IdentityFiles = e.idents
			}
			if through != "" {
				hop.Jump = []string{through}
				through += ","
			}
			through += e.user + "@" + e.addr()
			hops = append(hops, hop)
		}
	}
	return hops, nil
}

// Check says whether key is trusted for l's machine: nil, or a *HostKeyError.
func (n *Net) Check(l Login, key ssh.PublicKey) error {
	e, _, err := n.resolve(fill(l))
	if err != nil {
		return err
	}
	known, err := n.known.open(e.files())
	if err != nil {
		return &setupError{e.name, err}
	}
	return known.check(e, key)
}

// KnownAs returns the name by which known_hosts knows l's machine, "10.0.0.1" or "[10.0.0.1]:2222", and the files that
// are asked.
func (n *Net) KnownAs(l Login) (name string, files []string, err error) {
	e, _, err := n.resolve(fill(l))
	if err != nil {
		return "", nil, err
	}
	return e.knownNames()[0], e.known, nil
}

// Fingerprint names a key as ssh-keygen -l does: its type and SHA256:….
func Fingerprint(key ssh.PublicKey) string { return describe(key) }
