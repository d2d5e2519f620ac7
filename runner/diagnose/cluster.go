package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fleetup/fleetup/runner/finding"
)

// Cluster is what the API says of nodes, of pods and of what happened.
type Cluster struct {
	Nodes  []corev1.Node
	Pods   []corev1.Pod
	Events []corev1.Event
	Held   map[string]Holder // nodes that runs of fleetup hold, by their names
}

// JudgeCluster is what is wrong by what the API says about the nodes that are wanted and the pods there; whole adds other
// nodes, and pods that have none yet. now is the time that ages count to.
func JudgeCluster(c Cluster, wanted []string, whole bool, t Thresholds, now time.Time) []finding.Finding {
	j := clusterJudge{t: t, now: now, whole: whole, held: c.Held, wanted: map[string]bool{}, nodes: map[string]bool{}}
	for _, name := range wanted {
		j.wanted[name] = true
	}
	for i := range c.Nodes {
		j.nodes[c.Nodes[i].Name] = true
		j.node(&c.Nodes[i])
	}
	for _, name := range wanted {
		if !j.nodes[name] {
			j.add(finding.Warning, "node "+name, told{rule: "not-in-cluster", meaning: "the machine is in the inventory and no node of the cluster: nothing is scheduled there",
				action: "join it, or take it out of the inventory"}, "the cluster has no node %s", name)
		}
	}
	for i := range c.Pods {
		if p := &c.Pods[i]; j.about(p.Spec.NodeName) {
			j.pod(p)
		}
	}
	j.events(c)
	finding.Sort(j.found)
	return j.found
}

type clusterJudge struct {
	t      Thresholds
	now    time.Time
	whole  bool
	held   map[string]Holder
	wanted map[string]bool
	nodes  map[string]bool
	found  []finding.Finding
}

func (j *clusterJudge) about(node string) bool { return j.whole || j.wanted[node] }

func (j *clusterJudge) add(s finding.Severity, object string, w told, format string, args ...any) {
	if s != finding.None {
		j.found = append(j.found, finding.Finding{Severity: s, Rule: w.rule, Object: object, Evidence: fmt.Sprintf(format, args...), Threshold: j.t.crossed(s, w.by, w.also),
			Meaning: w.meaning, Action: w.action, Command: w.command})
	}
}

// What conditions mean that are true and shouldn't be.
var pressures = map[corev1.NodeConditionType]told{
	corev1.NodeMemoryPressure:     {rule: "node-memory-pressure", meaning: "the kubelet evicts pods to free memory, and takes no new ones", action: "see which pods are largest; set memory limits"},
	corev1.NodeDiskPressure:       {rule: "node-disk-pressure", meaning: "the kubelet removes images and evicts pods to free the disk, and takes no new ones", action: "make room below /var/lib/kubelet and /var/lib/containerd"},
	corev1.NodePIDPressure:        {rule: "node-pid-pressure", meaning: "the kubelet evicts pods that have many processes", action: "see which pod starts so many; set podPidsLimit"},
	corev1.NodeNetworkUnavailable: {rule: "node-network", meaning: "pods there have no network", action: "see whether the CNI plugin's pods run there"},
}

func (j *clusterJudge) node(n *corev1.Node) {
	if !j.about(n.Name) {
		return
	}
	object := "node " + n.Name
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			if c.Status != corev1.ConditionTrue {
				j.notReady(n.Name, c)
			}
			continue
		}
		if w, known := pressures[c.Type]; known && c.Status == corev1.ConditionTrue {
			j.add(finding.Critical, object, w, "%s for %s: %s", c.Type, since(c.LastTransitionTime.Time, j.now), orElse(c.Message, c.Reason))
		}
	}
}

