# alive: whether the step in $1, with unit $2, still runs. The process is asked first: while systemd or D-Bus is being
# upgraded, systemctl answers wrongly. $3 exists where systemd runs.
alive() {
	if [ -e "$1/pid" ] && [ "$(cat "$1/boot_id")" = "$(cat /proc/sys/kernel/random/boot_id)" ]; then
		alive_at=$(cat "$1/pid")
		alive_now=$(cat "/proc/${alive_at%% *}/stat" 2>/dev/null)
		alive_now=${alive_now##*)}
		case $alive_now in
		" Z "* | " X "*) alive_now= ;; # it has ended: nobody has waited for it, as where process 1 is no init
		esac
		if [ -n "$alive_now" ] && [ "$(echo "$alive_now" | cut -d ' ' -f 21)" = "${alive_at##* }" ]; then
			return 0
		fi
	fi
	if [ -d "$3" ]; then
		case $(systemctl is-active "$2" 2>/dev/null) in
		active | activating | reloading | deactivating) return 0 ;;
		esac
	fi
	return 1
}
