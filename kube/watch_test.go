package kube

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func versioned(name, version, node string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: name, UID: "u", ResourceVersion: version}}
	p.Spec.NodeName = node
	return p
}

func names(pods []pod) string {
	var list []string
	for _, p := range pods {
		list = append(list, p.Name+"@"+p.ResourceVersion)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func TestTable(t *testing.T) {
	pods := newTables().pods
	var told []string
	pods.hook = func(before, now pod) {
		switch {
		case before == nil:
			told = append(told, "+"+now.Name)
		case now == nil:
			told = append(told, "-"+before.Name)
		default:
			told = append(told, "="+now.Name)
		}
	}
	steps := []struct {
		name            string
		do              func() error
		onN1, all, told string
	}{
		{"list", func() error { return pods.Replace([]any{versioned("p", "5", "n1"), versioned("q", "6", "")}, "6") }, "p@5", "p@5 q@6", "+p +q"},
		{"placed", func() error { return pods.Update(versioned("q", "7", "n1")) }, "p@5 q@7", "p@5 q@7", "=q"},
		{"an older event after our own write", func() error { return pods.Update(versioned("q", "6", "")) }, "p@5 q@7", "p@5 q@7", ""},
		{"gone", func() error { return pods.Delete(versioned("p", "8", "n1")) }, "q@7", "q@7", "-p"},
		{"gone twice", func() error { return pods.Delete(versioned("p", "8", "n1")) }, "q@7", "q@7", ""},
		{"a list that misses one: it went unseen (fault 12)", func() error { return pods.Replace([]any{versioned("r", "20", "n1")}, "20") }, "r@20", "r@20", "+r -q"},
		{"back in time, as a restored etcd is", func() error { return pods.Replace([]any{versioned("r", "3", "n1")}, "3") }, "r@3", "r@3", "=r"},
	}
	for _, step := range steps {
		told = nil
		changed := pods.changes.wait()
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		slices.Sort(told)
		if got := names(pods.of(onNode("n1"))); got != step.onN1 {
			t.Errorf("%s: on n1 %q, want %q", step.name, got, step.onN1)
		}
		if got := names(pods.all()); got != step.all || names(pods.of(inNamespace("a"))) != step.all {
			t.Errorf("%s: all %q, want %q", step.name, got, step.all)
		}
		if got := strings.Join(told, " "); got != step.told {
			t.Errorf("%s: told %q, want %q", step.name, got, step.told)
		}
		select {
		case <-changed:
		default:
			if step.told != "" {
				t.Errorf("%s: nobody was woken", step.name)
			}
		}
	}
	if pods.Update(&corev1.Node{}) == nil || pods.Delete("x") == nil || pods.Replace([]any{1}, "") == nil {
		t.Error("an object of another kind was taken")
	}
}

func TestAPITrouble(t *testing.T) {
	var a apiTrouble
	gone := apierrors.NewResourceExpired("too old")
	a.note("pods", gone)
	if _, err := a.now(); err != nil {
		t.Errorf("410 is no outage: %v", err)
	}
	a.note("pods", errors.New("refused"))
	a.note("nodes", errors.New("refused"))
	a.note("pods", nil)
	if _, err := a.now(); err == nil || !strings.Contains(err.Error(), "watch nodes: refused") || a.of("pods") != nil {
		t.Errorf("got %v", err)
	}
	time.Sleep(2 * time.Millisecond)
	a.note("nodes", nil)
	if lost, err := a.now(); err != nil || lost < 2*time.Millisecond || lost > time.Minute {
		t.Errorf("got %v, lost %s", err, lost)
	}
}

func TestTrimPodKeepsWhatIsRead(t *testing.T) {
	p := podOf("ReplicaSet", emptyDir, ready)
	p.Spec.NodeName = "n1"
	p.Spec.Containers = []corev1.Container{{Name: "c", Image: "i", Env: []corev1.EnvVar{{Name: "SECRET", Value: "x"}}, Command: []string{"sh"}}}
	p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "s", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "x"}}})
	p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "example.com/wait"}}
	p.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "m"}}
	p.Annotations = map[string]string{"big": strings.Repeat("x", 1000)}
	for range 2 { // it happens twice where a list is streamed
		trimPod(p)
	}
	if p.Annotations != nil || p.ManagedFields != nil || p.Spec.Containers[0].Env != nil || len(p.Spec.Volumes) != 1 {
		t.Errorf("kept too much: %+v", p)
	}
	if !podReady(p) || !hasEmptyDir(p) || p.Spec.NodeName != "n1" || ownerOf(p) != "ReplicaSet owner" || p.Spec.Containers[0].Image != "i" || len(p.Spec.SchedulingGates) != 1 {
		t.Errorf("lost something: %+v", p)
	}
}
