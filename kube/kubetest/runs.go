package kubetest

import (
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Ran is what becomes of a pod that runs to its end (restartPolicy Never).
type Ran struct {
	Exit int
	Log  string
	// Hangs: it runs on until somebody deletes it.
	Hangs bool
	// Waiting, where it isn't "", is why its container never starts, such as ErrImagePull.
	Waiting string
}

// runDelay is how long such a pod takes for what it does.
const runDelay = time.Second

// Runs sets what becomes of pods that run to their end; by default each succeeds and says nothing.
func (s *Server) Runs(how func(*corev1.Pod) Ran) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.knobs.runs = how
}

func (s *Server) ran(p *corev1.Pod) Ran {
	if s.knobs.runs == nil {
		return Ran{}
	}
	return s.knobs.runs(p)
}

// stuck reports a container that can't be started; true if so.
func (s *Server) stuck(p *corev1.Pod) bool {
	if p.Spec.RestartPolicy != corev1.RestartPolicyNever || s.ran(p).Waiting == "" {
		return false
	}
	why := s.ran(p).Waiting
	s.change(pods, keyOf(p), func(o Object) {
		o.(*corev1.Pod).Status.ContainerStatuses = []corev1.ContainerStatus{{Name: p.Spec.Containers[0].Name, State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: why, Message: "cannot start " + p.Spec.Containers[0].Image},
		}}}
	})
	return true
}

// finishes ends a pod that runs to its end once its time has come; false while it runs on like any other.
func (s *Server) finishes(p *corev1.Pod, l *life) bool {
	if p.Status.Phase != corev1.PodRunning || s.ran(p).Hangs {
		return false
	}
	if l.done.IsZero() {
		l.done = time.Now().Add(runDelay)
	}
	if left := time.Until(l.done); left > 0 {
		s.work.after(left, runPod, keyOf(p))
		return true
	}
	end := s.ran(p)
	s.change(pods, keyOf(p), func(o Object) { showFinished(o.(*corev1.Pod), end.Exit) })
	return true
}

func showFinished(p *corev1.Pod, exit int) {
	reason := "Completed"
	p.Status.Phase = corev1.PodSucceeded
	if exit != 0 {
		p.Status.Phase, reason = corev1.PodFailed, "Error"
	}
	for i := range p.Status.ContainerStatuses {
		c := &p.Status.ContainerStatuses[i]
		c.Ready = false
		c.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: int32(exit), Reason: reason, FinishedAt: now()}}
	}
	setReady(p, false, "PodCompleted")
}

// serveLog answers with what a pod said, its last lines where that is asked.
func (s *Server) serveLog(c *call) error {
	s.mu.Lock()
	p := asPod(s.tables[pods].get(c.key()))
	var text string
	if p != nil && p.Status.Phase != corev1.PodPending {
		text = s.ran(p).Log
	}
	s.mu.Unlock()
	if p == nil {
		return c.notFound()
	}
	if n, err := strconv.Atoi(c.query.Get("tailLines")); err == nil {
		lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
		text = strings.Join(lines[max(0, len(lines)-n):], "")
	}
	c.w.Header().Set("Content-Type", "text/plain")
	_, _ = c.w.Write([]byte(text))
	return nil
}
