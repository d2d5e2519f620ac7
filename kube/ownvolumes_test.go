package kube

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// TestOwnVolumes: a volume is a node's own where it may be used there alone, whoever made it, and where a pod uses a path of it.
func TestOwnVolumes(t *testing.T) {
	on := func(label string, values ...string) *corev1.VolumeNodeAffinity {
		return &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: label, Operator: corev1.NodeSelectorOpIn, Values: values}},
		}}}}
	}
	inWorld(t, func(w *world) {
		for _, n := range []string{"n1", "n2"} {
			w.must(kubetest.Change(w.Server, "", n, func(n *corev1.Node) { n.Labels["zone"] = "a" }))
		}
		w.must(w.AddStatefulSet("shop", "db", 1, nil))
		for name, change := range map[string]func(*corev1.PersistentVolume){
			"local": func(v *corev1.PersistentVolume) {
				v.Spec.Local, v.Spec.NodeAffinity = &corev1.LocalVolumeSource{Path: "/dev/disk/by-id/x"}, on(corev1.LabelHostname, "n1")
				v.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "shop", Name: "local"}
			},
			"lvm":       func(v *corev1.PersistentVolume) { v.Spec.NodeAffinity = on(corev1.LabelHostname, "n1") },
			"elsewhere": func(v *corev1.PersistentVolume) { v.Spec.NodeAffinity = on(corev1.LabelHostname, "n2") },
			"zone":      func(v *corev1.PersistentVolume) { v.Spec.NodeAffinity = on("zone", "a") },
			"network":   func(*corev1.PersistentVolume) {},
			"used": func(v *corev1.PersistentVolume) {
				v.Spec.HostPath, v.Spec.ClaimRef = &corev1.HostPathVolumeSource{Path: "/data"}, &corev1.ObjectReference{Namespace: "shop", Name: "data"}
			},
			"unused": func(v *corev1.PersistentVolume) { v.Spec.HostPath = &corev1.HostPathVolumeSource{Path: "/old"} },
		} {
			v := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}}
			change(v)
			w.must(w.Add(v))
		}
	}, func(w *world) {
		db := kubetest.Get[*corev1.Pod](w.Server, "shop", "db-0")
		w.must(kubetest.Change(w.Server, "shop", "db-0", func(p *corev1.Pod) {
			v := corev1.Volume{Name: "v"}
			v.PersistentVolumeClaim = &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}
			p.Spec.Volumes = append(p.Spec.Volumes, v)
		}))
		time.Sleep(time.Second)
		want := map[string][]OwnVolume{
			"n1": {{"local", "shop/local", "/dev/disk/by-id/x"}, {"lvm", "", ""}},
			"n2": {{"elsewhere", "", ""}},
			"n3": nil, "nowhere": nil,
		}
		want[db.Spec.NodeName] = append(want[db.Spec.NodeName], OwnVolume{"used", "shop/data", "/data"})
		for node, volumes := range want {
			if d := cmp.Diff(volumes, w.c.OwnVolumes(node)); d != "" {
				t.Errorf("%s (-want +got):\n%s", node, d)
			}
		}
	})
}
