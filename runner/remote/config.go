package remote

import (
	"fmt"
	"net"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"
)

// endpoint is one hop with every setting resolved.
type endpoint struct {
	name    string // for people
	host    string // what is dialled, and what known_hosts is asked for
	alias   string // HostKeyAlias: what known_hosts is asked for instead
	port    int
	user    string
	idents  []string
	only    bool     // idents alone, not the agent's other keys
	certs   []string // CertificateFile, besides KEY-cert.pub
	known   []string // the user's known_hosts files
	system  []string // those for all users
	timeout time.Duration
	legacy  []string // algorithms that are allowed although they are no longer safe
}

func (e endpoint) addr() string { return net.JoinHostPort(e.host, strconv.Itoa(e.port)) }

// key identifies the connection: what would be the same login.
func (e endpoint) key() string {
	return fmt.Sprintf("%s@%s %s %q %q %q %q", e.user, e.addr(), e.alias, e.idents, e.certs, e.known, e.legacy)
}

// files are all known_hosts files that are asked.
func (e endpoint) files() []string { return slices.Concat(e.known, e.system) }

// resolve returns where l leads: the endpoint, and the alternatives of jump chains before it (none: direct).
func (n *Net) resolve(l Login) (endpoint, [][]endpoint, error) {
	for _, c := range []*sshConfig{n.config, n.system} {
		if err := c.load(); err != nil {
			return endpoint{}, nil, &setupError{l.Name, err}
		}
	}
	e, err := n.endpoint(l)
	if err != nil {
		return endpoint{}, nil, &setupError{l.Name, err}
	}
	jumps := l.Jump
	if len(jumps) == 0 {
		if j := n.setting("ProxyJump", l.Address, l.Name); j != "" && j != "none" {
			jumps = []string{j}
		} else if p := n.setting("ProxyCommand", l.Address, l.Name); p != "" && p != "none" {
			return endpoint{}, nil, &setupError{l.Name, fmt.Errorf("%s sets ProxyCommand for it, which fleetup doesn't run: "+
				"use ProxyJump there, or jump in the inventory's [ssh]", n.o.ConfigFile)}
		}
	}
	var chains [][]endpoint
	for _, j := range jumps {
		chain, err := n.chain(j, l)
		if err != nil {
			return endpoint{}, nil, &setupError{l.Name, err}
		}
		chains = append(chains, chain)
	}
	return e, chains, nil
}

// chain resolves "user@a:22,b". Each hop has its own settings in ~/.ssh/config; without them the host's user and keys.
func (n *Net) chain(jump string, l Login) ([]endpoint, error) {
	var hops []endpoint
	for _, hop := range strings.Split(jump, ",") {
		hop = strings.TrimSpace(hop)
		j := Login{IdentityFiles: l.IdentityFiles, KnownHosts: l.KnownHosts, ConnectTimeout: l.ConnectTimeout, Legacy: l.Legacy}
		var err error
		if j.User, j.Address, j.Port, err = splitHop(hop); err != nil {
			return nil, fmt.Errorf("jump %q: %w", jump, err)
		}
		if j.User == "" && n.setting("User", j.Address) == "" {
			j.User = l.User
		}
		j.Name = j.Address
		e, err := n.endpoint(j)
		if err != nil {
			return nil, fmt.Errorf("jump %q: %w", jump, err)
		}
		hops = append(hops, e)
	}
	return hops, nil
}

// splitHop takes user@host:port apart; an IPv6 address with a port stands in brackets.
func splitHop(hop string) (name, host string, port int, err error) {
	hop = strings.TrimPrefix(hop, "ssh://")
	if i := strings.LastIndexByte(hop, '@'); i >= 0 {
		name, hop = hop[:i], hop[i+1:]
	}
	host = hop
	if h, p, splitErr := net.SplitHostPort(hop); splitErr == nil {
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return "", "", 0, fmt.Errorf("%q is no port", p)
		}
		host = h
	}
	host = strings.Trim(host, "[]")
	if host == "" || strings.HasPrefix(host, "-") || strings.ContainsAny(host, " \t\n/") {
		return "", "", 0, fmt.Errorf("%q is no host name", host)
	}
	return name, host, port, nil
}

func (n *Net) endpoint(l Login) (endpoint, error) {
	e := endpoint{name: l.Name, host: l.Address, port: l.Port, user: l.User, idents: l.IdentityFiles, only: len(l.IdentityFiles) > 0,
		known: l.KnownHosts, timeout: l.ConnectTimeout, legacy: l.Legacy}
	if err := e.checkLegacy(); err != nil {
		return e, err
	}
	aliases := []string{l.Address, l.Name}
	if e.timeout <= 0 {
		e.timeout = 10 * time.Second
	}
	if e.user == "" {
		e.user = n.setting("User", aliases...)
	}
	if e.user == "" {
		u, err := user.Current()
		if err != nil {
			return e, fmt.Errorf("no user is named, and the local one is unknown: %w", err)
		}
		e.user = u.Username
	}
	if e.port == 0 {
		port, err := strconv.Atoi(orElse(n.setting("Port", aliases...), "22"))
		if err != nil {
			return e, fmt.Errorf("%s: Port: %w", n.o.ConfigFile, err)
		}
		e.port = port
	}
	if name := n.setting("HostName", l.Address); name != "" {
		e.host = strings.NewReplacer("%h", l.Address, "%%", "%").Replace(name)
	}
	e.alias = n.setting("HostKeyAlias", aliases...)
	n.files(&e, aliases)
	return e, nil
}

// files fills in identity, certificate and known_hosts files, with ~ and the tokens of ssh_config(5) expanded.
func (n *Net) files(e *endpoint, aliases []string) {
	if !e.only {
		e.idents = n.settings("IdentityFile", aliases...)
		e.only = strings.EqualFold(n.setting("IdentitiesOnly", aliases...), "yes")
	}
	if len(e.known) == 0 {
		e.known = strings.Fields(n.setting("UserKnownHostsFile", aliases...))
	}
	if len(e.known) == 0 {
		e.known = []string{"~/.ssh/known_hosts", "~/.ssh/known_hosts2"}
	}
	e.certs = n.settings("CertificateFile", aliases...)
	e.system = strings.Fields(n.setting("GlobalKnownHostsFile", aliases...))
	if len(e.system) == 0 {
		e.system = []string{n.o.SystemDir + "/ssh_known_hosts", n.o.SystemDir + "/ssh_known_hosts2"}
	}
	local, _ := user.Current()
	if local == nil {
		local = &user.User{}
	}
	tokens := strings.NewReplacer("%d", n.o.home, "%h", e.host, "%n", aliases[0], "%p", strconv.Itoa(e.port), "%r", e.user,
		"%u", local.Username, "%%", "%")
	e.idents = expandAll(n.o.home, e.idents, tokens)
	e.certs = expandAll(n.o.home, e.certs, tokens)
	e.known = expandAll(n.o.home, e.known, tokens)
	e.system = expandAll(n.o.home, e.system, tokens)
}

func expandAll(home string, files []string, tokens *strings.Replacer) []string {
	var out []string
	for _, f := range files {
		if f != "none" {
			out = append(out, expandHome(home, tokens.Replace(f)))
		}
	}
	return out
}

func orElse(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
