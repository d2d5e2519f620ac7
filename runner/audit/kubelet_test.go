package audit

import (
	"context"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// TestRealKubelets: what is read of the answers of a real kubelet is what it was given, and so is what is read of its files where it
// isn't asked, unless a flag outranks them: then nothing is, rather than something else.
func TestRealKubelets(t *testing.T) {
	t.Parallel()
	cases, _ := filepath.Glob("../../testdata/kubelet/*.txtar")
	if len(cases) == 0 {
		t.Fatal("no answers in testdata/kubelet")
	}
	for _, file := range cases {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string]string{
				"etc/systemd/system/kubelet.service.d/10-kubeadm.conf": "[Service]\nEnvironment=\"KUBELET_CONFIG_ARGS=--config=ROOT/var/lib/kubelet/config.yaml\"\n",
				"var/lib/kubelet/kubeadm-flags.env":                    "KUBELET_KUBEADM_ARGS=\"--node-labels=lab=yes\"\n",
			}
			for _, f := range archive.Files {
				text := string(f.Data)
				if !strings.HasSuffix(f.Name, ".yaml") {
					text = strings.NewReplacer("=/etc/", "=ROOT/etc/", " /etc/", " ROOT/etc/").Replace(text)
				}
				files[f.Name] = text
			}
			var want Kubelet
			if err := json.Unmarshal([]byte(files["want.json"]), &want); err != nil {
				t.Fatal(err)
			}
			told, err := ParseConfigz([]byte(files["configz.json"]))
			if diff := cmp.Diff(want, told); diff != "" || err != nil {
				t.Errorf("read of /configz (-want +read): %v\n%s", err, diff)
			}
			_, k, err := Look(context.Background(), onDisk(t, files))
			outranked := slices.Contains([]string{"flags", "flags-underscores", "unit-flags"}, name)
			if err != nil || (k == nil) != outranked {
				t.Fatalf("read of the files: %+v, %v", k, err)
			}
			if k == nil {
				return
			}
			if diff := cmp.Diff(want, *k); diff != "" {
				t.Errorf("read of the files (-want +read):\n%s", diff)
			}
		})
	}
}

// TestReservedCPUs: where whole CPUs are reserved, no others are missed, and the lines to add name none: the kubelet wouldn't take them.
func TestReservedCPUs(t *testing.T) {
	f := facts(node("n1"))
	f.Kubelets = map[string]Kubelet{"n1": {MaxPods: 110, ReservedSystemCPUs: "0-1", KubeReserved: map[string]string{"memory": "2Gi"}, SystemReserved: map[string]string{"cpu": "2"},
		EvictionHard: map[string]string{"memory.available": "1000Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%"}, EvictionSoft: map[string]string{"memory.available": "2000Mi"}}}
	found := Find(f)
	if len(found) != 1 || found[0].Rule != "system-reserved" || strings.Contains(found[0].Command, "cpu=") || !strings.Contains(found[0].Command, `system_reserved = "memory=1Gi,`) {
		t.Errorf("%+v", found)
	}
}

// TestNought: a threshold that the kubelet leaves out, or that no node falls below.
func TestNought(t *testing.T) {
	for text, want := range map[string]bool{"": true, "0%": true, "0.0%": true, "100%": true, "0": true, "1%": false, "100Mi": false, "0.5%": false, "10%": false} {
		if nought(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

// TestPodsPerCore: the kubelet takes the fewer of both.
func TestPodsPerCore(t *testing.T) {
	n := &corev1.Node{}
	n.Status.Capacity = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8")}
	got := map[string]int{}
	for name, k := range map[string]Kubelet{"none": {MaxPods: 110}, "fewer": {MaxPods: 110, PodsPerCore: 10}, "more": {MaxPods: 50, PodsPerCore: 10}} {
		got[name] = k.pods(n)
	}
	if want := map[string]int{"none": 110, "fewer": 80, "more": 50}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