// notReady tells of a node that isn't; while a run of fleetup works there, that is its doing.
func (j *clusterJudge) notReady(node string, c corev1.NodeCondition) {
	w := told{rule: "not-ready", meaning: "its pods are given up and made anew elsewhere", action: "see whether the machine is up and its kubelet runs", command: "kubectl describe node " + node}
	severity, by := finding.Critical, ""
	if h, held := j.held[node]; held {
		severity, by = h.severity(), "; "+h.String()
		w.meaning = "it was drained before"
		if h.Spare {
			w.meaning = "nothing runs there"
		}
		w.action, w.command = h.next(node)
	}
	j.add(severity, "node "+node, w, "NotReady for %s: %s%s", since(c.LastTransitionTime.Time, j.now), orElse(c.Message, c.Reason), by)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// pod tells what is wrong with one: the first that holds of how it stands, and what its containers went through.
func (j *clusterJudge) pod(p *corev1.Pod) {
	switch {
	case p.DeletionTimestamp != nil:
		j.terminating(p)
	case p.Status.Phase == corev1.PodFailed && p.Status.Reason == "Evicted":
		j.add(finding.Warning, podName(p), told{rule: "pod-evicted", meaning: "the kubelet took it off the node for want of something", action: "set its requests to what it uses; then delete what is left of it",
			command: "kubectl delete pod -n " + p.Namespace + " " + p.Name}, "evicted from %s: %s", p.Spec.NodeName, p.Status.Message)
	case p.Status.Phase == corev1.PodPending && p.Spec.NodeName == "":
		j.add(j.late(j.t.PodPending, p.CreationTimestamp.Time), podName(p), told{by: &j.t.PodPending, rule: "pod-pending", meaning: "no node takes it", action: "see what it asks for: resources, taints, affinities, volumes",
			command: describe(p)}, "Pending for %s: %s", since(p.CreationTimestamp.Time, j.now), unscheduled(p))
	case p.Status.Phase == corev1.PodPending && !waitsFor(p, "ErrImagePull", "ImagePullBackOff", "CrashLoopBackOff"):
		j.add(j.late(j.t.PodPending, p.CreationTimestamp.Time), podName(p), told{by: &j.t.PodPending, rule: "pod-creating", meaning: "its containers don't start: mostly a volume, an image or the network", action: "read its events",
			command: describe(p)}, "%s on %s for %s", creating(p), p.Spec.NodeName, since(p.CreationTimestamp.Time, j.now))
	}
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		j.container(p, s)
	}
}

// terminating counts from the end of the grace: that is what the deletion timestamp holds.
func (j *clusterJudge) terminating(p *corev1.Pod) {
	why := "its containers don't end"
	if len(p.Finalizers) > 0 {
		why = "it waits for whoever owns the finalizer " + strings.Join(p.Finalizers, ", ")
	} else if !j.nodes[p.Spec.NodeName] && p.Spec.NodeName != "" {
		why = "its node is gone"
	}
	j.add(j.late(j.t.PodTerminating, p.DeletionTimestamp.Time), podName(p), told{by: &j.t.PodTerminating, rule: "pod-terminating", meaning: "a drain waits for it, and so does what comes after it", action: "mend what it waits for; finalizers are never to be stripped blindly",
		command: describe(p)}, "Terminating on %s, %s beyond its grace: %s", orElse(p.Spec.NodeName, "no node"), since(p.DeletionTimestamp.Time, j.now), why)
}

func (j *clusterJudge) late(l Level, since time.Time) finding.Severity {
	return l.Of(j.now.Sub(since).Minutes())
}

func (j *clusterJudge) container(p *corev1.Pod, s corev1.ContainerStatus) {
	w := told{meaning: "it doesn't serve", action: "read why", command: fmt.Sprintf("kubectl logs -n %s %s -c %s --previous", p.Namespace, p.Name, s.Name)}
	last := s.LastTerminationState.Terminated
	fresh := last != nil && j.now.Sub(last.FinishedAt.Time).Hours() <= j.t.EventHours[0]
	switch waiting := s.State.Waiting; {
	case waiting != nil && waiting.Reason == "CrashLoopBackOff":
		w.rule = "pod-crash-looping"
		severity := finding.Warning
		if critical(p) {
			severity, w.meaning = finding.Critical, "the node doesn't work without it"
		}
		j.add(severity, podName(p), w, "%s on %s was restarted %s%s", s.Name, p.Spec.NodeName, times(int(s.RestartCount), "time", "times"), ended(last))
	case waiting != nil && (waiting.Reason == "ImagePullBackOff" || waiting.Reason == "ErrImagePull"):
		w.rule, w.action, w.command = "pod-image", "see whether the registry is there, the image's name is right and its secret holds", describe(p)
		j.add(finding.Warning, podName(p), w, "%s on %s: %s: %s", s.Name, p.Spec.NodeName, waiting.Reason, short(orElse(waiting.Message, s.Image)))
	case fresh && last.Reason == "OOMKilled":
		w.rule, w.meaning, w.action = "pod-oom", "the container needs more memory than its limit, or leaks", "raise its limit, or mend the leak"
		j.add(finding.Warning, podName(p), w, "%s on %s was killed for want of memory %s ago, %s", s.Name, p.Spec.NodeName, since(last.FinishedAt.Time, j.now), times(int(s.RestartCount), "restart in all", "restarts in all"))
	case fresh:
		w.rule, w.meaning, w.by = "pod-restarts", "it ends again and again", &j.t.PodRestarts
		j.add(j.t.PodRestarts.Of(float64(s.RestartCount)), podName(p), w, "%s on %s was restarted %s%s", s.Name, p.Spec.NodeName, times(int(s.RestartCount), "time", "times"), ended(last))
	}
}

