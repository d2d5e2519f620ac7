# fence: $1 folder, $2 the epoch of this run. Run under the lock, so that two runs can't pass each other.
seen=0
if [ -e "$1/epoch" ]; then
	seen=$(cat "$1/epoch")
fi
case $seen in
"" | *[!0-9]* | ???????????????????*) # more than a shell can compare
	echo "fleetup: $1/epoch holds no epoch: $seen; where no other run works on this machine, remove that file" >&2
	exit 98
	;;
esac
if [ "$2" -lt "$seen" ]; then
	echo "fleetup-fenced $2 $seen" >&2
	exit 97
fi
if [ "$2" -gt "$seen" ]; then
	echo "$2" >"$1/epoch.tmp" && { sync "$1/epoch.tmp" 2>/dev/null || sync; } && mv "$1/epoch.tmp" "$1/epoch" || {
		echo "fleetup: can't record the epoch in $1" >&2
		exit 98
	}
fi
