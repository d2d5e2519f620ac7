package main

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner/bmc"
	"github.com/fleetup/fleetup/runner/hardware"
)

// shell runs scripts on a machine as root.
type shell interface {
	Run(ctx context.Context, script string) (string, error)
}

// inventoried is what the machine and its BMC say of its hardware. A BMC that doesn't answer leaves a gap, not an error.
func (a *app) inventoried(ctx context.Context, h inventory.Host, m shell) (hardware.Document, error) {
	d, err := hardware.Gather(ctx, m.Run)
	if err != nil {
		return d, err
	}
	b, err := a.bmcOf(h)
	if err != nil {
		return d, err
	}
	if parts, can := b.(bmc.Parts); can {
		askParts(ctx, parts, &d)
	}
	if log, can := b.(bmc.Log); can && ctx.Err() == nil {
		askLog(ctx, log, &d)
	}
	return d, nil
}

func askParts(ctx context.Context, b bmc.Parts, d *hardware.Document) {
	found, err := b.Parts(ctx)
	if err != nil {
		d.Gaps = append(d.Gaps, fmt.Sprintf("the BMC doesn't tell: %v", err))
	}
	for _, p := range found {
		d.BMC = append(d.BMC, hardware.Part{Kind: p.Kind, Slot: p.Slot, Model: p.Model, Serial: p.Serial, Health: p.Health, Firmware: p.Firmware})
	}
}

// lookBack is how many entries of a BMC's event log are looked at.
const lookBack = 100

// ofMemory is what an entry about a broken module or processor says, in the words of vendors and of IPMI's event types. Others
// that are critical, as that the case was opened, are part of hardware work.
var ofMemory = regexp.MustCompile(`(?i)\b(memory|dimm|ecc|machine check|processor|cpu)`)

func askLog(ctx context.Context, b bmc.Log, d *hardware.Document) {
	entries, err := b.Log(ctx, lookBack)
	if err != nil {
		d.Gaps = append(d.Gaps, fmt.Sprintf("the BMC's event log can't be read: %v", err))
	}
	for _, e := range entries {
		if e.Severity == "critical" && ofMemory.MatchString(e.Text) {
			d.BMCErrors = append(d.BMCErrors, e.Text+at(e.Time))
		}
	}
}

func at(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " (" + t.UTC().Format("2006-01-02 15:04 UTC") + ")"
}
