package kubetest

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// cause returns the budget's words in an error of the API, or the error's own.
func cause(err error) string {
	if err == nil {
		return ""
	}
	if c, ok := apierrors.StatusCause(err, policyv1.DisruptionBudgetCause); ok {
		return c.Message
	}
	return err.Error()
}

func TestBudgets(t *testing.T) {
	const web3 = "The disruption budget web needs 3 healthy pods and has 3 currently"
	for name, c := range map[string]struct {
		min, max string
		replicas int
		unready  int
		lets     int    // so many evictions in a row are let through
		then     string // and then this is said
	}{
		"min 3 of 4":            {min: "3", replicas: 4, lets: 1, then: web3},
		"min 3 of 3":            {min: "3", replicas: 3, lets: 0, then: web3},
		"min 75% of 4":          {min: "75%", replicas: 4, lets: 1, then: web3},
		"min 51% rounds up":     {min: "51%", replicas: 4, lets: 1, then: web3},
		"max 1 of 4":            {max: "1", replicas: 4, lets: 1, then: web3},
		"max 30% rounds up":     {max: "30%", replicas: 4, lets: 2, then: "The disruption budget web needs 2 healthy pods and has 2 currently"},
		"max 0":                 {max: "0", replicas: 3, lets: 0, then: web3},
		"max 100%":              {max: "100%", replicas: 2, lets: 2},
		"unready counts as out": {min: "2", replicas: 4, unready: 1, lets: 1, then: "The disruption budget web needs 2 healthy pods and has 2 currently"},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, 3, func(t *testing.T, b *bench) {
				must(t, b.AddDeployment("shop", "web", c.replicas, nil))
				must(t, b.AddPDB("shop", "web", "web", c.min, c.max))
				time.Sleep(5 * time.Second)
				all := List[*corev1.Pod](b.Server, "shop")
				for i := range c.unready {
					must(t, b.SetReady("shop", all[len(all)-1-i].Name, false))
				}
				time.Sleep(time.Millisecond)
				for i, p := range all[:c.lets] {
					if err := b.evict(p, metav1.DryRunAll); err != nil {
						t.Fatalf("dry eviction %d: %s", i, cause(err))
					}
					if err := b.evict(p); err != nil {
						t.Fatalf("eviction %d: %s", i, cause(err))
					}
				}
				if c.then == "" {
					return
				}
				err := b.evict(all[c.lets])
				if !apierrors.IsTooManyRequests(err) || cause(err) != c.then {
					t.Errorf("then: %v: %q, want 429 %q", err, cause(err), c.then)
				}
				dry := b.evict(all[c.lets], metav1.DryRunAll)
				if cause(dry) != c.then {
					t.Errorf("dry: %q, want the same", cause(dry))
				}
			})
		})
	}
}

func TestTwoBudgets(t *testing.T) {
	in(t, 1, func(t *testing.T, b *bench) {
		must(t, b.AddDeployment("shop", "web", 1, nil))
		must(t, b.AddPDB("shop", "one", "web", "0", ""))
		must(t, b.AddPDB("shop", "two", "web", "0", ""))
		p := func() *corev1.Pod { return List[*corev1.Pod](b.Server, "shop")[0] }
		time.Sleep(time.Second)
		if err := b.evict(p(), metav1.DryRunAll); err != nil {
			t.Errorf("a Pending pod needs no budget: %v", err)
		}
		time.Sleep(5 * time.Second)
		err := b.evict(p())
		if err == nil || !strings.Contains(err.Error(), "This pod has more than one PodDisruptionBudget") {
			t.Fatalf("got %v, want to hear of two budgets", err)
		}
		if code := err.(apierrors.APIStatus).Status().Code; code != 500 {
			t.Errorf("code %d, want 500", code)
		}
		must(t, Change(b.Server, "shop", p().Name, func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }))
		must(t, b.evict(p()))
	})
}

