package kube

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Which pod came in place of which: the one of the same name, else any of the same maker, the first that left first.
func TestMoves(t *testing.T) {
	var m moves
	p := func(name, uid, node string) pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(uid)}, Spec: corev1.PodSpec{NodeName: node}}
	}
	web := []pod{p("web-a", "1", "n1"), p("web-b", "2", "n2"), p("web-c", "3", "n3")}
	m.moving("Deployment shop/web", web)
	m.moved("Deployment shop/web", web[0])
	m.moved("Deployment shop/web", web[0])                  // told twice
	m.moved("Deployment shop/web", web[1])                  // was there from the start, so it replaces nobody
	m.moved("Deployment shop/web", p("web-d", "4", "n2"))   // in place of web-a
	m.moving("Deployment shop/web", []pod{p("x", "9", "")}) // a later drain of the same
	m.moved("Deployment shop/web", p("web-e", "5", "n3"))   // in place of web-b
	m.moved("Deployment shop/web", p("web-f", "6", "n4"))   // in place of web-d
	db := []pod{p("db-0", "11", "n1"), p("db-1", "12", "n1")}
	m.moving("StatefulSet shop/db", db)
	m.moved("StatefulSet shop/db", db[0])
	m.moved("StatefulSet shop/db", db[1])
	m.moved("StatefulSet shop/db", p("db-1", "13", "n2"))
	m.moved("StatefulSet shop/db", p("db-9", "14", "n4")) // scaled up meanwhile: there is one line that waits
	m.moved("StatefulSet shop/db", p("db-8", "15", "n4")) // and another

	c := &Cluster{moves: moves{all: m.all}}
	want := []Move{
		{"shop/db-8", []string{"n1", "n2", "n4"}}, {"shop/db-9", []string{"n1", "n4"}},
		{"shop/web-e", []string{"n2", "n3"}}, {"shop/web-f", []string{"n1", "n2", "n4"}},
	}
	if d := cmp.Diff(want, c.Moved()); d != "" {
		t.Error(d)
	}
}

// Over a whole fleet: each pod once with the soft taint, but for those of the first node; a rollout counts as a move; a
// dry run, and a pod that nobody makes anew, don't.
func TestMoved(t *testing.T) {
	inWorld(t, func(w *world) {
		w.must(w.AddDeployment("shop", "web", 6, nil))
		w.must(w.AddDeployment("shop", "one", 1, nil))
		w.must(w.AddService("shop", "one", "one"))
		w.must(w.AddStatefulSet("shop", "db", 2, nil))
	}, func(w *world) {
		nodes := []string{"n1", "n2", "n3"}
		first := 0
		for i, n := range nodes {
			w.must(w.c.Pend(w.ctx, "run-1", nodes[i:]))
			o, _ := careful(LastSurge)
			w.must(w.c.TryDrain(w.ctx, n, o, nil))
			if i == 0 && len(w.c.Moved()) > 0 {
				t.Error("a dry run moved something")
			}
			w.claim(n)
			w.must(w.c.Drain(w.ctx, n, o, nil))
			time.Sleep(20 * time.Second)
			w.must(w.c.Release(w.ctx, n, "run-1", nil))
			if i == 0 {
				first = len(w.c.Moved())
			}
		}
		once, more := 0, 0
		for _, m := range w.c.Moved() {
			if len(m.Nodes) == 1 {
				once++
			} else {
				more++
			}
			if m.Nodes[0] != "n1" && len(m.Nodes) > 1 || len(m.Nodes) > 2 {
				t.Errorf("%s left %v", m.Pod, m.Nodes)
			}
		}
		if first == 0 || more > first || once+more != 9 {
			t.Errorf("%d moved off n1, %d moved once and %d again: %v", first, once, more, fmt.Sprint(w.c.Moved()))
		}
	})
}
