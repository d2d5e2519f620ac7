# automatic: the services of this machine that upgrade it by themselves, whatever starts them: timers, in general; each
# with its state. unattended-upgrades.service isn't one: it makes a shutdown wait for an upgrade that is under way.
automatic() {
	{
		systemctl show -p Id -p LoadState -p ActiveState apt-daily.service apt-daily-upgrade.service dnf-automatic.service \
			dnf-automatic-download.service dnf-automatic-install.service dnf-automatic-notifyonly.service dnf5-automatic.service 2>/dev/null
		echo
	} | while IFS='=' read -r key value; do
		case $key in
		Id) id=$value ;;
		LoadState) load=$value ;;
		ActiveState) active=$value ;;
		'') if [ -n "${id-}" ] && [ "$load" != not-found ]; then echo "$id $active"; fi; id= ;;
		esac
	done
}

# keep_off: none of them begins any more, until let_go or a reboot. A condition that doesn't hold rather than a mask:
# a timer whose service can't be started would fail and stay so. Prints those that run just now.
keep_off() {
	changed=
	there=$(automatic)
	for service in $(echo "$there" | cut -d ' ' -f 1); do
		if [ ! -e "/run/systemd/system/$service.d/fleetup.conf" ]; then
			mkdir -p "/run/systemd/system/$service.d"
			printf '[Unit]\nConditionPathExists=/run/fleetup/never\n' >"/run/systemd/system/$service.d/fleetup.conf"
			changed=yes
		fi
	done
	if [ -n "$changed" ]; then
		systemctl daemon-reload
		there=$(automatic) # one may have begun before it was told not to
	fi
	echo "$there" | sed -n -e 's/ active$//p' -e 's/ activating$//p'
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
