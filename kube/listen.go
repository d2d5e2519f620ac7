package kube

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Heard is what the API says of nodes and of what runs there, at one moment.
type Heard struct {
	Nodes  []corev1.Node
	Pods   []corev1.Pod
	Events []corev1.Event // as long as the API server keeps them: an hour, unless --event-ttl says otherwise
}

// Listen reads nodes, pods and events, each in one list that may come in pages. It needs no Start and keeps nothing.
func (c *Cluster) Listen(ctx context.Context) (Heard, error) {
	var h Heard
	var errs [3]error
	var asked sync.WaitGroup
	all := metav1.NamespaceAll
	asked.Go(func() {
		errs[0] = pages(func(o metav1.ListOptions) (string, error) {
			l, err := c.core.Nodes().List(ctx, o)
			if err != nil {
				return "", explain("list nodes", err)
			}
			h.Nodes = append(h.Nodes, l.Items...)
			return l.Continue, nil
		})
	})
	asked.Go(func() {
		errs[1] = pages(func(o metav1.ListOptions) (string, error) {
			l, err := c.core.Pods(all).List(ctx, o)
			if err != nil {
				return "", explain("list pods", err)
			}
			h.Pods = append(h.Pods, l.Items...)
			return l.Continue, nil
		})
	})
	asked.Go(func() {
		errs[2] = pages(func(o metav1.ListOptions) (string, error) {
			l, err := c.core.Events(all).List(ctx, o)
			if err != nil {
				return "", explain("list events", err)
			}
			h.Events = append(h.Events, l.Items...)
			return l.Continue, nil
		})
	})
	asked.Wait()
	for _, err := range errs {
		if err != nil {
			return h, err
		}
	}
	return h, nil
}

// FollowEvents tells of every event that happens from now on, also of those that happen again, until ctx ends. It needs no
// Start. An API server that is away is asked again, and what happened meanwhile is told then.
func (c *Cluster) FollowEvents(ctx context.Context, tell func(corev1.Event)) {
	seen := newTable(func(e *corev1.Event) { e.ManagedFields = nil }, nil)
	seen.hook = func(before, now *corev1.Event) {
		select {
		case <-seen.synced:
			if now != nil && (before == nil || before.ResourceVersion != now.ResourceVersion) {
				tell(*now)
			}
		default: // it was there before
		}
	}
	follow(ctx, "events", c.core.Events(metav1.NamespaceAll), &corev1.Event{}, seen, &c.trouble)
}

// pages asks for one page of a list after the other.
func pages(ask func(metav1.ListOptions) (next string, err error)) error {
	for next := ""; ; {
		var err error
		if next, err = ask(metav1.ListOptions{Limit: 1000, Continue: next}); err != nil || next == "" {
			return err
		}
	}
}

// LogOptions say which lines of a pod's container are wanted.
type LogOptions struct {
	Container string    // "": its only one
	Previous  bool      // of the container before its last restart
	Since     time.Time // zero: all that the node keeps
	Lines     int64     // the last so many
}

// PodLog reads a container's log, each line with its time before it. A pod with several containers, of which none is named, is
// an error that names them.
func (c *Cluster) PodLog(ctx context.Context, namespace, pod string, o LogOptions) (string, error) {
	options := &corev1.PodLogOptions{Container: o.Container, Previous: o.Previous, TailLines: &o.Lines, Timestamps: true}
	if !o.Since.IsZero() {
		since := metav1.NewTime(o.Since)
		options.SinceTime = &since
	}
	text, err := c.core.Pods(namespace).GetLogs(pod, options).DoRaw(ctx)
	if err != nil {
		return "", c.noPod(ctx, namespace, pod, explain("read the log of pod "+namespace+"/"+pod, err))
	}
	return string(text), nil
}

// mostPods of a namespace are named to somebody who named none of them.
const mostPods = 10

// noPod adds to the error of a pod that isn't there which there are: people know workloads by heart, and no hashes.
func (c *Cluster) noPod(ctx context.Context, namespace, pod string, err error) error {
	if !apierrors.IsNotFound(err) {
		return err
	}
	l, listed := c.core.Pods(namespace).List(ctx, metav1.ListOptions{Limit: 1000})
	if listed != nil {
		return err
	}
	var alike, others []string
	for i := range l.Items {
		if name := l.Items[i].Name; strings.HasPrefix(name, pod) {
			alike = append(alike, name)
		} else {
			others = append(others, name)
		}
	}
	names := append(alike, others...)
	if len(alike) > 0 {
		names = alike
	}
	switch n := len(names); {
	case n == 0:
		return fmt.Errorf("%w; namespace %s has no pods", err, namespace)
	case n > mostPods:
		return fmt.Errorf("%w; there are %s and %d more", err, strings.Join(names[:mostPods], ", "), n-mostPods)
	}
	return fmt.Errorf("%w; there are %s", err, strings.Join(names, ", "))
}

// PodNode is the node that a pod is on.
func (c *Cluster) PodNode(ctx context.Context, namespace, pod string) (string, error) {
	p, err := c.core.Pods(namespace).Get(ctx, pod, metav1.GetOptions{})
	if err != nil {
		return "", c.noPod(ctx, namespace, pod, explain("read pod "+namespace+"/"+pod, err))
	}
	if p.Spec.NodeName == "" {
		return "", fmt.Errorf("pod %s/%s is on no node yet: %s", namespace, pod, p.Status.Phase)
	}
	return p.Spec.NodeName, nil
}

// Usage is what a node's pods and daemons use together, as metrics-server last saw it.
type Usage struct {
	Cores float64 `json:"cores"`
	Bytes int64   `json:"memory_bytes"` // the working set
}

// Usage asks metrics-server about all nodes; nil where there is none.
func (c *Cluster) Usage(ctx context.Context) (map[string]Usage, error) {
	var list struct {
		Items []struct {
			Metadata metav1.ObjectMeta   `json:"metadata"`
			Usage    corev1.ResourceList `json:"usage"`
		} `json:"items"`
	}
	err := c.getJSON(ctx, "/apis/metrics.k8s.io/v1beta1/nodes", &list)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, explain("ask metrics-server", err)
	}
	all := map[string]Usage{}
	for _, i := range list.Items {
		all[i.Metadata.Name] = Usage{Cores: i.Usage.Cpu().AsApproximateFloat64(), Bytes: i.Usage.Memory().Value()}
	}
	return all, nil
}
