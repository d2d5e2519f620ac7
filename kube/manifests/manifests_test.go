package manifests

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/fleetup/fleetup/kube"
)

func sample() Job {
	return Job{
		Name: "fleetup-prod", Namespace: "ops", Image: "registry.example.com/fleetup:1", Args: []string{"run", "x"},
		Schedules: []Schedule{{Cron: "0 1 * * 6", Timezone: "Europe/Berlin", Open: 4 * time.Hour, Deadline: 6 * time.Hour}, {Cron: "0 6 * * *"}},
		Rules:     append(kube.Rules("kube-system"), kube.ObjectRule("cephclusters.ceph.rook.io", "rook-ceph", "a")),
		Files:     map[string]string{"inventory.toml": "a", "playbooks/nic.toml": "b"},
		Secrets:   []Mounted{{"ssh.keys", "", Home + "/.ssh"}, {"tokens", "prometheus.token", Folder + "/prometheus.token"}, {"tokens", "ca.pem", "/srv/ca.pem"}},
		Env:       map[string]string{"FLEET_SUDO": "tokens", "CHAT": "tokens"},
		Claim:     "journals", Size: "1Gi",
	}
}

func find[T any](t *testing.T, objects []Object, name string) T {
	t.Helper()
	for _, o := range objects {
		if v, ok := o.Value.(T); ok && o.Value.GetName() == name {
			return v
		}
	}
	t.Fatalf("no %T %s", *new(T), name)
	return *new(T)
}

