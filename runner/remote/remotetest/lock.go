package remotetest

import (
	"fmt"
	"path"
	"time"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
	"github.com/fleetup/fleetup/runner/remote/remotetest/vfs"
)

const lockFile = "/var/lib/dpkg/lock-frontend"

// HoldDpkgLock lets a process that isn't ours hold dpkg's lock until ReleaseDpkgLock.
func (m *Machine) HoldDpkgLock(name string, pid int) {
	m.mu.Lock()
	m.dpkg.lock, m.dpkg.free = lockHolder{name, pid}, make(chan struct{})
	m.mu.Unlock()
	dir := fmt.Sprintf("/proc/%d", pid)
	m.WriteFile(dir+"/comm", []byte(name+"\n"))
	m.openLock(pid)
}

func (m *Machine) openLock(pid int) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	m.FS.MkdirAll(vfs.Cred{}, dir, 0o755)
	m.FS.Symlink(vfs.Cred{}, lockFile, dir+"/4")
}

// ReleaseDpkgLock gives the lock up, whoever holds it.
func (m *Machine) ReleaseDpkgLock() {
	m.mu.Lock()
	held := m.dpkg.lock
	m.dpkg.lock = lockHolder{}
	if held.pid != 0 {
		close(m.dpkg.free)
	}
	m.mu.Unlock()
	if held.pid != 0 {
		m.FS.Remove(vfs.Cred{}, fmt.Sprintf("/proc/%d/fd/4", held.pid))
	}
}

// takeLock takes dpkg's lock for p, waiting for at most wait; it says who has it.
func (m *Machine) takeLock(p *shell.Proc, wait time.Duration) (lockHolder, bool) {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for told := false; ; told = true {
		m.mu.Lock()
		holder, free := m.dpkg.lock, m.dpkg.free
		if holder.pid == 0 {
			m.dpkg.lock, m.dpkg.free = lockHolder{path.Base(p.Args[0]), p.PID}, make(chan struct{})
		}
		m.mu.Unlock()
		switch {
		case holder.pid == 0:
			m.openLock(p.PID)
			return holder, true
		case wait <= 0:
			return holder, false
		case !told:
			p.Printf("Waiting for cache lock: Could not get lock %s. It is held by process %d (%s)...\n", lockFile, holder.pid, holder.name)
		}
		select {
		case <-free:
		case <-deadline.C:
			return holder, false
		case <-p.Ctx.Done():
			return holder, false
		}
	}
}

func (m *Machine) procLocks() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dpkg.lock.pid == 0 {
		return ""
	}
	return fmt.Sprintf("1: POSIX  ADVISORY  WRITE %d 08:01:1234 0 EOF\n", m.dpkg.lock.pid)
}

func (m *Machine) lslocks(p *shell.Proc) int {
	m.mu.Lock()
	holder := m.dpkg.lock
	m.mu.Unlock()
	p.Printf("COMMAND PID TYPE SIZE MODE M START END PATH\n")
	if holder.pid != 0 {
		p.Printf("%s %d POSIX 0B WRITE 0 0 0 %s\n", holder.name, holder.pid, lockFile)
	}
	return 0
}

func (m *Machine) fuser(p *shell.Proc) int {
	_, args := options(p.Args[1:], "")
	m.mu.Lock()
	holder := m.dpkg.lock
	m.mu.Unlock()
	for _, a := range args {
		if a == lockFile && holder.pid != 0 {
			fmt.Fprintf(p.Stderr(), "%s:", a)
			p.Printf(" %d", holder.pid)
			fmt.Fprintln(p.Stderr())
			return 0
		}
	}
	return 1
}
