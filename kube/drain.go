package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// BlockedError says that a drain was refused, or wasn't done, for longer than its timeout.
type BlockedError struct {
	Node, Operation string
	By              []string
	After           time.Duration
}

func (e *BlockedError) Error() string {
	return fmt.Sprintf("node %s: %s: still blocked after %s: %s", e.Node, e.Operation, e.After, strings.Join(e.By, "; "))
}

// Blocked lists what stands in the way, each once.
func (e *BlockedError) Blocked() []string { return e.By }

// RefusedError says that pods are on the node which a drain with these options doesn't touch, in kubectl's words.
type RefusedError struct {
	Node string
	Pods []PodVerdict
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("node %s: drain: %s", e.Node, strings.Join(e.Refused(), "; "))
}

// Refused lists the reasons with their pods, "cannot delete Pods with local storage (use …): shop/a, shop/b".
func (e *RefusedError) Refused() []string {
	var reasons []string
	pods := map[string][]string{}
	for _, p := range e.Pods {
		reasons = appendNew(reasons, p.Why)
		pods[p.Why] = append(pods[p.Why], p.Namespace+"/"+p.Name)
	}
	for i, why := range reasons {
		reasons[i] = "cannot delete " + why + ": " + strings.Join(pods[why], ", ")
	}
	return reasons
}

// TryDrain asks for every eviction with dryRun=All and waits while one is refused, so that a node isn't closed for
// nothing. Each pod is allowed once; the server counts them one by one, so a later Drain may still have to wait. At the
// timeout it returns a *BlockedError, for pods that the options leave alone a *RefusedError.
func (c *Cluster) TryDrain(ctx context.Context, node string, o DrainOptions, waiting func(string)) error {
	return c.newDrain(node, "drain (dry run)", o, true, waiting).run(ctx)
}

// Drain evicts the node's pods by UID and returns once the watch has seen the last of them go and their volumes leave
// the node. Volumes of pods that stay don't count. Pods that land meanwhile go too; those that tolerate the cordon and
// come back are named and left. Refused evictions are asked for again when a budget changes, else with growing pauses.
// At the timeout it returns a *BlockedError. An API server that is away, and a lease in doubt, are waited for.
func (c *Cluster) Drain(ctx context.Context, node string, o DrainOptions, waiting func(string)) error {
	return c.newDrain(node, "drain", o, false, waiting).run(ctx)
}

// drain is one drain under way. Only its own goroutine touches it; requests answer through results.
type drain struct {
	c               *Cluster
	node, operation string
	o               DrainOptions
	dry             bool
	say             *speaker

	pods     map[types.UID]*leaver
	evicted  map[types.UID]int // controller → its pods that landed after we had evicted one
	returned map[types.UID]bool
	claims   map[string]bool // those of the pods that go
	past     map[types.UID]bool

	began time.Time
	deadline
	results chan result
	owned   sync.WaitGroup
}

// leaver is a pod that is to go.
type leaver struct {
	pod      pod
	sent     bool   // accepted: it ends, or in a dry run would
	flying   bool   // asked, not answered
	refusal  string // the last one, in the server's words
	seen     string // the budgets' versions that the last answer was based on, as we knew them
	next     time.Time
	pauses   backoff
	budgeted string    // the budget that refused it
	before   bool      // it was ending when we came
	held     string    // why we don't ask for it yet: a Service needs it
	failed   string    // why its Deployment couldn't be restarted
	spare    time.Time // since when its Services can do without it, and its rollout was to end it
}

type result struct {
	uid     types.UID
	err     error
	restart bool // of the pod's Deployment; else an eviction
}

func (c *Cluster) newDrain(node, operation string, o DrainOptions, dry bool, waiting func(string)) *drain {
	return &drain{
		c: c, node: node, operation: operation, o: o, dry: dry, say: newSpeaker(waiting), began: time.Now(),
		pods: map[types.UID]*leaver{}, evicted: map[types.UID]int{}, returned: map[types.UID]bool{},
		claims: map[string]bool{}, past: map[types.UID]bool{}, results: make(chan result),
		deadline: newDeadline(&c.trouble),
	}
}

func (d *drain) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer d.settleUp()
	defer d.owned.Wait()
	defer cancel(errDrainEnds)
	for {
		wake := d.c.drainSignals()
		left, err := d.look()
		if err != nil {
			return err
		}
		reasons := d.reasons(left)
		if len(left) == 0 && len(reasons) == 0 {
			return nil
		}
		if d.expired(d.o.timeout(d.grace(left)), d.began) {
			return &BlockedError{Node: d.node, Operation: d.operation, By: reasons, After: d.o.timeout(d.grace(left))}
		}
		d.surge(ctx, left)
		d.ask(ctx, d.due(left))
		d.say.about(reasons, d.refusedOnce())
		if err := d.wait(ctx, wake, left); err != nil {
			return err
		}
	}
}

var errDrainEnds = errors.New("the drain has ended")

