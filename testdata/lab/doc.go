// Package lab is a small data centre for fleetup's end-to-end tests: a real Kubernetes control plane and machines that
// have a systemd, an sshd, a package tool and a boot id of their own, on one Debian machine, as root, with neither KVM
// nor a container engine. With warm caches four machines are Ready in well under ten seconds.
//
// It is run explicitly, since Go's wildcards leave testdata alone, and drives fleetup as its users do, as a process:
//
//	func TestUpgrade(t *testing.T) {
//		l := lab.Start(t, lab.Options{Machines: 4})
//		l.Apply(deployment)
//		inventory := l.WriteInventory(l.Hosts("ops") + `
//			[upgrade]
//			kubelet = "1.37.2"
//			reboot = "always"`)
//		stdout, stderr, exit := l.Fleetup("run", "--yes", inventory)
//		...
//		if before == l.Machines[0].BootID() { t.Error("n1 was not rebooted") }
//	}
//
// # What is there
//
// Machines are called n1, n2, … (apt), d1, … (dnf), k1, … (apt, a real kubelet) and b1, … (bastions: no kubelet). Each is Debian 12 in systemd-nspawn
// over a shared root file system: what it writes is its own, and gone at the end. They hang on a bridge in a network
// namespace of the lab's own, n1 at 10.213.0.11, d1 at .101, b1 at .201, k1 at .241, the control plane at .1. Nothing outside the
// namespace sees these addresses, so several labs run side by side. From outside go through [Lab.Command],
// [Lab.DialContext], or `nsenter --net=/run/netns/NAME`.
//
// Users: root and ops (sudo without a password) and pw (sudo asks for "lab-secret"), all with the key [Lab.Key]. The
// machines also trust a CA: [Lab.Certificate] is a key that no machine knows, with a certificate for all three users.
// [Lab.KnownHosts] holds each machine's ed25519 key; it also has an ecdsa one. sshd is otherwise as Debian ships it.
//
// A Kubernetes node has kubelet, kubeadm and kubectl 1.36.4-1.1 and containerd 2.1.3-1 (held, versionlocked), labpatch
// and labextra 1.0. Under /srv/repo are what pkgs.k8s.io and a mirror would serve, see images/packages.sh: one repository
// for each Kubernetes minor, with 1.37.2 and a 1.37.3 whose kubelet never starts; containerd 2.1.4 and a 2.1.5 that never
// starts; labpatch 1.1 as security update, labextra 1.1 as plain one. The kubelet is the real one over a fake container
// runtime (kubemark): Ready, evictions, leases and pods' ends are real, containers are not. containerd is a small
// daemon. The kubelet of k1 is cmd/kubelet itself, 1.37.2, whatever its package says, over Kubernetes' own fake of a runtime: it
// reads its configuration as on any machine and tells it (/configz), but has no cgroup to enforce it by. Starts and stops of both are noted, in order, in the machine's /var/log/runtime.log; kubeadm is a script
// that notes what it was asked in /var/log/kubeadm.log. All pods report one address, 192.168.192.168: give it a server
// with [Lab.Listen] where a probe shall be answered.
//
// What a machine shares with its host, and so cannot show: kernel, uptime, clock, memory and disk size.
//
// Virtual machines, v1 at .151 and on, have all of these, and GRUB, by an emulator that needs no KVM: a [VM] is a [Machine]
// that can be switched off, given other memory, disks or a MAC, and switched on. Its BMC (ipmi_sim) drives its power. It has
// kernels to upgrade to ([Lab.Kernels]), among them some that fail. [Options.UEFI] gives it such a firmware, and a /boot on LVM.
// It comes up in a minute on an idle machine, so it is for `make vm-test` (FLEETUP_VM=1) alone.
//
// The control plane is etcd, kube-apiserver, kube-controller-manager and kube-scheduler 1.37.2 with RBAC on. Besides the
// administrator ([Lab.Kubeconfig]) there is a user fleetup in [Lab.UserKubeconfig] that has no rights until a test binds
// some. Each request is in the audit log: [Lab.Audit].
//
// # Lifetime
//
// [Start] ends the lab when the test ends, however it ends; if the test failed, the logs of everything stay, and it
// says where. Had the whole process been killed, the next start finds the remains, since nobody holds the lock of
// their folder, and removes them: the processes in its cgroups and its network, mounts below its folder, and no others.
// FLEETUP_LAB_KEEP=1 keeps a failed test's lab running until the test process is interrupted.
//
// prepare.sh, which every start runs, installs Debian's tools, compiles the control plane (once; minutes) and makes the
// root file systems. Its results lie under ${XDG_CACHE_HOME:-~/.cache}/fleetup-lab, which may be removed at any time
// when no lab runs.
package lab
