package kubetest

import (
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// The methods of this file make what a cluster usually holds. A workload's pods carry the label app=NAME and the labels
// given. Each returns the error of a name that is taken or not valid.

// AddNode makes a node whose kubelet runs and has been Ready for as long as anybody knows.
func (s *Server) AddNode(name string, labels map[string]string) error {
	n := &corev1.Node{}
	n.Name = name
	n.Labels = maps.Clone(labels)
	for label, value := range map[string]string{
		corev1.LabelHostname: name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64",
	} {
		n.Labels = with(n.Labels, label, value)
	}
	n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: name}}
	if err := s.Add(n); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.startKubelet(name, KubeletStatus{})
	s.post(name)
	return nil
}

// AddDeployment makes a Deployment with one container.
func (s *Server) AddDeployment(ns, name string, replicas int, labels map[string]string) error {
	d := &appsv1.Deployment{Spec: appsv1.DeploymentSpec{
		Replicas: count(replicas), Selector: selectApp(name), Template: template(name, labels),
	}}
	d.Name, d.Namespace = name, ns
	return s.Add(d)
}

// AddStatefulSet makes a StatefulSet with one container, whose pods start in order.
func (s *Server) AddStatefulSet(ns, name string, replicas int, labels map[string]string) error {
	set := &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{
		Replicas: count(replicas), Selector: selectApp(name), Template: template(name, labels), ServiceName: name,
	}}
	set.Name, set.Namespace = name, ns
	return s.Add(set)
}

// AddDaemonSet makes a DaemonSet with one container. In kube-system its pods are node-critical.
func (s *Server) AddDaemonSet(ns, name string, labels map[string]string) error {
	set := &appsv1.DaemonSet{Spec: appsv1.DaemonSetSpec{Selector: selectApp(name), Template: template(name, labels)}}
	set.Name, set.Namespace = name, ns
	if ns == "kube-system" {
		set.Spec.Template.Spec.PriorityClassName = "system-node-critical"
	}
	return s.Add(set)
}

// AddPDB makes a budget for the pods of a workload. Each of minAvailable and maxUnavailable is "", a number or a percent.
func (s *Server) AddPDB(ns, name, app, minAvailable, maxUnavailable string) error {
	b := &policyv1.PodDisruptionBudget{Spec: policyv1.PodDisruptionBudgetSpec{
		Selector: selectApp(app), MinAvailable: intOrPercent(minAvailable), MaxUnavailable: intOrPercent(maxUnavailable),
	}}
	b.Name, b.Namespace = name, ns
	return s.Add(b)
}

// AddService makes a Service for the pods of a workload, with a port http, 80.
func (s *Server) AddService(ns, name, app string) error {
	service := &corev1.Service{Spec: corev1.ServiceSpec{
		Selector: map[string]string{"app": app},
		Ports:    []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080), Protocol: corev1.ProtocolTCP}},
	}}
	service.Name, service.Namespace = name, ns
	return s.Add(service)
}

// Attach makes a VolumeAttachment of a volume to a node, under the name VOLUME-NODE; Delete detaches it.
func (s *Server) Attach(volume, node string) error {
	a := &storagev1.VolumeAttachment{Spec: storagev1.VolumeAttachmentSpec{
		Attacher: "csi.example.com", NodeName: node, Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &volume},
	}}
	a.Name = volume + "-" + node
	a.Status.Attached = true
	return s.Add(a)
}

// SetReady makes a running pod Ready or not, as its readiness probe would.
func (s *Server) SetReady(ns, pod string, ready bool) error {
	return Change(s, ns, pod, func(p *corev1.Pod) {
		p.Annotations = maps.Clone(p.Annotations)
		delete(p.Annotations, Ready)
		if !ready {
			p.Annotations = with(p.Annotations, Ready, "false")
		}
	})
}

func template(app string, labels map[string]string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: with(labels, "app", app)},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: app, Image: "registry.example.com/" + app + ":1"}}},
	}
}

func selectApp(app string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
}

func count(n int) *int32 {
	replicas := int32(n)
	return &replicas
}

func intOrPercent(s string) *intstr.IntOrString {
	if s == "" {
		return nil
	}
	v := intstr.Parse(s)
	return &v
}
