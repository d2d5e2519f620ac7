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
part flags
for f in /var/lib/kubelet/kubeadm-flags.env /etc/default/kubelet /etc/sysconfig/kubelet; do
	[ -r "$f" ] && cat "$f"
done
dir=$(cat /etc/default/kubelet /etc/sysconfig/kubelet /var/lib/kubelet/kubeadm-flags.env 2>/dev/null | sed -n 's/.*--config-dir[= ]\([^ "]*\).*/\1/p' | head -n 1)
for f in /var/lib/kubelet/config.yaml ${dir:+"$dir"/*.conf}; do
	[ -r "$f" ] || continue
	part kubelet "$f"
	cat "$f"
done
