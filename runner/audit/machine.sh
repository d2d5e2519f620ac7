# Asks what can age or drift on a machine, after parts.sh. Changes nothing, asks no network. Of certificates the public part alone
# is printed: some of these files hold a key too.
part uptime
cut -d. -f1 /proc/uptime
part kernel
uname -r
part packages
if command -v dpkg-query >/dev/null 2>&1; then
	dpkg-query -W -f='${Package} ${Version} ${db:Status-Status}\n' 2>/dev/null | sed -n 's/ installed$//p'
else
	rpm -qa --qf '%{NAME} %{VERSION}-%{RELEASE}\n' 2>/dev/null | sort
fi
part sysctl
for name in net/ipv4/ip_forward net/bridge/bridge-nf-call-iptables net/ipv4/conf/all/rp_filter net/ipv4/ip_local_port_range net/ipv4/tcp_keepalive_time \
	net/ipv4/tcp_tw_reuse net/ipv4/neigh/default/gc_thresh3 net/ipv6/conf/all/disable_ipv6 net/core/somaxconn net/core/rmem_max net/core/wmem_max \
	vm/max_map_count vm/swappiness vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/pid_max kernel/keys/root_maxkeys \
	fs/inotify/max_user_watches fs/inotify/max_user_instances fs/aio-max-nr; do
	[ -r "/proc/sys/$name" ] && printf '%s %s\n' "$name" "$(cat "/proc/sys/$name" 2>/dev/null)"
done
for f in /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt /var/lib/kubelet/pki/kubelet-client-current.pem /var/lib/kubelet/pki/kubelet-server-current.pem; do
	[ -r "$f" ] || continue
	part certificate "$f"
	sed -n '/BEGIN CERTIFICATE/,/END CERTIFICATE/p' "$f"
done
for f in /etc/kubernetes/*.conf; do # by which controllers and people log in
	[ -r "$f" ] || continue
	part kubeconfig "$f"
	sed -n 's/^ *client-certificate-data: *//p' "$f"
done
# The kubelet's command line: of its process, or, where none runs, of what its unit would make of it.
kubelet_flags() {
	pid=$(systemctl show -p MainPID --value kubelet.service 2>/dev/null)
	if [ "${pid:-0}" != 0 ] && [ -r "/proc/$pid/cmdline" ]; then
		tr '\0' ' ' <"/proc/$pid/cmdline"
		return
	fi
	for f in /lib/systemd/system/kubelet.service /lib/systemd/system/kubelet.service.d/*.conf /etc/systemd/system/kubelet.service /etc/systemd/system/kubelet.service.d/*.conf; do
		[ -r "$f" ] && sed -n -e '/^Environment=/p' -e '/^ExecStart=/p' "$f"
	done
	for f in /var/lib/kubelet/kubeadm-flags.env /etc/default/kubelet /etc/sysconfig/kubelet; do
		[ -r "$f" ] && grep -v '^[ \t]*#' "$f"
	done
}
flags=$(kubelet_flags)
part flags
printf '%s\n' "$flags"
words=$(printf '%s\n' "$flags" | tr ' \t"\047' '\n\n\n\n' | sed 's/^[A-Za-z_]*=//')
named() { printf '%s\n' "$words" | sed -n -e "/^--$1\$/{n;p;}" -e "s/^--$1=//p" | tail -n 1; } # FLAG: the last one's value
main=$(named config)
dir=$(named 'config[-_]dir')
if [ -r "${main:=/var/lib/kubelet/config.yaml}" ]; then
	part kubelet "$main"
	cat "$main"
fi
# The kubelet walks the folder, name by name: of a-b.conf and a/x.conf the latter comes first.
[ -z "$dir" ] || find "$dir" -name '*.conf' ! -type d 2>/dev/null | tr / '\t' | sort | tr '\t' / | while IFS= read -r f; do
	[ -r "$f" ] || continue
	part dropin "$f"
	cat "$f"
done
