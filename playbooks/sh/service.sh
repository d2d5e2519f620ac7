# state UNIT: what systemd says of it.
state() {
	echo "active $(systemctl is-active "$1" 2>/dev/null)"
	echo "enabled $(systemctl is-enabled "$1" 2>/dev/null)"
	echo "load $(systemctl show -p LoadState --value "$1" 2>/dev/null)"
}

# fresh UNIT FILE...: names a file that was changed after the unit was started. systemd counts from the boot in
# microseconds, files in seconds since 1970.
fresh() {
	unit=$1
	shift
	since=$(systemctl show -p ActiveEnterTimestampMonotonic --value "$unit" 2>/dev/null)
	boot=$(sed -n 's/^btime //p' /proc/stat)
	[ "${since:-0}" -gt 0 ] && [ -n "$boot" ] || return 0
	since=$((boot + since / 1000000))
	if [ "$(systemctl show -p NeedDaemonReload --value "$unit")" = yes ]; then echo 'changed its unit'; fi
	for file in "$@" $(systemctl show -p FragmentPath --value "$unit") $(systemctl show -p DropInPaths --value "$unit") \
		$(systemctl show -p ExecStart --value "$unit" | sed -n 's/.*path=\([^ ;]*\).*/\1/p'); do
		time=$(stat -L -c %Y "$file" 2>/dev/null) || continue
		if [ "$time" -gt "$since" ]; then echo "changed $file"; fi
	done
}

switch_on() {
	if [ "$2" = true ]; then systemctl enable "$1"; else systemctl disable "$1"; fi
}

# bring UNIT STATE: and sees that it stays there.
bring() {
	systemctl daemon-reload
	case $2 in
	stopped) systemctl stop "$1" ;;
	started) systemctl start "$1" || : ;;
	restarted) systemctl restart "$1" || : ;;
	esac
	[ "$2" = stopped ] || runs "$1"
}

# runs UNIT: fails with its last log lines where it doesn't.
runs() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		now=$(systemctl is-active "$1" 2>/dev/null) || :
		case $now in active) return 0 ;; activating | reloading) sleep 1 ;; *) break ;; esac
	done
	journalctl -u "$1" -n 20 --no-pager -o cat >&2 || :
	fail "$1 doesn't run (${now:-unknown}); its last lines are above"
}
