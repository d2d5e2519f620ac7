#!/bin/bash
# Prepares all that the lab needs on a fresh Debian machine, as root, and caches it: Debian's tools, the control
# plane's binaries, package repositories, and a root file system of each kind. Safe to repeat and to interrupt; with
# everything there it takes a tenth of a second. The last line on stdout is where things lie:
#
#   BIN REPO DEBIAN APT DNF DNFBASE VM KUBELET UEFI
#
# VM is - without FLEETUP_VM=1: it takes some minutes more, since a disk is filled, and booted once, without KVM. So are KUBELET,
# a real one, and UEFI, which makes the VMs boot by that, unless an argument says kubelet or uefi: a minute or two more each.
#
# Each part lies in a folder named after a hash of what it is made from, and appears under that name only when whole.
# A part whose recipe changed is made anew; old ones may be deleted at will.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/fleetup-lab
[ "$(id -u)" = 0 ] || { echo "lab: prepare: the lab mounts file systems and makes network namespaces: run it as root" >&2; exit 1; }
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

tools=(apt-utils buildah createrepo-c debian-archive-keyring debootstrap dpkg-dev iproute2 iptables openipmi openssh-client rpm systemd-container)
[ -z "${FLEETUP_BENCH:-}" ] || tools+=(ansible-core clustershell) # the benches' peers
[ -z "${FLEETUP_VM:-}" ] || tools+=(cpio curl dosfstools e2fsprogs fdisk gcc libc6-dev openipmi ovmf qemu-system-x86 qemu-utils seabios ipxe-qemu)

missing() {
	local package
	for package in "${tools[@]}"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
	done
}

install_tools() {
	local want
	mapfile -t want < <(missing)
	[ "${#want[@]}" = 0 ] && return
	echo "lab: installing ${want[*]}" >&2
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q update >&2
	apt-get -q -y --no-install-recommends install "${want[@]}" >&2 9>&-
}

# part NAME SCRIPT ARGS: the folder that SCRIPT makes, made now if it isn't there. The arguments belong to its key,
# since they hold the keys of the parts that it builds upon.
part() {
	local name=$1 script=$here/$2 key out
	shift 2
	key=$({ cat "$script"; [ "$name" != repo ] || cat "$here"/images/files/*; printf '%s\n' "$@"; } | sha256sum | cut -c1-12)
	out=$cache/$name-$key
	if [ ! -d "$out" ]; then
		echo "lab: preparing $name" >&2
		rm -rf "$cache/.new-$name"
		mkdir "$cache/.new-$name"
		"$script" "$cache/.new-$name" "$@" >"$cache/$name.log" 2>&1 9>&- || { tail -n 40 "$cache/$name.log" >&2; exit 1; }
		mv "$cache/.new-$name" "$out"
	fi
	echo "$out"
}

install_tools
bin=$cache/bin/$("$here/controlplane/build.sh" --key)
"$here/controlplane/build.sh" "$bin" >&2 9>&-
repo=$(part repo images/packages.sh "$bin")
debian=$(part debian images/debian.sh)
dnfbase=$(part dnfbase images/dnfbase.sh "$debian")
apt=$(part apt images/machine.sh apt "$repo" "$debian")
dnf=$(part dnf images/machine.sh dnf "$repo" "$dnfbase:$debian")
vm=- kubelet=- uefi=-
[ -z "${FLEETUP_VM:-}" ] || vm=$(part vm images/vm.sh "$apt:$debian")
for also; do
	case $also in
	kubelet) kubelet=$(part kubelet images/kubelet.sh "$(basename "$bin")" "$(sha256sum <"$here/controlplane/fakecri/main.go" | cut -c1-12)") ;;
	uefi) uefi=$(part uefi images/uefi.sh "$vm") ;;
	esac
done
echo "$bin $repo $debian $apt $dnf $dnfbase $vm $kubelet $uefi"
