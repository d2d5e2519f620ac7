package lab_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"al.essio.dev/pkg/shellescape"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fleetup/fleetup/runner/audit"
	"github.com/fleetup/fleetup/testdata/lab"
)

var updateConfigz = flag.Bool("update", false, "write into testdata/kubelet what the real kubelet answers")

// TestKubeletConfigz: a real kubelet of each configuration of testdata/kubelet answers what is stored there, which `make test`
// holds our reading of answers and of files against, and keeps from pods what it says.
func TestKubeletConfigz(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{Kubelets: 1})
	k1 := l.Machines[0]
	files, err := filepath.Glob("../kubelet/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata/kubelet", err)
	}
	version := k1.Must("kubelet --version")
	if version != "Kubernetes v1.37.2" {
		t.Fatalf("testdata/kubelet is of Kubernetes v1.37.2, and here is %s", version)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { tellsConfiguration(t, l, k1, file) })
	}
	t.Run("right", func(t *testing.T) { takesProxy(t, l) })
}

// takesProxy: to ask a kubelet through the API server takes the right to get nodes/proxy. nodes/configz is what the kubelet asks of who
// asks it, which here is the API server.
func takesProxy(t *testing.T, l *lab.Lab) {
	as := func(arguments ...string) error {
		_, err := l.TryKubectl(append([]string{"--kubeconfig=" + l.UserKubeconfig, "get"}, arguments...)...)
		return err
	}
	until := func(arguments ...string) {
		for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
			if err := as(arguments...); err == nil {
				return
			} else if time.Now().After(end) {
				t.Fatal(err)
			}
		}
	}
	configz := []string{"--raw", "/api/v1/nodes/k1/proxy/configz"}
	l.Kubectl("create", "clusterrole", "finer", "--verb=get", "--resource=nodes,nodes/configz")
	l.Kubectl("create", "clusterrolebinding", "finer", "--clusterrole=finer", "--user=fleetup")
	until("node", "k1") // the right has arrived
	if err := as(configz...); err == nil || !strings.Contains(err.Error(), `cannot get resource "nodes/proxy"`) {
		t.Errorf("with nodes/configz alone: %v", err)
	}
	l.Kubectl("create", "clusterrole", "proxy", "--verb=get", "--resource=nodes/proxy")
	l.Kubectl("create", "clusterrolebinding", "proxy", "--clusterrole=proxy", "--user=fleetup")
	until(configz...)
}

func tellsConfiguration(t *testing.T, l *lab.Lab, m *lab.Machine, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var stored *txtar.File
	var want audit.Kubelet
	m.Must("rm -rf /etc/default/kubelet /etc/systemd/system/kubelet.service.d /etc/kubernetes/kubelet.conf.d /etc/kubelet.d /etc/kubernetes/kubelet.yaml")
	for i, f := range archive.Files {
		switch f.Name {
		case "configz.json":
			stored = &archive.Files[i]
		case "want.json":
			if err := json.Unmarshal(f.Data, &want); err != nil {
				t.Fatal(err)
			}
		default:
			m.Must("mkdir -p " + shellescape.Quote("/"+filepath.Dir(f.Name)) + " && printf %s " + shellescape.Quote(string(f.Data)) + " >" + shellescape.Quote("/"+f.Name))
		}
	}
	m.Must("systemctl daemon-reload && systemctl reset-failed kubelet; systemctl restart kubelet")
	answer := configz(t, l, m)
	told, err := audit.ParseConfigz(answer)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("audit reads of /configz (-want +read):\n%s", diff)
	}
	if _, fromFiles, err := audit.Look(t.Context(), func(_ context.Context, script string) (string, error) {
		out, err := m.Exec(script)
		return "\n" + out + "\n", err // without its surrounding space it looks cut off
	}); err != nil {
		t.Error(err)
	} else if fromFiles != nil {
		if diff := cmp.Diff(want, *fromFiles); diff != "" {
			t.Errorf("audit reads of the files (-want +read):\n%s", diff)
		}
	} else if !slices.Contains([]string{"flags", "flags-underscores", "unit-flags"}, strings.TrimSuffix(filepath.Base(file), ".txtar")) {
		t.Error("audit reads nothing of the files")
	}
	keeps(t, l, m, want)
	answer = append(bytes.TrimSpace(answer), '\n')
	switch {
	case *updateConfigz:
		if stored == nil {
			archive.Files = append(archive.Files, txtar.File{Name: "configz.json"})
			stored = &archive.Files[len(archive.Files)-1]
		}
		stored.Data = answer
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Error(err)
		}
	case stored == nil || !bytes.Equal(stored.Data, answer):
		t.Errorf("the kubelet answers otherwise than is stored (-update stores it):\n%s", answer)
	}
}

// keeps waits until the node has as many pods, and leaves pods as much memory, as its kubelet's configuration comes to.
func keeps(t *testing.T, l *lab.Lab, m *lab.Machine, k audit.Kubelet) {
	t.Helper()
	says := ""
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		var node corev1.Node
		if err := json.Unmarshal([]byte(l.Kubectl("get", "node", m.Name, "-o", "json")), &node); err != nil {
			t.Fatal(err)
		}
		free := node.Status.Capacity.Memory().DeepCopy()
		for _, amount := range []string{k.KubeReserved["memory"], k.SystemReserved["memory"], k.EvictionHard["memory.available"]} {
			if amount != "" && amount != "0%" {
				free.Sub(resource.MustParse(amount))
			}
		}
		pods := int64(k.MaxPods)
		if k.PodsPerCore > 0 {
			pods = min(pods, node.Status.Capacity.Cpu().Value()*int64(k.PodsPerCore))
		}
		has := node.Status.Allocatable
		if has.Memory().Cmp(free) == 0 && has.Pods().Value() == pods {
			return
		}
		says = fmt.Sprintf("has %s of memory and %s pods, and its configuration comes to %s and %d", has.Memory(), has.Pods(), &free, pods)
	}
	t.Errorf("node %s: %s", m.Name, says)
}

// configz asks the kubelet that was just started, through the API server, until it answers.
func configz(t *testing.T, l *lab.Lab, m *lab.Machine) []byte {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		out, err := l.TryKubectl("get", "--raw", "/api/v1/nodes/"+m.Name+"/proxy/configz")
		if err == nil {
			return []byte(out)
		}
		if time.Now().After(end) {
			said, _ := m.Exec("journalctl -u kubelet -n 20 --no-pager")
			t.Fatalf("no answer in a minute: %v\n%s", err, said)
		}
	}
}
