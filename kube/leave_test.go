package kube

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// How a pod leaves its node, by what its Services have and what makes it anew.
func TestHowItLeaves(t *testing.T) {
	can, starts := maker{name: "Deployment shop/web"}, []string{"shop/web-2 is Pending"}
	cannot := maker{name: "StatefulSet shop/db", rigid: "StatefulSet shop/db ends a pod before it makes it anew"}
	told := maker{name: "Deployment shop/web", surging: true}
	for _, c := range []struct {
		name     string
		services []serving
		m        maker
		mode     string
		budgeted bool
		want     leave
		says     string
	}{
		{name: "serves nobody", m: cannot, mode: LastSurge, want: goes},
		{name: "one of three", services: []serving{{others: 2}}, m: cannot, mode: LastSurge, want: goes},
		{name: "one of three, another has just gone", services: []serving{{others: 1, owed: 3}}, m: can, mode: LastSurge, want: waits, says: "one pod of Service shop/web at a time: it had 3 ready endpoints"},
		{name: "one of three, the replacement starts", services: []serving{{others: 1, owed: 3, coming: starts}}, m: can, mode: LastSurge, want: waits, says: "shop/web-2 is Pending"},
		{name: "one of three, somebody else's rollout", services: []serving{{others: 2, coming: starts}}, m: can, mode: LastAllow, want: waits, says: "one pod of Service shop/web at a time: pod shop/web-2 is Pending"},
		{name: "the same, and a budget counts", services: []serving{{others: 1, owed: 3, coming: starts}}, m: can, mode: LastSurge, budgeted: true, want: goes},

		{name: "a budget counts a pod that the Service doesn't show yet", services: []serving{{others: 2, unseen: "shop/web-2"}}, m: can, mode: LastSurge, budgeted: true, want: waits, says: "Service shop/web to send requests to pod shop/web-2 too"},
		{name: "the last one, which can be doubled", services: []serving{{}}, m: can, mode: LastSurge, want: surges, says: "Service shop/web has no other endpoint: Deployment shop/web is restarted"},
		{name: "the same with a budget", services: []serving{{}}, m: can, mode: LastSurge, budgeted: true, want: surges},
		{name: "the same, accepted: not needed", services: []serving{{accepted: true}}, m: can, mode: LastSurge, want: surges},
		{name: "told to double it", services: []serving{{}}, m: told, mode: LastSurge, want: waits, says: "until Deployment shop/web has made a new pod"},
		{name: "the new one starts", services: []serving{{coming: starts}}, m: told, mode: LastSurge, want: waits, says: "a new pod: shop/web-2 is Pending"},
		{name: "the new one is ready", services: []serving{{others: 1}}, m: told, mode: LastSurge, want: rolls, says: "about to end the old one"},
		{name: "another one starts by itself", services: []serving{{coming: starts}}, m: can, mode: LastSurge, want: waits, says: "until another is ready: shop/web-2 is Pending"},

		{name: "the last one, which nothing doubles", services: []serving{{}}, m: cannot, mode: LastSurge, want: stays, says: "has none while it moves: StatefulSet shop/db ends a pod before"},
		{name: "the same, accepted", services: []serving{{accepted: true}}, m: cannot, mode: LastSurge, want: goes},
		{name: "the same of two Services, one accepted", services: []serving{{accepted: true}, {}}, m: cannot, mode: LastSurge, want: stays},
		{name: "block", services: []serving{{}}, m: can, mode: LastBlock, want: stays, says: `last_endpoint is "block"`},
		{name: "block, accepted", services: []serving{{accepted: true}}, m: can, mode: LastBlock, want: goes},
		{name: "block, another one starts", services: []serving{{coming: starts}}, m: can, mode: LastBlock, want: waits},
		{name: "allow", services: []serving{{}}, m: cannot, mode: LastAllow, want: goes},
		{name: "one Service is whole, the other's last", services: []serving{{others: 2}, {}}, m: can, mode: LastSurge, want: surges},
	} {
		for i := range c.services {
			c.services[i].service = "shop/web"
		}
		how, why := howItLeaves(c.services, c.m, c.mode, !c.budgeted)
		if how != c.want || !strings.Contains(why, c.says) || (how == goes) != (why == "") {
			t.Errorf("%s: %d %q, want %d %q", c.name, how, why, c.want, c.says)
		}
	}
}

func TestWayOut(t *testing.T) {
	got := wayOut([]serving{{service: "shop/a"}, {service: "shop/b", others: 1}, {service: "shop/c"}, {service: "shop/d", accepted: true}})
	if got != "; keep another pod of it ready, or accept that with --accept-downtime shop/a --accept-downtime shop/c" {
		t.Error(got)
	}
}

// Which rollouts make the new pod first.
func TestRigidStrategy(t *testing.T) {
	rolling := func(replicas int32, surge, unavailable string) *appsv1.Deployment {
		s, u := intstr.Parse(surge), intstr.Parse(unavailable)
		return &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: &replicas, Strategy: appsv1.DeploymentStrategy{
			Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &s, MaxUnavailable: &u},
		}}}
	}
	paused, recreate, bare := rolling(1, "1", "0"), rolling(1, "1", "0"), rolling(1, "1", "0")
	paused.Spec.Paused, bare.Spec.Strategy.RollingUpdate, bare.Spec.Replicas = true, nil, nil
	recreate.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	for _, c := range []struct {
		d    *appsv1.Deployment
		says string
	}{
		{rolling(1, "25%", "25%"), ""}, // the defaults: one more, none less
		{rolling(1, "1", "0"), ""},
		{rolling(4, "1", "3"), ""},
		{rolling(1, "1", "1"), "maxUnavailable 1, which lets a rollout end its last pod"},
		{rolling(2, "1", "100%"), "maxUnavailable 100%"},
		{rolling(1, "0", "1"), "maxSurge 0"},
		{rolling(1, "0%", "25%"), "maxSurge 0"},
		{paused, "is paused"}, {recreate, "strategy Recreate"}, {bare, "no rolling update"},
	} {
		c.d.ObjectMeta = metav1.ObjectMeta{Namespace: "shop", Name: "web"}
		if got := rigidStrategy(c.d); !strings.Contains(got, c.says) || (got == "") != (c.says == "") {
			t.Errorf("%+v: %q, want %q", c.d.Spec.Strategy, got, c.says)
		}
	}
}
