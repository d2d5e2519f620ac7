package kubetest

import (
	"container/heap"
	"time"
)

// task asks one controller to look at one object again. Controllers compare what is with what should be, so a task too
// many does no harm.
type task struct {
	run controller
	key
}

// controller names what a task runs; see Server.controllers.
type controller int

const (
	runPod controller = iota
	runScheduler
	runNode
	runKubelet
	runNodeLease
	runBudget
	runService
	runReplicaSet
	runDeployment
	runStatefulSet
	runDaemonSet
	runGarbage
)

// workQueue holds each task once, in the order in which they came, and those whose time is still to come.
type workQueue struct {
	ready  []task
	queued map[task]bool
	later  timerHeap
	wake   chan struct{}
}

func newWorkQueue() workQueue {
	return workQueue{queued: map[task]bool{}, wake: make(chan struct{}, 1)}
}

// mark asks for a task, soon.
func (q *workQueue) mark(run controller, at key) {
	t := task{run, at}
	if q.queued[t] {
		return
	}
	q.queued[t] = true
	q.ready = append(q.ready, t)
	q.nudge()
}

func (q *workQueue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// after asks for a task once d has passed.
func (q *workQueue) after(d time.Duration, run controller, at key) {
	heap.Push(&q.later, timer{time.Now().Add(d), task{run, at}})
	q.nudge()
}

// next takes the next task that is due. Without one it returns how long the next timer has to run, or -1.
func (q *workQueue) next() (task, bool, time.Duration) {
	for len(q.later) > 0 && !q.later[0].at.After(time.Now()) {
		due := heap.Pop(&q.later).(timer)
		q.mark(due.run, due.key)
	}
	if len(q.ready) > 0 {
		t := q.ready[0]
		q.ready = q.ready[1:]
		delete(q.queued, t)
		return t, true, 0
	}
	if len(q.later) == 0 {
		return task{}, false, -1
	}
	return task{}, false, time.Until(q.later[0].at)
}

type timer struct {
	at time.Time
	task
}

type timerHeap []timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timerHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any)        { *h = append(*h, x.(timer)) }
func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}
