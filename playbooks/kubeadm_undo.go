package playbooks

import (
	"context"
	"strings"
)

// kubeletFiles are what kubeadm writes for the kubelet of a node, and where its flags are; kubeadm's mark among them, so
// that a later upgrade is due again. kubelet.conf isn't: its credentials are renewed by the kubelet itself.
var kubeletFiles = []string{
	"/var/lib/kubelet/config.yaml", "/var/lib/kubelet/kubeadm-flags.env", "/etc/default/kubelet", "/etc/sysconfig/kubelet", kubeadmMark,
}

// noControlPlaneBack is why: kubeadm upgrades only, and an older API server may not read what a newer one has stored
// (kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-upgrade).
const noControlPlaneBack = "a control plane doesn't go back: kubeadm can't do it, and an older API server may not read what a newer one has stored"

// Undoable: a worker's kubelet configuration is kept; a control plane has no way back.
func (s *kubeadm) Undoable() string {
	if s.controlPlane {
		return noControlPlaneBack
	}
	return ""
}

// Before keeps the kubelet's configuration, and notes a control plane that the inventory doesn't know of.
func (s *kubeadm) Before(ctx context.Context, h Host) (string, error) {
	if s.controlPlane {
		return "", nil
	}
	out, err := h.Run(ctx, lib(filesShell)+"[ ! -e "+apiserverManifest+" ] || echo 'control plane'\n"+keepFiles(kubeletFiles))
	if err != nil {
		return "", s.failed("keep the kubelet's configuration", err)
	}
	return out, nil
}

// Undo puts the kubelet's configuration back, with the kubelet stopped.
func (s *kubeadm) Undo(record string) Step {
	back := &filesBack{inverse: s.inverse(), files: parseFiles(record)}
	back.traits.Stop = StopKubelet
	if strings.HasPrefix(record, "control plane") {
		back.problem = noControlPlaneBack
	}
	return back
}
