# Prints how the machine is, in parts that each begin with a line "#fleetup NAME [WHOM]". Changes nothing. A tool that
# isn't there, or takes too long, leaves a part with a line "!WHY". Before it stand: peers (addresses), since (seconds of
# the epoch, "" for the boot) and pause (seconds between the two samples).
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
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
show() { # NAME FILE
	part "$1"
	[ -r "$2" ] && cat "$2" 2>/dev/null
}
values() { # NAME FILE...: of one line each
	part "$1"
	shift
	for f in "$@"; do [ -r "$f" ] && printf '%s: %s\n' "$f" "$(head -n 1 "$f" 2>/dev/null)"; done
}
sample() { # 1|2
	show "uptime$1" /proc/uptime
	show "stat$1" /proc/stat
	show "diskstats$1" /proc/diskstats
	show "netdev$1" /proc/net/dev
	show "snmp$1" /proc/net/snmp
}
reach() { # ADDRESS: whether packets come back, and whole ones too
	if ! command -v ping >/dev/null 2>&1; then printf '\n#fleetup ping %s\n!%s\n' "$1" "ping isn't installed"; return; fi
	dev=$(ip -o route get "$1" 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p')
	mtu=$(cat "/sys/class/net/$dev/mtu" 2>/dev/null)
	r=$(timeout 5 ping -n -q -c 20 -i 0.05 -W 1 "$1" 2>&1)
	case $1 in *:*) headers=48 ;; *) headers=28 ;; esac # of IP and ICMP
	big=$(timeout 3 ping -n -q -c 2 -i 0.2 -W 1 -M do -s $((${mtu:-1500} - headers)) "$1" 2>&1)
	printf '\n#fleetup ping %s\ndev: %s\nmtu: %s\n%s\n#fleetup bigping %s\n%s\n' "$1" "$dev" "$mtu" "$r" "$1" "$big"
}
part clock
date +%s.%N
sample 1
before=$(cat /proc/[0-9]*/stat 2>/dev/null)
for peer in $peers; do reach "$peer" & done
sleep "$pause"
sample 2
wait
procs=$({ printf '%s\n-\n' "$before"; cat /proc/[0-9]*/stat 2>/dev/null; } | awk '
	$0 == "-" { second = 1; next }
	{
		at = length($0)
		while (at > 0 && substr($0, at, 1) != ")") at--
		from = index($0, "(")
		if (at == 0 || from == 0) next
		pid = $1; name = substr($0, from + 1, at - from - 1)
		split(substr($0, at + 2), f, " ")
		if (!second) { spent[pid] = f[12] + f[13]; began[pid] = f[20]; was[pid] = f[1]; next }
		ticks = 0
		if (began[pid] == f[20]) ticks = f[12] + f[13] - spent[pid]
		print ticks, f[22] + 0, (was[pid] == "D" && f[1] == "D") ? "D" : "-", pid, name
	}')
part processes
printf '%s\n' "$procs" | sort -rn | head -n 12
part largest
printf '%s\n' "$procs" | sort -rnk2,2 | head -n 8
part stuck
printf '%s\n' "$procs" | grep -E '^[0-9]+ [0-9]+ D ' | head -n 12
part descriptors
timeout 10 find /proc/[0-9]*/fd -mindepth 1 -maxdepth 1 2>/dev/null | cut -d/ -f3 | sort | uniq -c | sort -rn | head -n 5 | while read -r n pid; do
	printf '%s %s %s %s\n' "$n" "$(awk '/^Max open files/ { print $4 }' "/proc/$pid/limits" 2>/dev/null | grep . || echo 0)" "$pid" "$(head -n 1 "/proc/$pid/comm" 2>/dev/null)"
done
part units_of_measure
printf 'tick: %s\npage: %s\n' "$(getconf CLK_TCK 2>/dev/null || echo 100)" "$(getconf PAGESIZE 2>/dev/null || echo 4096)"
show loadavg /proc/loadavg
show meminfo /proc/meminfo
show vmstat /proc/vmstat
for r in cpu memory io; do show "pressure $r" "/proc/pressure/$r"; done
values limits /proc/sys/kernel/pid_max /proc/sys/kernel/threads-max /proc/sys/fs/file-nr /proc/sys/net/netfilter/nf_conntrack_count /proc/sys/net/netfilter/nf_conntrack_max
show mounts /proc/mounts
show fstab /etc/fstab
ask space 5 df -P -k -l
ask inodes 5 df -P -i -l
for d in /sys/class/net/*; do
	n=${d##*/}
	[ -e "$d/device" ] || [ -e "$d/bonding" ] || continue
	part "link $n"
	for f in operstate carrier carrier_changes speed duplex mtu; do printf '%s: %s\n' "$f" "$(cat "$d/$f" 2>/dev/null)"; done
