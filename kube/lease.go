package kube

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The Lease's name, its times, and what we write on it beside the holder.
const (
	LeaseName  = "fleetup"
	LeaseTime  = 30 * time.Second
	renewEvery = 5 * time.Second
	// leaseMargin is what must be left for anything to be begun: more than an eviction is given.
	leaseMargin = requestTimeout + 2*time.Second

	AnnotationUser      = "fleetup.io/user"
	AnnotationInventory = "fleetup.io/inventory"
	AnnotationHalt      = "fleetup.io/halt"
	AnnotationPaused    = "fleetup.io/paused"
	// AnnotationAside holds what the Lease says of other inventories' runs: see aside.go.
	AnnotationAside = "fleetup.io/aside"
)

// Holder is who holds the lease. Identity is the process: machine, boot id, pid and its start. Inventory is the
// inventory's name, so that a run is taken for unfinished by its own inventory alone. Who holds the lease for no run has no Run:
// what the Lease says of one stays.
type Holder struct{ Identity, User, Run, Inventory string }

// ErrLost says that somebody else took the lease over. It never comes back: this runner must do nothing more.
var ErrLost = errors.New("lease lost: another run has taken over")

// ErrDoubt says that the lease couldn't be renewed in time. It may be ours again once the API server answers.
var ErrDoubt = errors.New("lease not renewed in time")

// Where is the holder's process for people, "host, process 17"; an identity that isn't made of machine.host/boot/pid/start
// is shown as it is.
func (h Holder) Where() string {
	parts := strings.Split(h.Identity, "/")
	_, host, named := strings.Cut(parts[0], ".")
	if len(parts) != 4 || !named {
		return h.Identity
	}
	pid, _, contained := strings.Cut(parts[2], "@")
	if contained {
		pid += " of a container"
	}
	return host + ", process " + pid
}

// HeldError says that another run holds the lease.
type HeldError struct {
	Holder Holder
	Left   time.Duration // until it may be taken over if it isn't renewed
}

func (e *HeldError) Error() string {
	who := fmt.Sprintf("run %s of %s", e.Holder.Run, e.Holder.User)
	if e.Holder.Run == "" { // hardware work
		who = e.Holder.User
	}
	return fmt.Sprintf("%s on %s holds the lease, %d seconds left unless renewed", who, e.Holder.Where(), e.Seconds())
}

// Seconds are the whole ones left, at least one.
func (e *HeldError) Seconds() int { return max(1, int((e.Left+time.Second-1)/time.Second)) }

// Lease is the fleet's lock, held by us. It is renewed every five seconds until Release or the end of Acquire's ctx.
type Lease struct {
	c      *Cluster
	holder Holder
	epoch  int64
	took   string

	writing chan bool // one write at a time; mu is never held while one is under way, Held answers at once

	mu       sync.Mutex
	object   *coordinationv1.Lease
	before   map[string]string // the annotations that we found
	renewed  time.Duration     // by the boot clock: when the last renewal that was accepted was sent
	trouble  error             // why there was none since
	troubled time.Duration     // by the boot clock: when trouble was kept
	unsaid   map[string]string // annotations that were to be written, and weren't yet: the next write does
	lost     chan struct{}
	gone     bool
	stop     context.CancelFunc
	ended    chan struct{}
}

// Acquire takes the lease or says who holds it (*HeldError), at once. It takes it where there is none, where nobody holds
// it, where it ran out (renewTime and 30 seconds, by the API server's own clock: nobody need have watched it), and where
// alive says that the holder was a process of this machine that is gone; alive may be nil. Each taking by another
// process is a new epoch; a process that finds its own keeps it. Halt and pause stay on the Lease whoever takes it.
func (c *Cluster) Acquire(ctx context.Context, h Holder, alive func(identity string) (gone bool)) (*Lease, error) {
	l := &Lease{c: c, holder: h, writing: make(chan bool, 1), lost: make(chan struct{}), ended: make(chan struct{})}
	if err := c.persist(ctx, c.leaseName(), func(ctx context.Context) error { return l.take(ctx, alive) }); err != nil {
		return nil, fmt.Errorf("%s: %w", c.leaseName(), explain("", err))
	}
	ctx, l.stop = context.WithCancel(ctx)
	c.owned.Go(func() { l.renewLoop(ctx) })
	return l, nil
}

