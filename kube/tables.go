package kube

import (
	"context"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// tables is all that the run watches.
type tables struct {
	nodes       *table[*corev1.Node]
	pods        *table[*corev1.Pod] // grouped by onNode, inNamespace, ofHand, probeGroup and inTrouble
	budgets     *table[*policyv1.PodDisruptionBudget]
	services    *table[*corev1.Service]
	slices      *table[*discoveryv1.EndpointSlice] // grouped by Service, "namespace/name"
	attachments *table[*storagev1.VolumeAttachment]
	volumes     *table[*corev1.PersistentVolume]
	daemonSets  *table[*appsv1.DaemonSet]
	deployments *table[*appsv1.Deployment]
}

func newTables() tables {
	return tables{
		nodes: newTable(trimNode, nil),
		pods: newTable(trimPod, func(p *corev1.Pod) []string {
			groups := append(handsOf(p), onNode(p.Spec.NodeName), inNamespace(p.Namespace))
			if _, ok := p.Labels[LabelProbe]; ok {
				groups = append(groups, probeGroup)
			}
			if what, _ := troubleOf(p); what != "" {
				groups = append(groups, inTrouble)
			}
			return groups
		}),
		budgets:     newTable(trimBudget, nil),
		services:    newTable(trimService, nil),
		slices:      newTable(trimSlice, func(s *discoveryv1.EndpointSlice) []string { return []string{serviceOf(s)} }),
		attachments: newTable(trimAttachment, func(a *storagev1.VolumeAttachment) []string { return []string{a.Spec.NodeName} }),
		volumes:     newTable(trimVolume, func(v *corev1.PersistentVolume) []string { return []string{claimOf(v)} }),
		daemonSets:  newTable(trimDaemonSet, nil),
		deployments: newTable(trimDeployment, nil),
	}
}

// onNode and inNamespace are the groups of pods; onNode("") holds those that have no node yet.
func onNode(name string) string      { return "node " + name }
func inNamespace(name string) string { return "namespace " + name }

// watchOf is one kind as Start needs it.
type watchOf struct {
	group, resource string
	run             func(ctx context.Context, name string)
	synced          <-chan struct{}
}

func (w watchOf) name() string {
	if w.group == "" {
		return w.resource
	}
	return w.resource + "." + w.group
}

func (c *Cluster) watches() []watchOf {
	everywhere := metav1.NamespaceAll
	return []watchOf{
		{"", "nodes", func(ctx context.Context, n string) {
			follow(ctx, n, c.core.Nodes(), &corev1.Node{}, c.nodes, &c.trouble)
		}, c.nodes.synced},
		{"", "pods", func(ctx context.Context, n string) {
			follow(ctx, n, c.core.Pods(everywhere), &corev1.Pod{}, c.pods, &c.trouble)
		}, c.pods.synced},
		{"policy", "poddisruptionbudgets", func(ctx context.Context, n string) {
			follow(ctx, n, c.policy.PodDisruptionBudgets(everywhere), &policyv1.PodDisruptionBudget{}, c.budgets, &c.trouble)
		}, c.budgets.synced},
		{"", "services", func(ctx context.Context, n string) {
			follow(ctx, n, c.core.Services(everywhere), &corev1.Service{}, c.services, &c.trouble)
		}, c.services.synced},
		{"discovery.k8s.io", "endpointslices", func(ctx context.Context, n string) {
			follow(ctx, n, c.discovery.EndpointSlices(everywhere), &discoveryv1.EndpointSlice{}, c.slices, &c.trouble)
		}, c.slices.synced},
		{"storage.k8s.io", "volumeattachments", func(ctx context.Context, n string) {
			follow(ctx, n, c.storage.VolumeAttachments(), &storagev1.VolumeAttachment{}, c.attachments, &c.trouble)
		}, c.attachments.synced},
		{"", "persistentvolumes", func(ctx context.Context, n string) {
			follow(ctx, n, c.core.PersistentVolumes(), &corev1.PersistentVolume{}, c.volumes, &c.trouble)
		}, c.volumes.synced},
		{"apps", "daemonsets", func(ctx context.Context, n string) {
			follow(ctx, n, c.apps.DaemonSets(everywhere), &appsv1.DaemonSet{}, c.daemonSets, &c.trouble)
		}, c.daemonSets.synced},
		{"apps", "deployments", func(ctx context.Context, n string) {
			follow(ctx, n, c.apps.Deployments(everywhere), &appsv1.Deployment{}, c.deployments, &c.trouble)
		}, c.deployments.synced},
	}
}

// startTimeout is how long Start lets an API server keep silent.
const startTimeout = 30 * time.Second

// Start begins the watches, one a kind for the whole run, and returns once each has its first list. They end with ctx;
// Wait waits for that. A missing right is an error at once that names the rule to add; an API server that can't be
// reached is one after 30 seconds, or after 2 where the network says that none is there. Call it once.
func (c *Cluster) Start(ctx context.Context) error {
	watches := c.watches()
	ctx, c.stop = context.WithCancel(ctx)
	for _, w := range watches {
		c.owned.Go(func() { w.run(ctx, w.name()) })
	}
	c.owned.Go(func() { c.told.run(ctx, c.core) })
	caller, limit := c.newCaller(), time.NewTimer(startTimeout)
	defer limit.Stop()
	for _, w := range watches {
		if err := c.awaitSync(ctx, w, caller, limit.C); err != nil {
			c.stop()
			return err
		}
	}
	c.proof.begin()
	c.started = c.ServerTime().Truncate(time.Second) // as the API tells times
	return nil
}

func (c *Cluster) awaitSync(ctx context.Context, w watchOf, caller *caller, limit <-chan time.Time) error {
	look := time.NewTicker(50 * time.Millisecond) // a Reflector tells of no failed list; our own functions note them
	defer look.Stop()
	for {
		select {
		case <-w.synced:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("cluster: list %s: %w", w.name(), ctx.Err())
		case <-limit:
			if err := c.trouble.of(w.name()); err != nil {
				return fmt.Errorf("cluster: list %s from %s: no answer in %s: %w", w.name(), c.address, startTimeout, err)
			}
			return fmt.Errorf("cluster: list %s: %s takes connections and gave no answer in %s: is it an API server, and is its etcd well?", w.name(), c.address, startTimeout)
		case <-look.C:
			err := c.trouble.of(w.name())
			if apierrors.IsForbidden(err) {
				return c.refused(ctx, w, err)
			}
			if apierrors.IsUnauthorized(err) {
				return fmt.Errorf("cluster: list %s: the credentials were refused: %w", w.name(), err)
			}
			if err := caller.unreachable(ctx, err); err != nil {
				return err
			}
		}
	}
}

// refused names every right that is missing, where the API server tells them, not the first one alone.
func (c *Cluster) refused(ctx context.Context, w watchOf, err error) error {
	missing, asked := c.Missing(ctx, c.extra...)
	if asked != nil || len(missing) == 0 {
		missing = []string{Rule{Group: w.group, Resource: w.resource, Verbs: []string{"list", "watch"}}.missing()}
	}
	return fmt.Errorf("cluster: list and watch %s: %w\nthis user %s", w.name(), err, strings.Join(missing, "\nthis user "))
}

// Wait waits until the watches have ended, which they do when Start's ctx is done, or has returned an error.
func (c *Cluster) Wait() { c.owned.Wait() }
