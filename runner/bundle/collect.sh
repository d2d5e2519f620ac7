# Prints what a colleague or a vendor asks for, in parts that each begin with a line "#fleetup NAME". Changes nothing.
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin:/usr/local/bin"
raw() { # NAME SECONDS COMMAND...
	printf '\n#fleetup %s\n' "$1"
	limit=$2
	shift 2
	command -v "$1" >/dev/null 2>&1 || { echo "$1 isn't installed"; return; }
	timeout "$limit" "$@" 2>&1
}
newest() { # NAME LINES COMMAND...
	printf '\n#fleetup %s\n' "$1"
	lines=$2
	shift 2
	timeout 30 "$@" 2>&1 | tail -n "$lines"
}
raw uname 5 uname -a
raw os-release 5 cat /etc/os-release
raw cmdline 5 cat /proc/cmdline
raw uptime 5 uptime
raw ps 10 ps auxww
raw mounts 5 cat /proc/mounts
raw df 10 df -P -k
raw lsblk 10 lsblk -O -J
raw sysctl 10 sysctl -a
raw modules 5 cat /proc/modules
raw meminfo 5 cat /proc/meminfo
raw slabinfo 5 cat /proc/slabinfo
raw interrupts 5 cat /proc/interrupts
raw ip-address 5 ip -d -s address
raw ip-route 5 ip route show table all
raw sockets 10 ss -s
raw nft 10 nft list ruleset
raw units 10 systemctl list-units --all --no-pager
raw timers 10 systemctl list-timers --all --no-pager
raw kubelet-unit 10 systemctl cat kubelet
raw kubelet-config 5 cat /var/lib/kubelet/config.yaml
raw containerd-config 5 cat /etc/containerd/config.toml
raw resolv.conf 5 cat /etc/resolv.conf
raw crictl-pods 20 crictl pods
raw crictl-ps 20 crictl ps -a
raw crictl-images 20 crictl images
raw lspci 10 lspci -vv
raw dmidecode 10 dmidecode
if command -v dpkg >/dev/null 2>&1; then raw packages 20 dpkg -l; else raw packages 30 rpm -qa; fi
newest dmesg 5000 dmesg -T
newest journal 20000 journalctl -b --no-pager -o short-iso -n 20000
printf '\n#fleetup end\n'
