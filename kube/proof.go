package kube

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Proof counts the ready endpoints of every Service with a selector that had one when the watches started, event by
// event, and keeps the least that each had.
type Proof struct {
	c *Cluster

	mu       sync.Mutex
	begun    bool
	services map[string]*ServiceLeast
	lows     map[string]int  // by Service: the least since Lows was asked
	gone     map[string]bool // deleted since: its last numbers stay
	down     map[string]bool
	draining map[string]bool
	beats    map[string]heartbeat // by node that is down: its kubelet's last one before that
}

// ServiceLeast is what one Service had: at the start, at the least, since when, and what node was being worked on then.
type ServiceLeast struct {
	Namespace, Name string
	Start, Min      int
	At              time.Time // when Min was reached first; the start where it never fell
	Node            string    // the nodes draining or down at that time; "" where none was
	Accepted        bool      // its last endpoint was taken because somebody had accepted that
}

func newProof(c *Cluster) *Proof {
	return &Proof{c: c, services: map[string]*ServiceLeast{}, lows: map[string]int{}, gone: map[string]bool{}, down: map[string]bool{}, draining: map[string]bool{},
		beats: map[string]heartbeat{}}
}

// Proof is the cluster's one; it begins with Start.
func (c *Cluster) Proof() *Proof { return c.proof }

// Down says that from a kubelet's stop to its Ready the endpoints on a node count as not ready, whatever the API says: it
// takes the API 40 seconds to notice.
func (p *Proof) Down(node string, down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down[node] == down {
		return
	}
	mark(p.down, node, down)
	if n, ok := p.c.nodes.get(node); ok && down {
		p.beats[node] = heartbeatOf(n)
	}
	for service := range p.services {
		p.count(service)
	}
}

// lastBeat is the heartbeat that the API had of the node when it went down.
func (p *Proof) lastBeat(node string) (heartbeat, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	beat, ok := p.beats[node]
	return beat, ok && p.down[node]
}

// Draining says which nodes are being worked on, to name them beside what a Service lost meanwhile.
func (p *Proof) Draining(node string, on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	mark(p.draining, node, on)
}

func mark(set map[string]bool, node string, on bool) {
	if on {
		set[node] = true
	} else {
		delete(set, node)
	}
}

// Least lists all Services followed, by name.
func (p *Proof) Least() []ServiceLeast {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]ServiceLeast, 0, len(p.services))
	for _, key := range slices.Sorted(maps.Keys(p.services)) {
		list = append(list, *p.services[key])
	}
	return list
}

// begin takes the numbers of the start.
func (p *Proof) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun = true
	now := time.Now()
	for _, s := range p.c.services.all() {
		n := len(p.ready(keyOf(s)))
		if len(s.Spec.Selector) > 0 && s.Spec.Type != corev1.ServiceTypeExternalName && n > 0 {
			p.services[keyOf(s)] = &ServiceLeast{Namespace: s.Namespace, Name: s.Name, Start: n, Min: n, At: now}
		}
	}
}

// count takes in a change of a Service's endpoints. The caller holds mu.
func (p *Proof) count(service string) {
	least := p.services[service]
	if least == nil || p.gone[service] || len(p.c.slices.of(service)) == 0 {
		return // a Service that lives has a slice, if an empty one; without, it is on its way out
	}
	n := len(p.ready(service))
	if low, is := p.lows[service]; !is || n < low {
		p.lows[service] = n
	}
	if n < least.Min {
		least.Min, least.At, least.Node = n, time.Now(), p.workedOn()
	}
}

// Lows returns the least ready endpoints that each Service followed had since Lows was called before, by "namespace/name":
// a dip between two calls is in the second's answer.
func (p *Proof) Lows() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	lows := make(map[string]int, len(p.services))
	for key := range p.services {
		now := len(p.ready(key))
		lows[key] = now
		if low, is := p.lows[key]; is {
			lows[key] = min(low, now)
		}
	}
	clear(p.lows)
	return lows
}

func (p *Proof) workedOn() string {
	nodes := maps.Clone(p.draining)
	maps.Copy(nodes, p.down)
	return strings.Join(slices.Sorted(maps.Keys(nodes)), ",")
}

