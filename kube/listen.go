package kube

import (
	"context"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Heard is what the API says of nodes and of what runs there, at one moment.
type Heard struct {
	Nodes  []corev1.Node
	Pods   []corev1.Pod
	Events []corev1.Event // as long as the API server keeps them: an hour, unless --event-ttl says otherwise
}

// ListenRules are the rights that Listen takes.
func ListenRules() []Rule {
	list := []string{"list"}
	return []Rule{
		{Resource: "nodes", Verbs: list, Why: "diagnose"}, {Resource: "pods", Verbs: list, Why: "diagnose"}, {Resource: "events", Verbs: list, Why: "diagnose"},
	}
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

// pages asks for one page of a list after the other.
func pages(ask func(metav1.ListOptions) (next string, err error)) error {
	for next := ""; ; {
		var err error
		if next, err = ask(metav1.ListOptions{Limit: 1000, Continue: next}); err != nil || next == "" {
			return err
		}
	}
}
