package kube

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Probe is a pod that runs on a node before it is opened: what it does there (pulls its image, resolves names, reaches
// other nodes' pods, mounts a volume of each class, gets a GPU) the workloads can do too.
type Probe struct {
	Image          string
	Command        []string // empty: the image's own
	Namespace      string
	Timeout        time.Duration     // from its creation to its end
	StorageClasses []string          // a volume of each, mounted at /probe/CLASS
	Resources      map[string]string // "nvidia.com/gpu": "1"
}

// LabelProbe is on every probe pod, with its run.
const LabelProbe = "fleetup.io/probe"

// probeGroup is the group of such pods.
const probeGroup = "probe"

// Probe runs p on the node to its end, which must be exit code 0, and removes it whatever happened. Its error names the
// pod's phase and reason, and the last lines that it wrote. What an earlier process left of it is removed first, so that
// it is safe to repeat.
func (c *Cluster) Probe(ctx context.Context, node, run string, p Probe, waiting func(string)) (err error) {
	made := probePod(node, run, p)
	in := func(err error) error {
		return fmt.Errorf("node %s: probe pod %s: %w", node, keyOf(made), explain("", err))
	}
	if old, ok := c.pods.get(keyOf(made)); ok {
		if err := c.removeProbes(ctx, []pod{old}); err != nil {
			return in(err)
		}
	}
	defer func() { // also when the run is parked: a sweep would remove it, and nobody need wait for that
		if err == nil {
			return
		}
		gone, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		defer cancel()
		if left, ok := c.pods.get(keyOf(made)); ok {
			_ = c.deleteProbe(gone, left)
		} else {
			_ = c.deleteProbe(gone, made)
		}
	}()
	if err := c.createProbe(ctx, made); err != nil {
		return in(err)
	}
	if err := c.awaitProbe(ctx, node, made, p, waiting); err != nil {
		return err
	}
	if left, ok := c.pods.get(keyOf(made)); ok {
		return c.removeProbes(ctx, []pod{left})
	}
	return nil
}

// TryProbe asks the API server whether it would take the probe pod, and makes none: a namespace that isn't there, a quota
// or an admission policy is then known before the first node is closed.
func (c *Cluster) TryProbe(ctx context.Context, node, run string, p Probe) error {
	made := probePod(node, run, p)
	err := c.persist(ctx, "node "+node+": try the probe pod", func(ctx context.Context) error {
		_, err := c.core.Pods(made.Namespace).Create(ctx, made, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: "fleetup"})
		return err
	})
	if err == nil || apierrors.IsAlreadyExists(err) {
		return nil
	}
	return explain("", err)
}

// createProbe makes the pod, again where nobody knows if it was made: its name is its run's and node's own.
func (c *Cluster) createProbe(ctx context.Context, made pod) error {
	return c.persist(ctx, "pod "+keyOf(made), func(ctx context.Context) error {
		written, err := c.core.Pods(made.Namespace).Create(ctx, made, metav1.CreateOptions{FieldManager: "fleetup"})
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		if err == nil {
			c.pods.trim(written)
			c.pods.put(written)
		}
		return err
	})
}

// awaitProbe waits for the pod's end, and says what became of it where that isn't good.
func (c *Cluster) awaitProbe(ctx context.Context, node string, made pod, p Probe, waiting func(string)) error {
	limit, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	var failed error
	var last pod
	err := c.await(limit, node, "probe", waiting, func() []string {
		now, ok := c.pods.get(keyOf(made))
		if !ok {
			if last != nil {
				failed = fmt.Errorf("somebody deleted it; %s before", probeState(last))
				return nil
			}
			return []string{"probe pod " + keyOf(made) + " to appear"}
		}
		last = now
		switch now.Status.Phase {
		case corev1.PodSucceeded:
			return nil
		case corev1.PodFailed:
			failed = errors.New(probeState(now))
			return nil
		}
		return []string{"probe pod " + keyOf(made) + ": " + probeState(now)}
	})
	switch {
	case ctx.Err() != nil:
		return err
	case err != nil && last != nil:
		failed = fmt.Errorf("not done after %s: %s", p.Timeout, probeState(last))
	case err != nil:
		failed = err
	}
	if failed == nil {
		return nil
	}
	return fmt.Errorf("node %s: probe pod %s: %w%s", node, keyOf(made), failed, c.lastWords(ctx, made))
}

// probeState is a pod's phase and the reason for it.
func probeState(p pod) string {
	text := string(p.Status.Phase)
	for _, s := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
		switch {
		case s.State.Terminated != nil && s.State.Terminated.ExitCode != 0:
			text += fmt.Sprintf(", exit code %d (%s)", s.State.Terminated.ExitCode, s.State.Terminated.Reason)
		case s.State.Waiting != nil && s.State.Waiting.Message != "":
			text += fmt.Sprintf(", %s: %s", s.State.Waiting.Reason, s.State.Waiting.Message)
		case s.State.Waiting != nil:
			text += ", " + s.State.Waiting.Reason
		}
	}
	if message, unplaced := unschedulable(p); unplaced {
		text += ", can't be scheduled: " + message
	}
	if p.Status.Reason != "" {
		text += ", " + strings.TrimSuffix(p.Status.Reason+": "+p.Status.Message, ": ")
	}
	return text
}

const lastLines = 10

// lastWords are the last lines that a pod wrote, "" where there are none or nobody tells.
func (c *Cluster) lastWords(ctx context.Context, p pod) string {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	lines, limit := int64(lastLines), int64(8<<10)
	text, err := c.core.Pods(p.Namespace).GetLogs(p.Name, &corev1.PodLogOptions{TailLines: &lines, LimitBytes: &limit}).DoRaw(ctx)
	words := strings.TrimSpace(string(text))
	if err != nil || words == "" {
		return ""
	}
	return "; its last lines:\n  " + strings.ReplaceAll(words, "\n", "\n  ")
}

// SweepProbes removes the probe pods of whichever run, and returns once they are gone: remains of processes that were
// killed. Their volumes go with them, as they are the pods' own.
func (c *Cluster) SweepProbes(ctx context.Context) error {
	return c.removeProbes(ctx, c.pods.of(probeGroup))
}

func (c *Cluster) removeProbes(ctx context.Context, list []pod) error {
	for _, p := range list {
		if err := c.deleteProbe(ctx, p); err != nil {
			return fmt.Errorf("remove probe pod %s: %w", keyOf(p), explain("", err))
		}
	}
	for _, p := range list {
		if err := c.await(ctx, p.Spec.NodeName, "remove probe pod", nil, func() []string {
			if now, ok := c.pods.get(keyOf(p)); ok && now.UID == p.UID {
				return []string{whyStill(now, c.ServerTime())}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) deleteProbe(ctx context.Context, p pod) error {
	options := metav1.DeleteOptions{}
	if p.UID != "" {
		options.Preconditions = &metav1.Preconditions{UID: &p.UID}
	}
	err := c.persist(ctx, "pod "+keyOf(p), func(ctx context.Context) error { return c.core.Pods(p.Namespace).Delete(ctx, p.Name, options) })
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // gone, or another one has its name by now
	}
	return err
}

func probeName(node, run string) string {
	return fmt.Sprintf("fleetup-probe-%x", sha256.Sum256([]byte(run+"/"+node)))[:len("fleetup-probe-")+12]
}