func TestObjects(t *testing.T) {
	objects := sample().Objects()
	var got []string
	for _, o := range objects {
		plural, _, _ := strings.Cut(o.Resource, ".")
		got = append(got, o.Value.GetNamespace()+" "+plural+" "+o.Value.GetName())
	}
	want := []string{
		"ops serviceaccounts fleetup-prod", " clusterroles fleetup-prod", " clusterrolebindings fleetup-prod",
		"default roles fleetup-prod", "default rolebindings fleetup-prod", "kube-node-lease roles fleetup-prod", "kube-node-lease rolebindings fleetup-prod",
		"kube-system roles fleetup-prod", "kube-system rolebindings fleetup-prod", "rook-ceph roles fleetup-prod", "rook-ceph rolebindings fleetup-prod",
		"ops configmaps fleetup-prod", "ops persistentvolumeclaims journals", "ops cronjobs fleetup-prod-1", "ops cronjobs fleetup-prod-2",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, o := range objects {
		body, err := o.JSON()
		if err != nil || !json.Valid(body) || strings.Contains(string(body), `"status":{`) || strings.Contains(string(body), "null") {
			t.Errorf("%v: %s", err, body)
		}
	}
}

// TestRights: every rule stands in exactly one role, and no role has another.
func TestRights(t *testing.T) {
	j := sample()
	total := 0
	for _, o := range j.Objects() {
		var rules []rbacv1.PolicyRule
		switch v := o.Value.(type) {
		case *rbacv1.Role:
			rules = v.Rules
		case *rbacv1.ClusterRole:
			rules = v.Rules
		case *rbacv1.RoleBinding:
			if v.Subjects[0].Name != j.Name || v.Subjects[0].Namespace != "ops" || v.RoleRef.Kind != "Role" {
				t.Errorf("%+v", v)
			}
		}
		total += len(rules)
		for _, r := range rules {
			if !slices.ContainsFunc(j.Rules, func(k kube.Rule) bool {
				return k.Namespace == o.Value.GetNamespace() && k.Resource == r.Resources[0] && k.Group == r.APIGroups[0] && slices.Equal(k.Verbs, r.Verbs) &&
					(k.Name == "" && len(r.ResourceNames) == 0 || len(r.ResourceNames) == 1 && r.ResourceNames[0] == k.Name)
			}) {
				t.Errorf("%s: %+v is asked for by nobody", o.Value.GetNamespace(), r)
			}
		}
	}
	if total != len(j.Rules) {
		t.Errorf("%d rules for %d", total, len(j.Rules))
	}
}

func TestCronJob(t *testing.T) {
	objects := sample().Objects()
	first, second := find[*batchv1.CronJob](t, objects, "fleetup-prod-1").Spec, find[*batchv1.CronJob](t, objects, "fleetup-prod-2").Spec
	if first.Schedule != "0 1 * * 6" || *first.TimeZone != "Europe/Berlin" || first.ConcurrencyPolicy != batchv1.ForbidConcurrent ||
		*first.StartingDeadlineSeconds != 4*3600 || *first.JobTemplate.Spec.ActiveDeadlineSeconds != 6*3600 {
		t.Errorf("%+v", first)
	}
	if second.TimeZone != nil || *second.StartingDeadlineSeconds != 3600 || second.JobTemplate.Spec.ActiveDeadlineSeconds != nil {
		t.Errorf("%+v", second)
	}
	var said []string
	for _, r := range first.JobTemplate.Spec.PodFailurePolicy.Rules {
		switch {
		case r.OnExitCodes != nil && slices.Contains(r.OnExitCodes.Values, 130):
			said = append(said, "130 "+string(r.Action))
		case r.OnExitCodes != nil && slices.Contains(r.OnExitCodes.Values, 3):
			said = append(said, "3 "+string(r.Action))
		default:
			said = append(said, string(r.OnPodConditions[0].Type)+" "+string(r.Action))
		}
	}
	if diff := cmp.Diff([]string{"3 FailJob", "130 Ignore", "DisruptionTarget Ignore"}, said); diff != "" {
		t.Error(diff)
	}
}

// TestPod: nothing runs as root or writes anywhere but in the claim; secrets come as files and variables of the names asked for.
func TestPod(t *testing.T) {
	j := sample()
	pod := j.pod().Spec
	c := pod.Containers[0]
	if pod.ServiceAccountName != "fleetup-prod" || !*pod.SecurityContext.RunAsNonRoot || !*c.SecurityContext.ReadOnlyRootFilesystem || pod.RestartPolicy != corev1.RestartPolicyNever {
		t.Errorf("%+v", pod)
	}
	var mounts []string
	for _, m := range c.VolumeMounts {
		mounts = append(mounts, m.Name+" "+m.SubPath+" "+m.MountPath)
	}
	want := []string{
		"state  /var/lib/fleetup", "tmp  /tmp", "inventory file-0 /etc/fleetup/inventory.toml", "inventory file-1 /etc/fleetup/playbooks/nic.toml",
		"secret-1  /home/fleetup/.ssh", "secret-2 prometheus.token /etc/fleetup/prometheus.token", "secret-2 ca.pem /srv/ca.pem",
	}
	if diff := cmp.Diff(want, mounts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var env []string
	for _, e := range c.Env {
		env = append(env, e.Name)
		if ref := e.ValueFrom; ref != nil && ref.SecretKeyRef != nil && (ref.SecretKeyRef.Name != "tokens" || ref.SecretKeyRef.Key != e.Name) {
			t.Errorf("%+v", e)
		}
	}
	if diff := cmp.Diff([]string{"NODE_NAME", "POD_NAMESPACE", "POD_NAME", "HOME", "XDG_STATE_HOME", "CHAT", "FLEET_SUDO"}, env); diff != "" {
		t.Error(diff)
	}
	if pod.Volumes[1].PersistentVolumeClaim.ClaimName != "journals" {
		t.Errorf("%+v", pod.Volumes[1])
	}
	j.Claim = ""
	if v := j.pod().Spec.Volumes[1]; v.EmptyDir == nil || v.PersistentVolumeClaim != nil {
		t.Errorf("%+v", v)
	}
	if data := find[*corev1.ConfigMap](t, j.Objects(), "fleetup-prod").Data; data["file-0"] != "a" || data["file-1"] != "b" {
		t.Error(data)
	}
}

// TestWhatBecomesOfThePod: by fleetup's exit codes. What another try would say again ends the Job; what was cut off, or died, is tried
// again, and only what died is counted.
func TestWhatBecomesOfThePod(t *testing.T) {
	spec := sample().cronJob("x", Schedule{Cron: "0 1 * * *"}).Spec.JobTemplate.Spec
	becomes := func(code int32, disrupted bool) string {
		for _, r := range spec.PodFailurePolicy.Rules { // the first that matches decides
			byCode := r.OnExitCodes != nil && r.OnExitCodes.Operator == batchv1.PodFailurePolicyOnExitCodesOpIn && slices.Contains(r.OnExitCodes.Values, code)
			if byCode || r.OnExitCodes == nil && disrupted {
				return string(r.Action)
			}
		}
		return "Count"
	}
	for _, tc := range []struct {
		what      string
		code      int32
		disrupted bool
		want      string
	}{
		{"a node failed", 1, false, "FailJob"},
		{"a halt", 3, false, "FailJob"},
		{"another run", 4, false, "FailJob"},
		{"the window is over", 5, false, "FailJob"},
		{"called wrongly", 64, false, "FailJob"},
		{"a wrong inventory", 65, false, "FailJob"},
		{"a wrong inventory, on a node that is drained", 65, true, "FailJob"},
		{"handed over, or asked to end", 130, false, "Ignore"},
		{"evicted", 143, true, "Ignore"},
		{"out of memory", 137, false, "Count"},
		{"a panic", 2, false, "Count"},
	} {
		if got := becomes(tc.code, tc.disrupted); got != tc.want {
			t.Errorf("%s, exit %d: %s, want %s", tc.what, tc.code, got, tc.want)
		}
	}
	if pod := spec.Template.Spec; pod.RestartPolicy != corev1.RestartPolicyNever { // or the policy counts for nothing (Job, podFailurePolicy)
		t.Errorf("restart policy %s", pod.RestartPolicy)
	}
	if *spec.BackoffLimit < 1 {
		t.Error("a pod whose node died isn't followed by another")
	}
}
