# trial.sh: a kernel's trial boot. It is one entry of the boot menu beside the others, called fleetup-trial, booted once,
# with a command line of its own: the permanent one is left alone, so no other boot is affected, and what this writes goes
# away with it. A panic, or an initramfs that finds no root, reboots after half a minute (panic= for the kernel and for
# Debian's initramfs, rd.* for dracut's), and GRUB has forgotten the entry by then. For a kernel that boots and can't be
# reached there is a timer on the machine. $kept/trial is the record: what was tried, from which boot on, how far it came.
trial_args='panic=30 rd.shell=0 rd.emergency=reboot fleetup.trial'
units=/etc/systemd/system

# trial_entry RELEASE: writes the entry, as a copy of the kernel's own. One without the arguments would be no trial: a file of
# the boot loader specification needs no options, and gets GRUB's own then.
trial_entry() {
	if grub_bls; then
		from=$(grub_entries | awk -v release="$1" '$2 == release { print $3; exit }')
		sed -e "s/^title[[:space:]].*/title $1, tried once by fleetup/" -e "s/^options[[:space:]].*/& $trial_args/" "/boot/loader/entries/$from.conf" >/boot/loader/entries/.fleetup-trial
		grep -q -w fleetup.trial /boot/loader/entries/.fleetup-trial || echo "options \$default_kernelopts $trial_args" >>/boot/loader/entries/.fleetup-trial
		mv -f /boot/loader/entries/.fleetup-trial /boot/loader/entries/fleetup-trial.conf
	else
		custom_without >"$custom.fleetup"
		{ echo '### BEGIN fleetup'; trial_copy "$1"; echo '### END fleetup'; } >>"$custom.fleetup"
		mv -f "$custom.fleetup" "$custom"
	fi
	sync
	[ "$(trial_release)" = "$1" ] || fail "the boot menu's entry for kernel $1 could not be copied"
}

# trial_copy RELEASE: the kernel's entry out of grub.cfg, named and with the arguments. What may be booted without a password
# stays so: a menu with superusers would wait for one, with nobody there.
trial_copy() {
	awk -v release="$1" -v args="$trial_args" '
	/^[ \t]*menuentry / && /-advanced-/ {
		match($0, /^[ \t]*/)
		margin = substr($0, 1, RLENGTH)
		free = / --unrestricted( |$)/ ? " --unrestricted" : ""
		body = ""; mine = 0; inside = 1
		next
	}
	inside && $0 == margin "}" {
		if (mine) {
			printf "menuentry \047%s, tried once by fleetup\047%s --id fleetup-trial {\n%s}\n", release, free, body
			exit
		}
		inside = 0
	}
	inside && /^[ \t]*linux(efi|16)?[ \t]/ {
		name = $2
		sub(/^.*\/vmlinuz-/, "", name)
		mine = name == release
		$0 = $0 " " args
	}
	inside { body = body $0 "\n" }' <"$cfg"
}

# custom_without: custom.cfg without what fleetup wrote there.
custom_without() {
	if [ -e "$custom" ]; then sed '/^### BEGIN fleetup$/,/^### END fleetup$/d' "$custom"; fi
}

# trial_release: the kernel that the entry would boot.
trial_release() {
	cat /boot/loader/entries/fleetup-trial.conf "$custom" 2>/dev/null |
		sed -n -e "s/^menuentry '\([^ ,]*\), tried once by fleetup.*/\1/p" -e 's/^title \([^ ,]*\), tried once by fleetup.*/\1/p'
}

trial_forget() {
	rm -f /boot/loader/entries/fleetup-trial.conf
	[ -e "$custom" ] || return 0
	custom_without >"$custom.fleetup"
	if [ -s "$custom.fleetup" ]; then mv -f "$custom.fleetup" "$custom"; else rm -f "$custom" "$custom.fleetup"; fi
}

# trial_record KEY VALUE...: the record, written whole or not at all.
trial_record() {
	mkdir -p "$kept"
	printf '%s %s\n' "$@" >"$kept/trial.new"
	sync
	mv -f "$kept/trial.new" "$kept/trial"
	sync
}

# trial_facts: the record, and what there is to judge it by.
trial_facts() {
	if [ -e "$kept/trial" ]; then sed 's/^/trial_/' "$kept/trial"; fi
	if [ -e "$kept/trial.expired" ]; then echo "expired $(cat "$kept/trial.expired")"; fi
	if grep -q -w fleetup.trial /proc/cmdline; then echo 'trying yes'; fi
	if [ -d /run/systemd/system ]; then echo 'systemd yes'; fi
	echo "boot $(cat /proc/sys/kernel/random/boot_id)"
	echo "tried $(trial_release)"
}

