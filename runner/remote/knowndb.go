package remote

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

// The rules here are those of OpenSSH's hostfile.c and sshconnect.c, held against the real ssh by a test. The
// x/crypto package decides otherwise: one line that it can't read makes it refuse the whole file, a revoked key is
// revoked for all hosts, a pattern never matches a port, and a certificate that doesn't fit hides a key that does.

const (
	markAuthority = "@cert-authority"
	markRevoked   = "@revoked"
)

// knownEntry is one line of a known_hosts file.
type knownEntry struct {
	KnownKey
	marker string
	names  string // a list of patterns, or one hashed name
}

// knownDB is some known_hosts files, read.
type knownDB struct {
	entries []knownEntry
	notes   []string // lines that can't be read
	stamp   string   // what the files looked like when they were read
}

// read adds a file's text. As ssh does it leaves out what it can't read; one bad line must not hide all good ones.
func (d *knownDB) read(file string, text []byte) {
	for n, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		entry, err := parseEntry(line)
		if err != nil {
			d.notes = append(d.notes, fmt.Sprintf("%s:%d is left out: %v", file, n+1, err))
			continue
		}
		entry.Filename, entry.Line = file, n+1
		d.entries = append(d.entries, entry)
	}
}

// knownWords takes a line apart as ssh does: by blanks and tabs alone.
func knownWords(line string) []string {
	return strings.FieldsFunc(strings.TrimSpace(line), func(r rune) bool { return r == ' ' || r == '\t' })
}

func parseEntry(line string) (knownEntry, error) {
	var e knownEntry
	words := knownWords(line)
	if len(words) > 0 && strings.HasPrefix(words[0], "@") {
		if e.marker = words[0]; e.marker != markAuthority && e.marker != markRevoked {
			return e, fmt.Errorf("%q is no marker", e.marker)
		}
		words = words[1:]
	}
	if len(words) < 3 || strings.HasPrefix(words[0], "@") {
		return e, errors.New("it isn't [marker] names type key")
	}
	blob, err := base64.StdEncoding.DecodeString(words[2])
	if err != nil {
		return e, fmt.Errorf("its key isn't base64: %w", err)
	}
	if e.Key, err = ssh.ParsePublicKey(blob); err != nil {
		return e, err
	}
	if e.Key.Type() != words[1] {
		return e, fmt.Errorf("its key is of type %s, not %s", e.Key.Type(), words[1])
	}
	e.names = words[0]
	return e, nil
}

// matches reports whether the line is about name, "n1" or "[n1]:2222", in lower case.
func (e knownEntry) matches(name string) bool {
	if strings.HasPrefix(e.names, "|") {
		return sameName(e.names, name)
	}
	return matchList(name, strings.ToLower(e.names))
}

// matchList is match_pattern_list of OpenSSH's match.c: a negated pattern that matches outdoes all others.
func matchList(name, patterns string) bool {
	matched := false
	for _, p := range strings.Split(patterns, ",") {
		p, negated := strings.CutPrefix(p, "!")
		if !matchPattern(name, p) {
			continue
		}
		if negated {
			return false
		}
		matched = true
	}
	return matched
}

