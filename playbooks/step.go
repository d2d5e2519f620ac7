package playbooks

import (
	"context"
	"errors"
	"io/fs"
	"time"
)

// Host is what a step needs of a machine. Every script is for /bin/sh and runs as root.
type Host interface {
	// Run runs a short script and returns its standard output. It is for what is safe to run twice: a connection
	// that is lost is dialled again and the script run again, until ctx ends. An exit status other than 0 is an
	// error with a method ExitStatus() int, whose text holds what the script wrote to standard error.
	Run(ctx context.Context, script string) (string, error)
	// Do runs a script detached from the connection, under a name that is unique in the run. What it writes is
	// passed to line as it comes (line may be nil). A lost connection, or a restart of fleetup, doesn't stop it:
	// Do with the same name attaches to it, or returns its result where it has ended. An error that wraps
	// ErrInterrupted (see Interrupted) says that it was begun and cut short, by a reboot say; calling Do again
	// after that starts it anew.
	Do(ctx context.Context, name, script string, line func(string)) (string, error)
	// Upload copies a local file to the machine: temporary name, fsync, rename, so that to is never half written.
	Upload(ctx context.Context, from, to string, mode fs.FileMode) error
	// Download copies a file of the machine to a local one, in the same way.
	Download(ctx context.Context, from, to string) error
}

// Step is one thing that is done to a machine. Each type of step is one file of this package.
type Step interface {
	Name() string
	Traits() Traits
	// Check looks, and changes nothing. No package index is refreshed by it.
	Check(ctx context.Context, h Host) (Status, error)
	// Apply brings the machine to where Check is clean, or staged until the reboot. It is called only after a Check
	// that wasn't clean. say gets each line worth showing. Safe to call again after an interruption where
	// Traits.Repeatable is true.
	Apply(ctx context.Context, h Host, say func(string)) error
	// Verify is asked once the node runs again; nil where there is nothing to ask.
	Verify(ctx context.Context, h Host) error
	Undoer
}

// Undoer is how a step is taken back. base answers that it can't be; a type that can has all of these.
type Undoer interface {
	// ID names the step among all of a node's: its playbook, and where it stands in it. Records go by it.
	ID() string
	// Undoable says why what Apply does can't be taken back, and "" where it can. No machine is asked, so plan can say it.
	Undoable() (why string)
	// Before notes how the machine is, before anything is applied to it, as far as Undo has to know. It changes nothing but
	// what is kept under /var/lib/fleetup, where copies are named by their content, so a repetition does no harm. The record
	// is a few lines of text for the node's annotation: no secret may be in it.
	Before(ctx context.Context, h Host) (record string, err error)
	// Undo returns the step that takes this one back to what the record says, nil where nothing has to be; it is asked only
	// where Undoable says "". It is a step like any other: its Check is clean on a machine that is as the record says, whatever it went through, and names as problems what
	// was kept and is missing; its Apply needs no mirror.
	Undo(record string) Step
}

// Booter is a Step whose change is tried in a boot of its own: unless the node is verified in it, the machine boots
// later as it did before. Every method is safe to repeat, and does nothing where nothing is being tried.
type Booter interface {
	Step
	// Arm makes the next boot the trial. It is called right before the reboot.
	Arm(ctx context.Context, h Host) error
	// Landed is called once the machine answers again: what would make it go back by itself is disarmed. A machine
	// that has gone back already is an error that tells what the boot left, and nothing of the trial remains then.
	Landed(ctx context.Context, h Host) error
	// Keep makes what runs now what boots from now on.
	Keep(ctx context.Context, h Host) error
	// CallOff ends the trial without a verdict: what booted before it boots again next time.
	CallOff(ctx context.Context, h Host) error
}

// Configurer is a Step after which the kubelet runs with another configuration, and perhaps keeps more of the machine for
// itself than before.
type Configurer interface {
	Step
	// Configured is what the kubelet's live configuration has to hold then, by fields of kubelet.config.k8s.io/v1beta1, of
	// maps of strings each named entry; nil where that can't be said.
	Configured() map[string]any
}

// Holder is a Step with Traits.Holds.
type Holder interface {
	Step
	// Expect are the announced changes of the hardware, as `fleetup swap begin --expect` takes them.
	Expect() []string
}

// Stop says what must be down while a step is applied.
type Stop int

// What a step needs stopped, each including the one before.
const (
	StopNothing Stop = iota
	StopKubelet
	StopRuntime // the kubelet first, then the container runtime
)

// Traits are what the order of a node's life needs to know of a step before it runs.
type Traits struct {
	Playbook   string        // the playbook that it comes from
	Disruptive bool          // needs the drain
	Stop       Stop          // what is stopped before Apply
	Running    bool          // applied on a running kubelet, before anything is stopped (kubeadm)
	Follows    bool          // what is changed before it in its playbook makes it due: a restart
	Reboots    bool          // reboots where it stands: Apply is not called, the runner reboots (the reboot step)
	Holds      bool          // Apply is not called: after all else the runner turns the machine off and holds it (the power step)
	Repeatable bool          // may simply run again after an interruption
	Timeout    time.Duration // of Apply
}

// Status is what a Check found.
type Status struct {
	Clean  bool // nothing to do
	Staged bool // applied; shows only after the node's one reboot
	Reboot bool // what is to be done, or is staged, wants the node's one reboot
	Trial  bool // not clean, and what is left concerns later boots alone: no drain, and no failure of verify (Booter)
	// Changes say what differs, for people: "kubelet 1.36.4-1.1 → 1.37.2-1.1".
	Changes []string
	// Notes are worth knowing before it is done; they change nothing.
	Notes []string
	// Commands are what Apply would run, for plan.
	Commands []string
	// Stays are what Undo couldn't take back afterwards, and why, as far as the machine shows it now.
	Stays []string
	// Problems are what would make Apply fail (a version that no repository has, /boot too small), for preflight.
	Problems []string
}

// Target is what a playbook may know of the node that it is bound to.
type Target struct {
	Node         string
	ControlPlane bool
	First        bool // the first control-plane node of the run, where kubeadm upgrade apply runs
	// RebootTimeout is how long the machine may be away for a reboot; 0 where that isn't known.
	RebootTimeout time.Duration
}

// ErrInterrupted says that a detached script was begun and ended without a result.
var ErrInterrupted = errors.New("interrupted: it was begun and left no result")

// Interrupted reports whether err says that a detached script was cut short; it knows it by a method
// Interrupted() bool, so that a Host needn't import this package.
func Interrupted(err error) bool {
	var i interface{ Interrupted() bool }
	return errors.Is(err, ErrInterrupted) || errors.As(err, &i) && i.Interrupted()
}

// ExitStatus returns the exit status of the script that err tells of, and whether there is one.
func ExitStatus(err error) (int, bool) {
	var e interface{ ExitStatus() int }
	if errors.As(err, &e) {
		return e.ExitStatus(), true
	}
	return 0, false
}