func ended(t *corev1.ContainerStateTerminated) string {
	if t == nil {
		return ""
	}
	return fmt.Sprintf(", last with exit code %d (%s)", t.ExitCode, t.Reason)
}

// NodeCritical are the pods on a node, NAMESPACE/POD, that it can't do without, by their priority class; without kube-system's, which
// Ask reads the logs of in any case.
func NodeCritical(pods []corev1.Pod, node string) []string {
	var names []string
	for i := range pods {
		if p := &pods[i]; p.Spec.NodeName == node && p.Spec.PriorityClassName == "system-node-critical" && p.Namespace != "kube-system" {
			names = append(names, p.Namespace+"/"+p.Name)
		}
	}
	return names
}

// critical reports whether a node, or the cluster, can't do without a pod.
func critical(p *corev1.Pod) bool {
	return p.Spec.PriorityClassName == "system-node-critical" || p.Spec.PriorityClassName == "system-cluster-critical"
}

func waitsFor(p *corev1.Pod, reasons ...string) bool {
	return slices.ContainsFunc(slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses), func(s corev1.ContainerStatus) bool {
		return s.State.Waiting != nil && slices.Contains(reasons, s.State.Waiting.Reason)
	})
}

// creating is what a pod's containers wait for: ContainerCreating, mostly.
func creating(p *corev1.Pod) string {
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if s.State.Waiting != nil {
			return s.State.Waiting.Reason
		}
	}
	return "Pending"
}

func unscheduled(p *corev1.Pod) string {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Message != "" {
			return c.Message
		}
	}
	return "the scheduler says nothing"
}

func podName(p *corev1.Pod) string  { return "pod " + p.Namespace + "/" + p.Name }
func describe(p *corev1.Pod) string { return "kubectl describe pod -n " + p.Namespace + " " + p.Name }

// What events tell that neither a condition nor a pod does, by their reasons.
var eventRules = map[string]told{
	"SystemOOM":              {rule: "oom-kill", meaning: "the node ran out of memory, and the kernel chose a victim", action: "set limits on what grew, and reserve memory for the system"},
	"OOMKilling":             {rule: "oom-kill", meaning: "the node ran out of memory, and the kernel chose a victim", action: "set limits on what grew, and reserve memory for the system"},
	"Evicted":                {rule: "evictions", meaning: "the kubelet took pods off for want of something; they are gone since", action: "see what is short there; set requests to what is used"},
	"EvictionThresholdMet":   {rule: "evictions", meaning: "the kubelet evicts pods for want of something", action: "see what is short there; set requests to what is used"},
	"ImageGCFailed":          {rule: "image-gc", meaning: "images can't be removed, and the disk fills", action: "see what the runtime says"},
	"FreeDiskSpaceFailed":    {rule: "image-gc", meaning: "images were removed, and the disk is full all the same", action: "make room: something else fills it"},
	"ContainerGCFailed":      {rule: "image-gc", meaning: "dead containers can't be removed", action: "see what the runtime says"},
	"FailedCreatePodSandBox": {rule: "cni-errors", meaning: "pods there get no network", action: "see whether the CNI plugin's pods run there"},
	"NetworkNotReady":        {rule: "cni-errors", meaning: "pods there get no network", action: "see whether the CNI plugin's pods run there"},
	"FailedMount":            {rule: "csi-errors", meaning: "pods wait for their volumes", action: "see whether the storage and its CSI plugin are well"},
	"FailedAttachVolume":     {rule: "csi-errors", meaning: "pods wait for their volumes", action: "see whether the storage and its CSI plugin are well, and whether another node still has the volume"},
	"FailedMapVolume":        {rule: "csi-errors", meaning: "pods wait for their volumes", action: "see whether the storage and its CSI plugin are well"},
}

// What the kubelet calls a pressure that begins. One that lasts is a condition, which is told of itself.
var pressureEvents = map[string]corev1.NodeConditionType{
	"NodeHasInsufficientMemory": corev1.NodeMemoryPressure, "NodeHasDiskPressure": corev1.NodeDiskPressure, "NodeHasInsufficientPID": corev1.NodePIDPressure,
}

