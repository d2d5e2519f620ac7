package remote

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/google/renameio/v2"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
	"golang.org/x/sys/unix"
)

// Trust writes keys for hosts ("10.0.0.1", "[10.0.0.1]:2222", see Net.KnownAs) to a known_hosts file. What is there
// already isn't written twice. With replace, other keys of these hosts are taken out; authorities, revoked keys,
// patterns and other hosts' names stay. The file is replaced whole or not at all, under a lock against other fleetups,
// and names are hashed if it holds hashed ones.
func Trust(file string, hosts []string, keys []ssh.PublicKey, replace bool) error {
	for _, h := range hosts {
		if !nameable(h) {
			return fmt.Errorf("trust: %q can't be a name in known_hosts", h)
		}
	}
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real // a dotfiles repository: keep the link
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	unlock, err := lockFile(file + ".lock")
	if err != nil {
		return fmt.Errorf("trust: lock %s: %w", file, err)
	}
	defer unlock()
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("trust: %w", err)
	}
	changed := trusting(old, hosts, keys, replace)
	if bytes.Equal(old, changed) {
		return nil
	}
	if err := renameio.WriteFile(file, changed, 0o600, renameio.WithExistingPermissions(), renameio.WithTempDir(filepath.Dir(file))); err != nil {
		return fmt.Errorf("trust: write %s: %w", file, err)
	}
	return nil
}

// nameable reports whether known_hosts can hold host as one plain name.
func nameable(host string) bool {
	return host != "" && !strings.ContainsAny(host, "#@|!*?,") && !strings.ContainsFunc(host, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
}

// lockFile takes an exclusive lock, and returns what gives it back. The file stays: to remove it would race.
func lockFile(name string) (func(), error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// trusting returns the file's text with keys for hosts in it.
func trusting(old []byte, hosts []string, keys []ssh.PublicKey, replace bool) []byte {
	var out []string
	hashed := false
	have := map[string]bool{} // host and key
	for _, line := range strings.Split(strings.TrimSuffix(string(old), "\n"), "\n") {
		l := parseKnown(line)
		hashed = hashed || l.key != "" && strings.HasPrefix(l.names[0], "|")
		if l.plain() {
			line = l.without(hosts, keys, replace, have)
		}
		if line != "" || l.names == nil {
			out = append(out, line)
		}
	}
	for _, k := range keys {
		for _, h := range hosts {
			if have[h+" "+marshal(k)] {
				continue
			}
			name := h
			if hashed {
				name = knownhosts.HashHostname(h)
			}
			out = append(out, name+" "+k.Type()+" "+marshal(k))
		}
	}
	return []byte(strings.TrimPrefix(strings.Join(out, "\n")+"\n", "\n"))
}

func marshal(k ssh.PublicKey) string { return base64.StdEncoding.EncodeToString(k.Marshal()) }

// knownLine is one line of known_hosts. names is nil for comments and what can't be read: those stay as they are.
type knownLine struct {
	text, marker, key string
	names, rest       []string
}

func parseKnown(text string) knownLine {
	l := knownLine{text: text}
	words := knownWords(text)
	if len(words) > 0 && strings.HasPrefix(words[0], "@") {
		l.marker, words = words[0], words[1:]
	}
	if len(words) < 3 || strings.HasPrefix(words[0], "#") {
		return l
	}
	l.names, l.rest, l.key = strings.Split(words[0], ","), words[1:], words[2]
	return l
}

// plain reports whether the line says that hosts have a key, by their names.
func (l knownLine) plain() bool { return l.marker == "" && l.names != nil }

// without notes which of hosts and keys the line has, and returns it without the hosts whose key it has wrong.
func (l knownLine) without(hosts []string, keys []ssh.PublicKey, replace bool, have map[string]bool) string {
	wanted := slices.ContainsFunc(keys, func(k ssh.PublicKey) bool { return marshal(k) == l.key })
	var stay []string
	for _, name := range l.names {
		i := slices.IndexFunc(hosts, func(h string) bool { return sameName(name, h) })
		if i >= 0 && wanted {
			have[hosts[i]+" "+l.key] = true
		}
		if i < 0 || wanted || !replace {
			stay = append(stay, name)
		}
	}
	if len(stay) == len(l.names) {
		return l.text
	}
	if len(stay) == 0 {
		return ""
	}
	return strings.Join(append([]string{strings.Join(stay, ",")}, l.rest...), " ")
}

// sameName compares a name of known_hosts, maybe hashed, with a host.
func sameName(name, host string) bool {
	if !strings.HasPrefix(name, "|1|") {
		return strings.EqualFold(name, host)
	}
	parts := strings.Split(name, "|")
	if len(parts) != 4 {
		return false
	}
	salt, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return false
	}
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(host))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil)) == parts[3]
}
