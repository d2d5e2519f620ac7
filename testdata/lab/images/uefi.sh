#!/bin/bash
# uefi.sh OUT VM: what makes VM's machines boot by UEFI, from a /boot that GRUB can't write to. Into OUT:
#
#   disk.qcow2   an overlay of VM's disk: nothing is left in its /boot
#   boot.qcow2   a disk to boot from: GPT, an EFI system partition, and /boot on LVM
#   vars.fd      the firmware's memory, with the boot entry that grub-install made
#
# What belongs on them is made by Debian's own tools, on the machine itself, in a boot without GRUB.
set -euo pipefail
out=$1 vm=$2
base=$(dirname "$out")
boot=$out/boot.raw setup=$base/.setup-uefi

make_disks() {
	qemu-img create -q -f qcow2 -F qcow2 -b "../$(basename "$vm")/disk.qcow2" "$out/disk.qcow2"
	truncate -s 640M "$boot"
	printf '%s\n' 'label: gpt' 'start=2048, size=256MiB, type=uefi' 'type=lvm' | sfdisk -q "$boot"
	mkfs.vfat -F 32 -s 1 --offset 2048 "$boot" $((256 * 1024)) >/dev/null # few clusters would be FAT16 to the firmware
	cp /usr/share/OVMF/OVMF_VARS_4M.fd "$out/vars.fd"
}

# fetch PACKAGE: from the machines' own suite, whatever this machine's is, by the mirror that this machine uses for it.
fetch() {
	local main apt
	main=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 'Codename: bookworm' 'Component: main' | head -n 1)
	mkdir -p "$setup.apt/lists/partial" "$setup.apt/archives/partial"
	printf 'deb %s bookworm main\n' "${main:-http://deb.debian.org/debian}" >"$setup.apt/sources.list"
	apt=(apt-get -q -o APT::Sandbox::User=root -o "Dir::Etc::SourceList=$setup.apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o "Dir::State::Lists=$setup.apt/lists" -o "Dir::Cache=$setup.apt")
	"${apt[@]}" update
	(cd "$setup" && "${apt[@]}" download "$1")
	rm -rf "$setup.apt"
}

# make_setup: a tar as the machine's third disk: the script, and the package that it installs.
make_setup() {
	rm -rf "$setup" "$setup.apt" && mkdir "$setup"
	fetch grub-efi-amd64-bin
	cat >"$setup/setup" <<-'END'
		#!/bin/sh
		set -ex
		export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
		mount -o remount,rw /
		mountpoint -q /proc || mount -t proc proc /proc
		mountpoint -q /sys || mount -t sysfs sysfs /sys
		mount -t efivarfs efivarfs /sys/firmware/efi/efivars
		mkdir -p /dev/disk/by-uuid /run/lock
		ln -sf ../../vda1 /dev/disk/by-uuid/2a8e3f1c-6a1b-4c8e-9d55-1ab000000001
		modprobe -a dm_mod vfat nls_cp437 nls_ascii
		pvcreate -q /dev/vdb2
		vgcreate -q lab /dev/vdb2
		lvcreate -q --noudevsync -Zn -Wn -y -n boot -l 100%FREE lab
		vgscan -q --mknodes
		mke2fs -q -t ext4 /dev/mapper/lab-boot
		mount /dev/mapper/lab-boot /mnt
		cp -a /boot/. /mnt/
		rm -rf /boot/* /mnt/grub
		umount /mnt
		mount /dev/mapper/lab-boot /boot
		mkdir /boot/efi
		mount /dev/vdb1 /boot/efi
		printf '%s /boot ext4 defaults 0 2\n' /dev/mapper/lab-boot >>/etc/fstab
		printf 'UUID=%s /boot/efi vfat umask=0077 0 1\n' "$(blkid -s UUID -o value /dev/vdb1)" >>/etc/fstab
		dpkg --force-depends -i /tmp/setup/*.deb
		grub-install --target=x86_64-efi --efi-directory=/boot/efi --bootloader-id=debian
		update-grub
		rm -rf /tmp/setup
		umount /boot/efi /boot
		vgchange -q --noudevsync -an lab
		sync
		mount -o remount,ro /
		echo SETUP-DONE
	END
	tar -C "$setup" -cf "$setup.tar" .
}

# run_setup: the kernel with its initramfs is that of the machine's own /boot.
run_setup() {
	qemu-img convert -q -O raw "$vm/disk.qcow2" "$base/.uefi.raw"
	debugfs -R "dump /boot/vmlinuz-$old $setup/vmlinuz" "$base/.uefi.raw?offset=1048576"
	debugfs -R "dump /boot/initrd.img-$old $setup/initrd" "$base/.uefi.raw?offset=1048576"
	rm "$base/.uefi.raw"
	timeout 300 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -machine q35 -m 768 -smp 2 -nographic -no-reboot -nic none \
		-drive if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd -drive "if=pflash,unit=1,format=raw,file=$out/vars.fd" \
		-drive "file=$out/disk.qcow2,format=qcow2,if=virtio,cache=unsafe" -drive "file=$boot,format=raw,if=virtio,cache=unsafe" \
		-drive "file=$setup.tar,format=raw,if=virtio,readonly=on" -kernel "$setup/vmlinuz" -initrd "$setup/initrd" \
		-append 'root=UUID=2a8e3f1c-6a1b-4c8e-9d55-1ab000000001 ro console=ttyS0 init=/bin/sh -- -c "mount -t tmpfs tmpfs /tmp; mkdir /tmp/setup; tar -C /tmp/setup -xf /dev/vdc; sh /tmp/setup/setup; echo o >/proc/sysrq-trigger; sleep 60"' \
		</dev/null | tee "$setup/console"
	grep -q SETUP-DONE "$setup/console"
	qemu-img convert -q -f raw -O qcow2 -c -o compression_type=zstd "$boot" "$out/boot.qcow2"
	rm -rf "$boot" "$setup" "$setup.tar"
}

read -r old _ <"$vm/versions"
make_disks
make_setup
run_setup
