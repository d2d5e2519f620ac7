package runner

import (
	"slices"
	"time"

	"github.com/fleetup/fleetup/playbooks"
)

// Work is what is to be done to one node: its machine, the bound steps in their order, and the host's settings.
type Work struct {
	Node    string // the Node object's name
	Host    string // the inventory's name
	Machine Machine
	Hold    string // who holds the node for hardware work: it isn't looked at; "" nobody does
	Power   Power  // nil where the inventory names no BMC
	Swap    *Swap  // what a step that holds the node needs; nil where none does
	Steps   []playbooks.Step

	Wanted         playbooks.Wanted // what the machine's system has to be fit for
	KubeletVersion string           // "v1.37.2" where the run upgrades the kubelet, else ""
	KubeadmVersion string           // "v1.37.2" where a kubeadm playbook upgrades the control plane, else ""
	ControlPlane   bool

	RebootPolicy  string        // if-required, always or never
	RebootTimeout time.Duration // from the request to the login
	VerifyTimeout time.Duration // from the kubelet's start through verify; again for verify again
	LBSettle      time.Duration // <0: as the cluster says
	OnBlocked     string        // requeue or fail

	Undo Undo // what an order that rolls back takes back, where it isn't this run's own doing
}

// Undo says what is to be taken back on a node by a run that does nothing else.
type Undo struct {
	Run    string            // whose doing it is; "": this run's own
	Record map[string]string // what its journal says of how the machine was, by step: for a node that has lost its annotations
}

// Item is a step and what its last Check found.
type Item struct {
	Step   playbooks.Step
	Status playbooks.Status
}

// disruptive reports whether the item's change needs the node drained: its step says so, or it wants a reboot.
func (i Item) disruptive(policy string) bool {
	if i.Status.Clean || i.Status.Trial {
		return false
	}
	t := i.Step.Traits()
	return t.Disruptive || t.Stop > playbooks.StopNothing || t.Reboots || i.Status.Reboot && policy != rebootNever
}

// settled reports whether nothing is left to apply: clean, or staged until a reboot.
func (i Item) settled() bool { return i.Status.Clean || i.Status.Staged }

// The reboot policies.
const (
	rebootAlways = "always"
	rebootNever  = "never"
)

// NeedsDrain reports whether any of the items' changes needs the node drained, under its reboot policy.
func (w Work) NeedsDrain(items []Item) bool {
	for n, i := range items {
		if i.disruptive(w.RebootPolicy) || !i.Status.Clean && !i.Status.Trial && w.RebootPolicy == rebootAlways ||
			follows(items, n) && i.Step.Traits().Disruptive {
			return true
		}
	}
	return false
}

// follows reports whether item n will be due because of what is changed before it: a service, by its new files.
func follows(items []Item, n int) bool {
	t := items[n].Step.Traits()
	return t.Follows && slices.ContainsFunc(items[:n], func(i Item) bool {
		return i.Step.Traits().Playbook == t.Playbook && !i.settled()
	})
}

// AllClean reports whether there is nothing to do on a node whose steps were found so. Under reboot = "never" what
// only waits for a reboot is nothing to do.
func (w Work) AllClean(items []Item) bool {
	for _, i := range items {
		if i.Status.Clean || i.Status.Staged && w.RebootPolicy == rebootNever {
			continue
		}
		return false
	}
	return true
}

// stop returns what has to be stopped before the items that aren't settled are applied.
func stopFor(items []Item) playbooks.Stop {
	most := playbooks.StopNothing
	for n, i := range items {
		if t := i.Step.Traits(); (!i.settled() || follows(items, n)) && !t.Running {
			most = max(most, t.Stop)
		}
	}
	return most
}
