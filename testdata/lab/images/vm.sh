#!/bin/bash
# vm.sh OUT LOWER: what machines with a kernel and a boot loader of their own need. Into OUT:
#
#   disk.qcow2   Debian with GRUB: MBR, one partition; the layers LOWER (as overlayfs takes them) and on top of them an
#                older Debian kernel and the tools that tell of hardware. What belongs to one machine comes at its first
#                boot, through fw_cfg: a tar.
#   kernels/     a flat repository of kernels newer than it:
#                  NEW    Debian's newest
#                  PANIC  panics as soon as it looks for an init
#                  HANG   boots, and then does nothing for ever
#                  MUTE   Debian's newest but one, whose driver of the network card is missing
#   versions     OLD NEW PANIC HANG MUTE, as uname -r says them (PANIC and HANG never get there)
set -euo pipefail
out=$1 lower=$2

if [ -z "${LAB_UNSHARED:-}" ]; then
	LAB_UNSHARED=1 exec unshare --mount --propagation private "$0" "$@"
fi
base=$(dirname "$out")
upper=$base/.upper-vm work=$base/.work-vm root=$base/.root-vm
rm -rf "$upper" "$work" && mkdir -p "$upper" "$work" "$root" "$out/kernels"
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

# site SUITE: the mirror that this machine itself uses for it.
site() {
	apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' "Codename: $1" 'Component: main' | head -n 1
}

fetch_packages() {
	local main security versions name
	main=$(site bookworm) security=$(site bookworm-security)
	mv "$root/etc/apt/sources.list.d" "$root/etc/apt/aside"
	mkdir "$root/etc/apt/sources.list.d"
	printf 'deb %s bookworm main\n' "${main:-http://deb.debian.org/debian}" >"$root/etc/apt/sources.list"
	printf 'deb %s bookworm-security main\n' "${security:-http://deb.debian.org/debian-security}" >>"$root/etc/apt/sources.list"
	cp --remove-destination /etc/resolv.conf "$root/etc/resolv.conf"
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod +x "$root/usr/sbin/policy-rc.d"
	chroot "$root" apt-get -q update
	versions=$(chroot "$root" apt-cache pkgnames linux-image-6.1.0- | grep -E '^linux-image-6\.1\.0-[0-9]+-cloud-amd64$' |
		xargs chroot "$root" apt-cache madison | sed 's/^ *linux-image-\([^ ]*\) .*/\1/' | sort -uV | tail -n 3)
	read -r old mute new <<<"$(xargs <<<"$versions")"

	# An initramfs with what this machine needs and no more: packing it is what takes long without KVM.
	mkdir -p "$root/etc/initramfs-tools/conf.d"
	printf 'MODULES=list\nRESUME=none\nCOMPRESS=gzip\n' >"$root/etc/initramfs-tools/conf.d/lab"
	printf '%s\n' virtio_pci virtio_blk ext4 >"$root/etc/initramfs-tools/modules"
	# What tells of hardware; their daemons and what they add to each initramfs are left out.
	chroot "$root" apt-get -q -y --no-install-recommends install dmidecode ethtool lvm2 mdadm nvme-cli pciutils smartmontools
	rm -f "$root"/usr/share/initramfs-tools/hooks/{dmsetup,lvm2,mdadm} "$root"/usr/share/initramfs-tools/scripts/*/{lvm2,mdadm}
	chroot "$root" systemctl mask smartmontools.service lvm2-monitor.service lvm2-lvmpolld.socket mdmonitor.service
	chroot "$root" apt-get -q -y --no-install-recommends install grub-pc grub-common "linux-image-$old" efibootmgr
	for name in "$mute" "$new"; do
		(cd "$out/kernels" && chroot "$root" apt-get -q download --print-uris "linux-image-$name" | tr -d "'" | {
			read -r url file _
			curl -fsSL -o "$file" "$url"
		})
	done
	repack "$out/kernels/linux-image-$new"_*.deb
	chroot "$root" apt-get clean
	rm -rf "$root"/var/lib/apt/lists/*_dists_* "$root/usr/sbin/policy-rc.d" "$root/etc/resolv.conf" "$root/etc/apt/sources.list.d"
	mv "$root/etc/apt/aside" "$root/etc/apt/sources.list.d"
	: >"$root/etc/apt/sources.list"
}

# repack DEB: the same, packed so that it unpacks fast: xz takes half a minute without KVM.
repack() {
	tree=$base/.tree-vm
	rm -rf "$tree"
	dpkg-deb -R "$1" "$tree"
	dpkg-deb --root-owner-group -Zzstd -z1 --build "$tree" "$1" >/dev/null
	rm -rf "$tree"
}

# kernel_deb VERSION: $tree as the package of a kernel. Like Debian's own, it leaves the boot menu to update-grub.
kernel_deb() {
	mkdir -p "$tree/DEBIAN"
	printf '%s\n' "Package: linux-image-$1" 'Version: 6.1.999-1' 'Architecture: amd64' 'Maintainer: lab <lab@localhost>' \
		'Section: kernel' 'Priority: optional' "Description: a kernel of the fleetup lab" >"$tree/DEBIAN/control"
	printf '#!/bin/sh\nset -e\n[ "$1" != configure ] || update-grub\n' >"$tree/DEBIAN/postinst"
	chmod 0755 "$tree/DEBIAN/postinst"
	dpkg-deb --root-owner-group -Zzstd -z1 --build "$tree" "$out/kernels/linux-image-$1_6.1.999-1_amd64.deb" >/dev/null
	rm -rf "$tree"
}

# broken VERSION: the old kernel's image under a new name, with an initramfs of nothing but $init.
broken() {
	tree=$base/.tree-vm
	rm -rf "$tree" && mkdir -p "$tree/boot" "$tree/init"
	cp "$root/boot/vmlinuz-$old" "$tree/boot/vmlinuz-$1"
	cp "$root/boot/config-$old" "$tree/boot/config-$1"
	install -m 0755 "$init" "$tree/init/init"
	(cd "$tree/init" && echo init | cpio --quiet -o -H newc | gzip) >"$tree/boot/initrd.img-$1"
	rm -r "$tree/init"
	kernel_deb "$1"
}

# mute VERSION: Debian's own package but for one driver, and for all that this machine has no use for.
mute() {
	tree=$base/.tree-vm
	rm -rf "$tree"
	dpkg-deb -R "$out/kernels"/linux-image-"$1"_*.deb "$tree"
	rm "$out/kernels"/linux-image-"$1"_*.deb
	find "$tree/lib/modules" -path '*/drivers/net/*' -delete
	rm -f "$tree/DEBIAN/md5sums"
	sed -i 's/^Version: .*/&+mute/' "$tree/DEBIAN/control"
	dpkg-deb --root-owner-group -Zzstd -z1 --build "$tree" "$out/kernels/linux-image-$1_mute_amd64.deb" >/dev/null
	rm -rf "$tree"
}