done
part lsblk
lsblk -J -b -d -o NAME,TYPE,SIZE,ROTA,MODEL,SERIAL,WWN,TRAN,REV 2>/dev/null
for d in /sys/block/*; do
	n=${d##*/}
	[ -e "$d/device" ] || continue
	case $n in
	nvme*) ask "nvme $n" 5 nvme smart-log -o json "/dev/$n" ;;
	esac
	ask "smartctl $n" 5 smartctl -n standby -j -i -H -A "/dev/$n"
done
part edac
for f in /sys/devices/system/edac/mc/mc*/ce_count /sys/devices/system/edac/mc/mc*/ue_count; do
	[ -r "$f" ] && printf '%s: %s\n' "$f" "$(cat "$f")"
done
for u in kubelet containerd docker crio sshd ssh systemd-journald; do
	part "unit $u"
	systemctl show "$u" -p LoadState,ActiveState,SubState,Result,NRestarts,ExecMainStatus 2>/dev/null
done
part failed
systemctl list-units --state=failed --no-legend --plain --no-pager 2>/dev/null
part ntp
timeout 3 timedatectl show 2>/dev/null
part chrony
if command -v chronyc >/dev/null 2>&1; then timeout 3 chronyc -n tracking 2>/dev/null; fi
api=$(sed -n 's/^ *server: *//p' /etc/kubernetes/kubelet.conf 2>/dev/null | head -n 1)
part api
printf 'server: %s\n' "$api"
if [ -n "$api" ]; then
	if command -v curl >/dev/null 2>&1; then curl -k -s -o /dev/null --max-time 4 -w 'code: %{http_code}\nseconds: %{time_total}\n' "$api/livez"; else echo "!curl isn't installed"; fi
fi
name=${api#*://}
name=${name%%[:/]*}
case $name in
'' | *[!0-9.]*) ;;
*) name= ;;
esac
part dns
printf 'name: %s\n' "${name:-registry.k8s.io}"
timeout 4 getent ahosts "${name:-registry.k8s.io}" >/dev/null 2>&1
printf 'status: %s\n' $?
for f in /var/lib/kubelet/pki/kubelet-client-current.pem /var/lib/kubelet/pki/kubelet-server-current.pem /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt; do
	[ -r "$f" ] || continue
	part "certificate $f"
	sed -n '/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p' "$f"
done
for f in /etc/kubernetes/*.conf; do
	[ -r "$f" ] || continue
	part "kubeconfig $f"
	sed -n 's/^ *client-certificate-data: *//p' "$f"
done
newest=1000
if command -v journalctl >/dev/null 2>&1 && [ -n "$(journalctl -q --no-pager -n 1 2>/dev/null)" ]; then
	if [ -n "$since" ]; then from="--since=@$since"; else from=-b; fi
	part journal kernel
	timeout 15 journalctl -q --no-pager -o short-unix "$from" -k -p warning 2>/dev/null | tail -n $newest
	part journal errors
	timeout 15 journalctl -q --no-pager -o short-unix "$from" -p err 2>/dev/null | grep -v -E '^[0-9.]+ [^ ]+ kernel: ' | tail -n $newest
	part journal killed
	timeout 15 journalctl -q --no-pager -o short-unix "$from" -p notice _PID=1 2>/dev/null | grep -F 'killed by the OOM killer' | tail -n 50
	part journal kubernetes
	timeout 15 journalctl -q --no-pager -o short-unix "$from" -u kubelet -u containerd -u docker -u crio 2>/dev/null |
		grep -E ': [EF][0-9]{4} |level=(error|fatal|panic)|panic: ' | tail -n $newest
else
	for f in /var/log/syslog /var/log/messages /var/log/kern.log; do
		[ -r "$f" ] || continue
		part "logfile $f"
		tail -n 50000 "$f" 2>/dev/null | grep -i -E 'error|fail|fatal|panic|out of memory|i/o|segfault|blocked for more|read-only|table full|: [EF][0-9]{4} ' | tail -n $newest
	done
fi
for d in /var/log/pods/kube-system_*; do
	[ -d "$d" ] || continue
	pod=${d#*_}
	pod=${pod%_*}
	for f in "$d"/*/*.log; do
		[ -r "$f" ] || continue
		c=${f%/*}
		part "podlog kube-system/$pod ${c##*/}"
		tail -n 5000 "$f" 2>/dev/null | grep -E ' [FP] ([EF][0-9]{4} |.*level=(error|fatal|panic)|.*"level":"(error|fatal|panic)"|panic: )' | tail -n 200
	done
done
part clock2
date +%s.%N
part end
