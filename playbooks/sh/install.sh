# pick WANTED NAME...: sets $picked to what the package tool is asked for, each package at its version.
pick() {
	wanted=$1 picked=
	shift
	for name in "$@"; do
		version=$(newest "$name" "$wanted")
		[ -n "$version" ] || fail "no repository of this machine has $name $wanted: look at its package sources"
		picked="$picked $(spec "$name" "$version")"
	done
}

# keep LIST: the archives of what is installed now stay on the machine, so that going back needs no mirror. LIST has
# "NAME VERSION ARCH" a line. Asked for together, and one by one where not all are to be had; what can't be kept is
# said and doesn't stop the upgrade.
keep() {
	missing='' lost='' all=$(mktemp -d "$kept/.new.XXXXXX")
	while read -r name version arch; do
		[ -s "$(archive "$name" "$version" "$arch")" ] || missing="$missing $name $version $arch"
	done <"$1"
	if [ -n "$missing" ] && ! fetch_archives "$all" $missing; then
		while read -r name version arch; do
			[ -s "$(archive "$name" "$version" "$arch")" ] || fetch_archives "$all" "$name" "$version" "$arch" || :
		done <"$1"
	fi
	for new in "$all"/*.deb "$all"/*.rpm; do [ ! -s "$new" ] || mv -f "$new" "$kept/"; done
	rm -rf "$all"
	while read -r name version arch; do
		file=$(archive "$name" "$version" "$arch")
		if [ -s "$file" ]; then touch "$file"; else lost="$lost $name $version,"; fi # by its time prune knows that it is wanted
	done <"$1"
	[ -z "$lost" ] || say "not kept, no repository has it any more (going back would need its archive):${lost%,}"
}

# install_fresh SPEC...: installs; where the lists name archives that the mirror has no more, they are fetched anew.
install_fresh() {
	log=$(mktemp)
	if install "$@" 2>"$log"; then
		cat "$log" >&2
	elif grep -q -e ' 404 ' -e 'Unable to fetch' -e 'Status code: 404' "$log"; then
		say 'the package lists are out of date: fetching them'
		refresh
		install "$@"
	else
		cat "$log" >&2
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}

# before STEP: "before NAME VERSION ARCH" for each package that the step replaced when it was last applied here.
before() {
	[ ! -s "$kept/$1.before" ] || sed 's/^/before /' "$kept/$1.before"
}

# mend SECONDS: as prepare, before going back. What can't be finished is replaced.
mend() {
	wait_lock "$1"
	(prepare "$1") || say 'the interrupted installation can not be finished: what it left is replaced'
}

# kept_archive NAME VERSION ARCH: "archive NAME FILE" where it was kept, else "lacks NAME FILE".
kept_archive() {
	file=$(archive "$@")
	if [ -s "$file" ]; then echo "archive $1 $file"; else echo "lacks $1 $file"; fi
}

# go_back NAME VERSION ARCH...: installs these from the archives that were kept.
go_back() {
	list=
	while [ $# -gt 0 ]; do
		file=$(archive "$1" "$2" "$3")
		[ -s "$file" ] || fail "$1 $2 can't go back: $file is missing"
		list="$list $file"
		shift 3
	done
	say "going back to$list"
	install_kept $list
}

# patch_all LIST PATTERN...: upgrades what is listed, "pending NAME OLD NEW ORIGIN" a line, and nothing else.
patch_all() {
	list=$1 specs='' count=0
	shift
	while read -r _ name old new _; do
		specs="$specs $(spec "$name" "$new")" count=$((count + 1))
		echo "$name $old $(installed "$name" | cut -f 3 | head -n 1)"
	done <"$list" >"$list.old"
	[ "$count" -eq 0 ] || keep "$list.old"
	rm -f "$list.old"
	rm -f "$list"
	if [ "$count" -eq 0 ]; then
		say 'no patches are pending'
		return 0
	fi
	say "upgrading $count packages:$specs"
	upgrade_only "$specs" "$@"
}
