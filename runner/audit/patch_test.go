package audit

import (
	"os/exec"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestAcceptIsOneArgument: whoever may annotate an object must not run commands as whoever runs the patches.
func TestAcceptIsOneArgument(t *testing.T) {
	hostile := metav1.ObjectMeta{Namespace: "shop", Name: "db", Annotations: map[string]string{Accept: `x; echo ran $(echo ran) "`}}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", "kubectl() { printf '%s\\n' \"$@\"; }\n"+accept(hostile, "statefulset", "local-volume")).Output()
	want := "-n\nshop\nannotate\n--overwrite\nstatefulset\ndb\n" + Accept + `=x; echo ran $(echo ran) ",local-volume` + "\n"
	if err != nil || string(out) != want {
		t.Errorf("%v: %s, want %s", err, out, want)
	}
}

// TestRunOncePodIsNoDeployment: what is meant to end isn't made to run for ever.
func TestRunOncePodIsNoDeployment(t *testing.T) {
	w := newWorld(&Facts{})
	for policy, want := range map[corev1.RestartPolicy]bool{corev1.RestartPolicyAlways: true, corev1.RestartPolicyNever: false, corev1.RestartPolicyOnFailure: false} {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "migrate"}, Spec: corev1.PodSpec{RestartPolicy: policy}}
		p.Spec.EphemeralContainers = []corev1.EphemeralContainer{{}}
		command, _ := w.deploymentOf(p)
		if strings.Contains(command, "Deployment") != want || strings.Contains(command, "ephemeralContainers") {
			t.Errorf("%s: %s", policy, command)
		}
		if (careOf("no-controller", command) != "") != want {
			t.Errorf("%s: care %q", policy, careOf("no-controller", command))
		}
	}
}

// TestCareNamesRules: each rule that wants care is there.
func TestCareNamesRules(t *testing.T) {
	for rule := range care {
		found := false
		for _, name := range Rules() {
			found = found || name == rule
		}
		if !found {
			t.Errorf("no rule %q", rule)
		}
	}
}
