package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner/diagnose"
	"github.com/fleetup/fleetup/runner/finding"
	"github.com/fleetup/fleetup/runner/gate"
)

// listenTo asks the cluster's API, where the inventory names one: whole with what belongs to no host of it. An API that doesn't
// answer is a finding.
func (a *app) listenTo(ctx context.Context, f *inventory.Fleet, hosts []inventory.Host, whole bool, limits diagnose.Thresholds) diagnosis {
	if f.Require(false, true) != nil {
		return diagnosis{gaps: []string{"the cluster's API, which the inventory doesn't name ([cluster])"}}
	}
	var heard kube.Heard
	var usage map[string]kube.Usage
	var away error
	todo := "see whether the control plane is up, and whether the kubeconfig that [cluster] names is the right one"
	err := a.askAPI(ctx, f, func(ctx context.Context, k *kube.Cluster) (err error) {
		todo = "see what this user may list (nodes, pods, events)"
		if heard, err = k.Listen(ctx); err == nil {
			usage, away = k.Usage(ctx)
		}
		return err
	})
	if err != nil {
		return diagnosis{more: []finding.Finding{{Severity: finding.Critical, Rule: "api", Object: "the cluster's API", Evidence: oneLine(err),
			Meaning: "nothing is known of nodes, pods and events", Action: todo}}}
	}
	var names []string
	for _, h := range hosts {
		names = append(names, h.Node)
	}
	cluster := diagnose.Cluster{Nodes: heard.Nodes, Pods: heard.Pods, Events: heard.Events, Held: holders(heard.Nodes, f.Hosts)}
	d := diagnosis{heard: heard, usage: usage, more: diagnose.JudgeCluster(cluster, names, whole, limits, time.Now())}
	if away != nil {
		d.gaps = append(d.gaps, "metrics-server ("+oneLine(shortURL(away))+")")
	}
	return d
}

// apiTime bounds what the API is asked.
const apiTime = 30 * time.Second

// seen adds what metrics-server saw of a node, which of one that can't be asked is the last that is known.
func (d *diagnosed) seen(usage map[string]kube.Usage) {
	u, known := usage[d.Node]
	if !known {
		return
	}
	d.Usage = &u
	if d.Error != "" && len(d.Findings) > 0 {
		d.Findings[0].Evidence += fmt.Sprintf("; metrics-server saw %.1f cores and %.1f GiB in use", u.Cores, float64(u.Bytes)/(1<<30))
	}
}

// pastDay asks the inventory's Prometheus, where it names one, what it knows of the past day.
func (a *app) pastDay(ctx context.Context, f *inventory.Fleet, hosts []inventory.Host) (map[string]*diagnose.Day, error) {
	if f.Prometheus.URL == "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, apiTime)
	defer cancel()
	world := gate.World{Prometheus: a.prometheus(f.Prometheus), Dial: a.dial}
	names, other := map[string][]string{}, metricNames(hosts)
	for _, h := range hosts {
		names[h.Node] = other(h.Node)
	}
	return diagnose.PastDay(ctx, func(ctx context.Context, query string) ([]diagnose.Sample, error) {
		samples, err := world.Samples(ctx, query)
		all := make([]diagnose.Sample, len(samples))
		for i, s := range samples {
			all[i] = diagnose.Sample(s)
		}
		return all, err
	}, names)
}
