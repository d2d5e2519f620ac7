package playbooks

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var _ = register("kubeadm", stepType{
	keys:     map[string]kind{"version": aString},
	required: []string{"version"},
	defaults: Traits{Disruptive: true, Running: true, Repeatable: true, Timeout: 30 * time.Minute},
	build:    buildKubeadm,
})

// kubeadmMark is where a worker remembers the version of its last `kubeadm upgrade node`, which shows nowhere else
// until the kubelet is upgraded as well.
const kubeadmMark = "/var/lib/fleetup/kept/kubeadm-node"

const apiserverManifest = "/etc/kubernetes/manifests/kube-apiserver.yaml"

// kubeadm upgrades the control plane's static pods, and the kubelet's configuration on every node. kubeadm itself may
// run again after an interruption (its documentation calls it idempotent).
type kubeadm struct {
	base
	version             string
	controlPlane, first bool
}

func buildKubeadm(b *binding) Step {
	s := &kubeadm{base: b.base(), version: b.version("version"), controlPlane: b.target.ControlPlane, first: b.target.First}
	if _, _, ok := majorMinor(s.version); !ok {
		b.fail("version", "%q: kubeadm wants a whole version, like 1.37.2", s.version)
	}
	return s
}

// command is what kubeadm is asked on this node.
func (s *kubeadm) command() string {
	if s.controlPlane && s.first {
		return "kubeadm upgrade apply -y " + words("v"+s.version)
	}
	return "kubeadm upgrade node"
}

var (
	imageTag      = regexp.MustCompile(`(?m)image:\s*"?\S*kube-apiserver:v([0-9][^\s"@]*)`)
	versionInText = regexp.MustCompile(`v?(\d+\.\d+\.\d+\S*)`)
)

// Check reads the static pod's image on a control-plane node; a worker needs kubeadm for a new minor only.
func (s *kubeadm) Check(ctx context.Context, h Host) (Status, error) {
	out, err := h.Run(ctx, "cat "+apiserverManifest+" 2>/dev/null\necho '--- kubelet'\nkubelet --version 2>/dev/null\necho '--- mark'\ncat "+kubeadmMark+" 2>/dev/null || :")
	if err != nil {
		return Status{}, s.failed("check", err)
	}
	manifest, rest, _ := strings.Cut(out, "--- kubelet\n")
	kubelet, mark, _ := strings.Cut(rest, "--- mark\n")
	if s.controlPlane || strings.TrimSpace(manifest) != "" {
		return s.checkControlPlane(manifest), nil
	}
	return s.checkWorker(kubelet, strings.TrimSpace(mark)), nil
}

func (s *kubeadm) checkControlPlane(manifest string) Status {
	m := imageTag.FindStringSubmatch(manifest)
	if m == nil {
		return Status{
			Changes: []string{"control plane → " + s.version}, Commands: []string{s.command()},
			Problems: []string{"no kube-apiserver image in " + apiserverManifest + ": not a control plane that kubeadm made"},
		}
	}
	if m[1] == s.version {
		return Status{Clean: true}
	}
	status := Status{Changes: []string{"control plane " + m[1] + " → " + s.version}, Commands: []string{s.command()}}
	_, have, _ := majorMinor(m[1])
	_, want, _ := majorMinor(s.version)
	switch {
	case want > have+1:
		status.Problems = []string{fmt.Sprintf("kubeadm upgrades one minor at a time: the control plane runs %s, go to 1.%d first", m[1], have+1)}
	case compareVersions(m[1], s.version) > 0:
		status.Problems = []string{fmt.Sprintf("the control plane runs %s, which is newer than %s: kubeadm doesn't go back", m[1], s.version)}
	}
	return status
}

func (s *kubeadm) checkWorker(kubelet, mark string) Status {
	m := versionInText.FindStringSubmatch(kubelet)
	if m == nil {
		return Status{
			Changes: []string{"kubelet's configuration → " + s.version}, Commands: []string{s.command()},
			Problems: []string{"kubelet --version doesn't answer: is the kubelet installed?"},
		}
	}
	_, have, _ := majorMinor(m[1])
	if _, want, _ := majorMinor(s.version); want == have || mark == s.version {
		return Status{Clean: true}
	}
	return Status{Changes: []string{"kubelet's configuration " + m[1] + " → " + s.version}, Commands: []string{s.command()}}
}

// Apply runs kubeadm.
func (s *kubeadm) Apply(ctx context.Context, h Host, say func(string)) error {
	ctx, cancel := context.WithTimeout(ctx, s.traits.Timeout)
	defer cancel()
	script := "set -e\n" + s.command() + " </dev/null\nmkdir -p /var/lib/fleetup/kept\necho " + words(s.version) + " >" + kubeadmMark + "\n"
	if err := streamed(ctx, h, s.script("upgrade"), script, say); err != nil {
		return s.failed(s.command(), err)
	}
	return nil
}

// majorMinor takes "1.37.2" apart.
func majorMinor(version string) (major, minor int, ok bool) {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 3 {
		return 0, 0, false
	}
	major, err := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return major, minor, err == nil && err2 == nil
}
