package playbooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// reservingMachine is a machine whose kubelet runs from kubeadm's unit.
func reservingMachine(t *testing.T, version string) *machine {
	t.Helper()
	m := newMachine(t, "apt", "kubelet "+version)
	m.write("state/unit/kubelet.active", "")
	m.write("state/unit/kubelet.file", "[Service]\nEnvironment=\"KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml\"\nEnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\n"+
		"EnvironmentFile=-/etc/default/kubelet\nExecStart=\nExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS\n")
	m.write("proc/meminfo", "MemTotal:       33554432 kB\nMemFree: 1 kB\n")
	return m
}

// TestKubeletConfig writes the drop-in and the flag, finds nothing to do then, and takes both back: what a human had in the
// environment file stays through all of it.
func TestKubeletConfig(t *testing.T) {
	params := map[string]any{"kube_reserved": "cpu=100m,memory=1465Mi", "eviction_hard": "memory.available<500Mi", "eviction_soft": "memory.available<1Gi",
		"eviction_soft_grace_period": "memory.available=1m30s", "max_pods": int64(200)}
	for before, want := range map[string]string{
		"":                                      "KUBELET_EXTRA_ARGS=--config-dir=ROOT/etc/kubernetes/kubelet.conf.d\n",
		"# ours\n":                              "# ours\nKUBELET_EXTRA_ARGS=--config-dir=ROOT/etc/kubernetes/kubelet.conf.d\n",
		"  KUBELET_EXTRA_ARGS='--v=4'\n":        "  KUBELET_EXTRA_ARGS=\"--v=4 --config-dir=ROOT/etc/kubernetes/kubelet.conf.d\"\n",
		"KUBELET_EXTRA_ARGS=\n":                 "KUBELET_EXTRA_ARGS=\"--config-dir=ROOT/etc/kubernetes/kubelet.conf.d\"\n",
		"KUBELET_EXTRA_ARGS=\"--v=4 --x=y\"\n#": "KUBELET_EXTRA_ARGS=\"--v=4 --x=y --config-dir=ROOT/etc/kubernetes/kubelet.conf.d\"\n#\n",
	} {
		m := reservingMachine(t, "1.37.2-1.1")
		if before != "" {
			m.write("etc/default/kubelet", before)
		}
		s := bind(t, "", "kubelet-config", params, Target{})[0]
		status := check(t, s, m)
		if wanted := []string{"kubeReserved: cpu=100m,memory=1465Mi",
			"evictionHard: memory.available=100Mi → 500Mi (as it is: imagefs.available=15%,imagefs.inodesFree=5%,nodefs.available=10%,nodefs.inodesFree=5%)",
			"evictionSoft: memory.available=1Gi", "evictionSoftGracePeriod: memory.available=1m30s", "maxPods: 110 → 200"}; !slices.Equal(status.Changes, wanted) || len(status.Problems) > 0 {
			t.Errorf("%q: %q, problems %q", before, status.Changes, status.Problems)
		}
		record := keep(t, s, m)
		apply(t, s, m)
		if got := strings.ReplaceAll(m.read("etc/default/kubelet"), m.root, "ROOT"); got != want {
			t.Errorf("%q became %q, want %q", before, got, want)
		}
		text := m.read("etc/kubernetes/kubelet.conf.d/90-fleetup.conf")
		if !strings.Contains(text, "kubeReserved:\n  cpu: 100m\n  memory: 1465Mi\n") || !strings.Contains(text, "kind: KubeletConfiguration\n") || !strings.Contains(text, "maxPods: 200\n") {
			t.Errorf("the drop-in:\n%s", text)
		}
		if status := check(t, s, m); !status.Clean {
			t.Errorf("%q: applied, and %+v", before, status)
		}
		other := bind(t, "", "kubelet-config", map[string]any{"kube_reserved": "cpu=100m,memory=2Gi"}, Target{})[0]
		if got := check(t, other, m).Changes[0]; got != "kubeReserved: memory=1465Mi → 2Gi (as it is: cpu=100m)" {
			t.Errorf("another wish: %q", got)
		}
		undo(t, s, record, m)
		if m.exists("etc/kubernetes/kubelet.conf.d/90-fleetup.conf") || m.read("etc/default/kubelet") != before {
			t.Errorf("taken back, and there is %q", m.read("etc/default/kubelet"))
		}
	}
}

