package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner/remote"
)

func (a *app) trustCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "trust INVENTORY",
		Short: "Collect host keys, show their fingerprints, and keep them on yes",
		Long: `Collect host keys, show their fingerprints, and write them to the first known_hosts file on yes. Compare the
fingerprints with what the machines' consoles say: whoever answers now will be believed from then on.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.trust(c.Context(), args[0]) },
	}
}

// offered is what one machine showed.
type offered struct {
	login remote.Login
	keys  []ssh.PublicKey
	err   error
}

func (a *app) trust(ctx context.Context, path string) error {
	f, hosts, err := a.load(path, needs{})
	if err != nil {
		return err
	}
	n := a.network(f)
	defer n.Close()
	hops, logins, err := a.machinesToTrust(n, hosts)
	if err != nil {
		return err
	}
	// What lies behind a jump host can be asked only once that one is trusted.
	return errors.Join(a.trustAll(ctx, n, hops), a.trustAll(ctx, n, logins))
}

// machinesToTrust lists the jump hosts, each once and before what lies behind it, and the hosts.
func (a *app) machinesToTrust(n *remote.Net, hosts []inventory.Host) (hops, logins []remote.Login, err error) {
	seen := map[string]bool{}
	for _, h := range hosts {
		l := a.login(h)
		logins = append(logins, l)
		more, err := n.Hops(l)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", h.Name, err)
		}
		for _, hop := range more {
			name, _, err := n.KnownAs(hop)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: jump host %s: %w", h.Name, hop.Name, err)
			}
			if !seen[name] {
				seen[name] = true
				hops = append(hops, hop)
			}
		}
	}
	return hops, logins, nil
}

// trustAll asks machines for their keys, shows what isn't known yet, and keeps it on yes.
func (a *app) trustAll(ctx context.Context, n *remote.Net, logins []remote.Login) error {
	fresh, failed := a.showOffers(n, offers(ctx, n, logins))
	if len(fresh) == 0 {
		return failed
	}
	if err := a.confirm(ctx, fmt.Sprintf("trust %s", plural(len(fresh), "machine"))); err != nil {
		return err
	}
	for _, o := range fresh {
		name, files, err := n.KnownAs(o.login)
		if err == nil {
			err = remote.Trust(files[0], []string{name}, o.keys, true)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", o.login.Name, err)
		}
		a.tell("%s: kept in %s", o.login.Name, files[0])
	}
	return failed
}

// offers asks every machine for its keys.
func offers(ctx context.Context, n *remote.Net, logins []remote.Login) []offered {
	all := make([]offered, len(logins))
	var wg sync.WaitGroup
	for i, l := range logins {
		wg.Go(func() {
			keys, err := n.HostKeys(ctx, l)
			all[i] = offered{l, keys, err}
		})
	}
	wg.Wait()
	return all
}

// showOffers prints each machine's keys beside what is known of it, and returns those that are not known yet.
func (a *app) showOffers(n *remote.Net, all []offered) (fresh []offered, failed error) {
	var lost outputs
	for _, o := range all {
		if o.err != nil {
			lost.add(o.login.Name, unaddressed(brief(o.login.Name, o.err.Error())))
			failed = silent(exitFailed)
			continue
		}
		if a.showOffer(n, o) {
			fresh = append(fresh, o)
		}
	}
	for _, why := range lost.sorted() {
		under(a.err, fold(lost.hosts[why])+": ", why)
	}
	return fresh, failed
}

// showOffer prints one machine's keys, and reports whether it isn't trusted yet. Once it has proved itself by a key
// that is known, keys of types that nobody keeps of it are no news; another key of a kept type is.
func (a *app) showOffer(n *remote.Net, o offered) bool {
	lines, fresh := strange(n, o)
	if !fresh {
		lines = []string{"known"}
	}
	for _, line := range lines {
		a.tell("%s: %s", o.login.Name, line)
	}
	return fresh
}

// strange says what is new in what a machine showed, beside what is known of it.
func strange(n *remote.Net, o offered) (lines []string, fresh bool) {
	known := slices.ContainsFunc(o.keys, func(k ssh.PublicKey) bool { return n.Check(o.login, k) == nil })
	for _, k := range o.keys {
		var wrong *remote.HostKeyError
		if !errors.As(n.Check(o.login, k), &wrong) || known && !keptType(wrong, k) {
			continue
		}
		fresh = true
		for _, old := range wrong.Want {
			lines = append(lines, fmt.Sprintf("KNOWN AS %s (%s:%d)", remote.Fingerprint(old.Key), old.Filename, old.Line))
		}
		lines = append(lines, "shows "+remote.Fingerprint(k))
	}
	return lines, fresh
}

// keptType reports whether known_hosts holds a key of this one's type.
func keptType(wrong *remote.HostKeyError, k ssh.PublicKey) bool {
	return slices.ContainsFunc(wrong.Want, func(old remote.KnownKey) bool { return old.Key.Type() == k.Type() })
}
