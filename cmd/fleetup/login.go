package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner/local"
	"github.com/fleetup/fleetup/runner/remote"
)

// network opens the SSH side of an invocation. Close it at the end.
func (a *app) network(f *inventory.Fleet) *remote.Net {
	o := remote.Options{FanOut: f.FanOut, Dial: a.dial, Progress: func(host, file string, done, total int64) {
		if a.transfer != nil {
			a.transfer(host, file, done, total)
		}
	}}
	if a.terminal() {
		o.Passphrase = a.passphrase()
	}
	if a.flags.verbose {
		o.Log = func(text string) { fmt.Fprintln(a.err, text) }
	}
	return remote.New(o)
}

// passphrase asks for the passphrase of an encrypted key, one question at a time, each key once.
func (a *app) passphrase() func(context.Context, string) ([]byte, error) {
	var mu sync.Mutex
	asked := map[string][]byte{}
	return func(_ context.Context, file string) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		if p, ok := asked[file]; ok {
			return p, nil
		}
		fmt.Fprintf(a.err, "passphrase of %s: ", file)
		p, err := term.ReadPassword(int(a.in.Fd()))
		fmt.Fprintln(a.err)
		if err == nil {
			asked[file] = p
		}
		return p, err
	}
}

// login says how to reach one host.
func (a *app) login(h inventory.Host) remote.Login {
	l := remote.Login{
		Name: h.Name, Address: h.Address, Port: h.SSH.Port, User: h.SSH.User,
		IdentityFiles: h.SSH.IdentityFiles, KnownHosts: h.SSH.KnownHosts, Jump: h.SSH.Jump,
		Sudo: h.SSH.Sudo, ConnectTimeout: h.SSH.ConnectTimeout, Legacy: h.SSH.Legacy,
	}
	if !h.SSH.SudoPassword.IsZero() {
		l.SudoPassword = func(ctx context.Context) (string, error) {
			return a.secret(ctx, "ssh.sudo_password", h.SSH.SudoPassword)
		}
	}
	return l
}

// secret resolves a secret from its source.
func (a *app) secret(ctx context.Context, key string, s inventory.Secret) (string, error) {
	switch {
	case s.Env != "":
		v := a.getenv(s.Env)
		if v == "" {
			return "", fmt.Errorf("%s: the environment variable %s is empty or not set", key, s.Env)
		}
		return v, nil
	case s.File != "":
		b, err := os.ReadFile(s.File)
		if err != nil {
			return "", fmt.Errorf("%s: %w: put it there, readable by you, or name another source in the inventory", key, err)
		}
		return strings.TrimRight(string(b), "\r\n"), nil
	case len(s.Command) > 0:
		return secretCommand(ctx, key, s.Command)
	}
	return "", fmt.Errorf("%s: no source", key)
}

func secretCommand(ctx context.Context, key string, command []string) (string, error) {
	out, err := local.Command{Args: command, Timeout: 30 * time.Second}.Output(ctx)
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	return strings.TrimRight(out, "\r\n"), nil
}
