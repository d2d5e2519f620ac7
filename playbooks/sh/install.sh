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

# keep_said NAME VERSION ARCH: a package that couldn't be kept is said, and doesn't stop the upgrade.
keep_said() {
	keep "$@" || say "$1 $2 couldn't be kept: no repository has it any more; going back would need its archive"
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

# go_back FILE: installs what the file lists, from the archives that were kept where they are there.
go_back() {
	[ -s "$1" ] || fail "nothing is known of what was installed before: $1 is missing"
	set -- "$1"
	list=
	while read -r name version arch; do
		file=$(archive "$name" "$version" "$arch")
		if [ ! -s "$file" ]; then file=$(spec "$name" "$version"); fi
		list="$list $file"
	done <"$1"
	downgrade $list
}

# patch_all LIST PATTERN...: upgrades what is listed, "pending NAME OLD NEW ORIGIN" a line, and nothing else.
patch_all() {
	list=$1 specs='' lost='' count=0
	shift
	while read -r _ name old new _; do
		specs="$specs $(spec "$name" "$new")" count=$((count + 1))
		arch=$(installed "$name" | cut -f 3 | head -n 1)
		keep "$name" "$old" "$arch" || lost="$lost $name"
	done <"$list"
	rm -f "$list"
	if [ "$count" -eq 0 ]; then
		say 'no patches are pending'
		return 0
	fi
	[ -z "$lost" ] || say "not kept, no repository has their old versions any more:$lost"
	say "upgrading $count packages:$specs"
	upgrade_only "$specs" "$@"
}
