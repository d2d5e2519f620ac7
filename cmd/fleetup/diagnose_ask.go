package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner/diagnose"
	"github.com/fleetup/fleetup/runner/remote"
)

// diagnosePerf samples what machines' cores do, all at once.
func (a *app) diagnosePerf(ctx context.Context, path string, nodes []string, o diagnoseFlags) error {
	f, hosts, err := a.loadSome(path, nodes)
	if err != nil {
		return err
	}
	return a.answersOf(ctx, f, hosts, diagnose.PerfScript(o.perf, o.pid))
}

// answersOf runs a script as root on hosts and shows what each said; the same answers together.
func (a *app) answersOf(ctx context.Context, f *inventory.Fleet, hosts []inventory.Host, script string) error {
	ctx, release := a.interruptible(ctx)
	defer release()
	n := a.network(f)
	defer n.Close()
	answers := make([]answer, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() {
			m := n.Host(a.login(h), remote.Fence{})
			defer m.Close() //nolint:errcheck // nothing to lose
			out, err := m.Run(ctx, script)
			answers[i] = answered(h.Name, out, err)
		})
	}
	wg.Wait()
	return a.showAnswers(answers)
}

// answered is what a script came to on a host.
func answered(host, out string, err error) answer {
	r := answer{Host: host, Stdout: out}
	var failed *remote.ExitError
	switch {
	case errors.As(err, &failed):
		r.Exit, r.Stderr = failed.Status, failed.Stderr
	case err != nil:
		r.Exit, r.Error = -1, err.Error()
	}
	return r
}

// diagnosePod runs a command in a pod, on the node that is named or, where none is, on the one that the API names.
func (a *app) diagnosePod(ctx context.Context, path string, nodes []string, o diagnoseFlags, command []string) error {
	namespace, pod, _ := strings.Cut(o.pod, "/")
	f, hosts, err := a.loadSome(path, nodes)
	if err != nil {
		return err
	}
	if len(nodes) == 0 {
		var node string
		if err := a.askAPI(ctx, f, func(ctx context.Context, k *kube.Cluster) error {
			node, err = k.PodNode(ctx, namespace, pod)
			return err
		}); err != nil {
			return err
		}
		hosts = hostOfNode(f, node)
		if len(hosts) == 0 {
			return exitWith(exitFailed, fmt.Errorf("pod %s is on %s, which the inventory doesn't have", o.pod, node))
		}
	}
	return a.answersOf(ctx, f, hosts, diagnose.ExecScript(namespace, pod, o.container, command))
}

func hostOfNode(f *inventory.Fleet, node string) []inventory.Host {
	for _, h := range f.Hosts {
		if h.Node == node {
			return []inventory.Host{h}
		}
	}
	return nil
}

// askAPI opens the cluster for a few questions; there are no watches.
func (a *app) askAPI(ctx context.Context, f *inventory.Fleet, ask func(context.Context, *kube.Cluster) error) error {
	ctx, cancel := context.WithTimeout(ctx, apiTime)
	defer cancel()
	k, err := a.reachCluster(f, account{})
	if err != nil {
		return err
	}
	defer k.Close()
	if err = k.Answers(ctx); err == nil {
		err = ask(ctx, k)
	}
	if err != nil {
		return exitWith(exitFailed, shortURL(err))
	}
	return nil
}

// Lines of a pod's log that are read, and its last that are shown.
const (
	logLines  = 10000
	lastLines = 20
)

// diagnoseLogs shows what a pod's container logs: by what its lines say, then the last of them.
func (a *app) diagnoseLogs(ctx context.Context, path string, o diagnoseFlags) error {
	f, _, err := a.load(path, needs{})
	if err != nil {
		return err
	}
	namespace, pod, _ := strings.Cut(o.logs, "/")
	want := kube.LogOptions{Container: o.container, Previous: o.previous, Lines: logLines}
	if o.since > 0 {
		want.Since = time.Now().Add(-o.since)
	}
	var text string
	if err := a.askAPI(ctx, f, func(ctx context.Context, k *kube.Cluster) error {
		text, err = k.PodLog(ctx, namespace, pod, want)
		return err
	}); err != nil {
		return err
	}
	shapes := diagnose.GroupPodLog(o.logs, text)
	if a.json() {
		return json.NewEncoder(a.out).Encode(map[string]any{"version": 1, "pod": o.logs, "shapes": nonNil(shapes)})
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if text == "" {
		fmt.Fprintln(a.out, "it logged nothing")
		return nil
	}
	s := a.screen(1)
	s.line("", fmt.Sprintf("%s, of %s", plural(len(lines), "line"), plural(len(shapes), "shape")))
	for _, v := range shapes[:min(len(shapes), lastLines)] {
		s.line("  ", fmt.Sprintf("%d× %s%s", v.Count, clip(v.Example, 160), between(v)))
	}
	fmt.Fprintln(a.out, "the last")
	for _, line := range lines[max(len(lines)-lastLines, 0):] {
		s.line("  ", line)
	}
	return nil
}
