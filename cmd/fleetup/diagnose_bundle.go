package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner/bundle"
	"github.com/fleetup/fleetup/runner/diagnose"
	"github.com/fleetup/fleetup/runner/finding"
	"github.com/fleetup/fleetup/runner/remote"
)

// bundle puts all that was found, and all raw outputs, into a file. A machine that can't tell is a note in it.
func (a *app) bundle(ctx context.Context, n *remote.Net, f *inventory.Fleet, hosts []inventory.Host, d diagnosis, path string) error {
	w, err := bundle.Create(path, fmt.Sprintf("fleetup-%s-%s", f.Name, time.Now().UTC().Format("20060102-150405")))
	if err != nil {
		return exitWith(exitFailed, err)
	}
	defer w.Discard()
	if err := addKnown(w, d); err != nil {
		return exitWith(exitFailed, err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".bundle-") // raw outputs lie beside the file, not in a folder that all share
	if err != nil {
		return exitWith(exitFailed, fmt.Errorf("bundle: %w", err))
	}
	defer os.RemoveAll(dir) //nolint:errcheck // empty by then
	var all sync.WaitGroup
	errs := make([]error, len(hosts))
	for i, h := range hosts {
		if d.nodes[i].Error != "" {
			errs[i] = w.Add("nodes/"+h.Node+"/not-asked.txt", d.nodes[i].Error+"\n")
			continue
		}
		all.Go(func() {
			add := func(name, text string) error { return w.Add("nodes/"+h.Node+"/"+name, text) }
			if err := bundle.Collect(ctx, n.Host(a.login(h), remote.Fence{}), dir, add); err != nil {
				fmt.Fprintf(a.err, "note: %s: %s\n", h.Node, brief(h.Name, oneLine(err)))
				errs[i] = add("not-asked.txt", err.Error()+"\n")
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return exitWith(exitFailed, err)
		}
	}
	if ctx.Err() != nil {
		return silent(exitInterrupted)
	}
	if err := w.Commit(); err != nil {
		return exitWith(exitFailed, err)
	}
	fmt.Fprintf(a.err, "%s: raw outputs of %s, without secrets as far as they can be told; look through it before it leaves the house\n", path, plural(len(hosts), "machine"))
	return nil
}

// addKnown adds what is known already: findings, numbers, what the cluster said.
func addKnown(w *bundle.Writer, d diagnosis) error {
	list := d.findings()
	finding.Sort(list)
	for _, file := range []struct {
		name string
		what any
	}{
		{"findings.json", nonNil(list)}, {"numbers.json", d.nodes},
		{"cluster/nodes.json", d.heard.Nodes}, {"cluster/pods.json", bare(d.heard.Pods)}, {"cluster/events.json", d.heard.Events},
	} {
		text, err := json.MarshalIndent(file.what, "", " ")
		if err == nil {
			err = w.Add(file.name, string(text)+"\n")
		}
		if err != nil {
			return err
		}
	}
	for _, n := range d.nodes {
		if n.raw == "" {
			continue
		}
		if err := w.Add("nodes/"+n.Node+"/look.txt", n.raw); err != nil {
			return err
		}
	}
	return w.Add("thresholds.toml", diagnose.DefaultThresholds)
}

// bare are pods without the values of their environment and the words of their commands, whatever those are called.
func bare(pods []corev1.Pod) []corev1.Pod {
	out := make([]corev1.Pod, len(pods))
	for i := range pods {
		p := pods[i].DeepCopy()
		p.ManagedFields = nil
		delete(p.Annotations, corev1.LastAppliedConfigAnnotation)
		for _, list := range [][]corev1.Container{p.Spec.Containers, p.Spec.InitContainers} {
			for k := range list {
				strip(list[k].Command, list[k].Args, list[k].Env)
			}
		}
		for k := range p.Spec.EphemeralContainers {
			c := &p.Spec.EphemeralContainers[k].EphemeralContainerCommon
			strip(c.Command, c.Args, c.Env)
		}
		out[i] = *p
	}
	return out
}

// strip takes out what may hold a secret of a container; the program that it runs stays.
func strip(command, args []string, env []corev1.EnvVar) {
	const redacted = "<redacted>"
	for i := range command {
		if i > 0 {
			command[i] = redacted
		}
	}
	for i := range args {
		args[i] = redacted
	}
	for i := range env {
		if env[i].Value != "" {
			env[i].Value = redacted
		}
	}
}
