# prune MINUTES NAME VERSION ARCH...: removes archives that no way back needs: not one of these, not what a step replaced
# when it was last applied, and not kept within so many minutes. Says "gone FILE" of each.
prune() {
	minutes=$1
	shift
	needed=$(mktemp)
	while [ $# -gt 0 ]; do
		echo "$(archive "$1" "$2" "$3")"
		shift 3
	done >"$needed"
	for list in "$kept"/*.before; do
		[ -s "$list" ] || continue
		while read -r name version arch; do echo "$(archive "$name" "$version" "$arch")"; done <"$list" >>"$needed"
	done
	for file in "$kept"/*.deb "$kept"/*.rpm; do
		if [ ! -f "$file" ] || grep -qxF -e "$file" "$needed" || [ -n "$(find "$file" -mmin "-$minutes")" ]; then continue; fi
		rm -f "$file"
		echo "gone ${file##*/}"
	done
	rm -f "$needed"
}
