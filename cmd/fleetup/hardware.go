package main

import (
	"context"
	"fmt"

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
	parts, can := b.(bmc.Parts)
	if err != nil || !can {
		return d, err
	}
	found, err := parts.Parts(ctx)
	if err != nil {
		d.Gaps = append(d.Gaps, fmt.Sprintf("the BMC doesn't tell: %v", err))
		return d, nil
	}
	for _, p := range found {
		d.BMC = append(d.BMC, hardware.Part{Kind: p.Kind, Slot: p.Slot, Model: p.Model, Serial: p.Serial, Health: p.Health, Firmware: p.Firmware})
	}
	return d, nil
}
