# Asks how the machine is, after parts.sh. Changes nothing. Before it stand: peers (addresses), since (seconds of the epoch, ""
# for the boot) and pause (seconds between the two samples).
sample() { # 1|2
	show "uptime$1" /proc/uptime
	show "stat$1" /proc/stat
	show "diskstats$1" /proc/diskstats
	show "netdev$1" /proc/net/dev
	show "snmp$1" /proc/net/snmp
}
greets() { # ADDRESS: whether TCP comes back from it: to its kubelet's port, which need not be open for that
	if ! command -v bash >/dev/null 2>&1; then return; fi
	said=$(timeout 2 bash -c ': <>"/dev/tcp/$1/10250"' _ "$1" 2>&1) && echo yes && return
	case $said in *refused*) echo yes ;; *) echo no ;; esac
}
reach() { # ADDRESS: whether packets come back, and whole ones too
	if ! command -v ping >/dev/null 2>&1; then printf '\n#fleetup ping %s\n!%s\n' "$1" "ping isn't installed"; return; fi
	dev=$(ip -o route get "$1" 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p')
	mtu=$(cat "/sys/class/net/$dev/mtu" 2>/dev/null)
	r=$(timeout 5 ping -n -q -c 20 -i 0.05 -W 1 "$1" 2>&1)
	case $1 in *:*) headers=48 ;; *) headers=28 ;; esac # of IP and ICMP
	big=$(timeout 3 ping -n -q -c 2 -i 0.2 -W 1 -M do -s $((${mtu:-1500} - headers)) "$1" 2>&1)
	tcp=
	case $r in *' 100% packet loss'*) tcp=$(greets "$1") ;; esac
	printf '\n#fleetup ping %s\ndev: %s\nmtu: %s\ntcp: %s\n%s\n#fleetup bigping %s\n%s\n' "$1" "$dev" "$mtu" "$tcp" "$r" "$1" "$big"
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
{
	grep -H '^Max open files' /proc/[0-9]*/limits 2>/dev/null
	timeout 10 find /proc/[0-9]*/fd -mindepth 1 -maxdepth 1 2>/dev/null
} | awk -F/ '
	$4 ~ /^limits:/ { split($4, w, " "); limit[$3] = w[4] + 0; next }
	{ open[$3]++ }
	END { for (p in open) print (limit[p] > 0 ? open[p] / limit[p] : 0), open[p], limit[p] + 0, p }' | sort -rn -k1,1 -k2,2 | head -n 5 | while read -r share n limit pid; do
	printf '%s %s %s %s\n' "$n" "$limit" "$pid" "$(head -n 1 "/proc/$pid/comm" 2>/dev/null)"
done
part units_of_measure
printf 'tick: %s\npage: %s\n' "$(getconf CLK_TCK 2>/dev/null || echo 100)" "$(getconf PAGESIZE 2>/dev/null || echo 4096)"
show loadavg /proc/loadavg
show meminfo /proc/meminfo
show vmstat /proc/vmstat
for r in cpu memory io; do show "pressure $r" "/proc/pressure/$r"; done
values limits /proc/sys/kernel/pid_max /proc/sys/kernel/threads-max /proc/sys/fs/file-nr /proc/sys/net/netfilter/nf_conntrack_count /proc/sys/net/netfilter/nf_conntrack_max
show mounts /proc/mounts
show mountinfo /proc/self/mountinfo
show fstab /etc/fstab
ask space 5 df -P -k -l
ask inodes 5 df -P -i -l
for d in /sys/class/net/*; do
	n=${d##*/}
	[ -e "$d/device" ] || [ -e "$d/bonding" ] || continue
	part "link $n"
	for f in operstate carrier carrier_changes speed duplex mtu; do printf '%s: %s\n' "$f" "$(cat "$d/$f" 2>/dev/null)"; done
done
disks 5
for d in /sys/block/*; do
	n=${d##*/}
	[ -e "$d/device" ] || continue
	case $n in
	nvme*c*n*) continue ;; # a way to a disk that has several: no node to ask
	nvme*) ask "nvme $n" 5 nvme smart-log -o json "/dev/$n" ;;
	esac
	ask "smartctl $n" 5 smartctl -n standby -j -i -H -A "/dev/$n"
done
memory_errors
for u in kubelet containerd docker crio sshd ssh systemd-journald; do
	part "unit $u"
	systemctl show "$u" -p LoadState,ActiveState,SubState,Result,NRestarts,UnitFileState,DropInPaths 2>/dev/null
