package remote

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kevinburke/ssh_config"
)

// endpoint is one hop with every setting resolved.
type endpoint struct {
	name    string // for people
	host    string // what known_hosts is asked for
	port    int
	user    string
	idents  []string
	only    bool // idents alone, not the agent's other keys
	known   []string
	timeout time.Duration
}

func (e endpoint) addr() string { return net.JoinHostPort(e.host, strconv.Itoa(e.port)) }

// key identifies the connection: what would be the same login.
func (e endpoint) key() string {
	return fmt.Sprintf("%s@%s %q %q", e.user, e.addr(), e.idents, e.known)
}

// sshConfig is ~/.ssh/config, read once.
type sshConfig struct {
	file, home string
	once       sync.Once
	parsed     *ssh_config.Config
	err        error
}

func (c *sshConfig) load() error {
	c.once.Do(func() { c.parsed, c.err = readConfig(c.file, c.home) })
	return c.err
}

func readConfig(file, home string) (*ssh_config.Config, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := refuseMatch(file, home, data, 0); err != nil {
		return nil, err
	}
	parsed, err := ssh_config.DecodeBytes(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return parsed, nil
}

// refuseMatch looks for Match lines that the parser would get wrong: it takes `Match host a exec "…"` for a list of
// host patterns, and so applies what follows without running the command.
func refuseMatch(file, home string, data []byte, depth int) error {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(strings.Replace(lines.Text(), "=", " ", 1))
		if len(words) < 2 {
			continue
		}
		switch strings.ToLower(words[0]) {
		case "match":
			if !plainMatch(words[1:]) {
				return fmt.Errorf("%s:%d: %s: only `Match all` and `Match host PATTERN` are understood; fleetup doesn't run commands "+
					"of ssh_config to find out: name the settings in the inventory's [ssh], or point to a config without it",
					file, n, strings.TrimSpace(lines.Text()))
			}
		case "include":
			if err := refuseIncluded(words[1:], home, depth); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

func plainMatch(words []string) bool {
	switch strings.ToLower(words[0]) {
	case "all":
		return len(words) == 1
	case "host":
		return len(words) == 2 && !strings.Contains(words[1], ",")
	}
	return false
}

func refuseIncluded(patterns []string, home string, depth int) error {
	if depth > 5 {
		return nil // the parser says so
	}
	for _, p := range patterns {
		p = expandHome(home, p)
		if !filepath.IsAbs(p) {
			p = filepath.Join(home, ".ssh", p)
		}
		files, _ := filepath.Glob(p)
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				continue
			}
			if err := refuseMatch(f, home, data, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// get returns the first value of key for any of the aliases, "" where there is none.
func (c *sshConfig) get(key string, aliases ...string) string {
	if all := c.all(key, aliases...); len(all) > 0 {
		return all[0]
	}
	return ""
}

func (c *sshConfig) all(key string, aliases ...string) []string {
	if c.parsed == nil {
		return nil
	}
	for _, a := range aliases {
		if all, err := c.parsed.GetAll(a, key); err == nil && len(all) > 0 {
			return all
		}
	}
	return nil
}

// resolve returns where l leads: the endpoint, and the alternatives of jump chains before it (none: direct).
func (n *Net) resolve(l Login) (endpoint, [][]endpoint, error) {
	if err := n.config.load(); err != nil {
		return endpoint{}, nil, &setupError{l.Name, err}
	}
	e, err := n.endpoint(l)
	if err != nil {
		return endpoint{}, nil, &setupError{l.Name, err}
	}
	jumps := l.Jump
	if len(jumps) == 0 {
		if j := n.config.get("ProxyJump", l.Address, l.Name); j != "" && j != "none" {
			jumps = []string{j}
		} else if p := n.config.get("ProxyCommand", l.Address, l.Name); p != "" && p != "none" {
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
		j := Login{IdentityFiles: l.IdentityFiles, KnownHosts: l.KnownHosts, ConnectTimeout: l.ConnectTimeout}
		var err error
		if j.User, j.Address, j.Port, err = splitHop(hop); err != nil {
			return nil, fmt.Errorf("jump %q: %w", jump, err)
		}
		if j.User == "" && n.config.get("User", j.Address) == "" {
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
		known: l.KnownHosts, timeout: l.ConnectTimeout}
	c, aliases := n.config, []string{l.Address, l.Name}
	if e.timeout <= 0 {
		e.timeout = 10 * time.Second
	}
	if e.user == "" {
		e.user = c.get("User", aliases...)
	}
	if e.user == "" {
		u, err := user.Current()
		if err != nil {
			return e, fmt.Errorf("no user is named, and the local one is unknown: %w", err)
		}
		e.user = u.Username
	}
	if e.port == 0 {
		port, err := strconv.Atoi(orElse(c.get("Port", aliases...), "22"))
		if err != nil {
			return e, fmt.Errorf("%s: Port: %w", c.file, err)
		}
		e.port = port
	}
	if name := c.get("HostName", l.Address); name != "" {
		e.host = strings.NewReplacer("%h", l.Address, "%%", "%").Replace(name)
	}
	n.files(&e, aliases)
	return e, nil
}

// files fills in identity and known_hosts files, with ~ and the tokens of ssh_config(5) expanded.
func (n *Net) files(e *endpoint, aliases []string) {
	if !e.only {
		e.idents = n.config.all("IdentityFile", aliases...)
		e.only = strings.EqualFold(n.config.get("IdentitiesOnly", aliases...), "yes")
	}
	if len(e.known) == 0 {
		e.known = strings.Fields(n.config.get("UserKnownHostsFile", aliases...))
	}
	if len(e.known) == 0 {
		e.known = []string{"~/.ssh/known_hosts", "~/.ssh/known_hosts2"}
	}
	local, _ := user.Current()
	if local == nil {
		local = &user.User{}
	}
	tokens := strings.NewReplacer("%d", n.o.home, "%h", e.host, "%n", aliases[0], "%p", strconv.Itoa(e.port), "%r", e.user,
		"%u", local.Username, "%%", "%")
	e.idents = expandAll(n.o.home, e.idents, tokens)
	e.known = expandAll(n.o.home, e.known, tokens)
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
