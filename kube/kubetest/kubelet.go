package kubetest

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// KubeletStatus is what a kubelet tells of its machine. Zero fields keep what the node told before, or have a default.
type KubeletStatus struct {
	Version, KernelVersion, BootID, OSImage, ContainerRuntimeVersion string
	// Allocatable and Capacity: default 8 CPUs, 32 GiB and 110 pods.
	Allocatable, Capacity corev1.ResourceList
	// NotReady, where it isn't "", is why the kubelet reports Ready=False.
	NotReady string
	// Config is what the kubelet answers to /configz, in the fields of kubelet.config.k8s.io/v1beta1. Default: a kubelet's
	// own defaults, with nothing reserved.
	Config map[string]any
}

// kubelet is one simulated kubelet.
type kubelet struct {
	status  KubeletStatus
	running bool
	posted  bool      // has told its status since it runs
	stopped time.Time // when it was stopped
	next    time.Time // its next heartbeat
	renews  time.Time // its lease's next renewal
}

// defaultConfig is the part of a kubelet's configuration that anybody here asks for, as kubeadm leaves it.
var defaultConfig = map[string]any{
	"maxPods": 110,
	"evictionHard": map[string]any{
		"memory.available": "100Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%", "imagefs.available": "15%", "imagefs.inodesFree": "5%",
	},
}

// heartbeat is how often a kubelet posts its status unchanged, as nodeStatusReportFrequency.
const heartbeat = 5 * time.Minute

// Kubelet starts a node's kubelet, or restarts it: after Config.ReadyDelay it posts its status and takes up its pods. It
// makes the Node where there is none. With another boot id than before, the pods that stayed start anew.
func (s *Server) Kubelet(node string, status KubeletStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.startKubelet(node, status)
	s.work.after(s.config.ReadyDelay, runKubelet, key{name: node})
}

// StopKubelet stops a node's kubelet: its pods go on, but none starts or ends, and after Config.NodeMonitorGrace the node
// becomes NotReady.
func (s *Server) StopKubelet(node string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.kubelets[node]; k != nil && k.running {
		k.running, k.posted, k.stopped = false, false, time.Now()
		s.work.after(s.config.NodeMonitorGrace, runNode, key{name: node})
	}
}

func (s *Server) startKubelet(node string, status KubeletStatus) {
	k := s.kubelets[node]
	if k == nil {
		k = &kubelet{status: KubeletStatus{
			Version: s.config.Version, KernelVersion: "6.1.0-51-amd64", BootID: string(s.uid()),
			OSImage: "Debian GNU/Linux 12 (bookworm)", ContainerRuntimeVersion: "containerd://2.1.4",
			Allocatable: resources("8", "32Gi", "110"), Capacity: resources("8", "32Gi", "110"), Config: defaultConfig,
		}}
		s.kubelets[node] = k
	}
	if boot := k.status.BootID; status.BootID != "" && status.BootID != boot {
		s.reboot(node)
	}
	k.status = k.status.with(status)
	k.running, k.posted = true, false
}

// with overrides what the newer status says.
func (st KubeletStatus) with(newer KubeletStatus) KubeletStatus {
	or := func(old *string, value string) {
		if value != "" {
			*old = value
		}
	}
	or(&st.Version, newer.Version)
	or(&st.KernelVersion, newer.KernelVersion)
	or(&st.BootID, newer.BootID)
	or(&st.OSImage, newer.OSImage)
	or(&st.ContainerRuntimeVersion, newer.ContainerRuntimeVersion)
	if newer.Allocatable != nil {
		st.Allocatable = newer.Allocatable
	}
	if newer.Capacity != nil {
		st.Capacity = newer.Capacity
	}
	if newer.Config != nil {
		st.Config = newer.Config
	}
	st.NotReady = newer.NotReady
	return st
}

func resources(cpu, memory, pods string) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
		corev1.ResourcePods: resource.MustParse(pods), corev1.ResourceEphemeralStorage: resource.MustParse("100Gi"),
	}
}

