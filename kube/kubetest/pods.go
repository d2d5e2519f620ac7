package kubetest

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Annotations that make a pod, or every pod of a template that carries them, behave in its own way.
const (
	// StartDelay and StopDelay are durations that stand in for Config's.
	StartDelay = "kubetest.fleetup.io/start-delay"
	StopDelay  = "kubetest.fleetup.io/stop-delay"
	// Ready = "false" keeps a pod from being Ready while it runs.
	Ready = "kubetest.fleetup.io/ready"
)

// life is what a kubelet knows of a pod and the API doesn't.
type life struct {
	alive       bool      // its containers run
	start, stop time.Time // when they will, and will have ended; zero while that isn't under way
	done        time.Time // when they will have done what they were made for
}

func (s *Server) life(p *corev1.Pod) *life {
	l := s.lives[p.UID]
	if l == nil {
		l = &life{alive: ready(p)}
		s.lives[p.UID] = l
	}
	return l
}

// syncPod does what the kubelet of the pod's node does, if it is there.
func (s *Server) syncPod(at key) {
	r := s.tables[pods].get(at)
	if r == nil {
		return
	}
	p := r.obj.(*corev1.Pod)
	if k := s.kubelets[p.Spec.NodeName]; k == nil || !k.running || !k.posted || k.status.NotReady != "" {
		return
	}
	switch l := s.life(p); {
	case p.DeletionTimestamp != nil:
		s.stopPod(p, l)
	case finished(p):
	case !l.alive:
		s.startPod(p, l)
	case p.Spec.RestartPolicy == corev1.RestartPolicyNever && s.finishes(p, l):
	case ready(p) != (p.Annotations[Ready] != "false") || p.Status.Phase != corev1.PodRunning:
		s.change(pods, at, func(o Object) { s.showRunning(o.(*corev1.Pod)) })
	}
}

// startPod brings the containers up once their time has come.
func (s *Server) startPod(p *corev1.Pod, l *life) {
	if l.start.IsZero() {
		l.start = time.Now().Add(delay(p, StartDelay, s.config.StartDelay))
	}
	if left := time.Until(l.start); left > 0 {
		s.work.after(left, runPod, keyOf(p))
		return
	}
	if s.stuck(p) {
		return
	}
	l.alive, l.start = true, time.Time{}
	s.change(pods, keyOf(p), func(o Object) { s.showRunning(o.(*corev1.Pod)) })
}

// showRunning reports a pod whose containers run.
func (s *Server) showRunning(p *corev1.Pod) {
	p.Status.Phase = corev1.PodRunning
	if p.Status.PodIP == "" {
		p.Status.PodIP = fmt.Sprintf("10.%d.%d.%d", 128+s.random.IntN(100), s.random.IntN(256), 1+s.random.IntN(254))
		p.Status.PodIPs = []corev1.PodIP{{IP: p.Status.PodIP}}
	}
	if p.Status.StartTime == nil {
		started := now()
		p.Status.StartTime = &started
	}
	up := p.Annotations[Ready] != "false"
	old := p.Status.ContainerStatuses
	p.Status.ContainerStatuses = nil
	for i, c := range p.Spec.Containers {
		status := corev1.ContainerStatus{Name: c.Name, Image: c.Image, Ready: up, Started: &up}
		if i < len(old) {
			status.RestartCount, status.State = old[i].RestartCount, old[i].State
		}
		if status.State.Running == nil {
			status.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now()}}
		}
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, status)
	}
	for _, c := range []corev1.PodConditionType{corev1.PodInitialized, corev1.PodReadyToStartContainers} {
		setPodCondition(p, corev1.PodCondition{Type: c, Status: corev1.ConditionTrue})
	}
	setReady(p, up, "ContainersNotReady")
}

// stopPod ends the containers once their time has come, and the pod with them unless a finalizer keeps it.
func (s *Server) stopPod(p *corev1.Pod, l *life) {
	if l.stop.IsZero() {
		l.stop = time.Now().Add(stopAfter(p, s.config.StopDelay))
	} else if end := time.Now().Add(stopAfter(p, s.config.StopDelay)); end.Before(l.stop) {
		l.stop = end // a second deletion with a shorter grace
	}
	if left := time.Until(l.stop); left > 0 {
		s.work.after(left, runPod, keyOf(p))
		return
	}
	if len(p.Finalizers) > 0 {
		if graceOver(p) && finished(p) {
			return
		}
		s.change(pods, keyOf(p), func(o Object) {
			p := o.(*corev1.Pod)
			p.Status.Phase = corev1.PodSucceeded
			setReady(p, false, "PodCompleted")
		})
	}
	none := int64(0)
	_, _, _ = s.delete(pods, keyOf(p), metav1.DeleteOptions{GracePeriodSeconds: &none}, false)
}

func stopAfter(p *corev1.Pod, otherwise time.Duration) time.Duration {
	d := delay(p, StopDelay, otherwise)
	if grace := p.DeletionGracePeriodSeconds; grace != nil {
		d = min(d, time.Duration(*grace)*time.Second)
	}
	return d
}

// delay reads a duration from an annotation.
func delay(p *corev1.Pod, annotation string, otherwise time.Duration) time.Duration {
	if d, err := time.ParseDuration(p.Annotations[annotation]); err == nil {
		return d
	}
	return otherwise
}

func finished(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

func ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// readySince is when Ready became what it is.
func readySince(p *corev1.Pod) time.Time {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.LastTransitionTime.Time
		}
	}
	return time.Time{}
}

// setReady sets Ready and ContainersReady alike.
func setReady(p *corev1.Pod, up bool, reason string) {
	status := corev1.ConditionTrue
	if !up {
		status = corev1.ConditionFalse
	} else {
		reason = ""
	}
	for _, c := range []corev1.PodConditionType{corev1.ContainersReady, corev1.PodReady} {
		setPodCondition(p, corev1.PodCondition{Type: c, Status: status, Reason: reason})
	}
}

// setPodCondition keeps the time of the last transition while the status stays.
func setPodCondition(p *corev1.Pod, c corev1.PodCondition) {
	c.LastTransitionTime = now()
	for i, old := range p.Status.Conditions {
		if old.Type == c.Type {
			if old.Status == c.Status {
				c.LastTransitionTime = old.LastTransitionTime
			}
			p.Status.Conditions[i] = c
			return
		}
	}
	p.Status.Conditions = append(p.Status.Conditions, c)
}
