# Every script of fleetup begins with this: what it prints after ":: " is shown to people, the rest is kept as its log.
# POSIX shell has no local variables: a function that is called within a loop must not set what the loop reads.
LC_ALL=C
export LC_ALL
kept=/var/lib/fleetup/kept

say() { printf ':: %s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

# tool: which package tool the machine has, apt or dnf.
tool() {
	if command -v apt-get >/dev/null 2>&1; then echo apt; elif command -v dnf >/dev/null 2>&1; then echo dnf; else echo none; fi
}

# lock_holder FILE...: a process that holds one of these locks, "name (pid 123)"; nothing where they are free.
# The kernel's table says who holds locks, the process's open files say which.
lock_holder() {
	[ -r /proc/locks ] || return 0
	while read -r _ second _ _ pid _; do
		[ "$second" != '->' ] && [ -d "/proc/$pid" ] || continue
		for fd in "/proc/$pid/fd/"*; do
			for lock in "$@"; do
				if [ "$fd" -ef "$lock" ]; then
					printf '%s (pid %s)\n' "$(cat "/proc/$pid/comm")" "$pid"
					return 0
				fi
			done
		done
	done </proc/locks
}

# pid_holder FILE...: the same for files that hold a pid, dnf's kind of lock.
pid_holder() {
	for lock in "$@"; do
		[ -s "$lock" ] || continue
		pid=$(cat "$lock")
		if [ -d "/proc/$pid" ]; then
			printf '%s (pid %s)\n' "$(cat "/proc/$pid/comm")" "$pid"
			return 0
		fi
	done
}

# wait_lock SECONDS: until nobody holds the package tool's locks; holder is asked by a function of that tool.
wait_lock() {
	left=$1 told=
	while who=$(holder) && [ -n "$who" ]; do
		[ "$left" -gt 0 ] || fail "the package lock is held by $who, for $1 s already: end it, or wait for it, and run again"
		[ "$who" = "$told" ] || say "waiting for the package lock: held by $who"
		told=$who left=$((left - 1))
		sleep 1
	done
}

# switch_source FILE FROM TO: another URL in a package source, in place; FROM and TO are escaped for sed. The file as
# it was is kept, outside of the folder that the package tool reads.
switch_source() {
	grep -q -- "$2" "$1" || return 0
	mkdir -p "$kept/sources"
	cp -p "$1" "$kept/sources/$(basename "$1")"
	cp -p "$1" "$1.fleetup"
	sed "s#$2#$3#g" "$1" >"$1.fleetup"
	mv -f "$1.fleetup" "$1"
	say "$1 switched to $4; the file as it was is $kept/sources/$(basename "$1")"
}

# begin_service UNIT: starts what the new package is about. A unit that is masked is left to whoever masked it.
begin_service() {
	case $(systemctl is-enabled "$1" 2>/dev/null) in masked*) return 0 ;; esac
	systemctl daemon-reload
	if ! systemctl start "$1"; then
		journalctl -u "$1" -n 20 --no-pager -o cat >&2 || :
		fail "$1 doesn't start; its last lines are above"
	fi
}
