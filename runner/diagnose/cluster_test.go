package diagnose

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fleetup/fleetup/runner/finding"
)

func ago(d time.Duration) metav1.Time { return metav1.NewTime(now.Add(-d)) }

// wellCluster has two nodes, pods that run, one that restarted long ago and one that is being made.
func wellCluster() Cluster {
	node := func(name string) corev1.Node {
		return corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{
			{Type: corev1.NodeReady, Status: corev1.ConditionTrue}, {Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse},
		}}}
	}
	pod := func(name string) corev1.Pod {
		return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name), CreationTimestamp: ago(time.Hour)}, Spec: corev1.PodSpec{NodeName: "n1"},
			Status: corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{Name: "app"}}}}
	}
	old, young, late := pod("old"), pod("young"), pod("late")
	late.Status.ContainerStatuses[0].State.Running = &corev1.ContainerStateRunning{StartedAt: ago(50 * time.Minute)}
	old.Status.ContainerStatuses[0] = corev1.ContainerStatus{Name: "app", RestartCount: 50, LastTerminationState: corev1.ContainerState{
		Terminated: &corev1.ContainerStateTerminated{FinishedAt: ago(100 * time.Hour), Reason: "OOMKilled"}}}
	young.CreationTimestamp, young.Status.Phase = ago(time.Minute), corev1.PodPending
	return Cluster{Nodes: []corev1.Node{node("n1"), node("n2")}, Pods: []corev1.Pod{pod("web"), old, young, late}, Events: []corev1.Event{
		// its volume was there a moment later
		{Reason: "FailedMount", InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "late", UID: "late"}, LastTimestamp: ago(50 * time.Minute), Count: 3},
		{Reason: "NodeNotReady", InvolvedObject: corev1.ObjectReference{Kind: "Node", Name: "n1"}, LastTimestamp: ago(time.Hour), Count: 1},
		{Reason: "FailedMount", InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "web"}, LastTimestamp: ago(10 * time.Hour)},
		{Reason: "Scheduled", LastTimestamp: ago(time.Second)},
	}}
}

func TestHealthyClusterHasNoFinding(t *testing.T) {
	for _, f := range JudgeCluster(wellCluster(), nil, true, defaults(t), now) {
		t.Errorf("%+v", f)
	}
}

