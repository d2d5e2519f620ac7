package inventory

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

var (
	// dnsName is a DNS-1123 subdomain, as Kubernetes asks of a Node's name.
	dnsName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
	// dnsLabel is a DNS-1123 label, as Kubernetes asks of a namespace.
	dnsLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	// hostName is what a resolver or ~/.ssh/config may know.
	hostName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_][A-Za-z0-9_-]*)*\.?$`)
	// word names hosts that have another Node name, groups and playbooks; --limit gives , @ ! [ ] a meaning.
	word = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$`)
	// labelPart is a label's value, or the part of its key after the slash.
	labelPart = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)
	// variable is the name of an environment variable.
	variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// portName is an IANA service name, as a Service's port has.
	portName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$`)
)

// unsafe says what is dangerous in a string that may become an argument of a command, as OpenSSH's ssh.c judges host and
// user names (valid_hostname, valid_ruser). nil means safe.
func unsafe(s string) error {
	if strings.HasPrefix(s, "-") {
		return fmt.Errorf("unsafe string %q: it begins with a dash, and a command would take it for an option", s)
	}
	for i, r := range s {
		switch {
		case unicode.IsControl(r) || r == unicode.ReplacementChar:
			return fmt.Errorf("unsafe string %q: control characters and line breaks are refused", s)
		case unicode.IsSpace(r):
			return fmt.Errorf("unsafe string %q: white space is refused", s)
		case strings.ContainsRune("'`\"$;&<>|(){}", r), r == '\\' && i == len(s)-1:
			return fmt.Errorf("unsafe string %q: %q is refused, since a shell gives it a meaning", s, r)
		}
	}
	return nil
}

// safe is a string that no shell and no command takes for anything else, and that rule accepts.
func (t *table) safe(name string, rule func(string) error) (string, bool) {
	s, ok := t.string(name)
	if !ok {
		return "", false
	}
	if err := check(s, rule); err != nil {
		t.bad(name, "%v", err)
		return "", false
	}
	return s, true
}

// check is unsafe, then the rule, so that a string that is both is called unsafe.
func check(s string, rule func(string) error) error {
	if err := unsafe(s); err != nil {
		return err
	}
	return rule(s)
}

func matching(re *regexp.Regexp, want string) func(string) error {
	return func(s string) error {
		if !re.MatchString(s) {
			return fmt.Errorf("%q is not %s", s, want)
		}
		return nil
	}
}

var (
	checkWord  = matching(word, "a name: letters, digits, dots, dashes and underscores, beginning with a letter or digit")
	checkLabel = func(s string) error {
		if s == "" {
			return nil
		}
		return matching(labelPart, "a label's value: at most 63 letters, digits, dots, dashes and underscores")(s)
	}
)

// checkNode accepts the names that a Node object may have.
func checkNode(s string) error {
	if len(s) > 253 || !dnsName.MatchString(s) {
		return fmt.Errorf("%q can't be a node's name: at most 253 of a-z, 0-9, dash and dot (DNS-1123)", s)
	}
	return nil
}

// objects is a list of objects of the cluster, each namespace/name.
func (t *table) objects(name string) ([]string, bool) {
	list, ok := t.strings(name)
	if !ok {
		return nil, false
	}
	for _, object := range list {
		if err := check(object, checkObject); err != nil {
			t.bad(name, "%v", err)
			return nil, false
		}
	}
	return list, true
}

// checkObject accepts namespace/name.
func checkObject(s string) error {
	namespace, name, found := strings.Cut(s, "/")
	if !found || !dnsLabel.MatchString(namespace) || len(name) > 253 || !dnsName.MatchString(name) {
		return fmt.Errorf(`%q is not "namespace/name", as shop/db`, s)
	}
	return nil
}

// checkLabelKey accepts rack and topology.kubernetes.io/zone.
func checkLabelKey(s string) error {
	prefix, name, found := strings.Cut(s, "/")
	if !found {
		prefix, name = "", prefix
	}
	if found && checkNode(prefix) != nil || !labelPart.MatchString(name) {
		return fmt.Errorf("%q is not a label's key such as rack or topology.kubernetes.io/zone", s)
	}
	return nil
}

// checkAddress accepts an IP address or a host name, without a port.
func checkAddress(s string) error {
	if _, err := netip.ParseAddr(s); err == nil {
		return nil
	}
	if host, port, found := strings.Cut(s, ":"); found && checkAddress(host) == nil && checkPort(port) == nil {
		return fmt.Errorf("%q holds a port; write address = %q, port = %s", s, host, port)
	}
	// What looks like an address and is none, such as 10.0.1.300, would be asked of a resolver.
	if digits := strings.Trim(s, "0123456789."); digits == "" || len(s) > 253 || !hostName.MatchString(s) {
		return fmt.Errorf("%q is neither an IP address nor a host name", s)
	}
	return nil
}

func checkPort(s string) error {
	if n, err := strconv.Atoi(s); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("%q is not a port from 1 to 65535", s)
	}
	return nil
}

// checkUser accepts a login name; the characters that hurt were refused before.
func checkUser(s string) error {
	if s == "" || len(s) > 255 || strings.ContainsAny(s, "@:,/") {
		return fmt.Errorf("%q is not a user's name", s)
	}
	return nil
}

// checkJump accepts a chain of jump hosts: user@a:22,b.
func checkJump(chain string) error {
	for hop := range strings.SplitSeq(chain, ",") {
		if err := checkHop(hop); err != nil {
			return fmt.Errorf("jump host %q: %w", hop, err)
		}
	}
	return nil
}

func checkHop(hop string) error {
	if i := strings.LastIndexByte(hop, '@'); i >= 0 {
		if err := check(hop[:i], checkUser); err != nil {
			return err
		}
		hop = hop[i+1:]
	}
	host, port := hop, ""
	if inside, isIPv6 := strings.CutPrefix(hop, "["); isIPv6 {
		var closed bool
		if host, port, closed = strings.Cut(inside, "]"); !closed || port != "" && port[0] != ':' {
			return fmt.Errorf("%q is neither [address] nor [address]:port", hop)
		}
		port = strings.TrimPrefix(port, ":")
	} else if strings.Count(hop, ":") == 1 {
		host, port, _ = strings.Cut(hop, ":")
	}
	if port != "" || strings.HasSuffix(hop, ":") {
		if err := checkPort(port); err != nil {
			return err
		}
	}
	return check(host, checkAddress)
}

// checkURL accepts http and https, without a user: a password in a URL is a secret in the inventory. No message quotes
// the URL, for the same reason.
func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("is not a URL such as https://shop.example.com/healthz")
	case u.User != nil:
		return fmt.Errorf("holds a user or a password: a secret never stands in the inventory")
	}
	return check(u.Hostname(), checkAddress)
}
