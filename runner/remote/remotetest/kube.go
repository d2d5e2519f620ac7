package remotetest

import (
	"slices"
	"strings"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
)

// kubePrograms are those of a Kubernetes node.
func (m *Machine) kubePrograms() map[string]shell.Program {
	version := func(pkg, format string) shell.Program {
		return func(p *shell.Proc) int {
			v := m.Installed(pkg)
			if v == "" {
				return p.Fail(127, "not found")
			}
			p.Printf(format+"\n", upstream(v))
			return 0
		}
	}
	return map[string]shell.Program{
		"kubelet": version("kubelet", "Kubernetes v%s"), "kubectl": version("kubectl", "Client Version: v%s"), "containerd": version("containerd", "containerd github.com/containerd/containerd v%s 0000000"),
		"kubeadm": m.kubeadm, "crictl": m.crictl,
	}
}

// container is the id of every container.
const container = "c0ffee"

const manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml"

// ControlPlane makes the machine a control-plane node whose static pods run at version ("1.36.4").
func (m *Machine) ControlPlane(version string) error {
	return m.WriteFile(manifest, []byte("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: kube-apiserver\n    image: registry.k8s.io/kube-apiserver:v"+version+"\n"))
}

// kubeadm knows version -o short, upgrade apply VERSION and upgrade node.
func (m *Machine) kubeadm(p *shell.Proc) int {
	_, args := options(p.Args[1:], "o v config")
	own := upstream(m.Installed("kubeadm"))
	switch {
	case own == "":
		return p.Fail(127, "not found")
	case len(args) > 0 && args[0] == "version":
		p.Printf("v%s\n", own)
		return 0
	case len(args) < 2 || args[0] != "upgrade":
		return p.Fail(1, "unknown command")
	case p.Cred.UID != 0:
		return p.Fail(1, "[ERROR IsPrivilegedUser]: user is not running as root")
	case !p.Sleep(m.o.InstallTime):
		return 1
	}
	if args[1] == "apply" {
		if len(args) < 3 || strings.TrimPrefix(args[2], "v") != own {
			return p.Fail(1, "[upgrade/version] FATAL: the --version argument is invalid: Specified version to upgrade to %q is not the kubeadm version v%s", args[2:], own)
		}
	}
	if _, err := m.ReadFile(manifest); err == nil {
		m.ControlPlane(own)
	}
	m.WriteFile(kubeletConfig, []byte(kubeadmConfig))
	p.Printf("[upgrade] The configuration for this node was successfully updated!\n")
	return 0
}

// crictl answers version, info, images and rmi as a runtime without containers does. `ps --label io.kubernetes.pod.name=POD -q`
// finds one of whatever pod, and what `exec` runs in it runs on the machine.
func (m *Machine) crictl(p *shell.Proc) int {
	if len(p.Args) > 1 && p.Args[1] == "exec" {
		_, rest := leading(p.Args[2:], "timeout")
		for len(rest) > 0 && rest[0] != container {
			rest = rest[1:] // the value of a long option
		}
		if len(rest) < 2 {
			return p.Fail(1, "no such container")
		}
		return p.Run(rest[1:]...)
	}
	if slices.Contains(p.Args, "-q") && slices.ContainsFunc(p.Args, func(a string) bool { return strings.HasPrefix(a, "io.kubernetes.pod.name=") }) {
		p.Printf("%s\n", container)
		return 0
	}
	_, args := options(p.Args[1:], "r runtime-endpoint o output timeout")
	if m.unitState("containerd.service").active != "active" {
		return p.Fail(1, "connect: connection refused")
	}
	if len(args) > 0 && args[0] == "version" {
		p.Printf("RuntimeName:  containerd\nRuntimeVersion:  v%s\nRuntimeApiVersion:  v1\n", upstream(m.Installed("containerd")))
	}
	return 0
}
