package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// annotationKuredLock is kured's lock, on its DaemonSet: it reboots no node while somebody else has it (kured.dev/docs,
// "Disabling Reboots"). It is JSON: {"nodeID": …} or, with --concurrency above 1, {"maxOwners": …, "locks": [{"nodeID": …}, …]}.
const annotationKuredLock = "weave.works/kured-node-lock"

// kuredPatience is how long a node that kured reboots just now is waited for.
const kuredPatience = 15 * time.Minute

// kuredSlots fill every place of a lock that several nodes may have at once.
const kuredSlots = 32

// kuredSet is kured's DaemonSet.
type kuredSet struct{ namespace, name string }

func (k kuredSet) String() string { return k.namespace + "/" + k.name }

func kuredOf(p pod) kuredSet {
	k := kuredSet{p.Namespace, "kured"}
	if owner := metav1.GetControllerOf(p); owner != nil {
		k.name = owner.Name
	}
	return k
}

// kureds are those of the cluster: one, in general, or none.
func (c *Cluster) kureds() []kuredSet {
	var sets []kuredSet
	for _, p := range c.pods.of(ofHand(handKured)) {
		if k := kuredOf(p); !slices.Contains(sets, k) {
			sets = append(sets, k)
		}
	}
	slices.SortFunc(sets, func(a, b kuredSet) int { return strings.Compare(a.String(), b.String()) })
	return sets
}

// FindKured asks for kured's DaemonSets, "namespace/name", known by their image. It needs no Start.
func (c *Cluster) FindKured(ctx context.Context) ([]string, error) {
	list, err := c.apps.DaemonSets(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, explain("look for kured", err)
	}
	var sets []string
	for _, d := range list.Items {
		if slices.Contains(handsOf(&corev1.Pod{Spec: d.Spec.Template.Spec}), ofHand(handKured)) {
			sets = append(sets, kuredSet{d.Namespace, d.Name}.String())
		}
	}
	return sets, nil
}

// kuredLock is the annotation's value.
type kuredLock struct {
	NodeID string `json:"nodeID,omitempty"`
	Locks  []struct {
		NodeID string `json:"nodeID"`
	} `json:"locks,omitempty"`
}

// kuredHolders are the nodes that have the lock; "manual" is a person. What can't be read counts as one: kured, too, does
// nothing then.
func kuredHolders(lock string) []string {
	if lock == "" {
		return nil
	}
	var l kuredLock
	if err := json.Unmarshal([]byte(lock), &l); err != nil {
		return []string{"manual"}
	}
	holders := []string{}
	if l.NodeID != "" {
		holders = append(holders, l.NodeID)
	}
	for _, one := range l.Locks {
		if !slices.Contains(holders, one.NodeID) {
			holders = append(holders, one.NodeID)
		}
	}
	return holders
}

// ourKuredLock is the lock in a run's name.
func ourKuredLock(run string) string {
	l := kuredLock{NodeID: kuredHolder(run)}
	l.Locks = slices.Repeat([]struct {
		NodeID string `json:"nodeID"`
	}{{l.NodeID}}, kuredSlots)
	text, _ := json.Marshal(l) // never fails: strings alone
	return string(text)
}

const kuredHolderPrefix = "fleetup "

func kuredHolder(run string) string { return kuredHolderPrefix + run }

// lockOf is what trimming leaves of a DaemonSet's annotations.
func lockOf(key string) bool { return key == annotationKuredLock }

func (c *Cluster) kuredLockOf(k kuredSet) (lock string, there bool) {
	d, ok := c.daemonSets.get(k.String())
	if !ok {
		return "", false
	}
	return d.Annotations[annotationKuredLock], true
}

