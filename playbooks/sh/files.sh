# Files as they were before a step, under their content's digest: what differs is kept once, and nothing is overwritten.
copies=$kept/files

# file_facts PATH: "file MODE:UID:GID DIGEST PATH", or "nofile PATH".
file_facts() {
	if [ ! -f "$1" ]; then echo "nofile $1"; return 0; fi
	sum=$(sha256sum <"$1") || fail "$1 can't be read"
	echo "file $(stat -L -c %a:%u:%g "$1") ${sum%% *} $1"
}

# keep_file PATH: keeps a copy, and says the facts of what was copied. Copies that nobody asked for in half a year go.
keep_file() {
	if [ ! -f "$1" ]; then echo "nofile $1"; return 0; fi
	umask 077
	mkdir -p "$copies"
	new=$(mktemp "$copies/.new.XXXXXX")
	cat "$1" >"$new" || fail "no copy of $1 could be kept"
	sum=$(sha256sum <"$new")
	sync "$new" 2>/dev/null || sync
	mv -f "$new" "$copies/${sum%% *}"
	echo "file $(stat -L -c %a:%u:%g "$1") ${sum%% *} $1"
	find "$copies" -type f -mtime +180 -exec rm -f {} +
}

# copy_there DIGEST: "copy DIGEST" where it is kept.
copy_there() { [ ! -f "$copies/$1" ] || echo "copy $1"; }

# restore_file MODE:UID:GID DIGEST PATH: never half written. A link stays one.
restore_file() {
	[ -f "$copies/$2" ] || fail "the copy of $3 that was kept is gone: $copies/$2"
	path=$3
	[ ! -L "$3" ] || path=$(readlink -f "$3")
	mkdir -p "$(dirname "$path")"
	[ ! -f "$path" ] || cp -p "$path" "$path.fleetup"
	cat "$copies/$2" >"$path.fleetup"
	owner=${1#*:}
	chown "$owner" "$path.fleetup"
	chmod "${1%%:*}" "$path.fleetup"
	sync "$path.fleetup" 2>/dev/null || sync
	mv -f "$path.fleetup" "$path"
	say "$3 is as it was"
}

# remove_file PATH: one that wasn't there before.
remove_file() {
	rm -f "$1"
	say "$1 is gone, as it was"
}
