package main

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner/hardware"
	"github.com/fleetup/fleetup/runner/remote"
)

// madeOf is what one machine is made of.
type madeOf struct {
	Node     string             `json:"node"`
	Hardware *hardware.Document `json:"hardware,omitempty"`
	Problems []string           `json:"problems"`
	Warnings []string           `json:"warnings"`
	Error    string             `json:"error,omitempty"`
}

func (a *app) diagnoseHardware(ctx context.Context, path string, nodes []string) error {
	f, hosts, err := a.loadSome(path, nodes)
	if err != nil {
		return err
	}
	ctx, release := a.interruptible(ctx)
	defer release()
	n := a.network(f)
	defer n.Close()
	all := make([]madeOf, len(hosts))
	a.eachShown(hosts, f.FanOut, func(i int, h inventory.Host) { all[i] = a.lookInto(ctx, n, h) })
	if ctx.Err() != nil {
		return silent(exitInterrupted)
	}
	return a.showHardware(all)
}

func (a *app) lookInto(ctx context.Context, n *remote.Net, h inventory.Host) madeOf {
	m := n.Host(a.login(h), remote.Fence{})
	defer m.Close() //nolint:errcheck // nothing to lose
	d, err := a.inventoried(ctx, h, m)
	if err != nil {
		return madeOf{Node: h.Node, Error: oneLine(err), Problems: []string{}, Warnings: []string{}}
	}
	return madeOf{Node: h.Node, Hardware: &d, Problems: append([]string{}, hardware.Problems(d)...), Warnings: append([]string{}, hardware.Warnings(d)...)}
}

func (a *app) showHardware(all []madeOf) error {
	failed := 0
	for _, r := range all {
		if r.Error != "" {
			failed++
		}
	}
	if a.json() {
		if err := json.NewEncoder(a.out).Encode(map[string]any{"version": 1, "nodes": all}); err != nil {
			return err
		}
	} else {
		for _, r := range all {
			if err := a.showOneHardware(r); err != nil {
				return err
			}
		}
	}
	if failed > 0 {
		fmt.Fprintf(a.err, "%d of %s could not be asked\n", failed, plural(len(all), "machine"))
		return silent(exitFailed)
	}
	return nil
}

func (a *app) showOneHardware(r madeOf) error {
	fmt.Fprintln(a.out, r.Node)
	for _, p := range r.Problems {
		under(a.out, "  PROBLEM  ", p)
	}
	for _, w := range r.Warnings {
		under(a.out, "  warning  ", w)
	}
	if r.Error != "" {
		under(a.out, "  ", unaddressed(brief(r.Node, r.Error)))
		return nil
	}
	var text strings.Builder
	if err := hardware.Print(&text, *r.Hardware); err != nil {
		return err
	}
	fmt.Fprint(paper(a.out), squeezed(text.String(), columns(a.out)))
	return nil
}

// kindColumn is where the columns of hardware.Print begin.
const kindColumn = len("  by the BMC  ")

// padding is what keeps columns apart that stand beneath each other.
var padding = regexp.MustCompile(` {3,}`)

// squeezed takes the padding out of the lines that are too long for a width, before they are broken: a row of a table that has
// no room to be one. A width of 0 is room enough.
func squeezed(text string, width int) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if width > 0 && visible(l) > width && len(l) > kindColumn {
			lines[i] = l[:kindColumn] + padding.ReplaceAllString(l[kindColumn:], "  ")
		}
	}
	return strings.Join(lines, "\n")
}
