package kubetest

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// setDefaults fills in what the API server and its admission do, as far as a node upgrade depends on it.
func (s *Server) setDefaults(obj Object) {
	switch o := obj.(type) {
	case *corev1.Pod:
		defaultPod(o)
	case *corev1.Service:
		if o.Spec.Type == "" {
			o.Spec.Type = corev1.ServiceTypeClusterIP
		}
	case *corev1.Namespace:
		o.Status.Phase = corev1.NamespaceActive
	case *appsv1.Deployment:
		defaultDeployment(o)
	case *appsv1.ReplicaSet:
		set(&o.Spec.Replicas, 1)
	case *appsv1.StatefulSet:
		set(&o.Spec.Replicas, 1)
		if o.Spec.PodManagementPolicy == "" {
			o.Spec.PodManagementPolicy = appsv1.OrderedReadyPodManagement
		}
	}
}

// set gives an optional field its default.
func set[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func defaultDeployment(d *appsv1.Deployment) {
	set(&d.Spec.Replicas, 1)
	if d.Spec.Strategy.Type == "" {
		d.Spec.Strategy.Type = appsv1.RollingUpdateDeploymentStrategyType
	}
	if d.Spec.Strategy.Type == appsv1.RollingUpdateDeploymentStrategyType {
		set(&d.Spec.Strategy.RollingUpdate, appsv1.RollingUpdateDeployment{})
		set(&d.Spec.Strategy.RollingUpdate.MaxSurge, intstr.FromString("25%"))
		set(&d.Spec.Strategy.RollingUpdate.MaxUnavailable, intstr.FromString("25%"))
	}
}

// defaultPod also does what the admission plugins DefaultTolerationSeconds and Priority do.
func defaultPod(p *corev1.Pod) {
	if p.Status.Phase == "" {
		p.Status.Phase = corev1.PodPending
	}
	if p.Spec.RestartPolicy == "" {
		p.Spec.RestartPolicy = corev1.RestartPolicyAlways
	}
	if p.Spec.SchedulerName == "" {
		p.Spec.SchedulerName = corev1.DefaultSchedulerName
	}
	set(&p.Spec.TerminationGracePeriodSeconds, 30)
	for _, taint := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		if !tolerates(p.Spec.Tolerations, corev1.Taint{Key: taint, Effect: corev1.TaintEffectNoExecute}) {
			seconds := int64(300)
			p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{
				Key: taint, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &seconds,
			})
		}
	}
	switch p.Spec.PriorityClassName {
	case "system-node-critical":
		set(&p.Spec.Priority, 2000001000)
	case "system-cluster-critical":
		set(&p.Spec.Priority, 2000000000)
	default:
		set(&p.Spec.Priority, 0)
	}
}
