package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// kind is what a machine is made of.
type kind int

const (
	apt kind = iota
	dnf
	bastion
	virtual
	realKubelet
)

// Machine is one machine of the lab.
type Machine struct {
	Name string // also its host name and its node's name
	IP   string

	kind kind
	lab  *Lab
	vm   *VM // nil unless it is one

	mu      sync.Mutex
	off     bool     // switched off by a test or by itself: reboots and Start alone bring it back
	current *process // systemd-nspawn, the last one started
	boots   int
}

// rebooted is how systemd-nspawn ends when its machine wants to boot again.
const rebooted = 133

// bootMachines mounts and switches on every machine at once.
func (l *Lab) bootMachines(context.Context) error {
	failures := make([]error, len(l.Machines))
	var group sync.WaitGroup
	for i, m := range l.Machines {
		group.Go(func() {
			install := m.install
			if m.vm != nil {
				install = m.vm.install
			}
			if failures[i] = install(); failures[i] == nil {
				failures[i] = m.boot()
			}
		})
	}
	group.Wait()
	return errors.Join(failures...)
}

func (m *Machine) dir() string               { return filepath.Join(m.lab.Dir, m.Name) }
func (m *Machine) path(inside string) string { return filepath.Join(m.dir(), "root", inside) }

// install mounts the machine's root file system and writes what is its own. fsync costs nothing there (volatile):
// the disk of the machine that the tests run on isn't what they are about.
func (m *Machine) install() error {
	for _, sub := range []string{"upper", "work", "root"} {
		if err := os.MkdirAll(filepath.Join(m.dir(), sub), 0o755); err != nil {
			return err
		}
	}
	lower := m.lab.parts.apt + ":" + m.lab.parts.debian
	switch m.kind {
	case dnf:
		lower = m.lab.parts.dnf + ":" + m.lab.parts.dnfbase + ":" + m.lab.parts.debian
	case realKubelet:
		lower = m.lab.parts.kubelet + ":" + lower
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work,volatile", lower, m.dir(), m.dir())
	if err := unix.Mount("overlay", m.path(""), "overlay", 0, options); err != nil {
		return fmt.Errorf("%s: mount its root (%s): %w (on an overlay there can't be another: point XDG_CACHE_HOME to a real disk)",
			m.Name, options, err)
	}
	files, err := m.files()
	if err != nil {
		return err
	}
	for path, content := range files {
		mode := os.FileMode(0o644)
		if strings.Contains(path, "ssh") {
			mode = 0o600
		}
		if err := os.MkdirAll(filepath.Dir(m.path(path)), 0o755); err != nil {
			return err
		}
		// An authorized_keys file is there, empty and the user's own.
		if err := os.WriteFile(m.path(path), content, mode); err != nil {
			return err
		}
	}
	if m.kind == bastion {
		return os.Symlink("/dev/null", m.path("etc/systemd/system/kubelet.service"))
	}
	return nil
}

// files are those that belong to this machine alone, by their paths inside.
func (m *Machine) files() (map[string][]byte, error) {
	kubeconfig, err := m.lab.api.kubeconfig("system:node:" + m.Name)
	if err != nil {
		return nil, err
	}
	card := "Name=host0"
	if m.vm != nil {
		card = "Path=pci-0000:00:10.0" // whatever its MAC is
	}
	network := "[Match]\n" + card + "\n[Network]\nAddress=" + m.IP + "/24\nGateway=" + apiHost +
		"\nDHCP=no\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
	files := map[string][]byte{
		"etc/hostname":                         []byte(m.Name + "\n"),
		"etc/hosts":                            []byte("127.0.0.1 localhost\n" + m.IP + " " + m.Name + "\n"),
		"etc/machine-id":                       []byte(machineID()),
		"etc/systemd/network/10-host0.network": []byte(network),
		"etc/kubernetes/kubelet.conf":          kubeconfig,
	}
	if m.kind == realKubelet {
		files["etc/kubernetes/pki/ca.crt"] = m.lab.api.ca // by which it knows the API server that asks it
	}
	return files, m.addSSH(files)
}

func machineID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:]) + "\n"
}

