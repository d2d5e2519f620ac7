package kubetest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	helpers "k8s.io/component-helpers/resource"
)

// retryRefused is when a controller tries again to make a pod that a quota refused; the real ones take longer each time.
const retryRefused = 5 * time.Second

// limitRange gives a new pod the defaults of its namespace, as the admission plugin LimitRanger does, and requests that its
// limits stand for, as the API's own defaults do.
func (s *Server) limitRange(p *corev1.Pod) {
	var ranges []corev1.LimitRangeItem
	for _, r := range s.tables[limitRanges].list(p.Namespace) {
		ranges = append(ranges, r.obj.(*corev1.LimitRange).Spec.Limits...)
	}
	for _, containers := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range containers {
			r := &containers[i].Resources
			r.Requests = completed(r.Requests, r.Limits)
			for _, item := range ranges {
				if item.Type == corev1.LimitTypeContainer {
					r.Requests, r.Limits = completed(r.Requests, item.DefaultRequest), completed(r.Limits, item.Default)
				}
			}
		}
	}
}

// completed is a list with what it lacks of another one.
func completed(list, more corev1.ResourceList) corev1.ResourceList {
	for name, q := range more {
		if _, has := list[name]; !has {
			list = maps.Clone(list)
			if list == nil {
				list = corev1.ResourceList{}
			}
			list[name] = q
		}
	}
	return list
}

// overQuota refuses a new pod as the admission plugin ResourceQuota does; quotas with scopes aren't looked at.
func (s *Server) overQuota(p *corev1.Pod) error {
	for _, r := range s.tables[quotas].list(p.Namespace) {
		q := r.obj.(*corev1.ResourceQuota)
		if len(q.Spec.Scopes) > 0 || q.Spec.ScopeSelector != nil {
			continue
		}
		if why := s.beyond(q, p); why != "" {
			return apierrors.NewForbidden(pods.gr(), cmp.Or(p.Name, p.GenerateName), errors.New(why))
		}
	}
	return nil
}

func (s *Server) beyond(q *corev1.ResourceQuota, p *corev1.Pod) string {
	var missing, requested, used, limited []string
	for _, name := range slices.Sorted(maps.Keys(q.Spec.Hard)) {
		asks, known := usage(p, name)
		if !known {
			continue
		}
		if asks == nil {
			missing = append(missing, string(name))
			continue
		}
		sum := resource.Quantity{Format: asks.Format}
		for _, other := range s.tables[pods].list(p.Namespace) {
			if o := other.obj.(*corev1.Pod); !finished(o) {
				if has, _ := usage(o, name); has != nil {
					sum.Add(*has)
				}
			}
		}
		after, hard := sum.DeepCopy(), q.Spec.Hard[name]
		after.Add(*asks)
		if after.Cmp(hard) > 0 {
			requested, used, limited = append(requested, fmt.Sprintf("%s=%s", name, asks)), append(used, fmt.Sprintf("%s=%s", name, &sum)), append(limited, fmt.Sprintf("%s=%s", name, &hard))
		}
	}
	switch {
	case len(missing) > 0:
		return fmt.Sprintf("failed quota: %s: must specify %s for: %s", q.Name, strings.Join(missing, ","), p.Spec.Containers[0].Name)
	case len(requested) > 0:
		return fmt.Sprintf("exceeded quota: %s, requested: %s, used: %s, limited: %s", q.Name, strings.Join(requested, ","), strings.Join(used, ","), strings.Join(limited, ","))
	}
	return ""
}

// usage is what a pod counts for in a quota; nil where a container of it doesn't say. Others than these aren't counted.
func usage(p *corev1.Pod, of corev1.ResourceName) (asks *resource.Quantity, known bool) {
	name := corev1.ResourceName(strings.TrimPrefix(string(of), "requests."))
	list := func(r corev1.ResourceRequirements) corev1.ResourceList { return r.Requests }
	sum := helpers.PodRequests
	switch of {
	case corev1.ResourcePods:
		return resource.NewQuantity(1, resource.DecimalSI), true
	case corev1.ResourceRequestsCPU, corev1.ResourceCPU, corev1.ResourceRequestsMemory, corev1.ResourceMemory:
	case corev1.ResourceLimitsCPU, corev1.ResourceLimitsMemory:
		name = corev1.ResourceName(strings.TrimPrefix(string(of), "limits."))
		list, sum = func(r corev1.ResourceRequirements) corev1.ResourceList { return r.Limits }, helpers.PodLimits
	default:
		return nil, false
	}
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		if _, says := list(c.Resources)[name]; !says {
			return nil, true
		}
	}
	q := sum(p, helpers.PodResourcesOptions{})[name]
	return &q, true
}