// ready are a Service's ready endpoints: pods, or addresses where no pod is behind; a dual-stack Service has each twice.
func (p *Proof) ready(service string) map[string]bool {
	found := map[string]bool{}
	for _, slice := range p.c.slices.of(service) {
		for _, e := range slice.Endpoints {
			if (e.Conditions.Ready == nil || *e.Conditions.Ready) && !p.down[nodeOf(e)] {
				found[endpointName(e)] = true
			}
		}
	}
	return found
}

// readyPods are the ready endpoints of any Service: each pod's UID with its "namespace/name", addresses without a pod with "".
func (p *Proof) readyPods(service string) map[types.UID]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := map[types.UID]string{}
	for _, slice := range p.c.slices.of(service) {
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready != nil && !*e.Conditions.Ready || p.down[nodeOf(e)] {
				continue
			}
			key := ""
			if e.TargetRef != nil && e.TargetRef.UID != "" {
				key = slice.Namespace + "/" + e.TargetRef.Name
			}
			found[types.UID(endpointName(e))] = key
		}
	}
	return found
}

// accept notes that a Service lost its last endpoint with somebody's consent.
func (p *Proof) accept(service string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if least := p.services[service]; least != nil {
		least.Accepted = true
	}
}

func nodeOf(e discoveryv1.Endpoint) string {
	if e.NodeName == nil {
		return ""
	}
	return *e.NodeName
}

func endpointName(e discoveryv1.Endpoint) string {
	if e.TargetRef != nil && e.TargetRef.UID != "" {
		return string(e.TargetRef.UID)
	}
	return strings.Join(e.Addresses, ",")
}

func (p *Proof) sliceChanged(before, now *discoveryv1.EndpointSlice) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.begun {
		return
	}
	for _, s := range []*discoveryv1.EndpointSlice{before, now} {
		if s != nil {
			p.count(serviceOf(s))
		}
	}
}

// slicesReplaced counts after a relist as a whole: halfway through, nothing would be true.
func (p *Proof) slicesReplaced(map[string]*discoveryv1.EndpointSlice) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for service := range p.services {
		p.count(service)
	}
}

func (p *Proof) serviceChanged(before, now *corev1.Service) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now == nil && before != nil {
		p.gone[keyOf(before)] = true
	}
}

// notWhole names the Services that have fewer ready endpoints than at the start and others that aren't ready yet. One
// that was scaled down has none of the latter.
func (p *Proof) notWhole() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	for key, least := range p.services {
		if n := len(p.ready(key)); n < least.Start && !p.gone[key] && p.coming(key) {
			list = append(list, fmt.Sprintf("Service %s has %d ready endpoints and had %d", key, n, least.Start))
		}
	}
	slices.SortFunc(list, cmp.Compare[string])
	return list
}

// coming says that a Service has an endpoint that isn't ready and isn't ending.
func (p *Proof) coming(service string) bool {
	for _, slice := range p.c.slices.of(service) {
		for _, e := range slice.Endpoints {
			ready := e.Conditions.Ready == nil || *e.Conditions.Ready
			ending := e.Conditions.Terminating != nil && *e.Conditions.Terminating
			if !ready && !ending {
				return true
			}
		}
	}
	return false
}

// serviceOf is the Service, "namespace/name", that a slice belongs to.
func serviceOf(s *discoveryv1.EndpointSlice) string {
	return s.Namespace + "/" + s.Labels[discoveryv1.LabelServiceName]
}

// lbSettle is how long load balancers are given to take their traffic off a node.
const lbSettle = 15 * time.Second

// LBSettle is 15 seconds where a Service of type LoadBalancer has an endpoint on the node, else 0.
func (c *Cluster) LBSettle(node string) time.Duration {
	for _, s := range c.services.all() {
		if s.Spec.Type != corev1.ServiceTypeLoadBalancer {
			continue
		}
		for _, slice := range c.slices.of(keyOf(s)) {
			if slices.ContainsFunc(slice.Endpoints, func(e discoveryv1.Endpoint) bool { return nodeOf(e) == node }) {
				return lbSettle
			}
		}
	}
	return 0
}
