package kubetest

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestQuota: what goes beyond a quota is refused in the API server's words, and made once there is room; a LimitRange gives
// what a quota wants to see.
func TestQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(context.Background(), Config{Seed: 1})
		defer s.Close()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(s.AddNode("n1", nil))
		must(s.AddDeployment("shop", "web", 2, map[string]string{"app": "web"}))
		time.Sleep(time.Second)
		quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "quota"}}
		quota.Spec.Hard = corev1.ResourceList{corev1.ResourcePods: resource.MustParse("2"), corev1.ResourceRequestsCPU: resource.MustParse("1")}
		must(s.Add(quota))
		pod := func() *corev1.Pod {
			return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "more"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}}}
		}
		refused := func(want string) {
			t.Helper()
			s.mu.Lock()
			_, err := s.create(pods, pod(), true)
			s.mu.Unlock()
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		}
		refused(`pods "more" is forbidden: failed quota: quota: must specify requests.cpu for: main`)
		defaults := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "defaults"}}
		defaults.Spec.Limits = []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, DefaultRequest: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}}}
		must(s.Add(defaults))
		refused(`pods "more" is forbidden: exceeded quota: quota, requested: pods=1, used: pods=2, limited: pods=2`)

		must(Change(s, "shop", "quota", func(q *corev1.ResourceQuota) { q.Spec.Hard[corev1.ResourcePods] = resource.MustParse("1") }))
		for _, p := range s.podsOf("shop") {
			s.mu.Lock()
			_, _, err := s.delete(pods, key{"shop", p}, metav1.DeleteOptions{}, false)
			s.mu.Unlock()
			must(err)
		}
		time.Sleep(2 * time.Minute)
		if n := len(s.podsOf("shop")); n != 1 {
			t.Errorf("%d pods with a quota of 1", n)
		}
		must(Change(s, "shop", "quota", func(q *corev1.ResourceQuota) { q.Spec.Hard[corev1.ResourcePods] = resource.MustParse("9") }))
		time.Sleep(2 * time.Minute)
		if n := len(s.podsOf("shop")); n != 2 {
			t.Errorf("%d pods once there is room, want 2", n)
		}
	})
}

func (s *Server) podsOf(namespace string) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.tables[pods].list(namespace) {
		names = append(names, r.obj.GetName())
	}
	return names
}
