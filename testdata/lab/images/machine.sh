#!/bin/bash
# machine.sh OUT apt|dnf REPO LOWER: the layer over LOWER (one or more folders, as overlayfs takes them) that makes a
# Kubernetes node of it. Packages are installed from REPO by the machine's own package tool, as a user would have.
set -euo pipefail
out=$1 kind=$2 repo=$3 lower=$4

if [ -z "${LAB_UNSHARED:-}" ]; then
	LAB_UNSHARED=1 exec unshare --mount --propagation private "$0" "$@"
fi
work=$(dirname "$out")/.work-$kind root=$(dirname "$out")/.root-$kind
rm -rf "$work" && mkdir -p "$work" "$root"
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$out,workdir=$work" "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mkdir -p "$root/srv/repo"
mount --bind "$repo" "$root/srv/repo"
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

install_apt() {
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod +x "$root/usr/sbin/policy-rc.d"
	repository() { echo "deb [trusted=yes] file:/srv/repo/$2/deb/ /" >"$root/etc/apt/sources.list.d/$1.list"; }
	repository kubernetes core:/stable:/v1.36
	repository docker docker
	repository os os
	chroot "$root" apt-get -q update
	chroot "$root" apt-get -q -y install kubelet=1.36.4-1.1 kubeadm=1.36.4-1.1 kubectl=1.36.4-1.1 containerd=2.1.3-1 labpatch labextra
	chroot "$root" apt-mark hold kubelet kubeadm kubectl containerd
	repository security security
	repository updates updates
	chroot "$root" apt-get -q update
	rm "$root/usr/sbin/policy-rc.d"
}

install_dnf() {
	repository() {
		printf '%s\n' "[$1]" "name=$1" "baseurl=file:///srv/repo/$2/rpm/" enabled=1 gpgcheck=0 "${@:3}" >"$root/etc/yum.repos.d/$1.repo"
	}
	mkdir -p "$root/etc/yum.repos.d"
	repository kubernetes core:/stable:/v1.36 'exclude=kubelet kubeadm kubectl'
	repository docker docker
	repository os os
	chroot "$root" dnf -q -y install lab-release
	chroot "$root" dnf -q -y install --disableexcludes=kubernetes kubelet-1.36.4 kubeadm-1.36.4 kubectl-1.36.4 containerd-2.1.3 labpatch labextra
	chroot "$root" dnf -q versionlock add kubelet kubeadm kubectl containerd
	chroot "$root" systemctl enable kubelet containerd
	repository security security
	repository updates updates
	chroot "$root" dnf -q makecache
}

install_"$kind"

# root and ops log in with the lab's key, pw has to tell sudo its password.
for user in ops pw; do chroot "$root" useradd --create-home --shell /bin/bash "$user"; done
echo 'pw:lab-secret' | chroot "$root" chpasswd
echo 'ops ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/ops"
echo 'pw ALL=(ALL) ALL' >"$root/etc/sudoers.d/pw"
chmod 0440 "$root"/etc/sudoers.d/{ops,pw}
for home in root home/ops home/pw; do
	install -d -m 0700 "$root/$home/.ssh"
	: >"$root/$home/.ssh/authorized_keys"
	chroot "$root" chown -R --reference="/$home" "/$home/.ssh"
done

# sshd is Debian's own but for this one line.
echo 'TrustedUserCAKeys /etc/ssh/user_ca.pub' >"$root/etc/ssh/sshd_config.d/lab.conf"

# What a kubeadm node has.
mkdir -p "$root/etc/kubernetes" "$root/var/lib/kubelet"
echo 'KUBELET_KUBEADM_ARGS="--node-labels=lab=yes"' >"$root/var/lib/kubelet/kubeadm-flags.env"
cat >"$root/var/lib/kubelet/config.yaml" <<-END
	apiVersion: kubelet.config.k8s.io/v1beta1
	kind: KubeletConfiguration
	cgroupDriver: systemd
	containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
END

chroot "$root" systemctl enable systemd-networkd ssh
chroot "$root" systemctl set-default multi-user.target
chroot "$root" systemctl mask console-getty.service getty.target systemd-networkd-wait-online.service systemd-timesyncd.service \
	apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer dpkg-db-backup.timer

umount -R "$root"
rm -rf "$work" "$root"
