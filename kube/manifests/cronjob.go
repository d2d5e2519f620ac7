package manifests

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// quantity is zero for what isn't one, which the API server refuses by name.
func quantity(s string) resource.Quantity {
	q, err := resource.ParseQuantity(s)
	if err != nil {
		return resource.Quantity{}
	}
	return q
}

// cronJob runs one pod at a time, from the beginning of a window. A pod that crashes, or that hands over, is followed by
// another one; an exit code that is a verdict ends the Job.
func (j Job) cronJob(name string, s Schedule) *batchv1.CronJob {
	open := s.Open
	if open == 0 {
		open = time.Hour
	}
	c := &batchv1.CronJob{TypeMeta: kind("batch/v1", "CronJob"), ObjectMeta: j.meta(name, j.Namespace)}
	c.Spec = batchv1.CronJobSpec{
		Schedule: s.Cron, ConcurrencyPolicy: batchv1.ForbidConcurrent,
		StartingDeadlineSeconds:    new(int64(open.Seconds())),
		SuccessfulJobsHistoryLimit: new(int32(3)), FailedJobsHistoryLimit: new(int32(3)),
	}
	if s.Timezone != "" {
		c.Spec.TimeZone = new(s.Timezone)
	}
	c.Spec.JobTemplate.Labels = j.labels()
	c.Spec.JobTemplate.Spec = batchv1.JobSpec{
		BackoffLimit:     new(int32(mostRetries)),
		PodFailurePolicy: failurePolicy(),
		Template:         j.pod(),
	}
	if s.Deadline > 0 {
		c.Spec.JobTemplate.Spec.ActiveDeadlineSeconds = new(int64(s.Deadline.Seconds()))
	}
	return c
}

func failurePolicy() *batchv1.PodFailurePolicy {
	onExit := func(action batchv1.PodFailurePolicyAction, codes ...int32) batchv1.PodFailurePolicyRule {
		return batchv1.PodFailurePolicyRule{Action: action, OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{
			Operator: batchv1.PodFailurePolicyOnExitCodesOpIn, Values: codes,
		}}
	}
	return &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{
		onExit(batchv1.PodFailurePolicyActionFailJob, verdicts...),
		onExit(batchv1.PodFailurePolicyActionIgnore, exitInterrupted),
		{Action: batchv1.PodFailurePolicyActionIgnore, OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{
			{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue},
		}},
	}}
}

func (j Job) pod() corev1.PodTemplateSpec {
	var pod corev1.PodTemplateSpec
	pod.Labels = j.labels()
	volumes, mounts := j.volumes()
	pod.Spec = corev1.PodSpec{
		ServiceAccountName: j.Name, RestartPolicy: corev1.RestartPolicyNever,
		TerminationGracePeriodSeconds: new(int64(60)),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: new(true), RunAsUser: new(int64(user)), RunAsGroup: new(int64(user)), FSGroup: new(int64(user)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Volumes: volumes,
		Containers: []corev1.Container{{
			Name: "fleetup", Image: j.Image, Args: j.Args, WorkingDir: Folder, Env: j.env(), VolumeMounts: mounts,
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
				corev1.ResourceCPU: quantity("100m"), corev1.ResourceMemory: quantity("128Mi"),
			}},
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
		}},
	}
	return pod
}

// env tells the runner its node, by which it knows to take that one last, and its pod, by which it knows whether that could
// start elsewhere.
func (j Job) env() []corev1.EnvVar {
	of := func(field string) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: field}}
	}
	env := []corev1.EnvVar{
		{Name: "NODE_NAME", ValueFrom: of("spec.nodeName")},
		{Name: "POD_NAMESPACE", ValueFrom: of("metadata.namespace")},
		{Name: "POD_NAME", ValueFrom: of("metadata.name")},
		{Name: "HOME", Value: Home},
		{Name: "XDG_STATE_HOME", Value: State},
	}
	for _, name := range slices.Sorted(maps.Keys(j.Env)) {
		env = append(env, corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: j.Env[name]}, Key: name,
		}}})
	}
	return env
}

// volumes are the inventory's files, the state, a place for temporary files, and the Secrets, each of which is mounted
// once, and shows at as many paths as it has to.
func (j Job) volumes() ([]corev1.Volume, []corev1.VolumeMount) {
	config := corev1.Volume{Name: "inventory"}
	config.ConfigMap = &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: j.Name}}
	state := corev1.Volume{Name: "state"}
	if state.EmptyDir = (&corev1.EmptyDirVolumeSource{}); j.Claim != "" {
		state.VolumeSource = corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: j.Claim}}
	}
	tmp := corev1.Volume{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
	volumes := []corev1.Volume{config, state, tmp}
	mounts := []corev1.VolumeMount{{Name: "state", MountPath: State}, {Name: "tmp", MountPath: "/tmp"}}
	for i, file := range slices.Sorted(maps.Keys(j.Files)) { // each by itself: secrets may have to lie beside them
		mounts = append(mounts, corev1.VolumeMount{Name: "inventory", MountPath: path.Join(Folder, file), SubPath: fileKey(i), ReadOnly: true})
	}
	names := map[string]string{}
	for _, m := range j.Secrets {
		if names[m.Secret] == "" {
			names[m.Secret] = fmt.Sprintf("secret-%d", len(names)+1)
		}
		name := names[m.Secret]
		if !slices.ContainsFunc(volumes, func(v corev1.Volume) bool { return v.Name == name }) {
			volumes = append(volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
				SecretName: m.Secret, DefaultMode: new(int32(0o440)),
			}}})
		}
		mounts = append(mounts, corev1.VolumeMount{Name: name, MountPath: m.Path, SubPath: m.Key, ReadOnly: true})
	}
	return volumes, mounts
}