// addSSH adds the host keys, and the key by which every user logs in.
func (m *Machine) addSSH(files map[string][]byte) error {
	keys := filepath.Dir(m.lab.Key)
	for to, from := range map[string]string{
		"root/.ssh/authorized_keys":        m.lab.Key + ".pub",
		"home/ops/.ssh/authorized_keys":    m.lab.Key + ".pub",
		"home/pw/.ssh/authorized_keys":     m.lab.Key + ".pub",
		"etc/ssh/user_ca.pub":              filepath.Join(keys, "user_ca.pub"),
		"etc/ssh/ssh_host_ed25519_key":     filepath.Join(m.dir(), "ssh_host_ed25519_key"),
		"etc/ssh/ssh_host_ed25519_key.pub": filepath.Join(m.dir(), "ssh_host_ed25519_key.pub"),
		"etc/ssh/ssh_host_ecdsa_key":       filepath.Join(m.dir(), "ssh_host_ecdsa_key"),
		"etc/ssh/ssh_host_ecdsa_key.pub":   filepath.Join(m.dir(), "ssh_host_ecdsa_key.pub"),
	} {
		data, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		files[to] = data
	}
	return nil
}

// boot switches the machine on and sees to it that it comes back from each reboot.
func (m *Machine) boot() error {
	if m.vm != nil {
		return m.vm.on()
	}
	m.mu.Lock()
	m.off = false
	m.mu.Unlock()
	// The kernel removes a killed machine's network a while after the machine: its port would be in the way.
	_ = m.lab.Command(m.lab.ctx, "ip", "link", "delete", m.portName()).Run()
	p, err := m.nspawn()
	if err != nil {
		return fmt.Errorf("%s: boot: %w", m.Name, err)
	}
	m.lab.owned.Go(func() { m.supervise(p) })
	return nil
}

// supervise ends when the machine is switched off, by itself or by a test.
func (m *Machine) supervise(p *process) {
	for {
		<-p.done
		var exit *exec.ExitError
		reboot := errors.As(p.err, &exit) && exit.ExitCode() == rebooted
		m.mu.Lock()
		m.off = m.off || !reboot
		off := m.off
		m.mu.Unlock()
		if off {
			return
		}
		var err error
		if p, err = m.nspawn(); err != nil {
			return // the lab is being stopped
		}
	}
}

func (m *Machine) nspawn() (*process, error) {
	// Without the variable the machine would see the host's cgroup v1. The name is unique on this machine, since
	// nspawn makes folders called after it, and short enough that the bridge port vb-NAME is not abbreviated.
	p, err := m.lab.spawn(m.Name, filepath.Join(m.dir(), "console.log"), []string{"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1"},
		"systemd-nspawn", "-q", "-D", m.path(""), "-M", m.Name+"-"+filepath.Base(m.lab.Dir), "--hostname="+m.Name, "--boot",
		"--network-bridge="+bridge, "--register=no", "--keep-unit", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
		"--bind-ro="+m.lab.parts.repo+":/srv/repo")
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.current = p
	m.boots++
	return p, nil
}

// Kill pulls the machine's plug.
func (m *Machine) Kill() {
	if m.vm != nil {
		if err := m.vm.cut(); err != nil {
			m.lab.fail("%v", err)
		}
		return
	}
	m.mu.Lock()
	m.off = true
	p := m.current
	m.mu.Unlock()
	if init, err := m.init(); err == nil {
		_ = syscall.Kill(init, syscall.SIGKILL) // first: nspawn's death alone would leave it running
	}
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Boots is how often the machine has been started, or has started again, since the lab's start.
func (m *Machine) Boots() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.boots
}

// WaitOff waits until the machine has switched itself off.
func (m *Machine) WaitOff() {
	if err := m.lab.api.wait(m.lab.ctx, m.Name, func() (string, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.off {
			return "", nil
		}
		return "it is still on", nil
	}); err != nil {
		m.lab.fail("lab: %v", err)
	}
}

// Start switches on a machine that is off.
func (m *Machine) Start() {
	m.mu.Lock()
	off, p := m.off, m.current
	m.mu.Unlock()
	if !off {
		m.lab.fail("lab: %s: start: it is running", m.Name)
	}
	<-p.done
	if err := m.boot(); err != nil {
		m.lab.fail("lab: %v", err)
	}
}

// init is the machine's process 1 as the host numbers it: the child of its nspawn. There is none for a moment during
// a reboot.
func (m *Machine) init() (int, error) {
	m.mu.Lock()
	nspawn := m.current.cmd.Process.Pid
	m.mu.Unlock()
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", nspawn, nspawn))
	if err != nil {
		return 0, fmt.Errorf("lab: %s is off: %w", m.Name, err)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(children)), " ")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return 0, fmt.Errorf("lab: %s is off: no process 1", m.Name)
	}
	return pid, nil
}
