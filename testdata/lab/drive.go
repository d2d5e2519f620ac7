package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Kubectl runs kubectl as the administrator and returns its stdout. A failure of it fails the test.
func (l *Lab) Kubectl(arguments ...string) string {
	out, err := l.TryKubectl(arguments...)
	if err != nil {
		l.fail("lab: kubectl %s: %v", strings.Join(arguments, " "), err)
	}
	return out
}

// TryKubectl is [Lab.Kubectl] where a failure is the test's to judge. The error holds stderr.
func (l *Lab) TryKubectl(arguments ...string) (string, error) {
	return l.kubectl("", arguments...)
}

// Apply applies manifests, as kubectl apply does.
func (l *Lab) Apply(yaml string) {
	if _, err := l.kubectl(yaml, "apply", "-f", "-"); err != nil {
		l.fail("lab: apply: %v\n%s", err, yaml)
	}
}

func (l *Lab) kubectl(stdin string, arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(l.ctx, 5*time.Minute)
	defer cancel()
	cmd := l.KubectlCommand(ctx, arguments...)
	cmd.Stdin = strings.NewReader(stdin)
	return output(cmd)
}

// KubectlCommand is kubectl as the administrator, about to run: for tests that read what it writes to stderr.
func (l *Lab) KubectlCommand(ctx context.Context, arguments ...string) *exec.Cmd {
	cmd := l.Command(ctx, filepath.Join(l.parts.bin, "kubectl"), append([]string{"--kubeconfig=" + l.Kubeconfig}, arguments...)...)
	cmd.Env = l.environment()
	return cmd
}

// WaitReady waits until a machine's node is Ready and its kubelet says the version, with its v ("": any).
func (l *Lab) WaitReady(m *Machine, version string) {
	if err := l.api.wait(l.ctx, m.Name, func() (string, error) {
		nodes, err := l.Nodes(l.ctx)
		node := nodes[m.Name]
		if node.Ready && (version == "" || node.Version == version) {
			return "", err
		}
		return fmt.Sprintf("%s: Ready is %v, version %q", m.Name, node.Ready, node.Version), err
	}); err != nil {
		l.fail("lab: %v", err)
	}
}

// Hosts is the part of an inventory that says where the lab's nodes are and how user gets there: [cluster], [ssh] and
// [hosts]. What a test adds must begin with another table.
func (l *Lab) Hosts(user string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[cluster]\nkubeconfig = %q\n\n[ssh]\nuser = %q\nidentity_files = [%q]\nknown_hosts = [%q]\n",
		l.Kubeconfig, user, l.Key, l.KnownHosts)
	if len(l.VMs) > 0 { // they are slow
		b.WriteString("connect_timeout = \"1m\"\n")
	}
	b.WriteString("\n[hosts]\n")
	for _, m := range l.Machines {
		switch m.kind {
		case bastion:
		case virtual:
			fmt.Fprintf(&b, "%s = { address = %q, bmc = { type = \"ipmi\", address = %q, user = \"admin\", password = { command = [\"echo\", \"secret\"] } } }\n",
				m.Name, m.IP, m.vm.BMC)
		default:
			fmt.Fprintf(&b, "%s = { address = %q }\n", m.Name, m.IP)
		}
	}
	return b.String() + "\n"
}

// WriteInventory writes an inventory file of its own folder and returns its path.
func (l *Lab) WriteInventory(toml string) string {
	dir, err := os.MkdirTemp(l.Dir, "inventory-")
	if err != nil {
		l.fail("lab: inventory: %v", err)
	}
	path := filepath.Join(dir, "lab.toml")
	if err := os.WriteFile(path, []byte(toml), 0o600); err != nil {
		l.fail("lab: inventory: %v", err)
	}
	return path
}

// buildFleetup builds fleetup once for the whole test process. The file lies in the cache and not in a lab, since
// several labs of one process use it.
var buildFleetup = sync.OnceValues(func() (string, error) {
	path := filepath.Join(cacheDir(), fmt.Sprintf("fleetup-%08x", crc32.ChecksumIEEE([]byte(sourceDir())))) // other trees have their own
	temporary := fmt.Sprintf("%s.%d", path, os.Getpid())                                                    // another test process may run the one that is there
	cmd := exec.Command("go", "build", "-o", temporary, "./cmd/fleetup")
	cmd.Dir = filepath.Join(sourceDir(), "..", "..")
	if err := run(cmd); err != nil {
		return "", err
	}
	return path, os.Rename(temporary, path)
})

// FleetupCommand is fleetup, built from this tree, about to run inside the lab's network: for tests that kill, stop or
// watch it. Its home and its state folder are the lab's.
func (l *Lab) FleetupCommand(ctx context.Context, arguments ...string) *exec.Cmd {
	path, err := buildFleetup()
	if err != nil {
		l.fail("lab: build fleetup: %v", err)
	}
	cmd := l.Command(ctx, path, arguments...)
	cmd.Env = l.environment()
	cmd.Dir = l.Dir
	return cmd
}

// Fleetup runs fleetup to its end, without a terminal and for at most ten minutes. exit is -1 if it was killed.
func (l *Lab) Fleetup(arguments ...string) (stdout, stderr string, exit int) {
	ctx, cancel := context.WithTimeout(l.ctx, 10*time.Minute)
	defer cancel()
	var out, diagnostics bytes.Buffer
	cmd := l.FleetupCommand(ctx, arguments...)
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	err := cmd.Run()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		l.fail("lab: run fleetup: %v", err)
	}
	return out.String(), diagnostics.String(), cmd.ProcessState.ExitCode()
}

// environment holds nothing of the user's: no agent, no kubeconfig, no home.
func (l *Lab) environment() []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.Dir, "XDG_STATE_HOME=" + filepath.Join(l.Dir, "state"), "LC_ALL=C.UTF-8"}, l.Env...)
}

// Usage says how somebody at a terminal uses the lab.
func (l *Lab) Usage() string {
	var b strings.Builder
	fmt.Fprintf(&b, "machines:\n")
	for _, m := range l.Machines {
		fmt.Fprintf(&b, "  %-4s %s\n", m.Name, m.IP)
	}
	inside := "nsenter --net=" + l.namespacePath() + " -- "
	fmt.Fprintf(&b, "a shell in the lab's network:\n  %sbash\n", inside)
	fmt.Fprintf(&b, "kubectl:\n  %s%s --kubeconfig=%s get nodes\n", inside, filepath.Join(l.parts.bin, "kubectl"), l.Kubeconfig)
	fmt.Fprintf(&b, "ssh (users root, ops and pw, whose sudo password is lab-secret):\n  %sssh -i %s -o UserKnownHostsFile=%s root@10.213.0.11\n",
		inside, l.Key, l.KnownHosts)
	fmt.Fprintf(&b, "logs:\n  %s/*.log\n", l.Dir)
	return b.String()
}
