package kubetest

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// perSlice is how many endpoints a slice takes, as --max-endpoints-per-slice.
const perSlice = 100

// syncService keeps a Service's EndpointSlices: a pod stays in the slice in which it is, a new one takes free room.
func (s *Server) syncService(at key) {
	r := s.tables[services].get(at)
	if r == nil || len(r.obj.(*corev1.Service).Spec.Selector) == 0 {
		return
	}
	service := r.obj.(*corev1.Service)
	want := map[string]discoveryv1.Endpoint{}
	for _, p := range sortedPods(s.members[string(service.UID)]) {
		if p.Status.PodIP != "" && !finished(p) {
			e := endpoint(p, service.Spec.PublishNotReadyAddresses)
			if left := s.unseenFor(p); left > 0 && *e.Conditions.Ready {
				*e.Conditions.Ready = false
				s.work.after(left, runService, at)
			}
			want[p.Name] = e
		}
	}
	var open []key // slices with room
	for _, slice := range s.slicesOf(service) {
		kept := refresh(slice, want)
		s.change(endpointSlices, keyOf(slice), func(o Object) { o.(*discoveryv1.EndpointSlice).Endpoints = kept })
		if len(kept) < perSlice {
			open = append(open, keyOf(slice))
		}
	}
	s.place(service, open, want)
}

// unseenFor is how much longer the controllers take to notice that a pod has become ready.
func (s *Server) unseenFor(p *corev1.Pod) time.Duration {
	since := readySince(p)
	if since.Before(s.knobs.shownSince) {
		return 0
	}
	return s.knobs.shownAfter - time.Since(since)
}

// refresh returns the slice's endpoints as they are now, and takes them out of want.
func refresh(slice *discoveryv1.EndpointSlice, want map[string]discoveryv1.Endpoint) []discoveryv1.Endpoint {
	kept := []discoveryv1.Endpoint{}
	for _, e := range slice.Endpoints {
		if is, ok := want[e.TargetRef.Name]; ok {
			kept = append(kept, is)
			delete(want, e.TargetRef.Name)
		}
	}
	return kept
}

// place puts the endpoints that are in no slice yet into open ones, then into new ones. A Service has at least one slice.
func (s *Server) place(service *corev1.Service, open []key, want map[string]discoveryv1.Endpoint) {
	names := sortedKeys(want)
	for len(names) > 0 || len(open) == 0 && len(s.slicesOf(service)) == 0 {
		if len(open) == 0 {
			added, ok := s.newSlice(service)
			if !ok {
				return
			}
			open = append(open, added)
		}
		s.change(endpointSlices, open[0], func(o Object) {
			slice := o.(*discoveryv1.EndpointSlice)
			for len(names) > 0 && len(slice.Endpoints) < perSlice {
				slice.Endpoints = append(slice.Endpoints, want[names[0]])
				names = names[1:]
			}
		})
		open = open[1:]
	}
}

func (s *Server) slicesOf(service *corev1.Service) []*discoveryv1.EndpointSlice {
	var found []*discoveryv1.EndpointSlice
	for at, r := range s.owners[service.UID] {
		if at.kind == endpointSlices {
			found = append(found, r.obj.(*discoveryv1.EndpointSlice))
		}
	}
	slices.SortFunc(found, func(a, b *discoveryv1.EndpointSlice) int {
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
	return found
}

func (s *Server) newSlice(service *corev1.Service) (key, bool) {
	slice := &discoveryv1.EndpointSlice{AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{}}
	slice.GenerateName, slice.Namespace = service.Name+"-", service.Namespace
	slice.Labels = with(service.Labels, discoveryv1.LabelServiceName, service.Name)
	slice.Labels[discoveryv1.LabelManagedBy] = "endpointslice-controller.k8s.io"
	slice.OwnerReferences = []metav1.OwnerReference{controls(service, services)}
	for _, p := range service.Spec.Ports {
		target := p.TargetPort.IntVal
		if target == 0 {
			target = p.Port
		}
		slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: &p.Name, Port: &target, Protocol: &p.Protocol})
	}
	r, err := s.create(endpointSlices, slice, false)
	if err != nil {
		return key{}, false // its namespace is gone
	}
	return keyOf(r.obj), true
}

// endpoint follows the real controller: a pod that is ending may still serve, but isn't ready.
func endpoint(p *corev1.Pod, always bool) discoveryv1.Endpoint {
	serving, terminating := ready(p), p.DeletionTimestamp != nil
	usable := serving && !terminating || always
	node := p.Spec.NodeName
	return discoveryv1.Endpoint{
		Addresses: []string{p.Status.PodIP}, NodeName: &node,
		Conditions: discoveryv1.EndpointConditions{Ready: &usable, Serving: &serving, Terminating: &terminating},
		TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: p.Namespace, Name: p.Name, UID: p.UID},
	}
}
