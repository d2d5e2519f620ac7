package kube

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podOf makes a pod of a controller; kind "" makes a bare one.
func podOf(kind string, edits ...func(*corev1.Pod)) pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "p", UID: "u"}}
	p.Status.Phase = corev1.PodRunning
	if kind != "" {
		version := "apps/v1"
		if kind == "Job" {
			version = "batch/v1"
		}
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: version, Kind: kind, Name: "owner", UID: "o", Controller: new(true)}}
	}
	for _, edit := range edits {
		edit(p)
	}
	return p
}

func phase(ph corev1.PodPhase) func(*corev1.Pod) { return func(p *corev1.Pod) { p.Status.Phase = ph } }

func mirror(p *corev1.Pod) {
	p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "hash"}
}

func emptyDir(p *corev1.Pod) {
	volume(corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}})(p)
}

func volume(s corev1.VolumeSource) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "v", VolumeSource: s})
	}
}

func deleting(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Now()} }

func unready(p *corev1.Pod) {
	p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse})
}

func ready(p *corev1.Pod) {
	p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue})
}

func tolerates(t corev1.Toleration) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.Tolerations = append(p.Spec.Tolerations, t) }
}

// The verdicts are those of kubectl drain v1.37, asked with the same flags.
func TestJudge(t *testing.T) {
	none := DrainOptions{}
	all := DrainOptions{IgnoreDaemonSets: true, DeleteEmptyDirData: true, Force: true}
	orphan := "daemonsets.apps \"gone\" not found"
	lost := func(p *corev1.Pod) { p.OwnerReferences[0].Name = "gone" }
	notController := func(p *corev1.Pod) { p.OwnerReferences[0].Controller = nil }
	tests := []struct {
		name string
		pod  pod
		o    DrainOptions
		want verdict
		why  string
	}{
		{"of a ReplicaSet", podOf("ReplicaSet"), none, evict, ""},
		{"of a StatefulSet", podOf("StatefulSet"), none, evict, ""},
		{"of a Job", podOf("Job"), none, evict, ""},
		{"of somebody's own controller", podOf("Widget"), none, evict, ""},
		{"owner that isn't its controller", podOf("ReplicaSet", notController), none, refuse, unmanagedFatal},
		{"bare", podOf(""), none, refuse, unmanagedFatal},
		{"bare, force", podOf(""), all, evict, unmanagedWarning},
		{"bare, succeeded", podOf("", phase(corev1.PodSucceeded)), none, evict, ""},
		{"bare, failed", podOf("", phase(corev1.PodFailed)), none, evict, ""},
		{"bare, pending", podOf("", phase(corev1.PodPending)), none, refuse, unmanagedFatal},
		{"bare, being deleted", podOf("", deleting), none, refuse, unmanagedFatal},
		{"DaemonSet", podOf("DaemonSet"), none, refuse, daemonSetFatal},
		{"DaemonSet, ignored", podOf("DaemonSet"), all, skip, daemonSetWarning},
		{"DaemonSet, finished", podOf("DaemonSet", phase(corev1.PodFailed)), none, evict, ""},
		{"DaemonSet that is gone", podOf("DaemonSet", lost), DrainOptions{IgnoreDaemonSets: true}, refuse, orphan},
		{"DaemonSet that is gone, force", podOf("DaemonSet", lost), all, evict, orphan},
		{"DaemonSet with emptyDir: never asked about it", podOf("DaemonSet", emptyDir), DrainOptions{IgnoreDaemonSets: true}, skip, daemonSetWarning},
		{"DaemonSet of another group", podOf("DaemonSet", func(p *corev1.Pod) { p.OwnerReferences[0].APIVersion = "x.io/v1" }), none, evict, ""},
		{"static", podOf("", mirror), none, skip, mirrorSkipped},
		{"static with emptyDir", podOf("", mirror, emptyDir), none, skip, mirrorSkipped},
		{"emptyDir", podOf("ReplicaSet", emptyDir), none, refuse, localStorageFatal},
		{"emptyDir, allowed", podOf("ReplicaSet", emptyDir), all, evict, localStorageWarning},
		{"emptyDir, finished", podOf("Job", emptyDir, phase(corev1.PodSucceeded)), none, evict, ""},
		{"emptyDir and bare: the first rule decides", podOf("", emptyDir), none, refuse, localStorageFatal},
		{"emptyDir and bare, emptyDir allowed", podOf("", emptyDir), DrainOptions{DeleteEmptyDirData: true}, refuse, unmanagedFatal},
		{"emptyDir and bare, all allowed", podOf("", emptyDir), all, evict, unmanagedWarning},
		{"hostPath", podOf("ReplicaSet", volume(corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/x"}})), none, evict, ""},
		{"unready", podOf("ReplicaSet", unready), none, evict, ""},
		{"being deleted", podOf("ReplicaSet", deleting), none, evict, ""},
	}
	for _, test := range tests {
		got, why := judge(test.pod, test.o, func(key string) bool { return key == "shop/owner" })
		if got != test.want || why != test.why {
			t.Errorf("%s: got %d %q, want %d %q", test.name, got, why, test.want, test.why)
		}
	}
}

func TestToleratesCordon(t *testing.T) {
	exists := corev1.TolerationOpExists
	tests := []struct {
		toleration corev1.Toleration
		want       bool
	}{
		{corev1.Toleration{Operator: exists}, true},
		{corev1.Toleration{Operator: exists, Effect: corev1.TaintEffectNoSchedule}, true},
		{corev1.Toleration{Operator: exists, Effect: corev1.TaintEffectNoExecute}, false},
		{corev1.Toleration{Key: corev1.TaintNodeUnschedulable, Operator: exists}, true},
		{corev1.Toleration{Key: corev1.TaintNodeNotReady, Operator: exists}, false},
		{corev1.Toleration{Key: "gpu", Operator: exists}, false},
	}
	for _, test := range tests {
		if got := toleratesCordon(podOf("ReplicaSet", tolerates(test.toleration))); got != test.want {
			t.Errorf("%+v: %v", test.toleration, got)
		}
	}
	if toleratesCordon(podOf("ReplicaSet")) {
		t.Error("tolerates nothing")
	}
}

func TestGrace(t *testing.T) {
	own := func(s int64) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = &s }
	}
	tests := []struct {
		pod  pod
		o    time.Duration
		want int64
	}{
		{podOf("Job", own(300)), -1, 300},
		{podOf("Job"), -1, 30},
		{podOf("Job", own(300)), 60 * time.Second, 60},
		{podOf("Job", own(300)), 1500 * time.Millisecond, 2},
		{podOf("Job", own(300)), 0, 1}, // 0 would take the pod from the API before it has ended
	}
	for _, test := range tests {
		if got := graceOf(test.pod, DrainOptions{GracePeriod: test.o}); got != test.want {
			t.Errorf("%s: got %d, want %d", test.o, got, test.want)
		}
	}
	if s := deleteOptions(podOf("Job"), DrainOptions{GracePeriod: -1}, false); s.GracePeriodSeconds != nil || *s.Preconditions.UID != "u" || s.DryRun != nil {
		t.Errorf("%+v", s)
	}
	if s := deleteOptions(podOf("Job"), DrainOptions{}, true); *s.GracePeriodSeconds != 1 || len(s.DryRun) != 1 {
		t.Errorf("%+v", s)
	}
}

func TestDrainTimeout(t *testing.T) {
	tests := []struct{ set, grace, want time.Duration }{
		{0, 30 * time.Second, 15 * time.Minute},
		{0, time.Hour, 62 * time.Minute},
		{time.Minute, time.Hour, time.Minute}, // one that is set stands
	}
	for _, test := range tests {
		if got := (DrainOptions{Timeout: test.set}).timeout(test.grace); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}

func TestClaimsOf(t *testing.T) {
	p := podOf("Job",
		volume(corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}),
		volume(corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}), emptyDir)
	if got := strings.Join(claimsOf(p), " "); got != "shop/data shop/p-v" {
		t.Error(got)
	}
	trimPod(p)
	if got := strings.Join(claimsOf(p), " "); got != "shop/data shop/p-v" || !hasEmptyDir(p) {
		t.Errorf("after trimming: %s", got)
	}
}