done
part failed
systemctl list-units --state=failed --no-legend --plain --no-pager 2>/dev/null
if ! systemd-detect-virt -q --container 2>/dev/null; then # a container's clock is its host's
	if command -v timedatectl >/dev/null 2>&1 || ! command -v chronyc >/dev/null 2>&1; then ask ntp 5 timedatectl show; fi
	part chrony
	if command -v chronyc >/dev/null 2>&1; then timeout 3 chronyc -n tracking 2>/dev/null; fi
fi
api=$(sed -n 's/^ *server: *//p' /etc/kubernetes/kubelet.conf 2>/dev/null | head -n 1)
part api
printf 'server: %s\n' "$api"
if [ -n "$api" ]; then
	if command -v curl >/dev/null 2>&1; then curl -k -s -o /dev/null --max-time 4 -w 'code: %{http_code}\nseconds: %{time_total}\n' "$api/livez"; else echo "!curl isn't installed"; fi
fi
name=${api#*://}
name=${name%%[:/]*}
case $name in
'' | *[!A-Za-z0-9.-]*) name= ;;
*[!0-9.]*) ;;
*) name= ;;
esac
question() { # NAME: for its address, as printf(1) takes it (RFC 1035, 4.1)
	printf '%s' '\022\064\001\000\000\001\000\000\000\000\000\000'
	echo "$1" | awk -F. '{ for (i = 1; i <= NF; i++) if ($i != "") printf "\\%03o%s", length($i), $i }'
	printf '%s' '\000\000\001\000\001'
}
answers() { # ADDRESS QUESTION: the code of a name server's answer, which getent doesn't tell
	for try in 1 2; do
		set -- "$1" "$2" $(timeout 2 bash -c 'exec 3<>"/dev/udp/$1/53" && env printf "$2" >&3 && head -c 4 <&3 | od -An -tu1' _ "$1" "$2" 2>/dev/null)
		[ -z "$6" ] || break
	done
	printf 'server: %s %s\n' "$1" "${6:+$(($6 % 16))}"
}
name=${name:-registry.k8s.io}
servers=$(sed -n 's/^[[:space:]]*nameserver[[:space:]][[:space:]]*\([^[:space:]]*\).*/\1/p' /etc/resolv.conf 2>/dev/null)
part dns
printf 'name: %s\n' "$name"
if [ -z "$servers" ]; then
	echo 'none: named'
elif command -v bash >/dev/null 2>&1; then
	q=$(question "$name")
	for server in $servers; do answers "$server" "$q" & done
else
	echo "!bash isn't installed, so no name server is asked by itself"
fi
timeout 4 getent ahosts "$name" >/dev/null 2>&1
printf 'status: %s\n' $?
wait
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
newest=1000 # lines of each log
trim() { cut -b 1-1000; }
exec 3>&1
journal() { # WHAT IS WANTED...: the newest first, so that they are there when the time is up
	timeout 15 journalctl -q -r --no-pager -o short-unix "$from" "$@" 2>/dev/null
	if [ $? = 124 ]; then printf '\n!journalctl took longer than 15 s: the oldest lines are missing\n' >&3; fi
}
if command -v journalctl >/dev/null 2>&1 && [ -n "$(timeout 15 journalctl -q --no-pager -n 1 2>/dev/null)" ]; then
	if [ -n "$since" ]; then from="--since=@$since"; else from=-b; fi
	part journal kernel
	journal -k -p warning | head -n $newest | trim
	part journal errors
	journal -p err | grep -v -E '^[0-9.]+ [^ ]+ kernel: ' | head -n $newest | trim
	part journal killed
	journal -p notice _PID=1 | grep -F 'killed by the OOM killer' | head -n 50 | trim
	part journal kubernetes
	journal -u kubelet -u containerd -u docker -u crio | grep -E ': [EF][0-9]{4} |level=(error|fatal|panic)|panic: ' | head -n $newest | trim
else
	for f in /var/log/syslog /var/log/messages /var/log/kern.log; do
		[ -r "$f" ] || continue
		part "logfile $f"
		tail -c 20000000 "$f" 2>/dev/null | grep -i -E 'error|fail|fatal|panic|out of memory|i/o|segfault|blocked for more|read-only|table full|: [EF][0-9]{4} ' | tail -n $newest | trim
	done
fi
part clock2
date +%s.%N
