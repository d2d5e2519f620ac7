package runner

import (
	"context"
	"slices"
)

// phase is one named part of an order. It may be entered again after a crash at any point of it: what is done
// already is seen and not done twice.
type phase struct {
	name  string
	do    func(*life, context.Context) error
	light bool // also for a node whose changes don't need it drained
}

// orders are the lists of phases by which a node is worked on, top to bottom. A node's whole life in a run can be
// read here.
var orders = map[string][]phase{
	OrderUpgrade: slices.Concat(renewed, opened),
	// The idle pool, and spares: nothing runs there until they are opened.
	OrderUpgradeClosed: renewed,
	OrderClose: {
		{"check", (*life).check, true},
		{"claim", (*life).claim, false},
		{"drain", (*life).drain, false},
		{"untaint", (*life).untaint, false},
	},
	OrderCloseAgain: {
		{"claim", (*life).claim, false},
		{"drain", (*life).drain, false},
		{"untaint", (*life).untaint, false},
	},
	OrderOpen: slices.Concat([]phase{{"found", (*life).found, false}}, opened),
	OrderGiveBack: {
		{"start", (*life).wake, false},
		{"verify", (*life).verifyAsFound, false},
		{"uncordon", (*life).giveBack, false},
	},
}

// renewed is the part of an upgrade that ends with a node which is whole, verified and still closed.
var renewed = []phase{
	{"check", (*life).check, true},
	{"claim", (*life).claim, false},
	{"drain", (*life).drain, false},
	{"kubeadm", (*life).kubeadm, true},
	{"stop", (*life).stop, false},
	{"apply", (*life).apply, true},
	{"reboot", (*life).reboot, false},
	{"start", (*life).start, false},
	{"verify", (*life).verify, true},
	{"probe", (*life).probe, false},
}

// opened is the part that gives the node its work.
var opened = []phase{
	{"uncordon", (*life).uncordon, false},
	{"verify again", (*life).verifyAgain, false},
}

// ended is what the end of an order that changed nothing is called.
var ended = map[string]string{
	OrderClose: "closed", OrderCloseAgain: "closed", OrderOpen: "opened", OrderGiveBack: "given back", OrderRollBack: "rolled back",
}