func (l *Lease) take(ctx context.Context, alive func(string) bool) error {
	leases, sent := l.c.coordination.Leases(l.c.namespace), l.c.boottime()
	found, err := leases.Get(ctx, LeaseName, metav1.GetOptions{})
	fresh := apierrors.IsNotFound(err)
	switch {
	case fresh:
		found = &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: LeaseName, Namespace: l.c.namespace}}
	case err != nil:
		return err
	}
	if l.took, err = mayTake(found, l.holder, l.c.ServerTime(), alive); err != nil {
		return err
	}
	found.Annotations = asOf(found.Annotations, l.holder)
	l.before = maps.Clone(found.Annotations)
	fill(found, l.holder, l.c.ServerTime())
	if fresh {
		found, err = leases.Create(ctx, found, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			return apierrors.NewConflict(coordinationv1.Resource("leases"), LeaseName, err) // somebody was faster: look again
		}
	} else {
		found, err = leases.Update(ctx, found, metav1.UpdateOptions{})
	}
	if err != nil {
		return err
	}
	l.object, l.renewed, l.epoch = found, sent, epochOf(found)
	return nil
}

// mayTake decides about a Lease as found; how is a sentence about a takeover, "" where there was nobody.
func mayTake(found *coordinationv1.Lease, h Holder, now time.Time, alive func(string) bool) (how string, err error) {
	other := holderOf(found)
	left := leftOf(found, now)
	switch {
	case other.Identity == "" || other.Identity == h.Identity:
		return "", nil
	case left <= 0:
		return fmt.Sprintf("took the lease over from run %s of %s (%s): not renewed for %s", other.Run, other.User, other.Where(),
			(LeaseTime - left).Round(time.Second)), nil
	case alive != nil && alive(other.Identity):
		return fmt.Sprintf("took the lease over from run %s of %s: its process on this machine (%s) is gone", other.Run, other.User, other.Where()), nil
	}
	return "", &HeldError{Holder: other, Left: left}
}

// fill makes the Lease ours. Another holder than the last is a new epoch: higher than the last one, and than any that the
// machines may have seen from a Lease which was deleted since, or put back from a backup of etcd.
func fill(l *coordinationv1.Lease, h Holder, now time.Time) {
	seconds, transitions, micro := int32(LeaseTime/time.Second), int32(0), metav1.NewMicroTime(now)
	if l.Spec.LeaseTransitions != nil {
		transitions = *l.Spec.LeaseTransitions
	}
	if l.Spec.HolderIdentity == nil || *l.Spec.HolderIdentity != h.Identity {
		transitions = max(transitions+1, epochAt(now))
		l.Spec.AcquireTime = &micro
	}
	l.Spec.HolderIdentity, l.Spec.LeaseDurationSeconds, l.Spec.LeaseTransitions, l.Spec.RenewTime = &h.Identity, &seconds, &transitions, &micro
	annotate(l, AnnotationUser, h.User)
	if h.Run != "" {
		annotate(l, AnnotationRun, h.Run)
		annotate(l, AnnotationInventory, h.Inventory)
	}
}

// epochAt is the least epoch for a lease that is taken now: the tens of seconds since 1970, an int32 for centuries. No fleet
// changes hands that often for long, so what was counted before lies below.
func epochAt(now time.Time) int32 { return int32(now.Unix() / 10) }

func holderOf(l *coordinationv1.Lease) Holder {
	h := Holder{User: l.Annotations[AnnotationUser], Run: l.Annotations[AnnotationRun], Inventory: l.Annotations[AnnotationInventory]}
	if l.Spec.HolderIdentity != nil {
		h.Identity = *l.Spec.HolderIdentity
	}
	return h
}

func leftOf(l *coordinationv1.Lease, now time.Time) time.Duration {
	if l.Spec.RenewTime == nil {
		return 0
	}
	return l.Spec.RenewTime.Add(LeaseTime).Sub(now)
}

// Epoch is the Lease's leaseTransitions: higher with each holder, never reused, also where the Lease was lost in between.
func (l *Lease) Epoch() int64 { return l.epoch }

// Took says in a sentence from whom the lease was taken over and why; "" where nobody held it.
func (l *Lease) Took() string { return l.took }

// Before are the Lease's annotations as Acquire found them: the last run's id, user, halt and pause, of the holder's own
// inventory where another one's was the last.
func (l *Lease) Before() map[string]string { return maps.Clone(l.before) }

// Annotations are those last seen, at most five seconds old while the API server answers: a pause from another machine
// shows here.
func (l *Lease) Annotations() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.object.Annotations)
}

