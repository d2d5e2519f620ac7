# automatic: the services of this machine that upgrade it by themselves, whatever starts them: timers, in general.
# unattended-upgrades.service isn't one: it makes a shutdown wait for an upgrade that is under way.
automatic() {
	for unit in apt-daily apt-daily-upgrade dnf-automatic dnf-automatic-download dnf-automatic-install dnf-automatic-notifyonly dnf5-automatic; do
		if systemctl cat "$unit.service" >/dev/null 2>&1; then echo "$unit.service"; fi
	done
}

# keep_off: none of them begins any more, until let_go or a reboot. A condition that doesn't hold rather than a mask:
# a timer whose service can't be started would fail and stay so. Prints those that run just now.
keep_off() {
	changed=
	for service in $(automatic); do
		if [ ! -e "/run/systemd/system/$service.d/fleetup.conf" ]; then
			mkdir -p "/run/systemd/system/$service.d"
			printf '[Unit]\nConditionPathExists=/run/fleetup/never\n' >"/run/systemd/system/$service.d/fleetup.conf"
			changed=yes
		fi
	done
	if [ -n "$changed" ]; then systemctl daemon-reload; fi
	for service in $(automatic); do
		case $(systemctl is-active "$service") in active | activating) echo "$service" ;; esac
	done
}

# let_go undoes keep_off.
let_go() {
	changed=
	for file in /run/systemd/system/apt-daily*.service.d/fleetup.conf /run/systemd/system/dnf*.service.d/fleetup.conf; do
		if [ -e "$file" ]; then
			rm -f "$file"
			rmdir "${file%/*}" 2>/dev/null || :
			changed=yes
		fi
	done
	if [ -n "$changed" ]; then systemctl daemon-reload; fi
}
