#!/bin/bash
# kubelet.sh OUT CONTROLPLANE FAKECRI: the layer over a node with apt that has a real kubelet in place of kubemark, stamped
# 1.37.2, and a container runtime that answers it but runs no container (Kubernetes' own fake). Both are compiled from the
# module of ../controlplane, of which CONTROLPLANE is the key; FAKECRI is that of the runtime's source.
#
# The kubelet is started by the unit that every node here has. What it can't have in a container, it does without: cgroups of
# its own, so that nothing is enforced, and the kernel's log and settings.
set -euo pipefail
out=$1
controlplane=$(cd "$(dirname "$0")/../controlplane" && pwd)
units=$out/usr/lib/systemd/system
mkdir -p "$out/usr/bin" "$out/usr/libexec/kubelet" "$out/usr/share/lab" "$units"/{kubelet,containerd}.service.d "$out/var/lib/kubelet" "$out/etc/kubernetes/manifests"

stamp='-s -w'
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
	stamp+=" -X $package.gitVersion=v1.37.2 -X $package.gitMajor=1 -X $package.gitMinor=37"
done
cd "$controlplane"
GOWORK=off nice -n 5 go build -mod=readonly -ldflags "$stamp" -o "$out/usr/bin/kubelet" k8s.io/kubernetes/cmd/kubelet
GOWORK=off nice -n 5 go build -mod=readonly -ldflags "$stamp" -o "$out/usr/libexec/kubelet/fakecri" ./fakecri

printf '[Service]\nExecStart=\nExecStart=/usr/libexec/kubelet/fakecri unix:///run/containerd/containerd.sock\n' >"$units/containerd.service.d/20-lab.conf"

# The kernel's settings that a kubelet makes are the whole machine's, and /proc/sys can't be written here: it finds them made.
{
	printf '[Unit]\nAfter=containerd.service\n[Service]\n'
	echo 'Environment="KUBELET_KUBECONFIG_ARGS=--kubeconfig=/etc/kubernetes/kubelet.conf"' # whose token no bootstrap is needed for
	echo 'BindReadOnlyPaths=/dev/null:/dev/kmsg'
	while read -r name value; do
		echo "$value" >"$out/usr/share/lab/${name//\//.}"
		echo "BindReadOnlyPaths=/usr/share/lab/${name//\//.}:/proc/sys/$name"
	done <<-END
		vm/overcommit_memory 1
		vm/panic_on_oom 0
		kernel/panic 10
		kernel/panic_on_oops 1
		kernel/keys/root_maxkeys 1000000
		kernel/keys/root_maxbytes 25000000
	END
} >"$units/kubelet.service.d/20-lab.conf"

# What a kubelet needs in a container, and no more; where in doubt, kubeadm's.
cat >"$out/var/lib/kubelet/config.yaml" <<'END'
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, x509: {clientCAFile: /etc/kubernetes/pki/ca.crt}}
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: [none]
localStorageCapacityIsolation: false
failSwapOn: false
END
