package kube

import (
	"maps"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A cluster of 5,000 nodes has 150,000 pods of 5 to 20 kB each. What no decision here reads is dropped on arrival.

const ours = "fleetup.io/"

func trimMeta(o metav1.Object, keep func(annotation string) bool) {
	o.SetManagedFields(nil)
	kept := o.GetAnnotations()
	maps.DeleteFunc(kept, func(key, _ string) bool { return !keep(key) })
	if len(kept) == 0 {
		kept = nil
	}
	o.SetAnnotations(kept)
}

func nothing(string) bool { return false }

func trimNode(n *corev1.Node) {
	trimMeta(n, func(key string) bool {
		return strings.HasPrefix(key, ours) || key == annotationMachine || key == annotationMachines
	})
	n.Status.Images, n.Status.VolumesInUse, n.Status.Config = nil, nil, nil
}

func trimPod(p *corev1.Pod) {
	managed := p.ManagedFields
	trimMeta(p, func(key string) bool { return key == corev1.MirrorPodAnnotationKey })
	if len(p.Finalizers) > 0 {
		p.ManagedFields = managed // says who put the finalizer there
	}
	s := &p.Spec
	p.Spec = corev1.PodSpec{
		NodeName: s.NodeName, Volumes: trimVolumes(s.Volumes), Containers: trimContainers(s.Containers), Tolerations: s.Tolerations,
		InitContainers: trimInit(s.InitContainers), Overhead: s.Overhead,
		TerminationGracePeriodSeconds: s.TerminationGracePeriodSeconds, PriorityClassName: s.PriorityClassName, ActiveDeadlineSeconds: s.ActiveDeadlineSeconds,
		// Where it could run instead:
		NodeSelector: s.NodeSelector, Affinity: s.Affinity, TopologySpreadConstraints: s.TopologySpreadConstraints, Resources: s.Resources,
		Priority: s.Priority, PreemptionPolicy: s.PreemptionPolicy, SchedulingGates: s.SchedulingGates,
	}
	t := &p.Status
	p.Status = corev1.PodStatus{Phase: t.Phase, Reason: t.Reason, Message: t.Message, Conditions: t.Conditions, StartTime: t.StartTime, QOSClass: t.QOSClass,
		ContainerStatuses: trimStatuses(t.ContainerStatuses), InitContainerStatuses: trimStatuses(t.InitContainerStatuses)}
}

func trimContainers(list []corev1.Container) []corev1.Container {
	out := make([]corev1.Container, len(list))
	for i, c := range list {
		out[i] = corev1.Container{Name: c.Name, Image: c.Image}
		out[i].Resources.Requests = c.Resources.Requests
		for _, port := range c.Ports {
			if port.HostPort > 0 {
				out[i].Ports = append(out[i].Ports, port)
			}
		}
	}
	return out
}

// trimInit keeps what init containers ask for.
func trimInit(list []corev1.Container) []corev1.Container {
	var out []corev1.Container
	for _, c := range list {
		if len(c.Resources.Requests) > 0 {
			kept := corev1.Container{Name: c.Name, RestartPolicy: c.RestartPolicy}
			kept.Resources.Requests = c.Resources.Requests
			out = append(out, kept)
		}
	}
	return out
}

// trimStatuses keeps why a container waits, and that it ran out of memory.
func trimStatuses(list []corev1.ContainerStatus) []corev1.ContainerStatus {
	var out []corev1.ContainerStatus
	for _, c := range list {
		last := c.LastTerminationState
		if last.Terminated == nil || last.Terminated.Reason != oomKilled {
			last = corev1.ContainerState{}
		}
		if !c.Ready || last.Terminated != nil {
			out = append(out, corev1.ContainerStatus{Name: c.Name, Ready: c.Ready, State: c.State, RestartCount: c.RestartCount, LastTerminationState: last})
		}
	}
	return out
}

// trimVolumes keeps the volumes whose data a drain may lose or must wait for.
func trimVolumes(list []corev1.Volume) []corev1.Volume {
	var out []corev1.Volume
	for _, v := range list {
		if v.EmptyDir != nil || v.HostPath != nil || v.PersistentVolumeClaim != nil || v.Ephemeral != nil {
			kept := corev1.Volume{Name: v.Name}
			kept.EmptyDir, kept.HostPath, kept.PersistentVolumeClaim = v.EmptyDir, v.HostPath, v.PersistentVolumeClaim
			if v.Ephemeral != nil {
				kept.Ephemeral = &corev1.EphemeralVolumeSource{}
			}
			out = append(out, kept)
		}
	}
	return out
}

func trimBudget(b *policyv1.PodDisruptionBudget) {
	trimMeta(b, nothing)
	b.Status.DisruptedPods = nil
}

func trimService(s *corev1.Service) {
	trimMeta(s, nothing)
	s.Spec = corev1.ServiceSpec{Selector: s.Spec.Selector, Type: s.Spec.Type}
	s.Status = corev1.ServiceStatus{}
}

func trimSlice(s *discoveryv1.EndpointSlice) {
	trimMeta(s, nothing)
	s.Ports = nil
	for i := range s.Endpoints {
		s.Endpoints[i].Zone, s.Endpoints[i].Hints, s.Endpoints[i].Hostname, s.Endpoints[i].DeprecatedTopology = nil, nil, nil, nil
	}
}

func trimAttachment(a *storagev1.VolumeAttachment) {
	trimMeta(a, nothing)
	a.Status = storagev1.VolumeAttachmentStatus{DetachError: a.Status.DetachError}
}

// trimVolume keeps whose the volume is, whether it can leave its node, and who attaches it.
func trimVolume(v *corev1.PersistentVolume) {
	trimMeta(v, nothing)
	claim, local := v.Spec.ClaimRef, v.Spec.Local
	hostPath, csi := v.Spec.HostPath, v.Spec.CSI
	v.Spec = corev1.PersistentVolumeSpec{ClaimRef: claim, AccessModes: v.Spec.AccessModes, NodeAffinity: v.Spec.NodeAffinity}
	v.Spec.Local, v.Spec.HostPath = local, hostPath
	if csi != nil {
		v.Spec.CSI = &corev1.CSIPersistentVolumeSource{Driver: csi.Driver}
	}
	v.Status = corev1.PersistentVolumeStatus{}
}

// trimDeployment keeps how its rollouts go, and what we wrote there.
func trimDeployment(d *appsv1.Deployment) {
	trimMeta(d, func(key string) bool { return strings.HasPrefix(key, ours) })
	d.Spec.Template = corev1.PodTemplateSpec{}
	d.Status = appsv1.DeploymentStatus{}
}

// trimDaemonSet keeps where its pods belong.
func trimDaemonSet(d *appsv1.DaemonSet) {
	trimMeta(d, lockOf)
	s := d.Spec.Template.Spec
	d.Spec.Template = corev1.PodTemplateSpec{Spec: corev1.PodSpec{
		NodeSelector: s.NodeSelector, Affinity: s.Affinity, Tolerations: s.Tolerations, NodeName: s.NodeName,
	}}
}