// TestKubeletConfigKeepsWhatIsThere: what the node's own files set and the inventory doesn't name stays, is said, and counts
// in what is kept from pods; the drop-in has what is named alone.
func TestKubeletConfigKeepsWhatIsThere(t *testing.T) {
	m := reservingMachine(t, "1.37.2-1.1")
	m.write("var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\nmaxPods: 90\nevictionHard: {nodefs.available: 20%, memory.available: 200Mi}\n"+
		"evictionSoft:\n  nodefs.available: 25%\nevictionSoftGracePeriod:\n  nodefs.available: 5m\nsystemReserved: {memory: 1Gi}")
	m.write("var/lib/kubelet/kubeadm-flags.env", "KUBELET_KUBEADM_ARGS=\"--config-dir="+m.root+"/etc/kubelet.d\"\n")
	m.write("etc/kubelet.d/10-site.conf", "evictionHard:\n  imagefs.available: 30%\n")
	params := map[string]any{"eviction_hard": "memory.available<500Mi", "kube_reserved": "memory=1Gi", "max_pods": int64(200)}
	s := bind(t, "", "kubelet-config", params, Target{})[0]
	want := []string{"kubeReserved: memory=1Gi",
		"evictionHard: memory.available=200Mi → 500Mi (as it is: imagefs.available=30%,nodefs.available=20%)", "maxPods: 90 → 200"}
	if status := check(t, s, m); !slices.Equal(status.Changes, want) || len(status.Problems) > 0 {
		t.Errorf("%q, problems %q", status.Changes, status.Problems)
	}
	apply(t, s, m)
	text := m.read("etc/kubelet.d/90-fleetup.conf")
	if strings.Contains(text, "nodefs") || strings.Contains(text, "imagefs") || strings.Contains(text, "systemReserved") || !strings.Contains(text, "memory.available: 500Mi") {
		t.Errorf("the drop-in sets more than what is named:\n%s", text)
	}
	m.write("proc/meminfo", "MemTotal: 4194304 kB\n")
	less := bind(t, "", "kubelet-config", map[string]any{"kube_reserved": "memory=1Gi"}, Target{})[0]
	status := check(t, less, m)
	if want := []string{"evictionHard: memory.available=500Mi → 200Mi (as it is: imagefs.available=30%,nodefs.available=20%)"}; !slices.Equal(status.Changes, want) {
		t.Errorf("what is no longer named: %q", status.Changes)
	}
	if want := "2248 MiB would be kept from pods, and the machine has 4096 MiB"; len(status.Problems) != 1 || status.Problems[0] != want {
		t.Errorf("%q, want %q", status.Problems, want)
	}
}

// TestKubeletConfigOfRealKubelets: what the step takes for a node's present configuration is what a real kubelet said it was.
func TestKubeletConfigOfRealKubelets(t *testing.T) {
	t.Parallel()
	cases, _ := filepath.Glob("../testdata/kubelet/*.txtar")
	if len(cases) == 0 {
		t.Fatal("no answers in testdata/kubelet")
	}
	s := bind(t, "", "kubelet-config", map[string]any{"max_pods": int64(200)}, Target{})[0].(*kubeletConfig)
	for _, file := range cases {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := reservingMachine(t, "1.37.2-1.1")
		var answer struct {
			Config map[string]any `json:"kubeletconfig"`
		}
		for _, f := range archive.Files {
			text := strings.NewReplacer("=/etc/", "="+m.root+"/etc/", " /etc/", " "+m.root+"/etc/").Replace(string(f.Data))
			switch {
			case f.Name == "configz.json":
				if err := json.Unmarshal(f.Data, &answer); err != nil {
					t.Fatal(err)
				}
			case path.Base(path.Dir(f.Name)) == "kubelet.service.d":
				m.write("state/unit/kubelet.file", m.read("state/unit/kubelet.file")+text)
			case strings.HasSuffix(f.Name, ".yaml"):
				m.write(f.Name, string(f.Data))
			default:
				m.write(f.Name, text)
			}
		}
		facts, err := s.look(context.Background(), m)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains([]string{"flags", "flags-underscores", "unit-flags"}, name) {
			if len(facts.flags) == 0 {
				t.Errorf("%s: no flag is seen", name)
			}
			continue
		}
		if len(facts.flags) > 0 {
			t.Errorf("%s: %q were seen", name, facts.flags)
		}
		for _, field := range []string{"kubeReserved", "systemReserved", "evictionHard", "evictionSoft", "evictionSoftGracePeriod"} {
			want, _ := answer.Config[field].(map[string]any)
			if has := facts.has(field, true); fmt.Sprint(has) != fmt.Sprint(want) && len(has)+len(want) > 0 {
				t.Errorf("%s: %s: %v, and the kubelet has %v", name, field, has, want)
			}
		}
		if has := facts.value("maxPods"); has != fmt.Sprint(answer.Config["maxPods"]) {
			t.Errorf("%s: maxPods: %s, and the kubelet has %v", name, has, answer.Config["maxPods"])
		}
	}
}

