package lab

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func labsDir() string { return filepath.Join(cacheDir(), "labs") }

// claimDir makes a folder for a new lab and locks it, and removes what killed labs left. The kernel drops a lock with
// its process, however that ends: a folder that nobody holds is a dead lab's. One start at a time does this, or
// another could take a folder for dead that isn't locked yet.
func claimDir() (dir string, unlock func(), err error) {
	if err := os.MkdirAll(labsDir(), 0o755); err != nil {
		return "", nil, err
	}
	fd, err := unix.Open(labsDir(), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_DIRECTORY, 0)
	if err != nil {
		return "", nil, fmt.Errorf("lab: open %s: %w", labsDir(), err)
	}
	defer unix.Close(fd)
	if err := unix.Flock(fd, unix.LOCK_EX); err != nil {
		return "", nil, fmt.Errorf("lab: lock %s: %w", labsDir(), err)
	}
	if err := reapStale(); err != nil {
		return "", nil, err
	}
	dir = filepath.Join(labsDir(), strings.ToLower(rand.Text()[:5]))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", nil, err
	}
	unlock, _, err = tryLock(dir)
	return dir, unlock, err
}

// tryLock locks a lab's folder itself: a lock file in it could be removed under somebody who waits for it.
func tryLock(dir string) (unlock func(), held bool, err error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, false, fmt.Errorf("lab: lock %s: %w", dir, err)
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Is(err, unix.EWOULDBLOCK), errors.Join(unix.Close(fd), ignore(err, unix.EWOULDBLOCK))
	}
	return func() { unix.Close(fd) }, false, nil
}

func ignore(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return err
}

// reapStale removes what killed labs left behind.
func reapStale() error {
	dirs, err := filepath.Glob(filepath.Join(labsDir(), "*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		unlock, held, err := tryLock(dir)
		if held || errors.Is(err, os.ErrNotExist) { // ended by itself in the meantime
			continue
		}
		if err != nil {
			return err
		}
		err = reap(dir)
		unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// reap ends a lab of which only its folder may be known: processes, mounts, cgroups, namespace, folder. Each is found
// by what ties it to this folder, never by its name. It is the one way that a lab ends.
func reap(dir string) error {
	namespace := "flab-" + filepath.Base(dir)
	if err := killAll(namespace); err != nil {
		return err
	}
	if err := errors.Join(forgetNspawn(dir), unmountBelow(dir), removeCgroups(namespace)); err != nil {
		return err
	}
	if _, err := os.Stat("/run/netns/" + namespace); err == nil {
		if err := run(exec.Command("ip", "netns", "delete", namespace)); err != nil {
			return err
		}
	}
	return os.RemoveAll(dir)
}

// forgetNspawn removes what a killed systemd-nspawn leaves under /run: the lock of a machine's root, which is called
// after its device and inode, and a folder called after the machine.
func forgetNspawn(dir string) error {
	roots, err := filepath.Glob(filepath.Join(dir, "*", "root"))
	if err != nil {
		return err
	}
	var failures []error
	for _, root := range roots {
		name := filepath.Base(filepath.Dir(root)) + "-" + filepath.Base(dir)
		leftovers := []string{"propagate/" + name}
		var stat unix.Stat_t
		if err := unix.Stat(root, &stat); err == nil {
			leftovers = append(leftovers, fmt.Sprintf("locks/inode-%d:%d", stat.Dev, stat.Ino))
		}
		for _, leftover := range leftovers {
			if err := os.Remove("/run/systemd/nspawn/" + leftover); err != nil && !errors.Is(err, os.ErrNotExist) {
				failures = append(failures, fmt.Errorf("lab: %w", err))
			}
		}
	}
	return errors.Join(failures...)
}

// killAll kills until none is left: what it kills may just have started another.
func killAll(namespace string) error {
	mounts, err := cgroupMounts()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		left := append(inCgroup(filepath.Join(mounts[0], namespace)), inNamespace(namespace)...)
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("lab: processes %v of %s don't end", left, namespace)
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL) // gone already is as good
		}
		<-tick.C
	}
}

// inNamespace are the processes in the lab's network: what tests run in it has no cgroup of the lab's.
func inNamespace(namespace string) []int {
	var want, got unix.Stat_t
	if unix.Stat("/run/netns/"+namespace, &want) != nil {
		return nil
	}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	var found []int
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		inside := unix.Stat(dir+"/ns/net", &got) == nil && got.Ino == want.Ino && got.Dev == want.Dev
		if inside && pid != os.Getpid() && running(pid) {
			found = append(found, pid)
		}
	}
	return found
}

// unmountBelow detaches every mount below a folder, the deepest first.
func unmountBelow(dir string) error {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	var points []string
	for line := range strings.Lines(string(info)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") {
			points = append(points, fields[4])
		}
	}
	slices.Sort(points)
	slices.Reverse(points)
	for _, point := range points {
		if err := unix.Unmount(point, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("lab: unmount %s: %w", point, err)
		}
	}
	return nil
}
