# grub.sh: which kernel boots, on machines with GRUB: by the menu in grub.cfg (Debian, Ubuntu), or by files of the boot
# loader specification (Red Hat). grub_find sets for all others $g, the prefix of GRUB's tools, $menu, its folder, $cfg, the menu
# that boots (on Red Hat what a link in /etc names: release 8 has it on the EFI system partition), and $custom, what that reads.
grub_find() {
	links=/etc/grub2.cfg
	if [ -d /sys/firmware/efi ]; then links="/etc/grub2-efi.cfg $links"; fi
	for g in grub2 grub; do
		menu=/boot/$g cfg=/boot/$g/grub.cfg custom=/boot/$g/custom.cfg
		if { [ -e "$cfg" ] || [ -e "$menu/grubenv" ]; } && command -v "$g-editenv" >/dev/null 2>&1; then
			for link in $links; do
				if [ -e "$link" ]; then cfg=$(readlink -f "$link"); break; fi
			done
			custom=${cfg%/*}/custom.cfg
			return 0
		fi
	done
	return 1
}

# grub_bls: by the menu that boots. GRUB_ENABLE_BLSCFG tells of the next one, which may never have been made.
grub_bls() { [ -d /boot/loader/entries ] && grep -q -s '^[[:space:]]*blscfg' "$cfg"; }

grub_env() { "$g-editenv" - list 2>/dev/null | sed -n "s/^$1=//p"; }

# grub_entries: "entry RELEASE ID" for each kernel of the menu, ID as grub-set-default wants it: a submenu's before its
# own. Entries that rescue aren't kernels to boot. Of several files for one kernel (grubby writes …~custom.conf beside the
# package's, a cloned machine has some by another machine's id) the one that is saved goes first.
grub_entries() {
	if grub_bls; then
		for conf in "/boot/loader/entries/$(grub_env saved_entry).conf" /boot/loader/entries/*.conf; do
			case $conf in *rescue* | */fleetup-trial.conf | *'*.conf') continue ;; esac
			[ -e "$conf" ] || continue
			awk -v id="$(basename "$conf" .conf)" '$1 == "version" { print "entry " $2 " " id; exit }' <"$conf"
		done
		return 0
	fi
	[ -e "$cfg" ] || return 0
	awk '
	function named(line) {
		if (!match(line, /(\$menuentry_id_option|--id) \047?[^\047 ]+/)) return ""
		line = substr(line, RSTART, RLENGTH)
		sub(/^[^ ]+ \047?/, "", line)
		return line
	}
	/^submenu / { above = named($0) ">" }
	/^}/ { above = "" }
	/^[ \t]*menuentry / { id = named($0) }
	/^[ \t]*linux(efi|16)?[ \t]/ {
		sub(/^.*\/vmlinuz-/, "", $2)
		if (id ~ /-advanced-/) print "entry " $2 " " above id
		id = ""
	}' <"$cfg"
}

# grub_saves: whether what boots is the saved entry, rather than the first of the menu, which is the newest kernel. The menu
# itself says so, whatever stands in /etc/default/grub.
grub_saves() { grep -q -s -F 'set default="${saved_entry}"' "$cfg"; }

# grub_boots: the kernel that the saved entry boots, where that is what counts.
grub_boots() {
	grub_find && grub_saves || return 0
	echo "boots $(grub_entries | awk -v id="$(grub_env saved_entry)" '$3 == id { print $2; exit }')"
}

# grub_facts: what a Check wants to know, one fact a line.
grub_facts() {
	grub_find || return 0
	echo "grub $g"
	grub_entries
	echo "saved $(grub_env saved_entry)"
	if grub_saves; then echo 'saves yes'; fi
	if grub_bls || grep -q -s custom.cfg "$cfg"; then echo 'custom yes'; fi
	env=$(readlink -f "$menu/grubenv") # Red Hat 8 has it on the EFI system partition, too
	[ -e "$env" ] || env=$menu
	bootfs=$("$g-probe" --target=fs "$env" 2>/dev/null) || bootfs=
	if [ -n "$bootfs" ]; then
		echo "abstraction $("$g-probe" --target=abstraction "$env" 2>/dev/null | tr '\n' ' ')"
		echo "bootfs $bootfs"
	else
		echo "unprobed $("$g-probe" --target=fs "$env" 2>&1 | tail -n 1)"
	fi
	if [ -e "$kept/sysconfig.kernel" ]; then echo 'quiet yes'; fi
}

grub_menu() {
	if command -v update-grub >/dev/null 2>&1; then update-grub; else "$g-mkconfig" -o "$cfg"; fi
}

# grub_default RELEASE: this kernel boots from now on, while the saved entry does.
grub_default() {
	entry=$(grub_entries | awk -v release="$1" '$2 == release { print $3; exit }')
	[ -n "$entry" ] || fail "the boot menu has no kernel $1"
	[ "$(grub_env saved_entry)" = "$entry" ] || "$g-set-default" "$entry"
	[ "$(grub_env saved_entry)" = "$entry" ] || fail "GRUB's saved entry can't be set to $entry: look at $menu/grubenv"
	sync
}

# grub_save RELEASE: the saved entry is what boots, and it is this kernel, whatever is installed afterwards. The entry is
# saved first: without one GRUB would take the newest kernel. Every file that sets GRUB_DEFAULT is changed, since the
# last one holds.
grub_save() {
	grub_default "$1"
	grub_saves && return 0
	mkdir -p "$kept"
	[ -e "$kept/default.grub" ] || cp -p /etc/default/grub "$kept/default.grub"
	if ! grep -q '^GRUB_DEFAULT=' /etc/default/grub; then
		[ -z "$(tail -c 1 /etc/default/grub)" ] || echo >>/etc/default/grub # its last line has no end
		echo 'GRUB_DEFAULT=saved' >>/etc/default/grub
	fi
	for conf in /etc/default/grub /etc/default/grub.d/*.cfg; do
		if grep -q -s '^GRUB_DEFAULT=' "$conf"; then sed -i 's/^GRUB_DEFAULT=.*/GRUB_DEFAULT=saved/' "$conf"; fi
	done
	grub_menu
	grub_default "$1" # the new menu may call it otherwise
	grub_saves || fail "GRUB doesn't boot its saved entry, though GRUB_DEFAULT=saved stands in /etc/default/grub"
	say "GRUB_DEFAULT=saved stands in /etc/default/grub now, and stays: kernels installed later boot once they are made the default (the file as it was is $kept/default.grub)"
}

# Red Hat's packages make each new kernel the default themselves: not while fleetup installs one. What was said before
# is kept on the disk, for a power cut in between, and said again however the script ends.
quiet_default() {
	[ -e /etc/sysconfig/kernel ] || return 0
	mkdir -p "$kept"
	[ -e "$kept/sysconfig.kernel" ] || cp -p /etc/sysconfig/kernel "$kept/sysconfig.kernel"
	trap loud_default EXIT
	sed -i 's/^UPDATEDEFAULT=.*/UPDATEDEFAULT=no/' /etc/sysconfig/kernel
}

loud_default() {
	if [ -e "$kept/sysconfig.kernel" ]; then mv -f "$kept/sysconfig.kernel" /etc/sysconfig/kernel; fi
}