// TestKubeletConfigKeepsAFolder: a kubelet that has a folder for drop-ins already keeps it.
func TestKubeletConfigKeepsAFolder(t *testing.T) {
	m := reservingMachine(t, "1.37.2-1.1")
	m.write("var/lib/kubelet/kubeadm-flags.env", "KUBELET_KUBEADM_ARGS=\"--config-dir="+m.root+"/etc/kubelet.d --pod-infra-container-image=x\"\n")
	s := bind(t, "", "kubelet-config", map[string]any{"system_reserved": "memory=1Gi"}, Target{})[0]
	apply(t, s, m)
	if !m.exists("etc/kubelet.d/90-fleetup.conf") || m.exists("etc/default/kubelet") {
		t.Error("another folder than the kubelet's own")
	}
	m = reservingMachine(t, "1.37.2-1.1")
	m.write("state/unit/kubelet.file", m.read("state/unit/kubelet.file")+"[Service]\nEnvironment=\"KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml --config-dir="+m.root+"/etc/kubelet.d\"\n")
	apply(t, s, m)
	if !m.exists("etc/kubelet.d/90-fleetup.conf") || m.exists("etc/default/kubelet") {
		t.Error("another folder than the one in an Environment= of the kubelet's unit, whose files would no longer be read")
	}
}

// TestKubeletConfigProblems names what would keep the configuration from having an effect, before anything is touched.
func TestKubeletConfigProblems(t *testing.T) {
	for want, change := range map[string]func(m *machine){
		"kubelet 1.29.3 has no --config-dir yet": func(m *machine) { m.write("state/pkg/kubelet", "1.29.3-1.1 amd64 install installed\n") },
		"the kubelet's unit doesn't take KUBELET_EXTRA_ARGS from": func(m *machine) {
			m.write("state/unit/kubelet.file", "[Service]\nExecStart=/usr/bin/kubelet --config=/etc/k.yaml\n")
		},
		"--kube-reserved on the kubelet's command line outranks every file": func(m *machine) { m.write("etc/default/kubelet", "KUBELET_EXTRA_ARGS=--kube-reserved=cpu=1\n") },
		"an Environment= of the kubelet's unit sets KUBELET_EXTRA_ARGS": func(m *machine) {
			m.write("state/unit/kubelet.file", "[Service]\nEnvironment=\"KUBELET_EXTRA_ARGS=--node-ip=10.0.0.1\"\nEnvironmentFile=-/etc/default/kubelet\nExecStart=/usr/bin/kubelet $KUBELET_EXTRA_ARGS\n")
		},
		"KUBELET_EXTRA_ARGS in /etc/default/kubelet has quotes or a \\ within": func(m *machine) {
			m.write("etc/default/kubelet", "KUBELET_EXTRA_ARGS=--v=4 \\\n --x=y\n")
		},
		"enforceNodeAllocatable is [] in /var/lib/kubelet/config.yaml": func(m *machine) {
			m.write("var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\nenforceNodeAllocatable: []\n")
		},
		"reservedSystemCPUs takes the place of cpu in kube_reserved and system_reserved": func(m *machine) {
			m.write("var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\nreservedSystemCPUs: 0-1\n")
		},
		"--reserved-cpus takes the place of cpu in kube_reserved and system_reserved": func(m *machine) {
			m.write("etc/default/kubelet", "KUBELET_EXTRA_ARGS=--reserved-cpus=0 --pods-per-core=10\n")
		},
		"1124 MiB would be kept from pods, and the machine has 2048 MiB": func(m *machine) { m.write("proc/meminfo", "MemTotal: 2097152 kB\n") },
	} {
		m := reservingMachine(t, "1.37.2-1.1")
		change(m)
		s := bind(t, "", "kubelet-config", map[string]any{"kube_reserved": "cpu=100m,memory=1Gi", "eviction_hard": "memory.available<100Mi"}, Target{})[0]
		status := check(t, s, m)
		if status.Clean || len(status.Problems) != 1 || !strings.HasPrefix(status.Problems[0], want) {
			t.Errorf("%s: %+v", want, status)
		}
	}
}

