package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/runner/live"
)

// serveFlags are those by which a run shows itself.
type serveFlags struct {
	address string
	public  bool
}

func (f *serveFlags) flags(of *cobra.Command) {
	of.Flags().StringVar(&f.address, "serve", "", "show the run at `ADDR` while it goes on, read-only: its page, /metrics and /healthz; as 127.0.0.1:8080")
	of.Flags().BoolVar(&f.public, "serve-public", false, "let --serve listen where other machines reach it: without a login, unencrypted")
}

// serve listens where the flags say, and returns what ends that. Without an address nothing is served.
func (a *app) serve(ctx context.Context, f serveFlags) (stop func(), err error) {
	if f.address == "" {
		if f.public {
			return nil, usage("--serve-public without --serve: say at which address, as --serve 0.0.0.0:8080 --serve-public")
		}
		return func() {}, nil
	}
	listener, err := live.Listen(ctx, f.address, f.public)
	if errors.Is(err, live.ErrBeyond) {
		return nil, usage("--serve %s: other machines could reach that address, and the page has no login and isn't encrypted; use --serve 127.0.0.1:PORT "+
			"and go there by `ssh -L PORT:127.0.0.1:PORT`, or allow it with --serve-public", f.address)
	}
	var malformed *net.AddrError
	if errors.As(err, &malformed) {
		return nil, usage("--serve %q: write ADDRESS:PORT, such as 127.0.0.1:8080, or :8080 for this machine alone", f.address)
	}
	if err != nil {
		return nil, usage("--serve %s: %w", f.address, err)
	}
	a.page = live.New()
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := a.page.Serve(listener); err != nil {
			fmt.Fprintf(paper(a.err), "note: --serve: %v\n", err)
		}
	})
	who := "read-only"
	if f.public {
		who += ", for whoever reaches it"
	}
	fmt.Fprintf(paper(a.err), "the run can be followed at http://%s/ (%s)\n", listener.Addr(), who)
	return func() { a.page.Close(); wg.Wait() }, nil
}
