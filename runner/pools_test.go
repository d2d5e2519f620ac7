package runner

import (
	"strings"
	"testing"
)

const gi = 1 << 30

// poolOf is a pool of n nodes, each with 8 cores and 32 GiB, a tenth of it for DaemonSets, and cpu and memory asked for.
func poolOf(name string, n int, cpu, memory int64) Pool {
	p := Pool{Name: name}
	for i := range n {
		p.Nodes = append(p.Nodes, PoolNode{Name: name + string(rune('1'+i)), Labels: map[string]string{"rack": name, "kubernetes.io/hostname": name},
			Architecture: "amd64", Allocatable: map[string]int64{"cpu": 8000, "memory": 32 * gi, "pods": 110},
			Moving: map[string]int64{"cpu": cpu, "memory": memory, "pods": 10}, Staying: map[string]int64{"cpu": 800, "memory": 2 * gi, "pods": 3}})
		p.Nodes[i].Labels = map[string]string{"kubernetes.io/hostname": p.Nodes[i].Name, "disk": "ssd"}
	}
	return p
}

// TestJudgePools: what is certain to leave pods without a node is refused, with the arithmetic; what may is named.
func TestJudgePools(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(serving, idle *Pool)
		want   []string // each finding's begin; ! is one that refuses
	}{
		{"alike, with room", func(*Pool, *Pool) {}, nil},
		{"too little cpu on each", func(a, _ *Pool) { a.Nodes[0].Moving["cpu"] = 20000 }, []string{
			"!pool blue can't hold everything: cpu: the pods of both pools ask for 23, and 14.4 is free there (16 allocatable, 1.6 for DaemonSets)",
			"!pool green can't hold everything: cpu: the pods of both pools ask for 23, and 14.4 is free there",
		}},
		{"too little memory on the idle one", func(_, b *Pool) { b.Nodes = b.Nodes[:1]; b.Nodes[0].Moving["memory"] = 28 * gi }, []string{
			"!pool green can't hold everything: memory: the pods of both pools ask for 36Gi, and 30Gi is free there (32Gi allocatable, 2Gi for DaemonSets)",
		}},
		{"a resource that one pool alone offers", func(a, _ *Pool) {
			a.Nodes[0].Allocatable["nvidia.com/gpu"], a.Nodes[0].Moving["nvidia.com/gpu"] = 2, 1
		}, []string{
			"!pool green can't hold everything: nvidia.com/gpu: the pods of both pools ask for 1, and 0 is free there",
			"nvidia.com/gpu is offered by blue alone",
		}},
		{"too many pods", func(a, _ *Pool) { a.Nodes[0].Moving["pods"] = 200 }, []string{
			"!pool blue can't hold everything: pods: the pods of both pools ask for 230, and 214 is free there",
			"!pool green can't hold everything: pods",
		}},
		{"a volume of its node", func(a, _ *Pool) { a.Nodes[1].Bound = []string{"shop/db-0: pv-7"} }, []string{
			"!blue2: pools: pod shop/db-0: pv-7 lies on this node alone",
		}},
		{"labels", func(a, _ *Pool) { a.Nodes[0].Labels["tier"], a.Nodes[1].Labels["tier"] = "web", "web" }, []string{
			"label tier=web is on every node of blue, and not on every one of green",
		}},
		{"a label of some nodes is none of the pool", func(a, _ *Pool) { a.Nodes[0].Labels["tier"] = "web" }, nil},
		{"taints", func(_, b *Pool) { b.Nodes[0].Taints = []string{"gpu=yes:NoSchedule"} }, []string{"taint gpu=yes:NoSchedule is on green alone"}},
		{"architecture", func(_, b *Pool) { b.Nodes[0].Architecture = "arm64" }, []string{"architecture: blue is amd64, green is amd64 and arm64"}},
		{"smaller nodes", func(_, b *Pool) {
			for i := range b.Nodes {
				b.Nodes[i].Allocatable["memory"] = 24 * gi
			}
		}, []string{"memory: the largest node of blue offers 32Gi, that of green 24Gi"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := poolOf("blue", 2, 1000, 4*gi), poolOf("green", 2, 1000, 4*gi)
			tt.change(&a, &b)
			got := JudgePools(a, b)
			if len(got) != len(tt.want) {
				t.Fatalf("%d findings: %v", len(got), got)
			}
			for i, f := range got {
				text := f.String()
				if f.Node == "" {
					text = f.Why
				}
				if f.Refuse {
					text = "!" + text
				}
				if !strings.HasPrefix(text, tt.want[i]) {
					t.Errorf("got  %s\nwant %s", text, tt.want[i])
				}
			}
		})
	}
}

func TestAmount(t *testing.T) {
	for _, tt := range []struct {
		resource string
		n        int64
		want     string
	}{
		{"cpu", 1500, "1.5"}, {"cpu", 8000, "8"}, {"memory", 512, "512"}, {"memory", 3 * gi / 2, "1.5Gi"}, {"memory", -2 * gi, "-2Gi"},
		{"pods", 110, "110"}, {"nvidia.com/gpu", 2, "2"}, {"ephemeral-storage", 5 << 40, "5Ti"},
	} {
		if got := amount(tt.resource, tt.n); got != tt.want {
			t.Errorf("%s %d: %s, want %s", tt.resource, tt.n, got, tt.want)
		}
	}
}