// HoldKured takes kured's lock in the run's name, where kured is here: from then on it reboots nothing. While it reboots
// a node of its own that is waited for, as waiting is told, for a quarter of an hour at most; then it is a *BlockedError. With waiting
// nil nobody waits. A lock that a person holds is as good. Where this user may not change it, it stays kured's: OtherHands has
// said so. Safe to repeat.
func (c *Cluster) HoldKured(ctx context.Context, node, run string, waiting func(string)) error {
	for _, k := range c.kureds() {
		if err := c.holdKured(ctx, k, node, run, waiting); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) holdKured(ctx context.Context, k kuredSet, node, run string, waiting func(string)) error {
	say, began := newSpeaker(waiting), time.Now()
	for {
		changed := c.daemonSets.changes.wait()
		lock, there := c.kuredLockOf(k)
		holders := kuredHolders(lock)
		nodes := slices.DeleteFunc(slices.Clone(holders), func(h string) bool { return h == "manual" || strings.HasPrefix(h, kuredHolderPrefix) })
		switch {
		case !there, slices.Contains(holders, "manual"), slices.Equal(holders, []string{kuredHolder(run)}):
			return nil
		case len(nodes) == 0:
			if taken, err := c.takeKuredLock(ctx, k, run); taken || err != nil {
				return err
			}
		case waiting == nil:
			return nil
		}
		by := []string{fmt.Sprintf("kured is rebooting %s, says its lock on daemonset %s", strings.Join(nodes, ", "), k)}
		if len(nodes) > 0 && time.Since(began) > kuredPatience {
			return &BlockedError{Node: node, Operation: "kured's lock", By: by, After: kuredPatience}
		}
		if len(nodes) > 0 {
			say.about(by, true)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		case <-time.After(time.Second):
		}
	}
}

// takeKuredLock is false where somebody changed the lock meanwhile. It waits out an API server that doesn't answer and a lease in
// doubt.
func (c *Cluster) takeKuredLock(ctx context.Context, k kuredSet, run string) (taken bool, err error) {
	err = c.persist(ctx, "kured's lock", func(ctx context.Context) error {
		err := c.setKuredLock(ctx, k, ourKuredLock(run))
		if taken = err == nil; apierrors.IsConflict(err) {
			return nil
		}
		return err
	})
	return taken, err
}

// setKuredLock writes the lock over the one that was seen last; "" takes it away. A right that is missing is no error.
func (c *Cluster) setKuredLock(ctx context.Context, k kuredSet, lock string) error {
	d, ok := c.daemonSets.get(k.String())
	if !ok {
		return nil
	}
	if err := c.guard.check(); err != nil {
		return fmt.Errorf("kured's lock: %w", err)
	}
	var value any
	if lock != "" {
		value = lock
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": d.ResourceVersion, "annotations": map[string]any{annotationKuredLock: value},
	}})
	if err != nil {
		return err
	}
	written, err := c.apps.DaemonSets(k.namespace).Patch(ctx, k.name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "fleetup"})
	switch {
	case apierrors.IsForbidden(err), apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return err
	}
	c.daemonSets.trim(written)
	c.daemonSets.put(written)
	return nil
}

// FreeKured gives kured's lock back where any run has it: whoever calls holds the lease, so no other is at work. Safe to repeat.
func (c *Cluster) FreeKured(ctx context.Context) error {
	for _, k := range c.kureds() {
		err := c.persist(ctx, "kured's lock", func(ctx context.Context) error {
			lock, _ := c.kuredLockOf(k)
			if h := kuredHolders(lock); len(h) != 1 || !strings.HasPrefix(h[0], kuredHolderPrefix) {
				return nil
			}
			return c.setKuredLock(ctx, k, "")
		})
		if err != nil {
			return explain("give back kured's lock", err)
		}
	}
	return nil
}

// kuredRule is the right that holding its lock takes.
func kuredRule(k kuredSet) Rule {
	return Rule{Namespace: k.namespace, Group: "apps", Resource: "daemonsets", Name: k.name, Verbs: []string{"patch"}, Why: "hold kured's lock"}
}

// kuredText says what becomes of kured: a person holds its lock, a run will, or may not.
func (c *Cluster) kuredText(ctx context.Context, k kuredSet) string {
	lock, _ := c.kuredLockOf(k)
	holders := kuredHolders(lock)
	if slices.Contains(holders, "manual") {
		return "its lock is held by hand, so it does nothing; give it back after the run (" + annotationKuredLock + "-)"
	}
	text := ""
	if len(holders) > 0 && !strings.HasPrefix(holders[0], kuredHolderPrefix) {
		text = fmt.Sprintf("its lock is taken just now (%s), whose end is waited for; ", strings.Join(holders, ", "))
	}
	if c.looks {
		return text + "a run holds its lock, on daemonset " + k.String() + ", where its account may patch that"
	}
	if may, err := c.allowed(ctx, kuredRule(k), "patch"); err != nil || may {
		return text + "a run holds its lock, on daemonset " + k.String() + ", while it has nodes claimed"
	}
	return fmt.Sprintf("%shold its lock for the time of the run: kubectl -n %s annotate ds %s %s='{\"nodeID\":\"manual\"}'; a run does so by itself where it %s",
		text, k.namespace, k.name, annotationKuredLock, strings.Replace(kuredRule(k).missing(), "may not", "may", 1))
}
