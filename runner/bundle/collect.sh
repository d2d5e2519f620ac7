# Asks for what a colleague or a vendor wants to see, after parts.sh. Changes nothing. What a tool complains about belongs to it.
most=20000000 # bytes of one output
raw() { # NAME SECONDS COMMAND...
	part "$1"
	limit=$2
	shift 2
	command -v "$1" >/dev/null 2>&1 || { echo "$1 isn't installed"; return; }
	timeout "$limit" "$@" 2>&1 | head -c $most
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
raw dmesg 30 dmesg -T
part journal
if command -v journalctl >/dev/null 2>&1; then # the newest are asked for first: they are there when the time is up
	timeout 60 journalctl -q -b -r --no-pager -o short-iso -n 20000 2>&1 | head -c $most | tac
else
	echo "journalctl isn't installed"
fi