func TestEachFaultOfAClusterIsFoundOnce(t *testing.T) {
	terminated := func(reason string, d time.Duration) corev1.ContainerState {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: reason, ExitCode: 137, FinishedAt: ago(d)}}
	}
	waiting := func(reason string) corev1.ContainerState {
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}
	}
	for _, c := range []struct {
		fault, rule, object, evidence string
		severity                      finding.Severity
		put                           func(c *Cluster, web *corev1.Pod)
	}{
		{"NotReady", "not-ready", "node n1", "NotReady for 12 min: Kubelet stopped posting", finding.Critical, func(c *Cluster, _ *corev1.Pod) {
			c.Nodes[0].Status.Conditions[0] = corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionUnknown, LastTransitionTime: ago(12 * time.Minute), Message: "Kubelet stopped posting"}
		}},
		{"NotReady while a run works there", "not-ready", "node n1", "NotReady for 12 min: Kubelet stopped posting; run r-1 holds the node", finding.Info, func(c *Cluster, _ *corev1.Pod) {
			c.Nodes[0].Status.Conditions[0] = corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionUnknown, LastTransitionTime: ago(12 * time.Minute), Message: "Kubelet stopped posting"}
			c.Held = map[string]Holder{"n1": {Run: "r-1"}}
		}},
		{"NotReady while it is held for hardware work", "not-ready", "node n1", "NotReady for 12 min: Kubelet stopped posting; held for hardware work by ana", finding.Info, func(c *Cluster, _ *corev1.Pod) {
			c.Nodes[0].Status.Conditions[0] = corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionUnknown, LastTransitionTime: ago(12 * time.Minute), Message: "Kubelet stopped posting"}
			c.Held = map[string]Holder{"n1": {Run: "r-1", Work: "held for hardware work by ana", Off: true}}
		}},
		{"NotReady as a spare that is off", "not-ready", "node n1", "NotReady for 12 min: Kubelet stopped posting; it is a closed spare, which may be off", finding.Info, func(c *Cluster, _ *corev1.Pod) {
			c.Nodes[0].Status.Conditions[0] = corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionUnknown, LastTransitionTime: ago(12 * time.Minute), Message: "Kubelet stopped posting"}
			c.Held = map[string]Holder{"n1": {Spare: true}}
		}},
		{"memory pressure", "node-memory-pressure", "node n1", "MemoryPressure for 3 min: little", finding.Critical, func(c *Cluster, _ *corev1.Pod) {
			c.Nodes[0].Status.Conditions[1] = corev1.NodeCondition{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionTrue, LastTransitionTime: ago(3 * time.Minute), Reason: "little"}
		}},
		{"evicted pod", "pod-evicted", "pod shop/web", "evicted from n1: The node was low on resource: memory.", finding.Warning, func(_ *Cluster, p *corev1.Pod) {
			p.Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "The node was low on resource: memory."}
		}},
		{"evicted pod with its event", "pod-evicted", "pod shop/web", "evicted from n1", finding.Warning, func(c *Cluster, p *corev1.Pod) {
			p.Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "The node was low on resource: memory."}
			c.Events = append(c.Events, corev1.Event{Reason: "Evicted", InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "web"}, LastTimestamp: ago(time.Hour)})
		}},
		{"stuck Terminating", "pod-terminating", "pod shop/web", "Terminating on n1, 40 min beyond its grace: it waits for whoever owns the finalizer example.com/keep", finding.Critical,
			func(_ *Cluster, p *corev1.Pod) {
				at := ago(40 * time.Minute)
				p.DeletionTimestamp, p.Finalizers = &at, []string{"example.com/keep"}
			}},
		{"stuck Pending", "pod-pending", "pod shop/web", "Pending for 1 h: 0/2 nodes are available", finding.Critical, func(_ *Cluster, p *corev1.Pod) {
			p.Spec.NodeName = ""
			p.Status = corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Message: "0/2 nodes are available"}}}
		}},
		{"stuck ContainerCreating", "pod-creating", "pod shop/web", "ContainerCreating on n1 for 1 h", finding.Critical, func(_ *Cluster, p *corev1.Pod) {
			p.Status.Phase, p.Status.ContainerStatuses[0].State = corev1.PodPending, waiting("ContainerCreating")
		}},
		{"crash loop", "pod-crash-looping", "pod shop/web", "app on n1 was restarted 7 times, last with exit code 137 (Error)", finding.Warning, func(_ *Cluster, p *corev1.Pod) {
			p.Status.ContainerStatuses[0] = corev1.ContainerStatus{Name: "app", RestartCount: 7, State: waiting("CrashLoopBackOff"), LastTerminationState: terminated("Error", time.Minute)}
		}},
		{"crash loop of what a node needs", "pod-crash-looping", "pod shop/web", "app on n1", finding.Critical, func(_ *Cluster, p *corev1.Pod) {
			p.Spec.PriorityClassName = "system-node-critical"
			p.Status.ContainerStatuses[0].State = waiting("CrashLoopBackOff")
		}},
		{"no image", "pod-image", "pod shop/web", "app on n1: ImagePullBackOff", finding.Warning, func(_ *Cluster, p *corev1.Pod) {
			p.Status.Phase, p.Status.ContainerStatuses[0].State = corev1.PodPending, waiting("ImagePullBackOff")
		}},
		{"OOM of a container", "pod-oom", "pod shop/web", "killed for want of memory 20 min ago, 1 restart in all", finding.Warning, func(_ *Cluster, p *corev1.Pod) {
			p.Status.ContainerStatuses[0] = corev1.ContainerStatus{Name: "app", RestartCount: 1, LastTerminationState: terminated("OOMKilled", 20*time.Minute)}
		}},
		{"restarts", "pod-restarts", "pod shop/web", "restarted 6 times", finding.Warning, func(_ *Cluster, p *corev1.Pod) {
			p.Status.ContainerStatuses[0] = corev1.ContainerStatus{Name: "app", RestartCount: 6, LastTerminationState: terminated("Error", time.Hour)}
		}},
		{"flapping", "flapping", "node n1", "4 events, the last 10 min ago: NotReady", finding.Warning, func(c *Cluster, _ *corev1.Pod) {
			c.Events = append(c.Events, corev1.Event{Reason: "NodeNotReady", InvolvedObject: corev1.ObjectReference{Kind: "Node", Name: "n1"}, LastTimestamp: ago(10 * time.Minute), Count: 3})
		}},
		{"a pressure that is over", "node-disk-pressure", "node n1", "1 event, the last 2 h ago: Node n1 status is now: NodeHasDiskPressure", finding.Warning, func(c *Cluster, _ *corev1.Pod) {
			c.Events = append(c.Events, corev1.Event{Reason: "NodeHasDiskPressure", Message: "Node n1 status is now: NodeHasDiskPressure", InvolvedObject: corev1.ObjectReference{Kind: "Node", Name: "n1"}, LastTimestamp: ago(2 * time.Hour)})
		}},
		{"a pressure that lasts", "node-memory-pressure", "node n1", "MemoryPressure for 3 min: little", finding.Critical, func(c *Cluster, _ *corev1.Pod) {
			c.Nodes[0].Status.Conditions[1] = corev1.NodeCondition{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionTrue, LastTransitionTime: ago(3 * time.Minute), Reason: "little"}
			c.Events = append(c.Events, corev1.Event{Reason: "NodeHasInsufficientMemory", InvolvedObject: corev1.ObjectReference{Kind: "Node", Name: "n1"}, LastTimestamp: ago(3 * time.Minute)})
		}},
		{"an evicted pod that is gone", "evictions", "node n1", "1 event, the last 2 h ago: The node was low on resource: memory.", finding.Warning, func(c *Cluster, _ *corev1.Pod) {
			c.Events = append(c.Events, corev1.Event{Reason: "Evicted", Message: "The node was low on resource: memory.", InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "gone"},
				Source: corev1.EventSource{Component: "kubelet", Host: "n1"}, LastTimestamp: ago(2 * time.Hour)})
		}},
		{"system OOM", "oom-kill", "node n2", "1 event, the last 5 min ago: victim process: java", finding.Critical, func(c *Cluster, _ *corev1.Pod) {
			c.Events = append(c.Events, corev1.Event{Reason: "SystemOOM", Message: "victim process: java", InvolvedObject: corev1.ObjectReference{Kind: "Node", Name: "n2"}, LastTimestamp: ago(5 * time.Minute)})
		}},
		{"CNI errors", "cni-errors", "node n1", "9 events", finding.Warning, func(c *Cluster, _ *corev1.Pod) {
			c.Events = append(c.Events, corev1.Event{Reason: "FailedCreatePodSandBox", Source: corev1.EventSource{Host: "n1"}, LastTimestamp: ago(5 * time.Minute), Count: 9})
		}},
		{"a volume that fails again", "csi-errors", "node n1", "1 event", finding.Warning, func(c *Cluster, _ *corev1.Pod) {
			c.Events = append(c.Events, corev1.Event{Reason: "FailedMount", InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "late", UID: "late"}, LastTimestamp: ago(49 * time.Minute)})
		}},
		{"CSI errors", "csi-errors", "node n1", "1 event", finding.Warning, func(c *Cluster, _ *corev1.Pod) {
			c.Events = append(c.Events, corev1.Event{Reason: "FailedMount", InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "web"}, EventTime: metav1.NewMicroTime(now.Add(-time.Hour))})
		}},
	} {
		t.Run(c.fault, func(t *testing.T) {
			cluster := wellCluster()
			c.put(&cluster, &cluster.Pods[0])
			found := JudgeCluster(cluster, nil, true, defaults(t), now)
			if len(found) != 1 {
				t.Fatalf("%d findings: %+v", len(found), found)
			}
			f := found[0]
			if f.Rule != c.rule || f.Object != c.object || f.Severity != c.severity || !strings.Contains(f.Evidence, c.evidence) || f.Meaning == "" || f.Action == "" {
				t.Errorf("found %+v,\nwant %s %s %s %q", f, c.severity, c.rule, c.object, c.evidence)
			}
			if c.object != "node n2" && c.fault != "stuck Pending" {
				if other := JudgeCluster(cluster, []string{"n2"}, false, defaults(t), now); len(other) > 0 {
					t.Errorf("asked for n2 alone: %+v", other)
				}
			}
		})
	}
}

func TestNodeThatTheClusterLacks(t *testing.T) {
	found := JudgeCluster(wellCluster(), []string{"n1", "n7"}, true, defaults(t), now)
	if len(found) != 1 || found[0].Rule != "not-in-cluster" || found[0].Object != "node n7" {
		t.Errorf("found %+v", found)
	}
}
