#!/bin/bash
# dnfbase.sh OUT DEBIAN: the layer over debian.sh's that makes a machine of dnf and rpm out of it. Both are real; the
# system under them stays Debian, whose own package tools are moved out of the way so that nothing finds them.
set -euo pipefail
out=$1 debian=$2

# Everything below is mounted in a mount namespace of its own: it cannot be left behind.
if [ -z "${LAB_UNSHARED:-}" ]; then
	LAB_UNSHARED=1 exec unshare --mount --propagation private "$0" "$@"
fi
work=$(dirname "$out")/.work-dnfbase root=$(dirname "$out")/.root-dnfbase
rm -rf "$work" && mkdir -p "$work" "$root"
mount -t overlay overlay -o "lowerdir=$debian,upperdir=$out,workdir=$work" "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"

cp "$root/etc/apt/sources.list.debootstrap" "$root/etc/apt/sources.list"
cp --remove-destination /etc/resolv.conf "$root/etc/resolv.conf"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
chroot "$root" apt-get -q update
chroot "$root" apt-get -q -y --no-install-recommends install dnf dnf-plugins-core rpm
chroot "$root" apt-get clean
rm -rf "$root"/var/lib/apt/lists/* "$root/usr/sbin/policy-rc.d" "$root/etc/resolv.conf"
: >"$root/etc/apt/sources.list"

mkdir -p "$root/usr/libexec/hidden" "$root/etc/rpm" "$root/etc/dnf/vars" "$root/var/lib/rpm"
mv "$root"/usr/bin/{apt,apt-*,dpkg,dpkg-*,deb-systemd-*} "$root/usr/libexec/hidden/"
echo '%_dbpath /var/lib/rpm' >"$root/etc/rpm/macros" # Debian's rpm otherwise looks into the caller's home
echo 9 >"$root/etc/dnf/vars/releasever"
for plugin in copr debuginfo-install local; do printf '[main]\nenabled=0\n' >"$root/etc/dnf/plugins/$plugin.conf"; done
printf '%s\n' '[main]' gpgcheck=1 installonly_limit=3 clean_requirements_on_remove=True best=True skip_if_unavailable=False \
	>"$root/etc/dnf/dnf.conf" # a Red Hat machine's
rm -f "$root/etc/os-release"
cat >"$root/etc/os-release" <<-END
	NAME="Lab Linux"
	ID="rocky"
	ID_LIKE="rhel centos fedora"
	VERSION_ID="9.6"
	PRETTY_NAME="Lab Linux 9.6 (dnf and rpm on Debian 12)"
END
umount -R "$root"
rm -rf "$work" "$root"
