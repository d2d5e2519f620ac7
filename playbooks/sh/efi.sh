# efi.sh: the trial boot by UEFI, where GRUB can't forget its entry (LVM, RAID, btrfs): the firmware starts the kernel
# itself, once (BootNext), from copies on the EFI system partition.
efi_facts() {
	[ -d /sys/firmware/efi ] || return 0
	echo 'efi yes'
	for var in /sys/firmware/efi/efivars/SecureBoot-*; do
		if [ -e "$var" ] && [ "$(tail -c 1 "$var" | od -An -tu1 | tr -d ' ')" = 1 ]; then echo 'secureboot yes'; fi
	done
	if ! command -v efibootmgr >/dev/null 2>&1; then return 0; fi
	for esp in /boot/efi /efi /boot; do
		[ -d "$esp/EFI" ] || continue
		echo "esp $esp $(df -Pk "$esp" | awk 'NR == 2 { print $4 }')"
		break
	done
}

# efi_next RELEASE
efi_next() {
	efi_forget
	for esp in /boot/efi /efi /boot; do [ ! -d "$esp/EFI" ] || break; done
	for initrd in "/boot/initrd.img-$1" "/boot/initramfs-$1.img"; do [ ! -e "$initrd" ] || break; done
	mkdir -p "$esp/EFI/fleetup"
	cp "/boot/vmlinuz-$1" "$esp/EFI/fleetup/vmlinuz.efi"
	cp "$initrd" "$esp/EFI/fleetup/initrd"
	sync
	part=$(basename "$(findmnt -n -o SOURCE "$esp")")
	disk=/dev/$(basename "$(dirname "$(readlink -f "/sys/class/block/$part")")")
	line=$(tr ' ' '\n' </proc/cmdline | grep -v -e '^BOOT_IMAGE=' -e '^initrd=' | tr '\n' ' ')
	efibootmgr -q --create-only --disk "$disk" --part "$(cat "/sys/class/block/$part/partition")" --label fleetup-trial \
		--loader '\EFI\fleetup\vmlinuz.efi' --unicode "initrd=\\EFI\\fleetup\\initrd $line $trial_args"
	efibootmgr -q --bootnext "$(efi_number)"
	[ "$(efibootmgr | sed -n 's/^BootNext: //p')" = "$(efi_number)" ] || fail 'the firmware does not take BootNext'
}

efi_number() { efibootmgr | sed -n 's/^Boot\([0-9A-F]*\)\*\{0,1\} fleetup-trial.*/\1/p' | head -n 1; }

efi_forget() {
	[ -d /sys/firmware/efi ] && command -v efibootmgr >/dev/null 2>&1 || return 0
	number=$(efi_number)
	[ -n "$number" ] || return 0
	if [ "$(efibootmgr | sed -n 's/^BootNext: //p')" = "$number" ]; then efibootmgr -q --delete-bootnext; fi
	efibootmgr -q --delete-bootnum --bootnum "$number"
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