func TestUnhealthyPodEvictionPolicy(t *testing.T) {
	always := policyv1.AlwaysAllow
	for name, c := range map[string]struct {
		policy *policyv1.UnhealthyPodEvictionPolicyType
		min    string
		want   string
	}{
		"default, budget whole":  {nil, "1", ""},
		"default, budget broken": {nil, "2", "The disruption budget web needs 2 healthy pods and has 1 currently"},
		"always":                 {&always, "2", ""},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, 1, func(t *testing.T, b *bench) {
				must(t, b.AddDeployment("shop", "web", 2, nil))
				must(t, b.AddPDB("shop", "web", "web", c.min, ""))
				must(t, Change(b.Server, "shop", "web", func(b *policyv1.PodDisruptionBudget) { b.Spec.UnhealthyPodEvictionPolicy = c.policy }))
				time.Sleep(5 * time.Second)
				sick := List[*corev1.Pod](b.Server, "shop")[0]
				must(t, b.SetReady("shop", sick.Name, false))
				time.Sleep(time.Millisecond)
				if got := cause(b.evict(sick)); got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
			})
		})
	}
}

func TestEvictionByUID(t *testing.T) {
	in(t, 2, func(t *testing.T, b *bench) {
		must(t, b.AddStatefulSet("shop", "db", 1, nil))
		time.Sleep(5 * time.Second)
		old := Get[*corev1.Pod](b.Server, "shop", "db-0")
		must(t, b.evict(old))
		if p := Get[*corev1.Pod](b.Server, "shop", "db-0"); p.DeletionTimestamp == nil || p.UID != old.UID {
			t.Fatalf("the evicted pod isn't ending: %v", p.ObjectMeta)
		}
		time.Sleep(5 * time.Second)
		back := Get[*corev1.Pod](b.Server, "shop", "db-0")
		if back.UID == old.UID || !ready(back) {
			t.Fatalf("db-0 didn't come back: %s, ready %v", back.UID, ready(back))
		}
		if err := b.evict(old); !apierrors.IsConflict(err) {
			t.Errorf("an eviction by the old UID: %v, want 409", err)
		}
		must(t, b.evict(back, metav1.DryRunAll))
		if p := Get[*corev1.Pod](b.Server, "shop", "db-0"); p.DeletionTimestamp != nil || p.ResourceVersion != back.ResourceVersion {
			t.Error("a dry eviction changed the pod")
		}
		if err := b.evict(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "none", Namespace: "shop"}}); !apierrors.IsNotFound(err) {
			t.Errorf("eviction of a pod that isn't there: %v, want 404", err)
		}
	})
}

// Ten minutes of refused evictions must cost no real time.
func TestEvictionsOverTenMinutes(t *testing.T) {
	began := time.Now()
	in(t, 2, func(t *testing.T, b *bench) {
		must(t, b.AddDeployment("shop", "web", 2, nil))
		must(t, b.AddPDB("shop", "web", "web", "2", ""))
		time.Sleep(5 * time.Second)
		p, started, refused := List[*corev1.Pod](b.Server, "shop")[0], time.Now(), 0
		time.AfterFunc(10*time.Minute, func() {
			_ = Change(b.Server, "shop", "web", func(b *policyv1.PodDisruptionBudget) { b.Spec.MinAvailable = intOrPercent("1") })
		})
		for ; apierrors.IsTooManyRequests(b.evict(p)); time.Sleep(5 * time.Second) {
			refused++
		}
		if took := time.Since(started); took < 10*time.Minute || took > 10*time.Minute+6*time.Second || refused < 119 {
			t.Errorf("%d refusals in %s", refused, took)
		}
		if n := b.Count("create", "pods/eviction"); n != refused+1 {
			t.Errorf("the log counts %d evictions, want %d", n, refused+1)
		}
	})
	if took := time.Since(began); took > time.Minute {
		t.Errorf("ten virtual minutes took %s", took)
	}
}
