# What scripts that look into a machine begin with: they print parts, that each begin with a line "#fleetup NAME [WHOM]". A
# tool that isn't there, or takes too long (a disk that dies may hang one), leaves a part with a line "!WHY".
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin:/usr/local/bin"
part() { printf '\n#fleetup %s\n' "$*"; }
ask() { # NAME SECONDS COMMAND...
	part "$1"
	limit=$2
	shift 2
	if ! command -v "$1" >/dev/null 2>&1; then echo "!$1 isn't installed"; return; fi
	timeout "$limit" "$@" 2>/dev/null
	rc=$?
	if [ "$rc" = 124 ]; then echo "!$1 took longer than $limit s"; fi
}
show() { # NAME FILE: whole
	part "$1"
	[ -r "$2" ] && cat "$2" 2>/dev/null
}
disks() { # SECONDS: lsblk, what the disks are
	ask lsblk "$1" lsblk -J -b -d -o NAME,TYPE,SIZE,ROTA,MODEL,SERIAL,WWN,TRAN,REV
}
memory_errors() { # edac, what the memory controllers have counted since the boot
	part edac
	for f in /sys/devices/system/edac/mc/mc*/ce_count /sys/devices/system/edac/mc/mc*/ue_count; do
		[ -r "$f" ] && printf '%s: %s\n' "$f" "$(cat "$f")"
	done
}
values() { # NAME FILE...: the first line of each
	part "$1"
	shift
	for f in "$@"; do [ -r "$f" ] && printf '%s: %s\n' "$f" "$(head -c 4096 "$f" 2>/dev/null | head -n 1)"; done
}
