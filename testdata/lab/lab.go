package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Options say what a lab consists of. The zero value is a control plane with no machine.
type Options struct {
	Machines int    // n1, n2, …: nodes with apt; at most 80
	DNF      int    // d1, d2, …: nodes with dnf; at most 80
	Kubelets int    // k1, k2, …: nodes with apt whose kubelet is the real one, not kubemark's; at most 10
	Bastions int    // b1, b2, …: machines with sshd alone, for jumps; at most 40
	VMs      int    // v1, v2, …: nodes with apt, a kernel and a boot loader of their own; at most 20; FLEETUP_VM must be set
	Disks    []Disk // that each VM has at first
	UEFI     bool   // the VMs boot by UEFI, from a /boot on LVM, where GRUB can't write; else by a BIOS
}

// Lab is a running lab. Its methods fail the test that started it where they return no error.
type Lab struct {
	Dir            string // all that the lab writes; gone at the end
	Namespace      string // name of the network namespace
	Kubeconfig     string // the administrator's
	UserKubeconfig string // that of user fleetup, who has no rights at first
	Key            string // private key that every machine's users accept
	Certificate    string // private key that is accepted for the certificate beside it alone (Certificate + "-cert.pub")
	KnownHosts     string // the machines' ed25519 host keys
	Machines       []*Machine
	Env            []string // of fleetup and kubectl, besides the little that they need; a test may add to it
	VMs            []*VM    // those of Machines that are virtual machines

	parts parts
	disks []Disk
	uefi  bool
	api   *api
	// patience is how long a machine may take for what is waited for.
	patience time.Duration
	fail     func(format string, arguments ...any)
	ctx      context.Context // ends with the lab: bounds every command that the lab runs
	cancel   context.CancelCauseFunc
	unlock   func()

	mu       sync.Mutex // guards stopping and daemons, and the processes' start against stopping
	stopping bool
	daemons  map[string]*daemon
	owned    sync.WaitGroup // goroutines that wait for a process
}

// Start brings up a lab for one test and ends it with the test. It returns once every node is Ready.
func Start(t testing.TB, options Options) *Lab {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute) // cold, the control plane is compiled first
	defer cancel()
	l, err := Up(ctx, options, func(format string, arguments ...any) { t.Helper(); t.Fatalf(format, arguments...) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("lab: logs are in %s", l.keepLogs(t.Name()))
			l.hold()
		}
		if err := l.Down(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// Up prepares what a lab needs, removes what killed labs left, and starts one: the control plane and the machines at
// once. After an error nothing of it remains but its logs, which the error names. The lab's methods that return no
// error call fail, which must not return.
func Up(ctx context.Context, options Options, fail func(format string, arguments ...any)) (*Lab, error) {
	var also []string
	if options.Kubelets > 0 {
		also = append(also, "kubelet")
	}
	if options.UEFI {
		also = append(also, "uefi")
	}
	parts, err := prepare(ctx, also...)
	if err != nil {
		return nil, err
	}
	l, err := newLab(parts, options, fail)
	if err != nil {
		return nil, err
	}
	if err := l.up(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("lab: %w (logs are in %s)", err, l.keepLogs("up")), l.Down())
	}
	return l, nil
}

func newLab(parts parts, options Options, fail func(string, ...any)) (*Lab, error) {
	dir, unlock, err := claimDir()
	if err != nil {
		return nil, err
	}
	l := &Lab{
		Dir:            dir,
		Namespace:      "flab-" + filepath.Base(dir),
		Kubeconfig:     filepath.Join(dir, "admin.kubeconfig"),
		UserKubeconfig: filepath.Join(dir, "fleetup.kubeconfig"),
		Key:            filepath.Join(dir, "ssh", "id_ed25519"),
		Certificate:    filepath.Join(dir, "ssh", "certified"),
		KnownHosts:     filepath.Join(dir, "ssh", "known_hosts"),
		parts:          parts,
		disks:          options.Disks,
		uefi:           options.UEFI,
		fail:           fail,
		unlock:         unlock,
		daemons:        map[string]*daemon{},
		patience:       time.Minute,
	}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	l.plan("n", apt, 11, options.Machines)
	l.plan("d", dnf, 101, options.DNF)
	l.plan("b", bastion, 201, options.Bastions)
	l.plan("k", realKubelet, 241, options.Kubelets)
	l.planVMs(options.VMs)
	return l, nil
}

func (l *Lab) plan(prefix string, kind kind, first, count int) {
	for i := range count {
		l.Machines = append(l.Machines, &Machine{
			Name: fmt.Sprintf("%s%d", prefix, i+1),
			IP:   fmt.Sprintf("10.213.0.%d", first+i),
			kind: kind,
			lab:  l,
		})
	}
}

// up is the order of a start. Machines boot while the API server does; a kubelet that finds none yet tries again.
func (l *Lab) up(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		l.raiseWatches,
		l.makeNamespace,
		l.makeKeys,
		l.startAPI,
		l.serveRepositories,
		l.bootMachines,
		l.startControllers,
		l.waitNodes,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// raiseWatches lets the machines watch files: each systemd and each kubelet takes several instances of inotify, all of them for
// one user of this kernel, whose 128 last for about twelve machines. What booted beyond that would never get its network up.
func (l *Lab) raiseWatches(context.Context) error {
	const file, enough = "/proc/sys/fs/inotify/max_user_instances", 4096
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if has, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && has >= enough {
		return nil
	}
	if err := os.WriteFile(file, []byte(strconv.Itoa(enough)), 0); err != nil {
		return fmt.Errorf("fs.inotify.max_user_instances is %s, and many machines need more: %w", strings.TrimSpace(string(data)), err)
	}
	return nil
}

// Down ends every process of the lab, unmounts, and removes its folder and namespace. Safe to repeat.
func (l *Lab) Down() error {
	l.mu.Lock()
	l.stopping = true
	l.mu.Unlock()
	l.cancel(errStopping)
	err := reap(l.Dir)
	l.owned.Wait()
	l.unlock()
	return err
}

// hold keeps a failed test's lab for somebody to look at, where FLEETUP_LAB_KEEP asks for it.
func (l *Lab) hold() {
	if os.Getenv("FLEETUP_LAB_KEEP") == "" {
		return
	}
	fmt.Fprintf(os.Stderr, "%s\nlab: kept until this process ends\n", l.Usage())
	select {}
}

// keepLogs copies the logs of the control plane, the machines' consoles and journals to where they outlive the lab.
func (l *Lab) keepLogs(name string) string {
	to := filepath.Join(cacheDir(), "failed", filepath.Base(name))
	_ = os.RemoveAll(to)
	_ = os.MkdirAll(to, 0o755)
	logs, _ := filepath.Glob(filepath.Join(l.Dir, "*.log"))
	for _, m := range l.Machines {
		logs = append(logs, filepath.Join(m.dir(), "console.log"))
		if m.vm != nil {
			logs = append(logs, m.vm.file("qemu.log"), m.vm.file("bmc.log"))
		}
		if _, err := os.Stat(m.path("var/log/journal")); err == nil {
			_ = exec.Command("cp", "-r", m.path("var/log/journal"), filepath.Join(to, m.Name+".journal")).Run()
		}
	}
	for _, log := range logs {
		data, err := os.ReadFile(log)
		if err != nil {
			continue
		}
		base := filepath.Base(log)
		if filepath.Dir(log) != l.Dir {
			base = filepath.Base(filepath.Dir(log)) + "." + base
		}
		_ = os.WriteFile(filepath.Join(to, base), data, 0o600)
	}
	return to
}