// rule is what an event means; false where it means nothing that isn't told already. there are the pods that are.
func (j *clusterJudge) rule(e *corev1.Event, there map[string]string) (told, bool) {
	w, known := eventRules[e.Reason]
	if pressure, ok := pressureEvents[e.Reason]; ok {
		w, known = pressures[pressure], true
		w.meaning += "; it is over, and may come back"
		for _, f := range j.found {
			known = known && (f.Rule != w.rule || f.Object != "node "+e.InvolvedObject.Name)
		}
	}
	switch e.Reason {
	case "NodeNotReady":
		w, known = told{rule: "flapping", meaning: "the node goes and comes back: its pods may move each time", action: "look at its kubelet, its load and its way to the API server"}, true
	case "Evicted":
		_, still := there[e.InvolvedObject.Namespace+"/"+e.InvolvedObject.Name]
		known = !still // one that is still there is told of itself
	}
	return w, known
}

// heard are events of one rule about one node.
type heard struct {
	told
	node  string
	count int
	last  time.Time
	text  string
}

// events counts those of the last hours by node and rule.
func (j *clusterJudge) events(c Cluster) {
	on, began := map[string]string{}, map[types.UID]time.Time{} // pods' nodes, and when the last of their containers was started
	for i := range c.Pods {
		p := &c.Pods[i]
		on[p.Namespace+"/"+p.Name] = p.Spec.NodeName
		began[p.UID] = lastStart(p)
	}
	type key struct{ node, rule string }
	all := map[key]*heard{}
	for i := range c.Events {
		e := &c.Events[i]
		w, known := j.rule(e, on)
		node := nodeOf(e, on)
		at := eventTime(e)
		if !known || !j.about(node) || j.now.Sub(at).Hours() > j.t.EventHours[0] {
			continue
		}
		if start := began[e.InvolvedObject.UID]; e.InvolvedObject.Kind == "Pod" && !start.IsZero() && !start.Before(at) {
			continue // it was tried again, with success: a volume or a network that came a moment later
		}
		k := key{node, w.rule}
		if all[k] == nil {
			all[k] = &heard{told: w, node: node}
		}
		h := all[k]
		h.count += max(int(e.Count), 1)
		if at.After(h.last) {
			h.last, h.text = at, e.Message
		}
	}
	for _, h := range all {
		h.by = &j.t.EventHours
		severity := min(j.t.EventHours.Of(j.now.Sub(h.last).Hours()), finding.Warning)
		switch h.rule {
		case "flapping":
			severity, h.by = j.t.Flaps.Of(float64(h.count)), &j.t.Flaps
			h.text = "NotReady"
		case "oom-kill", "evictions":
			severity = j.t.EventHours.Of(j.now.Sub(h.last).Hours())
		}
		object := "node " + h.node
		if h.node == "" {
			object = "the cluster"
		}
		j.add(severity, object, h.told, "%s, the last %s ago: %s", times(h.count, "event", "events"), since(h.last, j.now), short(h.text))
	}
	slices.SortFunc(j.found, func(a, b finding.Finding) int { return cmp.Compare(a.Object, b.Object) })
}

// lastStart is when the last of a pod's containers was started; zero where none was. Its volumes and its network were there by then.
func lastStart(p *corev1.Pod) (last time.Time) {
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		for _, at := range []time.Time{startOf(s.State), startOf(s.LastTerminationState)} {
			if at.After(last) {
				last = at
			}
		}
	}
	return last
}

func startOf(s corev1.ContainerState) time.Time {
	switch {
	case s.Running != nil:
		return s.Running.StartedAt.Time
	case s.Terminated != nil:
		return s.Terminated.StartedAt.Time
	}
	return time.Time{}
}

// nodeOf is the node that an event is about: itself, or that of the kubelet or the pod; "" where nobody knows.
func nodeOf(e *corev1.Event, pods map[string]string) string {
	switch {
	case e.InvolvedObject.Kind == "Node":
		return e.InvolvedObject.Name
	case e.Source.Host != "":
		return e.Source.Host
	}
	return pods[e.InvolvedObject.Namespace+"/"+e.InvolvedObject.Name]
}

// eventTime is when an event last happened: old and new recorders fill different fields.
func eventTime(e *corev1.Event) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	}
	return e.CreationTimestamp.Time
}
