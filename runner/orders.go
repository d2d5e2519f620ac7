package runner

import "context"

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
	OrderUpgrade: {
		{"check", (*life).check, true},
		{"claim", (*life).claim, false},
		{"drain", (*life).drain, false},
		{"kubeadm", (*life).kubeadm, true},
		{"stop", (*life).stop, false},
		{"apply", (*life).apply, true},
		{"reboot", (*life).reboot, false},
		{"start", (*life).start, false},
		{"verify", (*life).verify, true},
		{"uncordon", (*life).uncordon, false},
		{"verify again", (*life).verifyAgain, false},
	},
	OrderGiveBack: {
		{"start", (*life).wake, false},
		{"verify", (*life).verifyAsFound, false},
		{"uncordon", (*life).giveBack, false},
	},
}
