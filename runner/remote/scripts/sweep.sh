# sweep: $1 folder, $2 the run to keep, $3 systemd's folder. A run whose step still runs is left alone.
for run in "$1"/*/; do
	run=${run%/}
	name=${run##*/}
	if [ ! -d "$run" ] || [ "$name" = "$2" ] || [ "$name" = kept ]; then # kept: the archives that going back needs
		continue
	fi
	busy=
	for step in "$run"/*/; do
		step=${step%/}
		if [ -d "$step" ] && [ ! -e "$step/rc" ] && alive "$step" "fleetup-$name-${step##*/}" "$3"; then
			busy=1
		fi
	done
	if [ -z "$busy" ]; then
		rm -rf "$run"
		echo "$name"
	fi
done
