# survey: what a run wants to know of a machine before it touches any, one fact a line. Nothing is changed.
survey() {
	echo "now $(date +%s.%N)"
	echo "tool $(tool)"
	if [ -d /run/systemd/system ]; then echo 'systemd yes'; fi
	echo "cgroup $(stat -fc %T /sys/fs/cgroup 2>/dev/null)"
	df -Pk /var 2>/dev/null | awk 'NR == 2 { print "var " $4 " " $6 }'
	df -Pk /boot 2>/dev/null | awk 'NR == 2 { print "boot " $4 " " $6 }'
	survey_packages
	survey_kubelet
	echo "containerd $(containerd --version 2>/dev/null)"
	for unit in unattended-upgrades.service apt-daily-upgrade.timer dnf-automatic.timer dnf-automatic-install.timer dnf5-automatic.timer; do
		if [ "$(systemctl is-active "$unit" 2>/dev/null)" = active ]; then echo "automatic $unit"; fi
	done
}

survey_packages() {
	case $(tool) in
	apt)
		dpkg --audit 2>/dev/null | sed -n 's/^ \([^ ].*\)/audit \1/p' | cut -c 1-120
		for update in /var/lib/dpkg/updates/[0-9]*; do
			if [ -e "$update" ]; then echo 'audit an installation was cut short' && break; fi
		done ;;
	esac
	case $(tool) in apt | dnf) echo "holder $(holder)" ;; esac
}

# What the kubelet is started with: kubeadm's file on its own, for kubeadm itself takes out of it what a newer kubelet
# doesn't know, and what the running process has.
survey_kubelet() {
	echo "kubelet $(kubelet --version 2>/dev/null)"
	sed 's/^/kubeadmflags /' /var/lib/kubelet/kubeadm-flags.env 2>/dev/null
	sed 's/^/flags /' /etc/default/kubelet /etc/sysconfig/kubelet 2>/dev/null
	systemctl show -p ExecStart --value kubelet 2>/dev/null | sed 's/^/flags /'
	grep -s -E '^ *failCgroupV1: *false' /var/lib/kubelet/config.yaml | sed 's/.*/failcgroupv1 false/'
	return 0
}