// Held is nil while the lease is surely ours and has more left than a request takes, by a clock that goes on while the
// machine sleeps or the process is stopped; else it wraps ErrLost or ErrDoubt.
func (l *Lease) Held() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return ErrLost
	}
	if silent := l.c.boottime() - l.renewed; silent >= LeaseTime-leaseMargin {
		return fmt.Errorf("%w: %s", ErrDoubt, notRenewed(l.trouble)) // without the time: who waits says each text once
	}
	return nil
}

// Lost is closed once another run has taken over. Doubt alone doesn't close it.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

func (l *Lease) renewLoop(ctx context.Context) {
	defer close(l.ended)
	timer := time.NewTimer(renewEvery)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-l.lost:
			return
		case <-ctx.Done():
			return
		}
		pause := renewEvery
		if err := l.change(ctx, nil); err != nil {
			l.failed(err)
			pause = time.Second
		}
		timer.Reset(pause)
	}
}

// failed keeps why a renewal failed, for who asks Held: each text for half a minute at least, as each is a line of the journal.
func (l *Lease) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.c.boottime(); l.trouble == nil || now-l.troubled >= LeaseTime {
		l.trouble, l.troubled = err, now
	}
}

// change renews the lease and edits it on the way. It looks first whether it is still ours: a write based on what was
// read is refused when somebody wrote between.
func (l *Lease) change(ctx context.Context, edit func(*coordinationv1.Lease)) error {
	select {
	case l.writing <- true:
		defer func() { <-l.writing }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if errors.Is(l.Held(), ErrLost) {
		return ErrLost
	}
	ctx, cancel := context.WithTimeout(ctx, renewEvery)
	defer cancel()
	leases := l.c.coordination.Leases(l.c.namespace)
	update := func(o *coordinationv1.Lease) (*coordinationv1.Lease, error) {
		return leases.Update(ctx, o, metav1.UpdateOptions{})
	}
	err := l.write(l.last(), edit, update)
	if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		return err
	}
	found, err := leases.Get(ctx, LeaseName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return l.restore(ctx, edit)
	case err != nil:
		return err
	case holderOf(found).Identity != l.holder.Identity || epochOf(found) != l.epoch:
		return l.lose(found)
	}
	return l.write(found, edit, update)
}

// restore makes a Lease again that somebody deleted, with our epoch: had somebody else held it, it would exist.
func (l *Lease) restore(ctx context.Context, edit func(*coordinationv1.Lease)) error {
	next := l.last().DeepCopy()
	next.ResourceVersion, next.UID = "", ""
	return l.write(next, edit, func(o *coordinationv1.Lease) (*coordinationv1.Lease, error) {
		return l.c.coordination.Leases(l.c.namespace).Create(ctx, o, metav1.CreateOptions{})
	})
}

func (l *Lease) write(object *coordinationv1.Lease, edit func(*coordinationv1.Lease), by func(*coordinationv1.Lease) (*coordinationv1.Lease, error)) error {
	next, sent := object.DeepCopy(), l.c.boottime()
	now := metav1.NewMicroTime(l.c.ServerTime())
	next.Spec.RenewTime = &now
	said := l.toSay()
	for key, value := range said {
		annotate(next, key, value)
	}
	if edit != nil {
		edit(next)
	}
	written, err := by(next)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.object, l.renewed, l.trouble = written, sent, nil
	maps.DeleteFunc(l.unsaid, func(key, value string) bool { v, now := said[key]; return now && v == value })
	return nil
}

func (l *Lease) last() *coordinationv1.Lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.object
}

// lose is final.
func (l *Lease) lose(to *coordinationv1.Lease) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.gone {
		l.object, l.gone = to, true
		close(l.lost)
	}
	return fmt.Errorf("%w: run %s of %s", ErrLost, holderOf(to).Run, holderOf(to).User)
}

func epochOf(l *coordinationv1.Lease) int64 {
	if l.Spec.LeaseTransitions == nil {
		return 0
	}
	return int64(*l.Spec.LeaseTransitions)
}

// Release ends the renewing and gives the lease up: the next run need not wait. The Lease itself stays, with its epoch.
func (l *Lease) Release(ctx context.Context) error {
	l.stop()
	<-l.ended
	err := l.c.persist(ctx, l.c.leaseName(), func(ctx context.Context) error {
		return l.change(ctx, func(o *coordinationv1.Lease) { o.Spec.HolderIdentity = new("") })
	})
	if err == nil {
		_ = l.lose(l.last()) // whoever still asks for Held must hear no
	}
	if errors.Is(err, ErrLost) {
		return nil // it isn't ours to give up any more
	}
	return err
}
