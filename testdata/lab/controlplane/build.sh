#!/bin/bash
# Builds the lab's etcd and Kubernetes binaries into the folder named by $1, from the Go modules of this folder.
#
# Cold this takes a quarter of an hour on two cores, so each binary is kept as soon as it is there and an
# interrupted build goes on where it stopped. The folder's name should hold the output of `build.sh --key`: it
# changes when a module, a flag or a version here does.
#
# There is one source, v1.37.2. kubemark-1.36.4 is that source under another version: what an upgrade changes is
# the version that a node reports, and two real trees would double the build.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kubernetes=1.37.2
kubelets=(1.36.4 1.37.2)

if [ "${1:?usage: build.sh FOLDER|--key}" = --key ]; then
	cat "$here/go.mod" "$here/go.sum" "$here/build.sh" | sha256sum | cut -c1-12
	exit
fi
out=$1
mkdir -p "$out"
out=$(cd "$out" && pwd)

# stamp prints the linker flags that make a binary report Kubernetes version $1, in --version, in a node's status
# and in its User-Agent.
stamp() {
	local package minor=${1#*.}
	printf -- '-s -w'
	for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		printf -- ' -X %s.gitVersion=v%s -X %s.gitMajor=1 -X %s.gitMinor=%s' $package "$1" $package $package "${minor%%.*}"
	done
}

# build NAME PACKAGE VERSION. The binary appears under its name only when it is whole.
build() {
	[ -x "$out/$1" ] && return
	echo "lab: building $1" >&2
	(cd "$here" && GOWORK=off nice -n 5 go build -mod=readonly -ldflags "$(stamp "$3")" -o "$out/.$1.$$" "$2")
	mv "$out/.$1.$$" "$out/$1"
}

for version in "${kubelets[@]}"; do
	build "kubemark-$version" k8s.io/kubernetes/cmd/kubemark "$version"
done
build etcd go.etcd.io/etcd/server/v3 "$kubernetes"
build kubectl k8s.io/kubernetes/cmd/kubectl "$kubernetes"
build kube-scheduler k8s.io/kubernetes/cmd/kube-scheduler "$kubernetes"
build kube-controller-manager k8s.io/kubernetes/cmd/kube-controller-manager "$kubernetes"
build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver "$kubernetes"
