package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fleetup/fleetup/playbooks/kubeletconfig"
)

// Kubelet is the part of a kubelet's live configuration that decides whether its node survives pressure. The names are
// those of kubelet.config.k8s.io/v1beta1.
type Kubelet struct {
	KubeReserved            map[string]string `json:"kubeReserved,omitempty"`
	SystemReserved          map[string]string `json:"systemReserved,omitempty"`
	EvictionHard            map[string]string `json:"evictionHard,omitempty"`
	EvictionSoft            map[string]string `json:"evictionSoft,omitempty"`
	EvictionSoftGracePeriod map[string]string `json:"evictionSoftGracePeriod,omitempty"`
	MergeDefaults           bool              `json:"mergeDefaultEvictionSettings,omitempty"`
	MaxPods                 int               `json:"maxPods,omitempty"`
	PodsPerCore             int               `json:"podsPerCore,omitempty"`        // 0: as many as maxPods
	ReservedSystemCPUs      string            `json:"reservedSystemCPUs,omitempty"` // whole ones, in place of cpu in both reservations
}

// ParseConfigz reads what a kubelet answers to /configz.
func ParseConfigz(body []byte) (Kubelet, error) {
	var answer struct {
		Config *Kubelet `json:"kubeletconfig"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Config == nil {
		return Kubelet{}, fmt.Errorf("not understood: %.80q", body)
	}
	return *answer.Config, nil
}

// ParseKubeletFiles reads the files of a kubelet that doesn't answer, as it would merge them.
func ParseKubeletFiles(main []byte, dropins ...[]byte) (Kubelet, error) {
	merged, err := kubeletconfig.Merge(main, dropins...)
	if err != nil {
		return Kubelet{}, err
	}
	body, err := json.Marshal(map[string]any{"kubeletconfig": merged})
	if err != nil {
		return Kubelet{}, err
	}
	return ParseConfigz(body)
}

// pods are how many the kubelet takes.
func (k Kubelet) pods(n *corev1.Node) int {
	if cores := n.Status.Capacity.Cpu().Value(); k.PodsPerCore > 0 {
		return min(k.MaxPods, int(cores)*k.PodsPerCore)
	}
	return k.MaxPods
}

// advice is what a node of a size should keep for itself.
type advice struct {
	kube, system  string
	hard          string
	soft, grace   string
	kubeMemory    int64
	memoryForHard int64
}

// adviceFor follows what large providers set: for the kubelet and the runtime 255 MiB and 11 MiB a pod (EKS), and of the
// CPUs 6 % of the first, 1 % of the second, 0.5 % of the next two and 0.25 % of all others (GKE, EKS, AKS); for the system
// half a GiB, a whole one from 64 GiB on. Memory is evicted for at 1 %, at least 250 and at most 1,000 MiB.
func adviceFor(n *corev1.Node, pods int) advice {
	cores := n.Status.Capacity.Cpu().MilliValue() / 1000
	cpu := 60 + min(max(cores-1, 0), 1)*10 + min(max(cores-2, 0), 2)*5 + max(cores-4, 0)*5/2
	memory := n.Status.Capacity.Memory().Value()
	kube := mebi(255 + 11*int64(pods))
	kube = min(kube, memory/10/mebi(1)*mebi(1)) // a small machine has other worries
	system := "512Mi"
	if memory >= 64<<30 {
		system = "1Gi"
	} else if memory < 8<<30 {
		system = "200Mi"
	}
	hard := min(max(memory/100, mebi(250)), mebi(1000)) / mebi(10) * mebi(10)
	return advice{
		kube: fmt.Sprintf("cpu=%dm,memory=%dMi,ephemeral-storage=1Gi", cpu, kube>>20), kubeMemory: kube,
		system: "cpu=100m,memory=" + system + ",ephemeral-storage=1Gi",
		hard:   fmt.Sprintf("memory.available<%dMi,nodefs.available<10%%,nodefs.inodesFree<5%%,imagefs.available<15%%,imagefs.inodesFree<5%%", hard>>20),
		soft:   fmt.Sprintf("memory.available<%dMi,nodefs.available<15%%,imagefs.available<20%%", 2*hard>>20),
		grace:  "memory.available=1m30s,nodefs.available=2m,imagefs.available=2m", memoryForHard: hard,
	}
}

// withoutCPU is advice for a kubelet that takes none for CPU.
func (a advice) withoutCPU() advice {
	_, a.kube, _ = strings.Cut(a.kube, ",")
	_, a.system, _ = strings.Cut(a.system, ",")
	return a
}

// lines are the inventory's by which the playbook sets all that was advised.
func (a advice) lines() string {
	return fmt.Sprintf("[upgrade.kubelet-config]\nkube_reserved = %q\nsystem_reserved = %q\neviction_hard = %q\neviction_soft = %q\neviction_soft_grace_period = %q",
		a.kube, a.system, a.hard, a.soft, a.grace)
}

// kubelets asks a question about each kubelet that told its configuration.
func (w *world) kubelets(rule string, ask func(n *corev1.Node, k Kubelet, a advice) hit) (hits []hit) {
	for i := range w.Nodes {
		n := &w.Nodes[i]
		k, told := w.Kubelets[n.Name]
		if !told || accepted(n.Annotations, rule) {
			continue
		}
		k.MaxPods = k.pods(n)
		a := adviceFor(n, max(k.MaxPods, 1))
		if k.ReservedSystemCPUs != "" {
			a = a.withoutCPU()
		}
		h := ask(n, k, a)
		if h.evidence == "" {
			continue
		}
		h.object = "node " + n.Name
		if h.command == "" {
			h.command = a.lines()
		}
		hits = append(hits, h)
	}
	return hits
}

// bytesOf is a quantity's value; 0 where there is none or it isn't one.
func bytesOf(text string) int64 {
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return 0
	}
	return q.Value()
}

// kubeReserved: less than half of what is advised counts as too little.
func kubeReserved(w *world) []hit {
	return w.kubelets("kube-reserved", func(n *corev1.Node, k Kubelet, a advice) hit {
		has := bytesOf(k.KubeReserved["memory"])
		switch {
		case has == 0:
			return hit{evidence: fmt.Sprintf("kubeReserved sets no memory; for %d pods %d MiB", k.MaxPods, a.kubeMemory>>20)}
		case has*2 < a.kubeMemory:
			return hit{evidence: fmt.Sprintf("kubeReserved sets %d MiB of memory; for %d pods rather %d", has>>20, k.MaxPods, a.kubeMemory>>20), severity: info}
		case k.KubeReserved["cpu"] == "" && k.ReservedSystemCPUs == "":
			return hit{evidence: "kubeReserved sets no cpu", severity: info}
		}
		return hit{}
	})
}

func systemReserved(w *world) []hit {
	return w.kubelets("system-reserved", func(n *corev1.Node, k Kubelet, a advice) hit {
		if bytesOf(k.SystemReserved["memory"]) == 0 {
			return hit{evidence: "systemReserved sets no memory"}
		}
		return hit{}
	})
}

// hardSignals must have a threshold each. imagefs is the same file system as nodefs on most machines and then has none to
// miss.
var hardSignals = []string{"memory.available", "nodefs.available", "nodefs.inodesFree"}

func evictionHard(w *world) []hit {
	return w.kubelets("eviction-hard", func(n *corev1.Node, k Kubelet, a advice) hit {
		var off []string
		for _, signal := range hardSignals {
			if nought(k.EvictionHard[signal]) {
				off = append(off, signal)
			}
		}
		if len(off) > 0 {
			return hit{evidence: "no hard threshold for " + strings.Join(off, ", ")}
		}
		text, memory := k.EvictionHard["memory.available"], n.Status.Capacity.Memory().Value()
		if has := bytesOf(text); !strings.HasSuffix(text, "%") && memory >= 64<<30 && has*4 < a.memoryForHard {
			return hit{severity: info, evidence: fmt.Sprintf("memory.available<%s is little for %d GiB: memory is filled faster than the kubelet looks (10 s)", text, memory>>30)}
		}
		return hit{}
	})
}

// nought reports whether a threshold never holds. The kubelet takes 100% for none, too (parseThresholdStatement of
// pkg/kubelet/eviction/helpers.go).
func nought(threshold string) bool {
	if share, is := strings.CutSuffix(threshold, "%"); is {
		percent, err := strconv.ParseFloat(share, 64)
		return err != nil || percent == 0 || share == "100"
	}
	return bytesOf(threshold) == 0
}

func evictionSoft(w *world) []hit {
	return w.kubelets("eviction-soft", func(n *corev1.Node, k Kubelet, a advice) hit {
		if nought(k.EvictionSoft["memory.available"]) {
			return hit{evidence: "no soft threshold for memory.available"}
		}
		soft, hard := k.EvictionSoft["memory.available"], k.EvictionHard["memory.available"]
		if bytesOf(soft) > 0 && bytesOf(soft) <= bytesOf(hard) {
			return hit{evidence: fmt.Sprintf("soft memory.available<%s isn't above the hard %s: it never comes first", soft, hard), severity: warning}
		}
		return hit{}
	})
}

// maxPods are more than the node has addresses for.
func maxPods(w *world) []hit {
	return w.kubelets("max-pods", func(n *corev1.Node, k Kubelet, a advice) hit {
		room := addresses(n.Spec.PodCIDRs)
		if room > 0 && k.MaxPods > room {
			return hit{evidence: fmt.Sprintf("maxPods %d, and %s has %d addresses", k.MaxPods, strings.Join(n.Spec.PodCIDRs, ","), room),
				command: fmt.Sprintf("[upgrade.kubelet-config]\nmax_pods = %d", room)}
		}
		return hit{}
	})
}

// addresses is how many pods an IPv4 range has addresses for, less its network, its gateway and its broadcast; 0: it
// doesn't matter, or isn't known.
func addresses(cidrs []string) int {
	i := slices.IndexFunc(cidrs, func(c string) bool { return strings.Contains(c, ".") })
	if i < 0 {
		return 0
	}
	var bits int
	if _, err := fmt.Sscanf(cidrs[i][strings.Index(cidrs[i], "/")+1:], "%d", &bits); err != nil || bits < 16 || bits > 30 {
		return 0
	}
	return 1<<(32-bits) - 3
}
