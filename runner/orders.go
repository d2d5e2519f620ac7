package runner

import (
	"context"
	"slices"
)

// phaseUncordon is the name of the phase that gives a node back, which the journal is asked for.
const phaseUncordon = "uncordon"

// phaseReturn is the one by which a spare that went back is given back, in place of being opened.
const phaseReturn = "return"

// phaseVerifyAgain is the one that a node which was given back already comes to from its check.
const phaseVerifyAgain = "verify again"

// phase is one named part of an order. It may be entered again after a crash at any point of it: what is done
// already is seen and not done twice.
type phase struct {
	name  string
	do    func(*life, context.Context) error
	light bool // also for a node whose changes don't need it drained
}

// phaseCheck is the one phase that begins without the machine having answered.
const phaseCheck = "check"

// orders are the lists of phases by which a node is worked on, top to bottom. A node's whole life in a run can be
// read here.
var orders = map[string][]phase{
	OrderUpgrade: slices.Concat(renewed, opened),
	// The idle pool, and spares: nothing runs there until they are opened.
	OrderUpgradeClosed: renewed,
	OrderClose: {
		{phaseCheck, (*life).check, true},
		{"claim", (*life).claim, false},
		{"drain", (*life).drain, false},
		{"untaint", (*life).untaint, false},
	},
	OrderCloseAgain: {
		{"claim", (*life).claim, false},
		{"drain", (*life).drain, false},
		{"untaint", (*life).untaint, false},
	},
	OrderOpen:       slices.Concat([]phase{{"found", (*life).found, false}, {"start", (*life).runs, false}}, opened),
	OrderSwapBegin:  slices.Concat([]phase{{"claim", (*life).swapClaim, false}, {"drain", (*life).swapDrain, false}}, takenOff),
	OrderSwapFinish: slices.Concat(switchedOn, []phase{{"compare", (*life).compare, false}}, returning),
	OrderSwapCancel: slices.Concat(switchedOn, []phase{{"compare", (*life).compareOnly, false}}, returning),
	OrderOpenAgain: {
		{"found", (*life).found, false},
		{"start", (*life).runs, false},
		{"uncordon", (*life).uncordon, false},
	},
	// A spare is claimed before it is powered on, so that its record says that it was off; it is powered off before the record
	// goes.
	OrderWake: {
		{"claim", (*life).claimSpare, false},
		{"power on", (*life).spareOn, false},
		{"start", (*life).awake, false},
	},
	OrderReturn:      returned,
	OrderReturnEarly: returned,
	// What the run did to the node, or an earlier one, in reverse: the steps are those that take back (playbooks.Back).
	OrderRollBack: {
		{"check", (*life).checkBack, true},
		{"claim", (*life).claim, false},
		{"drain", (*life).drain, false},
		{"stop", (*life).stop, false},
		{"undo", (*life).undo, true},
		{"reboot", (*life).reboot, false},
		{"start", (*life).start, false},
		{"verify", (*life).verify, true},
		{phaseReturn, (*life).giveSpareBack, false},
		{phaseUncordon, (*life).uncordon, false},
		{"forget", (*life).forget, true},
		{phaseVerifyAgain, (*life).verifyAgain, false},
	},
	OrderGiveBack: {
		{"start", (*life).wake, false},
		{"verify", (*life).verifyAsFound, false},
		{phaseUncordon, (*life).giveBack, false},
	},
	OrderGiveBackSpare: {
		{"start", (*life).wakeSpare, false},
		{"verify", (*life).verifyAsFound, false},
		{"drain", (*life).drain, false},
		{"power off", (*life).spareOff, false},
		{"release", (*life).givenBackSpare, false},
	},
}

// returns are the orders that take a spare back; givesBack those by which an abort gives nodes back.
var (
	returns   = map[string]bool{OrderReturn: true, OrderReturnEarly: true, OrderGiveBackSpare: true}
	givesBack = map[string]bool{OrderGiveBack: true, OrderGiveBackSpare: true}
)

// returned is the way of a spare back to how it was found.
var returned = []phase{
	{"claim", (*life).claimAgain, false},
	{"drain", (*life).drain, false},
	{"power off", (*life).spareOff, false},
	{"release", (*life).givenBackSpare, false},
}

// takenOff turns an empty node off, and ends the order with it held. Of an upgrade it is gone only where a step asks for it.
var takenOff = []phase{
	{"hardware", (*life).recordHardware, false},
	{"disable", (*life).disable, false},
	{"power off", (*life).powerOff, false},
	{"out of service", (*life).outOfService, false},
	{"hold", (*life).hold, false},
}

// takesOff are the names of these phases.
var takesOff = func() map[string]bool {
	names := map[string]bool{}
	for _, p := range takenOff {
		names[p.name] = true
	}
	return names
}()

// renewed is the part of an upgrade that ends with a node which is whole, verified and still closed.
var renewed = slices.Concat([]phase{
	{phaseCheck, (*life).check, true},
	{"claim", (*life).claim, false},
	{"drain", (*life).drain, false},
	{"kubeadm", (*life).kubeadm, true},
	{"stop", (*life).stop, false},
	{"apply", (*life).apply, true},
	{"reboot", (*life).reboot, false},
	{"start", (*life).start, false},
	{"verify", (*life).verify, true},
}, takenOff, []phase{{"probe", (*life).probe, false}})

// opened is the part that gives the node its work.
var opened = []phase{
	{phaseUncordon, (*life).uncordon, false},
	{phaseVerifyAgain, (*life).verifyAgain, false},
}

// switchedOn is the part of the end of hardware work that has the machine answer again.
var switchedOn = []phase{
	{"held", (*life).holding, false},
	{"power on", (*life).powerOn, false},
	{"login", (*life).login, false},
}

// returning is the part that makes it a node again.
var returning = []phase{
	{"start", (*life).enable, false},
	{"uncordon", (*life).returned, false},
	{phaseVerifyAgain, (*life).verifyAgain, false},
}

// holds are the orders that leave the node held where something goes wrong.
var holds = map[string]bool{OrderSwapBegin: true, OrderSwapFinish: true, OrderSwapCancel: true}

// ended is what the end of an order that changed nothing is called.
var ended = map[string]string{
	OrderClose: "closed", OrderCloseAgain: "closed", OrderOpen: "opened", OrderOpenAgain: "opened", OrderWake: "awake", OrderReturn: "given back",
	OrderReturnEarly: "given back", OrderGiveBack: "given back", OrderGiveBackSpare: "given back", OrderRollBack: "rolled back",
}