# dead_man SECONDS: a timer that counts from the boot, in a trial boot alone, and reboots the machine at its end. It
# needs no network, and stays in the emergency mode that a missing disk leads to. It leaves word that its time ran out: on a
# boot so slow that the disk can't be written to yet, it waits for that, for two minutes. The reboot is asked for politely first.
dead_man() {
	cat >"$units/fleetup-trial.service" <<'END'
[Unit]
Description=Reboot to the kernel before: fleetup did not log in after the trial boot
DefaultDependencies=no
IgnoreOnIsolate=yes
[Service]
Type=oneshot
ExecStart=-/usr/bin/timeout 120 /bin/sh -c 'until cat /proc/sys/kernel/random/boot_id >/var/lib/fleetup/kept/trial.expired; do sleep 1; done'
ExecStart=/bin/sh -c 'journalctl --sync; systemctl --no-block reboot; sleep 90; echo s >/proc/sysrq-trigger; sleep 5; echo b >/proc/sysrq-trigger'
END
	cat >"$units/fleetup-trial.timer" <<END
[Unit]
Description=Reboot to the kernel before, unless fleetup logs in after the trial boot
DefaultDependencies=no
IgnoreOnIsolate=yes
ConditionKernelCommandLine=fleetup.trial
[Timer]
OnBootSec=$1
AccuracySec=1s
[Install]
WantedBy=sysinit.target
END
	systemctl daemon-reload
	systemctl enable --quiet fleetup-trial.timer
}

# trial_arm FROM TO SECONDS METHOD: the next boot, and that one alone, is the trial. The last thing done is what arms it. Where it
# fails nothing is left of it, the record least of all: by that a later boot, of whatever reason, would be taken for the trial's end.
trial_arm() {
	[ "$(uname -r)" = "$1" ] || fail "the machine runs $(uname -r), not $1"
	rm -f "$kept/trial.expired"
	trap '[ $? = 0 ] || { (trial_end) || :; rm -f "$kept/trial"; }' EXIT
	dead_man "$3"
	trial_record from "$1" to "$2" boot "$(cat /proc/sys/kernel/random/boot_id)" state armed
	if [ "$4" = bootnext ]; then
		efi_next "$2"
	else
		trial_entry "$2" # anew: the kernel's own may be another one by now
		"$g-reboot" fleetup-trial
		[ "$(grub_env next_entry)" = fleetup-trial ] || fail "GRUB's next entry can't be set: look at $menu/grubenv"
	fi
	sync
}

# trial_disarm: the dead man's timer is gone, in this boot and in all others.
trial_disarm() {
	[ -e "$units/fleetup-trial.timer" ] || return 0
	systemctl disable fleetup-trial.timer >/dev/null 2>&1 || :
	systemctl stop fleetup-trial.timer fleetup-trial.service 2>/dev/null || :
	rm -f "$units/fleetup-trial.timer" "$units/fleetup-trial.service"
	systemctl daemon-reload
}

# trial_came_up: fleetup has logged in. From here on a reboot is no failure of the kernel.
trial_came_up() {
	trial_disarm
	trial_record from "$1" to "$2" boot "$(cat /proc/sys/kernel/random/boot_id)" state running
}

# trial_end: nothing of the trial is left, the record last.
trial_end() {
	trial_disarm
	if [ "$(grub_env next_entry)" = fleetup-trial ]; then "$g-editenv" - unset next_entry; fi
	trial_forget
	efi_forget
	loud_default
	rm -f "$kept/trial.expired" "$kept/trial"
	sync
}

# trial_evidence: what the boot that failed has left, a few lines: the kernel's last words where the firmware or a
# crash log kept them, else the errors in the journal of the boot before this one, where that isn't the boot before the trial.
# UEFI's keeps it in pieces, systemd each piece and the whole, a folder deeper than those of other firmware.
trial_evidence() {
	words=$(for dump in /sys/fs/pstore/dmesg-* /var/lib/systemd/pstore/*/dmesg* /var/lib/systemd/pstore/*/*/dmesg*; do
		if [ -e "$dump" ] && [ "$dump" -nt "$kept/trial" ]; then cat "$dump"; fi
	done | grep -E 'Kernel panic|Oops|BUG:|Unable to mount|not syncing|No working init' | sed 's/^<[0-9]*>\[ *[0-9.]*\] *//' | awk '!told[$0]++' | head -n 3)
	if [ -n "$words" ]; then
		echo "$words"
		return 0
	fi
	last=$(journalctl -q -b -1 -n 1 -o export 2>/dev/null | sed -n 's/^_BOOT_ID=//p')
	[ -n "$last" ] && [ "$last" != "$(sed -n 's/^boot //p' "$kept/trial" | tr -d -)" ] || return 0
	journalctl -q -b -1 -p err -n 5 -o cat --no-pager 2>/dev/null
}
