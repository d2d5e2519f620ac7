# follow: writes the output of the step in $dir from byte $off on as it comes, and how it ended to standard error.
# $i is 19 where it is known to have ended.
while :; do
	ended=
	if [ -e "$dir/rc" ]; then
		ended=1
	elif [ $((i % 20)) = 19 ] && ! alive "$dir" "$unit" "$systemd" && [ ! -e "$dir/rc" ]; then
		ended=1
	fi
	size=$(wc -c <"$dir/output" 2>/dev/null) || size=0
	if [ $((size)) -gt "$off" ]; then
		tail -c "+$((off + 1))" "$dir/output" | head -c "$((size - off))" || exit 1
		off=$((size))
	fi
	if [ "$ended" ]; then
		break
	fi
	i=$((i + 1))
	if [ $((i % 200)) = 0 ]; then
		echo fleetup-alive >&2 || exit 1
	fi
	if [ $i -lt 200 ]; then
		sleep 0.04
	else
		sleep 0.1
	fi
done
if [ -e "$dir/rc" ]; then
	echo "fleetup-rc $(cat "$dir/rc")" >&2
elif [ ! -e "$dir/boot_id" ]; then
	echo "fleetup-interrupted its folder $dir is gone" >&2
elif [ "$(cat "$dir/boot_id")" != "$(cat /proc/sys/kernel/random/boot_id)" ]; then
	echo "fleetup-interrupted the machine was rebooted meanwhile" >&2
else
	echo "fleetup-interrupted its process is gone and left no result" >&2
fi
