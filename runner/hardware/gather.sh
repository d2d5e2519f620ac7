# Asks what the machine is made of, after parts.sh. Changes nothing.
ask kernel 5 uname -r
part cpuinfo
grep -E '^(processor|physical id|core id|cpu cores|model name|CPU implementer|CPU part)[[:space:]]*:' /proc/cpuinfo 2>/dev/null
part meminfo
grep -E '^MemTotal:' /proc/meminfo 2>/dev/null
part efi
[ -d /sys/firmware/efi ] && echo yes
values dmi /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name /sys/class/dmi/id/product_serial /sys/class/dmi/id/bios_version /sys/class/dmi/id/bios_date
ask dmidecode 10 dmidecode -t 0 -t 1 -t 4 -t 17
disks 10
for d in /sys/block/*; do
	n=${d##*/}
	[ -e "$d/device" ] || continue
	part "bus $n"
	readlink -f "$d/device" 2>/dev/null
	case $n in
	nvme*c*n*) continue ;; # a way to a disk that has several: no node to ask
	nvme*) ask "nvme $n" 10 nvme smart-log -o json "/dev/$n" ;;
	esac
	ask "smartctl $n" 15 smartctl -j -i -H -A -l error "/dev/$n"
done
for d in /sys/class/net/*; do
	n=${d##*/}
	[ -e "$d/device" ] || continue
	if [ -e "$d/device/physfn" ]; then continue; fi # a card's virtual function
	part "nic $n"
	printf 'bus: %s\n' "$(readlink -f "$d/device" 2>/dev/null)"
	for f in address carrier speed phys_port_name; do printf '%s: %s\n' "$f" "$(cat "$d/$f" 2>/dev/null)"; done
	ask "permanent $n" 5 ethtool -P "$n"
	ask "driver $n" 5 ethtool -i "$n"
done
ask lspci 10 lspci -D -vmm -nn
part pcilinks
for d in /sys/bus/pci/devices/*; do
	[ -r "$d/class" ] || continue
	printf '%s class=%s vendor=%s device=%s sv=%s sd=%s vf=%s width=%s speed=%s\n' "${d##*/}" "$(cat "$d/class")" "$(cat "$d/vendor")" "$(cat "$d/device")" \
		"$(cat "$d/subsystem_vendor" 2>/dev/null)" "$(cat "$d/subsystem_device" 2>/dev/null)" "$([ ! -e "$d/physfn" ] || echo yes)" \
		"$(cat "$d/current_link_width" 2>/dev/null)" "$(cat "$d/current_link_speed" 2>/dev/null)"
done
ask ipmitool 10 ipmitool mc info
memory_errors
part kernellog
timeout 10 journalctl -k -b -o cat --no-pager 2>/dev/null | grep -E '[Hh]ardware [Ee]rror|[Mm]achine [Cc]heck|EDAC .*[ :](CE|UE) |[Uu]ncorrect' | tail -n 20
