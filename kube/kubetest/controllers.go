package kubetest

import (
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// runControllers is the one goroutine of all controllers: what they do is in a fixed order, so that a test sees the same
// every time.
func (s *Server) runControllers() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait := s.step()
		if wait >= 0 {
			timer.Reset(max(wait, 0))
		}
		select {
		case <-s.ctx.Done():
			return
		case <-s.work.wake:
		case <-timer.C:
		}
	}
}

// settle gives the lock away and lets the controllers catch up with what was written under it, before whoever wrote is
// answered: a client that asks again at once never meets a controller that lags.
func (s *Server) settle() {
	s.mu.Unlock()
	s.step()
}

// step does all that is due, and returns when the next timer is; the lock is given away between tasks.
func (s *Server) step() time.Duration {
	for s.ctx.Err() == nil {
		s.mu.Lock()
		t, ok, wait := s.work.next()
		if ok {
			s.control(t)
		}
		s.mu.Unlock()
		if !ok {
			return wait
		}
	}
	return -1
}

func (s *Server) control(t task) {
	switch t.run {
	case runPod:
		s.syncPod(t.key)
	case runScheduler:
		s.schedule()
	case runNode:
		s.syncNode(t.key)
	case runKubelet:
		s.post(t.name)
	case runNodeLease:
		s.renew(t.name)
	case runBudget:
		s.syncBudget(t.key)
	case runService:
		s.syncService(t.key)
	case runReplicaSet:
		s.syncReplicaSet(t.key)
	case runDeployment:
		s.syncDeployment(t.key)
	case runStatefulSet:
		s.syncStatefulSet(t.key)
	case runDaemonSet:
		s.syncDaemonSet(t.key)
	case runGarbage:
		s.collect(t.name)
	}
}

// ownRun is the controller that looks at objects of a kind.
var ownRun = map[*kind]controller{
	pods: runPod, nodes: runNode, budgets: runBudget, services: runService, replicaSets: runReplicaSet,
	deployments: runDeployment, statefulSets: runStatefulSet, daemonSets: runDaemonSet,
}

// markAfter asks the controllers for which a change matters to look again.
func (s *Server) markAfter(before, after *record) {
	r := after
	if r == nil {
		r = before
		s.work.mark(runGarbage, key{name: string(r.obj.GetUID())})
	}
	if run, ok := ownRun[r.kind]; ok {
		s.work.mark(run, keyOf(r.obj))
	}
	if ref := metav1.GetControllerOfNoCopy(r.obj); ref != nil {
		if run, ok := ownRun[kindNamed(ref.Kind)]; ok && ref.Kind != "Node" {
			s.work.mark(run, key{r.obj.GetNamespace(), ref.Name})
		}
	}
	switch r.kind {
	case pods:
		s.markAfterPod(before, after)
	case nodes:
		s.markAfterNode(before, after)
	case budgets, services:
		s.members.rebuild(s, before, after)
	}
}

func kindNamed(name string) *kind {
	for _, k := range kinds {
		if k.name == name {
			return k
		}
	}
	return nil
}

func (s *Server) markAfterPod(before, after *record) {
	p := asPod(after)
	if p == nil || finished(p) || p.Spec.NodeName == "" {
		if len(s.pods.onNode[""]) > 0 {
			s.work.mark(runScheduler, key{})
		}
	}
	if p == nil {
		p = asPod(before)
		delete(s.lives, p.UID)
	}
	for _, k := range []*kind{budgets, services} {
		for _, r := range s.tables[k].spaces[p.Namespace] {
			if s.members.update(r, before, after) {
				s.work.mark(ownRun[k], keyOf(r.obj))
			}
		}
	}
}

// markAfterNode: pods are placed anew where something changed that placement looks at; a heartbeat isn't.
func (s *Server) markAfterNode(before, after *record) {
	if before != nil && after != nil {
		was, is := before.obj.(*corev1.Node), after.obj.(*corev1.Node)
		if reflect.DeepEqual(was.Spec, is.Spec) && reflect.DeepEqual(was.Labels, is.Labels) &&
			reflect.DeepEqual(was.Status.Allocatable, is.Status.Allocatable) {
			return
		}
	}
	if len(s.pods.onNode[""]) > 0 {
		s.work.mark(runScheduler, key{})
	}
	for _, r := range s.tables[daemonSets].list("") {
		s.work.mark(runDaemonSet, keyOf(r.obj))
	}
}

// memberIndex holds the pods that each budget and Service selects, by its UID.
type memberIndex map[string]map[key]*record

// update follows one pod's change; true if the pod is or was selected.
func (x memberIndex) update(by, before, after *record) bool {
	uid := string(by.obj.GetUID())
	was, is := selects(by, before), selects(by, after)
	if was {
		delete(x[uid], keyOf(before.obj))
	}
	if is {
		if x[uid] == nil {
			x[uid] = map[key]*record{}
		}
		x[uid][keyOf(after.obj)] = after
	}
	return was || is
}

// rebuild follows a change of a budget or Service.
func (x memberIndex) rebuild(s *Server, before, after *record) {
	if after == nil {
		delete(x, string(before.obj.GetUID()))
		return
	}
	if before != nil && before.selector.String() == after.selector.String() {
		return
	}
	delete(x, string(after.obj.GetUID()))
	for _, p := range s.tables[pods].spaces[after.obj.GetNamespace()] {
		x.update(after, nil, p)
	}
}

func selects(by, pod *record) bool {
	return pod != nil && by.selector.Matches(labels.Set(pod.obj.GetLabels()))
}
