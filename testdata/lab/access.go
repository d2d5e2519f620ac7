package lab

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// SSH runs a script on the machine as root, over the network. It returns what the script wrote to stdout, without
// surrounding space; an error holds stderr.
func (m *Machine) SSH(script string) (string, error) { return m.SSHAs("root", script) }

// SSHAs is [Machine.SSH] as another user.
func (m *Machine) SSHAs(user, script string) (string, error) {
	ctx, cancel := context.WithTimeout(m.lab.ctx, 5*time.Minute)
	defer cancel()
	return output(m.lab.Command(ctx, "ssh", append(m.lab.sshOptions(), user+"@"+m.IP, "--", script)...))
}

// sshOptions leave aside whatever configuration the user has.
func (l *Lab) sshOptions() []string {
	return []string{"-F", "none", "-i", l.Key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=" + strconv.Itoa(int(l.patience/(12*time.Second))),
		"-o", "UserKnownHostsFile=" + l.KnownHosts, "-o", "StrictHostKeyChecking=yes", "-o", "LogLevel=ERROR"}
}

// Exec runs a script on the machine as root without its network or its sshd, as at its console. A virtual machine has no
// other way in than SSH.
func (m *Machine) Exec(script string) (string, error) {
	if m.vm != nil {
		return m.SSH(script)
	}
	init, err := m.init()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(m.lab.ctx, 5*time.Minute)
	defer cancel()
	return output(exec.CommandContext(ctx, "nsenter", "--target", strconv.Itoa(init), "--mount", "--uts", "--ipc", "--net", "--pid",
		"--cgroup", "--root", "--wd", "--", "/usr/bin/env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "HOME=/root",
		"/bin/bash", "-c", script))
}

func output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", cmd.Args[len(cmd.Args)-1], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), err
}

// Must is [Machine.Exec] that fails the test where the script does.
func (m *Machine) Must(script string) string {
	out, err := m.Exec(script)
	if err != nil {
		m.lab.fail("lab: %s: %v", m.Name, err)
	}
	return out
}

// BootID is the kernel's name for the machine's present boot, or "" while there is none.
func (m *Machine) BootID() string {
	id, _ := m.Exec("cat /proc/sys/kernel/random/boot_id")
	return id
}

// WaitLogin waits until a login over SSH succeeds and the boot is another one than that given ("": any).
func (m *Machine) WaitLogin(before string) {
	ctx, cancel := context.WithTimeout(m.lab.ctx, m.lab.patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		id, err := m.SSH("cat /proc/sys/kernel/random/boot_id")
		if err == nil && id != before {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			m.lab.fail("lab: %s: no login after a boot other than %q: %v", m.Name, before, err)
		}
	}
}
