package kube

import (
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// probePod is the pod on its node. It is pinned there by affinity and tolerates every taint, as DaemonSets' pods are,
// rather than by spec.nodeName: the scheduler then counts its resources, says why it doesn't fit, and chooses the node for
// volumes that bind only once a pod is placed. A cordon is a taint to it, which it tolerates.
func probePod(node, run string, p Probe) *corev1.Pod {
	no, grace := false, int64(1)
	seconds := int64((p.Timeout + time.Minute) / time.Second) // it ends by itself where nobody is left to remove it
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: p.Namespace, Name: probeName(node, run),
			Labels: map[string]string{LabelProbe: run, "app.kubernetes.io/managed-by": "fleetup"},
		},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, TerminationGracePeriodSeconds: &grace, ActiveDeadlineSeconds: &seconds,
			AutomountServiceAccountToken: &no, EnableServiceLinks: &no,
			Affinity: onlyOn(node), Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
			Containers: []corev1.Container{{
				Name: "probe", Image: p.Image, Command: p.Command, Resources: probeResources(p.Resources),
				Env: []corev1.EnvVar{{Name: "NODE_NAME", ValueFrom: &corev1.EnvVarSource{
					FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.nodeName"},
				}}},
			}},
		},
	}
	for _, class := range p.StorageClasses {
		pod.Spec.Volumes = append(pod.Spec.Volumes, probeVolume(class))
		pod.Spec.Containers[0].VolumeMounts = append(pod.Spec.Containers[0].VolumeMounts,
			corev1.VolumeMount{Name: volumeName(class), MountPath: "/probe/" + class})
	}
	return pod
}

func onlyOn(node string) *corev1.Affinity {
	return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{
			{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{node}},
		}}},
	}}}
}

// probeVolume is a generic ephemeral volume: the API makes its claim with the pod and deletes it with the pod, so that
// nothing can be left behind and no right to claims is needed.
func probeVolume(class string) corev1.Volume {
	return corev1.Volume{Name: volumeName(class), VolumeSource: corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{
		VolumeClaimTemplate: &corev1.PersistentVolumeClaimTemplate{Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: &class,
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		}},
	}}}
}

// volumeName is a class's name as a DNS label: at most 63 characters, and no dots.
func volumeName(class string) string {
	name := "class-" + strings.ReplaceAll(class, ".", "-")
	return strings.TrimRight(name[:min(len(name), 40)], "-")
}

// probeResources are requests and limits alike, as extended resources want it; an unreadable quantity was refused before.
func probeResources(asked map[string]string) corev1.ResourceRequirements {
	list := corev1.ResourceList{}
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		if q, err := resource.ParseQuantity(asked[name]); err == nil {
			list[corev1.ResourceName(name)] = q
		}
	}
	if len(list) == 0 {
		return corev1.ResourceRequirements{}
	}
	return corev1.ResourceRequirements{Limits: list, Requests: list}
}