// reboot ends the containers of all pods on the node; those that end with it are gone when the kubelet is back.
func (s *Server) reboot(node string) {
	for _, p := range s.pods.on(node) {
		l := s.life(p)
		l.alive, l.start = false, time.Time{}
	}
}

// post tells the API what the kubelet knows, now and at every heartbeat.
func (s *Server) post(node string) {
	k := s.kubelets[node]
	if k == nil || !k.running {
		return
	}
	at := key{name: node}
	first := !k.posted
	if !first && time.Now().Before(k.next) {
		return // a heartbeat of an earlier start
	}
	k.posted, k.next = true, time.Now().Add(heartbeat)
	if s.tables[nodes].get(at) == nil {
		n := &corev1.Node{}
		n.Name = node
		n.Labels = map[string]string{corev1.LabelHostname: node, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64"}
		_, _ = s.create(nodes, n, false)
	}
	s.change(nodes, at, func(o Object) { k.status.show(o.(*corev1.Node)) })
	s.work.after(heartbeat, runKubelet, at)
	if !first {
		return
	}
	k.renews = time.Time{}
	s.renew(node)
	for _, p := range s.pods.on(node) {
		if l := s.life(p); !l.alive && ready(p) {
			s.change(pods, keyOf(p), func(o Object) { showRestarted(o.(*corev1.Pod)) })
		}
		s.work.mark(runPod, keyOf(p))
	}
}

// showRestarted reports a pod that a reboot ended and that starts again.
func showRestarted(p *corev1.Pod) {
	setReady(p, false, "ContainersNotReady")
	for i := range p.Status.ContainerStatuses {
		c := &p.Status.ContainerStatuses[i]
		c.Ready, c.RestartCount = false, c.RestartCount+1
		c.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}
	}
}

// show writes the status into the Node.
func (st KubeletStatus) show(n *corev1.Node) {
	info := &n.Status.NodeInfo
	info.KubeletVersion, info.KernelVersion, info.BootID = st.Version, st.KernelVersion, st.BootID
	info.OSImage, info.ContainerRuntimeVersion = st.OSImage, st.ContainerRuntimeVersion
	info.OperatingSystem, info.Architecture = "linux", "amd64"
	n.Status.Allocatable, n.Status.Capacity = st.Allocatable.DeepCopy(), st.Capacity.DeepCopy()
	healthy := map[corev1.NodeConditionType]string{
		corev1.NodeMemoryPressure: "KubeletHasSufficientMemory", corev1.NodeDiskPressure: "KubeletHasNoDiskPressure",
		corev1.NodePIDPressure: "KubeletHasSufficientPID",
	}
	for _, c := range nodeConditions {
		if reason := healthy[c]; reason != "" {
			setNodeCondition(n, c, corev1.ConditionFalse, reason, "")
		}
	}
	if st.NotReady != "" {
		setNodeCondition(n, corev1.NodeReady, corev1.ConditionFalse, "KubeletNotReady", st.NotReady)
		return
	}
	setNodeCondition(n, corev1.NodeReady, corev1.ConditionTrue, "KubeletReady", "kubelet is posting ready status")
}

// nodeConditions in the order in which a kubelet posts them.
var nodeConditions = []corev1.NodeConditionType{
	corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure, corev1.NodeReady,
}

// setNodeCondition beats the heart, except for a status that nobody reported: Unknown.
func setNodeCondition(n *corev1.Node, t corev1.NodeConditionType, status corev1.ConditionStatus, reason, message string) {
	c := corev1.NodeCondition{
		Type: t, Status: status, Reason: reason, Message: message, LastHeartbeatTime: now(), LastTransitionTime: now(),
	}
	for i, old := range n.Status.Conditions {
		if old.Type != t {
			continue
		}
		if old.Status == status {
			c.LastTransitionTime = old.LastTransitionTime
		}
		if status == corev1.ConditionUnknown {
			c.LastHeartbeatTime = old.LastHeartbeatTime
		}
		n.Status.Conditions[i] = c
		return
	}
	n.Status.Conditions = append(n.Status.Conditions, c)
}
