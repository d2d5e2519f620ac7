package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner/bundle"
	"github.com/fleetup/fleetup/runner/diagnose"
	"github.com/fleetup/fleetup/runner/finding"
	"github.com/fleetup/fleetup/runner/remote"
)

// bundled is a bundle in the making: what machines print goes into it as it comes, and is held nowhere else.
type bundled struct {
	app  *app
	path string
	w    *bundle.Writer
	own  string // a file with thresholds of one's own; ""
}

// newBundle begins one. discard ends it, unless collect has put it in its place.
func (a *app) newBundle(f *inventory.Fleet, path, own string) (*bundled, error) {
	w, err := bundle.Create(path, fmt.Sprintf("fleetup-%s-%s", f.Name, time.Now().UTC().Format("20060102-150405")))
	if err != nil {
		return nil, exitWith(exitFailed, err)
	}
	return &bundled{a, path, w, own}, nil
}

func (b *bundled) discard() { b.w.Discard() }

// look keeps what a machine printed when it was looked into.
func (b *bundled) look(node, printed string) {
	_ = b.w.Add("nodes/"+node+"/look.txt", printed) // Commit tells
}

// collectedAtOnce is how many machines' raw outputs are fetched at a time: a part of each is held while it is looked through.
const collectedAtOnce = 16

// collect adds what was found, and machines' raw outputs, and puts the bundle in its place. A machine that can't tell is a note in it.
func (b *bundled) collect(ctx context.Context, n *remote.Net, hosts []inventory.Host, d diagnosis) error {
	if err := addKnown(b.w, d, b.own); err != nil {
		return exitWith(exitFailed, err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(b.path), ".bundle-") // raw outputs lie beside the file, not in a folder that all share
	if err != nil {
		return exitWith(exitFailed, fmt.Errorf("bundle: %w", err))
	}
	defer os.RemoveAll(dir) //nolint:errcheck // empty by then
	eachOf(hosts, collectedAtOnce, func(i int, h inventory.Host) {
		add := func(name, text string) error { return b.w.Add("nodes/"+h.Node+"/"+name, text) }
		why := d.nodes[i].Error
		if why == "" {
			if err := bundle.Collect(ctx, n.Host(b.app.login(h), remote.Fence{}), dir, add); err != nil {
				why = err.Error()
				fmt.Fprintf(paper(b.app.err), "note: %s: %s\n", h.Node, brief(h.Name, oneLine(err)))
			}
		}
		if why != "" {
			_ = add("not-asked.txt", why+"\n") // Commit tells
		}
	})
	if ctx.Err() != nil {
		return silent(exitInterrupted)
	}
	if err := b.w.Commit(); err != nil {
		return exitWith(exitFailed, err)
	}
	fmt.Fprintf(paper(b.app.err), "%s: raw outputs of %s, without secrets as far as they can be told; look through it before it leaves the house\n", b.path, plural(len(hosts), "machine"))
	return nil
}

// addKnown adds what is known already: findings, numbers, what the cluster said, and the thresholds, with one's own if there are some.
func addKnown(w *bundle.Writer, d diagnosis, own string) error {
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
	if own != "" {
		text, err := os.ReadFile(own)
		if err == nil {
			err = w.Add("thresholds-own.toml", string(text))
		}
		if err != nil {
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