// matchPattern knows * and ?, and nothing else. It takes time in proportion to both lengths, whatever the pattern.
func matchPattern(name, pattern string) bool {
	n, p, star, from := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			n, p = n+1, p+1
		case star >= 0: // let the last star take one more
			from++
			n, p = from, star+1
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

func (d *knownDB) of(name string) []knownEntry {
	var of []knownEntry
	for _, e := range d.entries {
		if e.matches(name) {
			of = append(of, e)
		}
	}
	return of
}

// verdict is what known_hosts says about a key.
type verdict struct {
	trusted, changed bool
	revoked          *KnownKey
	err              error // what is wrong with a certificate whose authority is known
}

func (v verdict) unknown() bool { return !v.trusted && !v.changed && v.revoked == nil && v.err == nil }

// judge is check_host_key of OpenSSH's sshconnect.c: names are asked one after the other while nothing is known, and a
// certificate that doesn't do is looked at once more as the plain key that it holds.
func (d *knownDB) judge(names []string, principal string, key ssh.PublicKey) verdict {
	entries := d.of(names[0])
	cert, isCert := key.(*ssh.Certificate)
	v := compare(entries, key)
	if v.trusted && isCert {
		v.err = checkHostCert(cert, principal)
		v.trusted = v.err == nil
	}
	if v.unknown() && len(names) > 1 {
		if other := d.judge(names[1:], principal, key); other.trusted {
			return other
		}
	}
	if !isCert || v.trusted || v.revoked != nil {
		return v
	}
	plain := d.judge(names, principal, cert.Key)
	if !plain.trusted && v.err != nil {
		plain.err = v.err
	}
	return plain
}

// compare is check_key_in_hostkeys: certificates by the lines of authorities, keys by plain lines, both by revoked ones.
func compare(entries []knownEntry, key ssh.PublicKey) verdict {
	var v verdict
	cert, isCert := key.(*ssh.Certificate)
	held := key
	if isCert {
		held = cert.Key
	}
	for _, e := range entries {
		switch {
		case e.marker == markRevoked && (sameKey(e.Key, held) || isCert && sameKey(e.Key, cert.SignatureKey)):
			v.revoked = &e.KnownKey
		case e.marker == markAuthority && isCert && sameKey(e.Key, cert.SignatureKey):
			v.trusted = true
		case e.marker == "" && !isCert && sameKey(e.Key, key):
			v.trusted = true
		case e.marker == "" && !isCert:
			v.changed = true
		}
	}
	v.trusted = v.trusted && v.revoked == nil
	v.changed = v.changed && !v.trusted && v.revoked == nil
	return v
}

// checkHostCert checks a certificate whose authority is known. Without principals it is for all hosts, and no pattern
// counts among them, as in OpenSSH; nor does a signature that SHA-1 alone protects (CASignatureAlgorithms).
func checkHostCert(c *ssh.Certificate, principal string) error {
	switch {
	case c.CertType != ssh.HostCert:
		return errors.New("it is a user's certificate, not a host's")
	case c.Signature.Format == ssh.KeyAlgoRSA || c.Signature.Format == "ssh-dss":
		return fmt.Errorf("its authority signed it with %s, which is no longer safe: sign it anew (ssh-keygen -t rsa-sha2-512)", c.Signature.Format)
	}
	return (&ssh.CertChecker{}).CheckCert(principal, c)
}

// knownNames are the names that known_hosts is asked for: HostKeyAlias alone where there is one; else the host with its
// port, and where nothing is known by that, without.
func (e endpoint) knownNames() []string {
	if e.alias != "" {
		return []string{strings.ToLower(e.alias)}
	}
	name := strings.ToLower(xknownhosts.Normalize(e.addr()))
	if e.port == 22 {
		return []string{name}
	}
	return []string{name, strings.ToLower(xknownhosts.Normalize(net.JoinHostPort(e.host, strconv.Itoa(22))))}
}

// principal is the name that a host's certificate must be for.
func (e endpoint) principal() string { return strings.ToLower(orElse(e.alias, e.host)) }

// algorithms returns the host key algorithms to ask for, those that known_hosts holds first: a server shows the first
// that it has, and with another key than the known one an unchanged machine would look changed. The rest follows, so
// that the key of a machine that was reinstalled is seen and can be named; certificates before all where an authority
// is known.
func (d *knownDB) algorithms(e endpoint) []string {
	var known, others []string
	authority := false
	types := map[string]bool{}
	names := e.knownNames()
	for i, name := range names {
		for _, k := range d.of(name) {
			authority = authority || k.marker == markAuthority
			if k.marker == "" && i == 0 {
				types[k.Key.Type()] = true
			}
		}
	}
	for _, a := range ssh.SupportedAlgorithms().HostKeys {
		if isCertAlgorithm(a) || slices.Contains(usualHostKeys, a) {
			continue
		}
		if types[a] { // a key of a rare type, on a token say
			known = append(known, a)
		}
	}
	for _, a := range usualHostKeys {
		if types[a] || types[ssh.KeyAlgoRSA] && strings.HasPrefix(a, "rsa-sha2-") {
			known = append(known, a)
		} else {
			others = append(others, a)
		}
	}
	for _, a := range e.hostKeys() { // behind the better signatures of the same key
		if types[a] {
			known = append(known, a)
		} else {
			others = append(others, a)
		}
	}
	if authority {
		return slices.Concat(certificates(), known, others)
	}
	return slices.Concat(known, others, certificates())
}

func isCertAlgorithm(a string) bool { return strings.Contains(a, "-cert-v01@") }

func certificates() []string {
	return slices.DeleteFunc(ssh.SupportedAlgorithms().HostKeys, func(a string) bool { return !isCertAlgorithm(a) })
}

// usualHostKeys is OpenSSH's order, for machines that known_hosts doesn't hold.
var usualHostKeys = []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
	ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}

// check decides about a key that e showed.
func (d *knownDB) check(e endpoint, key ssh.PublicKey) error {
	names := e.knownNames()
	v := d.judge(names, e.principal(), key)
	if v.trusted {
		return nil
	}
	bad := &HostKeyError{Host: e.name, Address: names[0], Key: key, Revoked: v.revoked, Files: e.known, Notes: d.notes, Err: v.err}
	for _, k := range d.of(names[0]) {
		switch {
		case k.marker == "" && v.changed:
			bad.Want = append(bad.Want, k.KnownKey)
		case k.marker == markAuthority && v.err == nil:
			bad.Err = fmt.Errorf("%s:%d names an authority for it, which did not sign what it shows", k.Filename, k.Line)
		}
	}
	return bad
}
