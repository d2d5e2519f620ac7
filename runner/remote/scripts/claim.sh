# claim: under the lock; 96 says interrupted. $3 run's folder, $4 step, $5 unit, $6 systemd's folder, $7 start, anew or attach, $8 the script.
dir=$3/$4
if [ -d "$dir" ]; then
	if [ -e "$dir/rc" ] || alive "$dir" "$5" "$6" || [ -e "$dir/rc" ]; then
		exit 0
	fi
	if [ "$7" != anew ]; then
		exit 96
	fi
	rm -rf "$dir"
fi
if [ "$7" = attach ]; then
	exit 96
fi
mkdir "$dir" && chmod 0700 "$dir" || exit 98
echo "$2" >"$dir/epoch" && cat /proc/sys/kernel/random/boot_id >"$dir/boot_id" && : >"$dir/output" &&
	mv "$8" "$dir/script" && mv "$8.wrapper" "$dir/wrapper" || {
	rm -rf "$dir"
	exit 98
}
if [ -d "$6" ]; then
	systemd-run --quiet --collect --no-ask-password --unit="$5" --property=Restart=no /bin/sh "$dir/wrapper" "$dir" </dev/null >&2
	code=$?
else
	setsid sh "$dir/wrapper" "$dir" </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- & # or it would keep the lock
	code=0
fi
i=0
while [ $code = 0 ] && [ ! -e "$dir/pid" ] && [ ! -e "$dir/rc" ] && [ $i -lt 500 ]; do
	sleep 0.01
	i=$((i + 1))
done
if [ ! -e "$dir/pid" ] && [ ! -e "$dir/rc" ] && ! alive "$dir" "$5" "$6"; then
	rm -rf "$dir"
	echo "fleetup: the step could not be started" >&2
	exit 98
fi