# initramfs DEB VERSION: what mkinitramfs makes for the kernel, made here: there it takes minutes, without KVM. The package's
# scripts, update-initramfs and update-grub are still Debian's own.
initramfs() {
	dpkg-deb --fsys-tarfile "$1" | tar -x -C "$root" --keep-directory-symlink
	chroot "$root" depmod "$2"
	mkdir -p "$root/usr/local/lib/lab"
	chroot "$root" mkinitramfs -o "/usr/local/lib/lab/initrd.img-$2" "$2"
	rm -rf "$root/lib/modules/$2" "$root/boot"/*-"$2" "$root/usr/share/doc/linux-image-$2"
}

initramfs_made_before() {
	chroot "$root" dpkg-divert --quiet --local --rename --add /usr/sbin/mkinitramfs
	cat >"$root/usr/sbin/mkinitramfs" <<-'END'
		#!/bin/sh
		for version; do :; done
		made=/usr/local/lib/lab/initrd.img-$version
		if [ "$1" = -o ] && [ -e "$made" ]; then exec cp "$made" "$2"; fi
		exec /usr/sbin/mkinitramfs.distrib "$@"
	END
	chmod 0755 "$root/usr/sbin/mkinitramfs"
}

make_kernels() {
	panic=${old/-*-cloud/-98-cloud} hang=${old/-*-cloud/-99-cloud}
	init=$base/.init-vm
	echo 'no program' >"$init"
	broken "$panic"
	# pause(), for ever: a process 1 that ended would be a panic.
	echo 'void _start(void) { for (;;) __asm__ volatile("syscall" : : "a"(34) : "rcx", "r11", "memory"); }' |
		gcc -nostdlib -static -o "$init" -x c -
	broken "$hang"
	mute "$mute"
	rm -f "$init"
	initramfs "$out/kernels"/linux-image-"$new"_*.deb "$new"
	initramfs "$out/kernels"/linux-image-"$mute"_*.deb "$mute"
	initramfs_made_before
	(cd "$out/kernels" && dpkg-scanpackages --multiversion . >Packages && gzip -9nk Packages)
	echo "$old $new $panic $hang $mute" >"$out/versions"
}

# What a machine of this kind has that others haven't.
configure() {
	echo 'UUID=2a8e3f1c-6a1b-4c8e-9d55-1ab000000001 / ext4 errors=remount-ro 0 1' >"$root/etc/fstab"
	rm -rf "$root/srv/repo"
	# In the place of /srv/repo, which a container sees, the same over HTTP.
	sed -i 's#file:/srv/repo/#http://10.213.0.1/#' "$root"/etc/apt/sources.list.d/*.list
	echo 'deb [trusted=yes] http://10.213.0.1/kernels/ /' >"$root/etc/apt/sources.list.d/kernels.list"
	cat >"$root/etc/default/grub" <<-'END'
		# As Debian's installer leaves it, but for the console and the time that is lost.
		GRUB_DEFAULT=0
		GRUB_TIMEOUT=0
		GRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`
		GRUB_CMDLINE_LINUX_DEFAULT="quiet"
		GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0"
		GRUB_TERMINAL=console
	END
	cat >"$root/etc/systemd/system/lab-config.service" <<-'END'
		[Unit]
		Description=What belongs to this machine of the lab alone
		DefaultDependencies=no
		After=systemd-remount-fs.service
		Before=sysinit.target systemd-networkd.service
		ConditionPathExists=!/etc/lab-configured
		[Service]
		Type=oneshot
		ExecStart=/bin/sh -ec 'modprobe qemu_fw_cfg; tar -xf /sys/firmware/qemu_fw_cfg/by_name/opt/lab/config/raw -C /; hostname -F /etc/hostname; systemctl daemon-reload; touch /etc/lab-configured'
		[Install]
		WantedBy=sysinit.target
	END
	chroot "$root" systemctl enable lab-config.service
	chroot "$root" systemctl mask serial-getty@ttyS0.service getty@tty1.service systemd-rfkill.service
	# The first boot, without GRUB, is there to install it: it has to see its disk as it will be.
	cat >"$root/usr/local/sbin/first-boot" <<-'END'
		#!/bin/sh
		export PATH=/usr/sbin:/usr/bin:/sbin:/bin
		mount -o remount,rw /
		mountpoint -q /proc || mount -t proc proc /proc
		mountpoint -q /sys || mount -t sysfs sysfs /sys
		mkdir -p /dev/disk/by-uuid
		ln -sf ../../vda1 /dev/disk/by-uuid/2a8e3f1c-6a1b-4c8e-9d55-1ab000000001
		echo "grub-pc grub-pc/install_devices multiselect /dev/vda" | debconf-set-selections
		grub-install /dev/vda && update-grub && rm /usr/local/sbin/first-boot && echo FIRST-BOOT-DONE
		sync
		mount -o remount,ro /
		echo o >/proc/sysrq-trigger
		sleep 60
	END
	chmod 0755 "$root/usr/local/sbin/first-boot"
}

make_disk() {
	cp "$root/boot/vmlinuz-$old" "$base/.vmlinuz-vm"
	cp "$root/boot/initrd.img-$old" "$base/.initrd-vm"
	umount "$root/dev" "$root/proc"
	local disk=$out/disk.raw
	truncate -s 6G "$disk"
	echo 'start=2048, type=83, bootable' | sfdisk -q "$disk"
	mke2fs -q -t ext4 -U 2a8e3f1c-6a1b-4c8e-9d55-1ab000000001 -E offset=1048576,lazy_itable_init=1 -d "$root" "$disk" $((6 * 1024 * 1024 - 1024))k
	timeout 600 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -machine q35 -m 768 -smp 2 -nographic -no-reboot -nic none \
		-drive "file=$disk,format=raw,if=virtio,cache=unsafe" -kernel "$base/.vmlinuz-vm" -initrd "$base/.initrd-vm" \
		-append 'root=UUID=2a8e3f1c-6a1b-4c8e-9d55-1ab000000001 ro console=ttyS0 init=/usr/local/sbin/first-boot' </dev/null | tee "$base/.first-boot"
	grep -q FIRST-BOOT-DONE "$base/.first-boot"
	qemu-img convert -q -f raw -O qcow2 -c -o compression_type=zstd "$disk" "$out/disk.qcow2"
	rm -f "$disk" "$base/.vmlinuz-vm" "$base/.initrd-vm" "$base/.first-boot"
}

fetch_packages
configure
make_kernels
make_disk
umount -R "$root"
rm -rf "$upper" "$work" "$root"
