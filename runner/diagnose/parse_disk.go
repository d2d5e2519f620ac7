package diagnose

import (
	"cmp"
	"slices"
	"strings"

	"github.com/fleetup/fleetup/runner/hardware"
)

// parseDisks compares two readings of /proc/diskstats (Documentation/admin-guide/iostats.rst), took seconds apart.
// Partitions, loops and what did nothing at all since the boot are left out. What ways to one disk did is the disk's: the busiest is told.
func parseDisks(first, second string, took float64) []Disk {
	before := map[string][]string{}
	for line := range strings.Lines(first) {
		f := strings.Fields(line)
		before[column(f, 2)] = f
	}
	var all []Disk
	for line := range strings.Lines(second) {
		f := strings.Fields(line)
		name := column(f, 2)
		old, known := before[name]
		if !known || !isDisk(name) || took <= 0 || whole(column(f, 3))+whole(column(f, 7)) == 0 {
			continue
		}
		rose := func(n int) float64 { return max(decimal(column(f, n))-decimal(column(old, n)), 0) }
		d := Disk{Name: hardware.DiskOf(name), Util: min(100*rose(12)/(1000*took), 100), Read: 512 * rose(5) / took, Write: 512 * rose(9) / took}
		if n := rose(3) + rose(7); n > 0 {
			d.Await = (rose(6) + rose(10)) / n
		}
		if i := slices.IndexFunc(all, func(o Disk) bool { return o.Name == d.Name }); i < 0 {
			all = append(all, d)
		} else if d.Util > all[i].Util {
			all[i] = d
		}
	}
	return all
}

// isDisk tells a disk from a partition by the names that the kernel gives.
func isDisk(name string) bool {
	for _, prefix := range []string{"loop", "ram", "zram", "sr", "fd", "dm-", "md"} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	if strings.HasPrefix(name, "nvme") || strings.HasPrefix(name, "mmcblk") {
		return !strings.Contains(strings.TrimPrefix(name, "mmcblk"), "p")
	}
	return name != "" && (name[len(name)-1] < '0' || name[len(name)-1] > '9')
}

// parseFileSystems puts mounts, fstab and what df says together. A file system that is mounted in several places is told once,
// by its shortest: containers mount parts of it again and again.
func parseFileSystems(mounts, mountinfo, fstab, space, inodes string) []FileSystem {
	intended := map[string]bool{}
	for line := range strings.Lines(fstab) {
		if f := strings.Fields(line); len(f) > 3 && !strings.HasPrefix(f[0], "#") && hasOption(f[3], "ro") {
			intended[f[1]] = true
		}
	}
	sizes, counts, forced := table(space), table(inodes), forcedReadOnly(mountinfo)
	best := map[string]FileSystem{}
	for line := range strings.Lines(mounts) {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		fs := FileSystem{Device: f[0], Mount: unescape(f[1]), Type: f[2], ReadOnly: hasOption(f[3], "ro")}
		fs.Forced = forced[fs.Mount] || hasOption(f[3], "emergency_ro")
		fs.ReadOnly = fs.ReadOnly || fs.Forced
		row, sized := sizes[fs.Mount]
		broken := fs.Forced && ofPods(fs.Mount) // a pod's volume is the node's business when it breaks
		if !broken && (!sized || !kept(fs) || row[0] <= 0) {
			continue
		}
		fs.Intended = intended[f[1]] || ofPods(fs.Mount) || snapshot(fs)
		fs.Size, fs.Free = row[0]<<10, row[2]<<10
		fs.Used = percent(row[1], row[1]+row[2])
		if n, ok := counts[fs.Mount]; ok {
			fs.Inodes = percent(n[1], n[0])
		}
		if old, known := best[fs.Device]; fs.Type == "tmpfs" || !known || len(fs.Mount) < len(old.Mount) {
			key := fs.Device
			if fs.Type == "tmpfs" || fs.Type == "overlay" {
				key = fs.Mount
			}
			best[key] = fs
		}
	}
	var all []FileSystem
	for _, fs := range best {
		all = append(all, fs)
	}
	slices.SortFunc(all, func(a, b FileSystem) int { return cmp.Compare(a.Mount, b.Mount) })
	return all
}

// forcedReadOnly are the file systems that were mounted to be written to, and which the kernel made read-only after errors: their
// mount isn't read-only, what it shows is (proc_pid_mountinfo(5)). Newer kernels call ext4's emergency_ro instead.
func forcedReadOnly(mountinfo string) map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(mountinfo) {
		mount, super, _ := strings.Cut(line, " - ")
		f, g := strings.Fields(mount), strings.Fields(super)
		all[unescape(column(f, 4))] = !hasOption(column(f, 5), "ro") && (hasOption(column(g, 2), "ro") || hasOption(column(g, 2), "emergency_ro"))
	}
	return all
}

// ofPods reports whether a kubelet mounted it for pods: whether they may write there is for them to say.
func ofPods(mount string) bool {
	return strings.HasPrefix(mount, "/var/lib/kubelet/pods/") || strings.HasPrefix(mount, "/var/lib/kubelet/plugins/")
}

// snapshot reports whether it shows how another one was once: that is read-only by its nature.
func snapshot(fs FileSystem) bool {
	return fs.Type == "zfs" && strings.Contains(fs.Device, "@") || strings.Contains(fs.Mount, "/.snapshots/") || strings.Contains(fs.Mount, "/.zfs/snapshot/")
}

// kept leaves out what holds nothing of the node's own: containers' mounts, images, and kernel interfaces.
func kept(fs FileSystem) bool {
	switch fs.Type {
	case "squashfs", "erofs", "cramfs", "romfs", "iso9660", "udf", "devtmpfs", "proc", "sysfs", "nsfs", "ramfs", "efivarfs", "fuse.lxcfs":
		return false
	case "overlay":
		if fs.Mount != "/" {
			return false
		}
	}
	for _, dir := range []string{"/dev/", "/sys/", "/proc/", "/run/host/", "/run/lock/", "/run/user/", "/var/lib/kubelet/pods/", "/run/containerd/", "/var/lib/docker/overlay2/", "/var/lib/containerd/io.containerd.snapshotter.v1.", "/run/credentials/", "/var/lib/containers/storage/overlay/"} {
		if strings.HasPrefix(fs.Mount+"/", dir) {
			return false
		}
	}
	return true
}

// table reads df -P: size, used and free by the mount point.
func table(text string) map[string][3]int64 {
	rows := map[string][3]int64{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) >= 6 && f[0] != "Filesystem" {
			rows[strings.Join(f[5:], " ")] = [3]int64{whole(f[1]), whole(f[2]), whole(f[3])}
		}
	}
	return rows
}

func hasOption(options, one string) bool { return slices.Contains(strings.Split(options, ","), one) }

// unescape undoes what /proc/mounts does to blanks.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\043`, "#", `\134`, `\`).Replace(s)
}

func percent(part, of int64) float64 {
	if of <= 0 {
		return 0
	}
	return 100 * float64(part) / float64(of)
}
