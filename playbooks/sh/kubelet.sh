# env_file NAME PATH: each of its lines behind the name; the last may lack its end.
env_file() {
	[ ! -f "$2" ] || sed "s/^/$1 /" "$2"
	echo
}

# kubelet_facts: what decides which configuration the kubelet starts with.
kubelet_facts() {
	echo "version $(kubelet --version 2>/dev/null)"
	{
		for dir in /lib /usr/lib /etc; do cat "$dir/systemd/system/kubelet.service" "$dir"/systemd/system/kubelet.service.d/*.conf; done
		systemctl cat kubelet.service # in the order that counts; but it says nothing while it is masked, as it is amidst a run
	} 2>/dev/null | sed -n -e 's/^EnvironmentFile=-*/reads /p' -e 's/^ExecStart=..*/starts &/p' -e 's/^Environment=.*KUBELET_EXTRA_ARGS=..*/sets &/p' -e 's/^Environment=/environment /p'
	env_file default /etc/default/kubelet
	env_file sysconfig /etc/sysconfig/kubelet
	env_file kubeadm /var/lib/kubelet/kubeadm-flags.env
	[ ! -r /proc/cpuinfo ] || sed -n 's/^processor.*/core/p' /proc/cpuinfo
	[ ! -r /proc/meminfo ] || sed -n 's/^MemTotal: *\([0-9]*\) kB$/memory \1/p' /proc/meminfo
}

# show_file PATH: each of its lines behind "has".
show_file() { [ ! -f "$1" ] || sed 's/^/has /' "$1"; }

# show_main PATH: each of its lines behind "main"; the last may lack its end.
show_main() {
	[ ! -f "$1" ] || sed 's/^/main /' "$1"
	echo
}

# show_dropins OWN FOLDER: of each drop-in but OWN a line "file PATH", and its lines behind "conf". The kubelet walks the folder, name by
# name: of a-b.conf and a/x.conf the latter comes first.
show_dropins() {
	find "$2" -name '*.conf' ! -type d 2>/dev/null | tr / '\t' | LC_ALL=C sort | tr '\t' / | while IFS= read -r f; do
		[ "$f" != "$1" ] && [ -f "$f" ] || continue
		echo "file $f"
		sed 's/^/conf /' "$f"
		echo
	done
}

# put_file PATH TEXT: never half written; a link stays one.
put_file() {
	path=$1
	[ ! -L "$1" ] || path=$(readlink -f "$1")
	mkdir -p "$(dirname "$path")"
	printf '%s' "$2" >"$path.fleetup"
	chmod 644 "$path.fleetup"
	sync "$path.fleetup" 2>/dev/null || sync
	mv -f "$path.fleetup" "$path"
}