// TestKubeletConfigKeepsTooMuch: what pods couldn't use is counted as the kubelet counts it.
func TestKubeletConfigKeepsTooMuch(t *testing.T) {
	for want, params := range map[string]map[string]any{
		"31129 MiB would be kept from pods, and the machine has 32768 MiB":    {"eviction_hard": "memory.available<95%"},
		"512000 MiB would be kept from pods, and the machine has 32768 MiB":   {"eviction_soft": "memory.available<500Gi", "eviction_soft_grace_period": "memory.available=1m"},
		"500000m of CPU would be kept from pods, and the machine has 2 cores": {"kube_reserved": "cpu=500"},
		"": {"kube_reserved": "cpu=900m,memory=1Gi", "eviction_hard": "memory.available<5%"},
	} {
		m := reservingMachine(t, "1.37.2-1.1")
		m.write("proc/cpuinfo", "processor\t: 0\nmodel name\t: x\nprocessor\t: 1\n")
		status := check(t, bind(t, "", "kubelet-config", params, Target{})[0], m)
		if got := strings.Join(status.Problems, "; "); got != want {
			t.Errorf("%v: %q, want %q", params, got, want)
		}
	}
}

// TestKubeletConfigRefused: what the kubelet wouldn't start with is refused when the inventory is read, on its parameter.
func TestKubeletConfigRefused(t *testing.T) {
	book, err := Load("", "kubelet-config")
	if err != nil {
		t.Fatal(err)
	}
	for want, params := range map[string]map[string]any{
		"kube_reserved: nothing is set":                       {},
		"kube_reserved: \"mem\" is none of cpu, memory":       {"kube_reserved": "mem=1Gi"},
		"kube_reserved: memory: \"lots\" is no amount":        {"kube_reserved": "memory=lots"},
		"eviction_hard: memory.available: \"0\" is no amount": {"eviction_hard": "memory.available<0"},
		"system_reserved: \"memory\" isn't written":           {"system_reserved": "memory"},
		"eviction_hard: \"memory.available=1Gi\" isn't":       {"eviction_hard": "memory.available=1Gi"},
		"eviction_soft_grace_period: has nothing for":         {"eviction_soft": "memory.available<1Gi"},
		"eviction_soft_grace_period: names nodefs.":           {"eviction_soft": "memory.available<1Gi", "eviction_soft_grace_period": "memory.available=1m,nodefs.available=2m"},
		"max_pods: \"-3\" is no number of pods":               {"max_pods": int64(-3)},
		"eviction_soft_grace_period: memory.available: \"9":   {"eviction_soft": "memory.available<1Gi", "eviction_soft_grace_period": "memory.available=90"},
	} {
		_, err := book.Bind(params, Target{})
		var problems Problems
		if !errors.As(err, &problems) || !slices.ContainsFunc(problems, func(p Problem) bool { return strings.HasPrefix(p.Key+": "+p.Message, want) }) {
			t.Errorf("%v: %v, want %s", params, err, want)
		}
	}
}