// look brings the list of leavers up to date and returns those that are still to go.
func (d *drain) look() ([]*leaver, error) {
	var left []*leaver
	first := len(d.pods) == 0
	refusals := &RefusedError{Node: d.node}
	for _, p := range d.c.podsOn(d.node) {
		v, why := d.c.judge(p, d.o)
		switch {
		case v == refuse:
			refusals.Pods = append(refusals.Pods, PodVerdict{p.Namespace, p.Name, string(p.UID), why})
		case v == skip || d.isBack(p, first):
		default:
			if l := d.leaver(p); !(d.dry && (l.sent || ending(p))) {
				left = append(left, l)
			}
		}
	}
	if len(refusals.Pods) > 0 {
		return nil, refusals
	}
	return left, nil
}

func (d *drain) leaver(p pod) *leaver {
	l := d.pods[p.UID]
	if l == nil {
		l = &leaver{before: ending(p)}
		d.pods[p.UID] = l
		if !d.dry {
			d.c.moving(p)
		}
		for _, claim := range claimsOf(p) {
			d.claims[claim] = true
		}
	}
	l.pod = p
	return l
}

// isBack says that p landed here after we evicted one of its siblings and will do so for ever: it tolerates the cordon,
// or has done it three times. Evicting it again and again would help nobody.
func (d *drain) isBack(p pod, first bool) bool {
	owner := metav1.GetControllerOf(p)
	if first || d.dry || owner == nil || d.pods[p.UID] != nil {
		return false
	}
	if d.returned[p.UID] {
		return true
	}
	if d.evicted[owner.UID]++; toleratesCordon(p) && d.hasLeft(owner.UID) || d.evicted[owner.UID] > 3 {
		d.returned[p.UID] = true
	}
	return d.returned[p.UID]
}

func (d *drain) hasLeft(owner types.UID) bool {
	for _, l := range d.pods {
		if metav1.IsControlledBy(l.pod, &metav1.ObjectMeta{UID: owner}) && (l.sent || ending(l.pod)) {
			return true
		}
	}
	return false
}

func (d *drain) grace(left []*leaver) time.Duration {
	longest := time.Duration(0)
	for _, l := range left {
		longest = max(longest, time.Duration(graceOf(l.pod, d.o))*time.Second)
	}
	return longest
}

// ask sends the evictions, each in a goroutine that run waits for.
func (d *drain) ask(ctx context.Context, list []*leaver) {
	for _, l := range list {
		l.flying, l.seen = true, d.version(l.pod)
		p, past := l.pod, d.past[l.pod.UID]
		d.owned.Go(func() {
			request := d.c.sendEviction
			if past {
				request = d.c.sendDelete
			}
			select {
			case d.results <- result{uid: p.UID, err: request(ctx, p, d.o, d.dry)}:
			case <-ctx.Done():
			}
		})
	}
}

// version changes whenever another answer may be expected: with a budget of the pod, or its readiness.
func (d *drain) version(p pod) string {
	text := fmt.Sprint(podReady(p))
	for _, b := range d.c.budgetsOf(p) {
		text += " " + b.Name + "@" + b.ResourceVersion
	}
	return text
}

// wait returns at an answer, a change, or when something is due.
func (d *drain) wait(ctx context.Context, wake wakes, left []*leaver) error {
	timer := time.NewTimer(d.pause(left))
	defer timer.Stop()
	select {
	case r := <-d.results:
		return d.answered(r)
	case <-wake.pods:
	case <-wake.budgets:
	case <-wake.attachments:
	case <-wake.endpoints:
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("node %s: %s: %w", d.node, d.operation, context.Cause(ctx))
	}
	return sleep(ctx, changesTogether)
}

// changesTogether is how long changes are gathered: a busy cluster has thousands a second.
const changesTogether = 20 * time.Millisecond

type wakes struct{ pods, budgets, attachments, endpoints <-chan struct{} }

func (c *Cluster) drainSignals() wakes {
	return wakes{c.pods.changes.wait(), c.budgets.changes.wait(), c.attachments.changes.wait(), c.slices.changes.wait()}
}

// answered takes in what the server said about one pod.
func (d *drain) answered(r result) error {
	l := d.pods[r.uid]
	l.flying = false
	if r.restart {
		return d.restarted(l, r.err)
	}
	kind := classify(r.err)
	if !d.dry && kind != accepted && kind != silent { // what wasn't answered may have been done
		d.c.leftNot(l.pod)
	}
	switch kind {
	case accepted, gone:
		l.sent, l.refusal = true, ""
		if !d.dry {
			d.c.moved(l.pod)
		}
		d.decided()
	case refused:
		d.decided()
		d.refuse(l, r.err)
	case silent:
		d.undecided(r.err)
		l.next = time.Now().Add(l.pauses.pause(r.err))
	case broken:
		return inNode(d.node, d.operation+": evict pod "+keyOf(l.pod), r.err)
	}
	return nil
}

// refuse remembers a refusal; where the user allowed to go past what refused it, the pod is due again at once.
func (d *drain) refuse(l *leaver, err error) {
	guards := d.c.budgetsOf(l.pod)
	if mayPass(guards, d.o) && !d.past[l.pod.UID] && (apierrors.HasStatusCause(err, "DisruptionBudget") || isTwoBudgets(err)) {
		d.past[l.pod.UID] = true
		l.next = time.Time{}
		return
	}
	d.refusedNow()
	l.refusal, l.budgeted = causeOf(err), ""
	if len(guards) == 1 && apierrors.HasStatusCause(err, "DisruptionBudget") {
		l.budgeted = keyOf(guards[0])
	}
	l.next = time.Now().Add(l.pauses.pause(err))
}
