package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/runner/bundle"
	"github.com/fleetup/fleetup/runner/diagnose"
)

// TestBundleHasTheThresholds: who reads its findings sees by which thresholds they are some, one's own too.
func TestBundleHasTheThresholds(t *testing.T) {
	dir := t.TempDir()
	own, path := filepath.Join(dir, "own.toml"), filepath.Join(dir, "case.tar.zst")
	if err := os.WriteFile(own, []byte("stuck_processes = [2, 9]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := bundle.Create(path, "case")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(addKnown(w, diagnosis{}, own), w.Commit()); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := zstd.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	held := map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err != nil {
			break
		}
		text, _ := io.ReadAll(r)
		held[h.Name] = string(text)
	}
	if held["case/thresholds-own.toml"] != "stuck_processes = [2, 9]\n" || held["case/thresholds.toml"] != diagnose.DefaultThresholds || held["case/findings.json"] != "[]\n" {
		t.Errorf("%q", held)
	}
}

// TestBarePods: whatever a secret is called, a bundle has none from a pod's environment or its commands.
func TestBarePods(t *testing.T) {
	holds := corev1.Container{Name: "app", Image: "shop/app:1", Command: []string{"/bin/app", "-x", "hunter2"}, Args: []string{"hunter2"}, Env: []corev1.EnvVar{{Name: "X", Value: "hunter2"}}}
	p := corev1.Pod{Spec: corev1.PodSpec{
		Containers: []corev1.Container{holds}, InitContainers: []corev1.Container{holds},
		EphemeralContainers: []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
			Name: "shell", Command: holds.Command, Args: holds.Args, Env: holds.Env}}},
	}}
	p.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: `{"value":"hunter2"}`}
	text, err := json.Marshal(bare([]corev1.Pod{p}))
	if err != nil || strings.Contains(string(text), "hunter2") || strings.Count(string(text), "/bin/app") != 3 {
		t.Errorf("%v: %s", err, text)
	}
	if p.Spec.Containers[0].Args[0] != "hunter2" {
		t.Error("the pod itself was changed")
	}
}
