# efi.sh: the trial boot by UEFI, where GRUB can't forget its entry (LVM, RAID, btrfs): the firmware starts the kernel
# itself, once (BootNext), from copies on the EFI system partition.
efi_facts() {
	[ -d /sys/firmware/efi ] || return 0
	echo 'efi yes'
	for var in /sys/firmware/efi/efivars/SecureBoot-*; do
		if [ -e "$var" ] && [ "$(tail -c 1 "$var" | od -An -tu1 | tr -d ' ')" = 1 ]; then echo 'secureboot yes'; fi
	done
	if command -v efibootmgr >/dev/null 2>&1 && efi_esp; then echo "esp $esp $(df -Pk "$esp" | awk 'NR == 2 { print $4 }')"; fi
}

# efi_esp: sets $esp, where the EFI system partition is mounted, and $part, its block device. False where it isn't mounted, or lies
# on a RAID: an entry of the firmware names a disk and a partition.
efi_esp() {
	for esp in /boot/efi /efi /boot; do
		[ -d "$esp/EFI" ] || continue
		part=$(findmnt -n -t vfat -o SOURCE "$esp" | tail -n 1)
		part=${part##*/}
		if [ -n "$part" ] && [ -e "/sys/class/block/$part/partition" ]; then return 0; fi
	done
	return 1
}

# efi_next RELEASE
efi_next() {
	efi_forget
	efi_esp || fail 'the EFI system partition is not mounted any more, or is no plain partition'
	for initrd in "/boot/initrd.img-$1" "/boot/initramfs-$1.img"; do [ ! -e "$initrd" ] || break; done
	mkdir -p "$esp/EFI/fleetup"
	cp "/boot/vmlinuz-$1" "$esp/EFI/fleetup/vmlinuz.efi"
	cp "$initrd" "$esp/EFI/fleetup/initrd"
	sync
	disk=/dev/$(basename "$(dirname "$(readlink -f "/sys/class/block/$part")")")
	line=$(tr ' ' '\n' </proc/cmdline | grep -v -e '^BOOT_IMAGE=' -e '^initrd=' | tr '\n' ' ')
	efibootmgr -q --create-only --disk "$disk" --part "$(cat "/sys/class/block/$part/partition")" --label fleetup-trial \
		--loader '\EFI\fleetup\vmlinuz.efi' --unicode "initrd=\\EFI\\fleetup\\initrd $line $trial_args"
	number=$(efi_numbers)
	[ -n "$number" ] || fail 'the firmware does not keep a new entry (efibootmgr)'
	efibootmgr -q --bootnext "$number"
	[ "$(efibootmgr | sed -n 's/^BootNext: //p')" = "$number" ] || fail 'the firmware does not take BootNext'
}

# efi_numbers: those of our entries, active ("Boot0007* ") or not ("Boot0007  "). What was cut off may have left more than one.
efi_numbers() { efibootmgr | sed -n 's/^Boot\([0-9A-Fa-f]\{4\}\)[* ] fleetup-trial\([[:space:]].*\)\{0,1\}$/\1/p'; }

efi_forget() {
	[ -d /sys/firmware/efi ] && command -v efibootmgr >/dev/null 2>&1 || return 0
	for number in $(efi_numbers); do
		if [ "$(efibootmgr | sed -n 's/^BootNext: //p')" = "$number" ]; then efibootmgr -q --delete-bootnext; fi
		efibootmgr -q --delete-bootnum --bootnum "$number"
	done
	for esp in /boot/efi /efi /boot; do rm -rf "$esp/EFI/fleetup"; done
}

# kernel_signed RELEASE: "unsigned WHY" where secure boot would reject it, as far as can be seen.
kernel_signed() {
	if [ -e "/boot/vmlinuz-$1" ] && command -v sbverify >/dev/null 2>&1; then
		sbverify --list "/boot/vmlinuz-$1" 2>/dev/null | grep -q '^signature' || echo 'unsigned its image bears no signature (sbverify --list)'
		return 0
	fi
	kernel_origin "$1"
}

signed_image() {
	why=$(kernel_signed "$1")
	[ -z "$why" ] || fail "secure boot is on and would reject kernel $1: ${why#unsigned }"
}
