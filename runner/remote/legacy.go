package remote

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// neverAgain are left out whatever is asked for: RC4 leaks what it carries.
var neverAgain = []string{ssh.InsecureCipherRC4, ssh.InsecureCipherRC4128, ssh.InsecureCipherRC4256}

// legacy is what x/crypto can speak and modern leaves out. All of it needs to be named, a machine at a time.
func legacy() ssh.Algorithms {
	all := ssh.InsecureAlgorithms()
	all.MACs = append(all.MACs, ssh.HMACSHA1)
	return all
}

// config is what a connection to e may speak: all that is safe and, behind it, so that it comes into play only where
// the machine has nothing better, what the inventory names.
func (e endpoint) config() ssh.Config {
	c, old := modern(), legacy()
	c.KeyExchanges = append(c.KeyExchanges, e.allowed(old.KeyExchanges)...)
	c.Ciphers = append(c.Ciphers, e.allowed(old.Ciphers)...)
	c.MACs = append(c.MACs, e.allowed(old.MACs)...)
	return c
}

// hostKeys are the legacy host key algorithms that may be used.
func (e endpoint) hostKeys() []string { return e.allowed(legacy().HostKeys) }

func (e endpoint) allowed(of []string) []string {
	return slices.DeleteFunc(of, func(a string) bool { return !slices.Contains(e.legacy, a) || slices.Contains(neverAgain, a) })
}

// checkLegacy refuses a name that would be passed over in silence.
func (e endpoint) checkLegacy() error {
	old := legacy()
	for _, a := range e.legacy {
		if !slices.Contains(e.allowed(slices.Concat(old.KeyExchanges, old.Ciphers, old.MACs, old.HostKeys)), a) {
			return fmt.Errorf("legacy algorithm %q: unknown, or never used", a)
		}
	}
	return nil
}

// oldError says what a machine lacks that speaks only algorithms which are no longer safe, and how to get in. What was
// offered on both sides, which the error within says in full, is more than a reader can use.
type oldError struct {
	what string
	has  []string
	err  *ssh.AlgorithmNegotiationError
}

func tooOld(err *ssh.AlgorithmNegotiationError) error {
	has := slices.DeleteFunc(slices.Clone(err.RequestedAlgorithms), func(a string) bool {
		return strings.HasPrefix(a, "kex-strict-") || strings.HasPrefix(a, "ext-info-") // signs, no algorithms
	})
	return &oldError{err.What, has, err}
}

func (e *oldError) Error() string {
	old := legacy()
	all, out := slices.Concat(old.KeyExchanges, old.Ciphers, old.MACs, old.HostKeys), "or upgrade this machine by hand"
	if i := slices.IndexFunc(all, func(a string) bool { return slices.Contains(e.has, a) && !slices.Contains(neverAgain, a) }); i >= 0 {
		out = fmt.Sprintf("or allow it for this host alone: legacy_algorithms = [%q]", all[i])
	}
	return fmt.Sprintf("for its %s it has only %s, which are no longer safe: update its sshd (a new host key: ssh-keygen -A), %s",
		e.what, strings.Join(e.has, ", "), out)
}

func (e *oldError) Unwrap() error { return e.err }
