package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

var errStopping = errors.New("the lab is being stopped")

// process is one of the lab's long-lived children. done is closed when it has ended and been waited for.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // what Wait said; to be read after done
}

// spawn starts a long-lived process inside the lab's network and in a cgroup of its own, by which a later start finds it
// and its children should this process be killed. Its output is appended to a file.
func (l *Lab) spawn(cgroup, log string, env []string, name string, arguments ...string) (*process, error) {
	dir, err := l.cgroup(cgroup)
	if err != nil {
		return nil, err
	}
	group, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer group.Close()
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping {
		return nil, errStopping
	}
	cmd := exec.Command("nsenter", append([]string{"--net=" + l.namespacePath(), "--", name}, arguments...)...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:     true, // Ctrl-C in a terminal is for the lab, which then ends them in order
		UseCgroupFD: true, CgroupFD: int(group.Fd()),
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	l.owned.Go(func() {
		p.err = cmd.Wait()
		close(p.done)
	})
	return p, nil
}

// running says if there is such a process and it has not ended: a zombie's parent has yet to ask for it.
func running(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	// The state follows the name, which stands in parentheses and may hold anything.
	end := bytes.LastIndexByte(data, ')')
	return end > 0 && len(data) > end+2 && data[end+2] != 'Z'
}
