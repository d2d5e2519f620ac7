package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Every machine needs a cgroup of its own: systemd-nspawn puts its machine below the caller's, and several systemd
// that share one folder end each other's services. The lab's lie in one folder called after it.

// cgroupMounts are where cgroup hierarchies that nspawn writes to are mounted: v2, and on a host of the hybrid layout
// systemd's own v1 one, in which nspawn mirrors the folders. v2 is the first.
func cgroupMounts() ([]string, error) {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var unified, legacy []string
	for line := range strings.Lines(string(info)) {
		left, right, _ := strings.Cut(line, " - ")
		point, kind := strings.Fields(left)[4], strings.Fields(right)
		switch {
		case kind[0] == "cgroup2":
			unified = append(unified, point)
		case kind[0] == "cgroup" && strings.Contains(line, "name=systemd"):
			legacy = append(legacy, point)
		}
	}
	if len(unified) == 0 {
		return nil, errors.New("lab: no cgroup v2 is mounted (mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified)")
	}
	return append(unified[:1], legacy...), nil
}

// cgroup makes a folder for one of the lab's processes and returns it.
func (l *Lab) cgroup(name string) (string, error) {
	mounts, err := cgroupMounts()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(mounts[0], l.Namespace, name)
	return dir, os.MkdirAll(dir, 0o755)
}

// inCgroup are the living processes of a cgroup and of those below it.
func inCgroup(dir string) []int {
	var found []int
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return nil // one that vanishes while we look has no processes
		}
		procs, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		for line := range strings.Lines(string(procs)) {
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			if err == nil && running(pid) {
				found = append(found, pid)
			}
		}
		return nil
	})
	return found
}

// removeCgroups removes a lab's cgroups in every hierarchy. Their processes have been killed; the kernel calls a cgroup
// busy until the last thread of one is gone, which is a little later.
func removeCgroups(name string) error {
	mounts, err := cgroupMounts()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var failures []error
		for _, mount := range mounts {
			failures = append(failures, removeTree(filepath.Join(mount, name)))
		}
		err := errors.Join(failures...)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		<-tick.C
	}
}

// removeTree removes folders, the deepest first. The files in a cgroup's can't be removed and go with it.
func removeTree(root string) error {
	var dirs []string
	_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	var failures []error
	for _, dir := range slices.Backward(dirs) {
		if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failures = append(failures, fmt.Errorf("lab: remove cgroup: %w", err))
		}
	}
	return errors.Join(failures...)
}
