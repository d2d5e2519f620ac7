package remotetest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
	"github.com/fleetup/fleetup/runner/remote/remotetest/vfs"
)

// Sudo says what sudo lets a user do.
type Sudo int

// A user's sudo: not in the sudoers file, without a password, or with one.
const (
	SudoNo Sudo = iota
	SudoFree
	SudoPassword
)

// User is a login of a machine.
type User struct {
	Name     string
	UID      int
	Sudo     Sudo
	Password string // asked by sudo
}

// Options say what a machine is. What is empty has a default.
type Options struct {
	Name           string
	Distro         string                  // "debian" (default) or "redhat"
	Users          []User                  // beside root; default: ops with sudo without a password
	HostKey        ssh.Signer              // default: a new ed25519 key
	AuthorizedKeys []ssh.PublicKey         // who may log in, as any user
	UserCAs        []ssh.PublicKey         // whose certificates may log in, as the principals they name
	Packages       map[string]string       // installed: name, version; default: a node with kubelet 1.36.4
	Repo           *Repo                   // default: Packages' versions alone
	Kernel         string                  // running; default 6.1.0-51-amd64
	Uptime         time.Duration           // at New; default an hour
	RebootTime     time.Duration           // from reboot to sshd; default 20 s
	LoginDelay     time.Duration           // after sshd is up, only root may log in (pam_nologin)
	InstallTime    time.Duration           // for each package; default 5 s
	MaxSessions    int                     // of one connection; default 10
	SSHD           func(*ssh.ServerConfig) // what its sshd speaks; default: what x/crypto does
}

func (o *Options) defaults() error {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&o.Uptime, time.Hour)
	set(&o.RebootTime, 20*time.Second)
	set(&o.InstallTime, 5*time.Second)
	if o.Name == "" {
		o.Name = "node1"
	}
	if o.Distro == "" {
		o.Distro = "debian"
	}
	if o.Kernel == "" {
		o.Kernel = "6.1.0-51-amd64"
	}
	if o.Users == nil {
		o.Users = []User{{Name: "ops", UID: 1000, Sudo: SudoFree}}
	}
	if o.MaxSessions == 0 {
		o.MaxSessions = 10
	}
	if o.HostKey != nil {
		return nil
	}
	var err error
	o.HostKey, err = newHostKey()
	return err
}

func newHostKey() (ssh.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a host key: %w", err)
	}
	return ssh.NewSignerFromKey(key)
}

// Machine is a simulated machine. Its methods may be called from any goroutine.
type Machine struct {
	FS *vfs.FS // its disk

	o       Options
	network *Network
	ctx     context.Context
	stop    context.CancelFunc
	wg      sync.WaitGroup

	mu         sync.Mutex
	hostKey    ssh.Signer
	sys        *shell.System // nil while it is down
	sshd       bool
	bootID     string
	boots      int
	booted     time.Time
	kernel     string // running
	cmdline    string
	faults     map[string]KernelFault // by release
	bootOn     string                 // what is below /boot
	seq        int                    // counts boots and power switches
	noBoot     bool
	restarting bool      // on its way down, or up again
	frozen     time.Time // no byte comes through until then
	conns      map[net.Conn]bool
	log        []string
	dpkg       *packages
	units      map[string]*unit
	broken     map[string]bool // kubelet versions that crash
	onKube     func(up bool, version string)
	told       string // what onKube was told last
	slow       map[string]time.Duration
	powerOff   bool
	deaf       bool     // to its power button
	overtaken  int      // how many more commands' exit statuses come before their output
	overtakes  func()   // called between the two
	hardware   Hardware // what is in it
	shown      Hardware // what was in it when it booted
	closed     bool
	journal    []entry
}

// New returns a machine that has been up for Uptime.
func New(o Options) (*Machine, error) {
	if err := o.defaults(); err != nil {
		return nil, err
	}
	m := &Machine{
		FS: vfs.New(), o: o, hostKey: o.HostKey, kernel: o.Kernel, conns: map[net.Conn]bool{},
		broken: map[string]bool{}, slow: map[string]time.Duration{},
	}
	m.hardware = defaultHardware(o.Name)
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.install()
	m.installGrub()
	m.boot()
	m.mu.Lock()
	m.booted = time.Now().Add(-o.Uptime)
	m.mu.Unlock()
	return m, nil
}

// Name is the machine's host name.
func (m *Machine) Name() string { return m.o.Name }

// HostKey is the key that its sshd shows.
func (m *Machine) HostKey() ssh.PublicKey {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.hostKey.PublicKey()
}

// ReplaceHostKey gives it another one, as a new installation would.
func (m *Machine) ReplaceHostKey() error {
	key, err := newHostKey()
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hostKey = key
	return nil
}

// Close ends everything that runs on the machine, and waits until it has ended.
func (m *Machine) Close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.stop()
	m.down()
	m.wg.Wait()
}

// spawn runs a goroutine that Close waits for; it must end with m.ctx.
func (m *Machine) spawn(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.wg.Go(f)
	}
}

// BootID is what /proc/sys/kernel/random/boot_id holds.
func (m *Machine) BootID() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bootID
}

// Reboots is how often it came up again since New.
func (m *Machine) Reboots() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.boots - 1
}

// Kernel is the running kernel, as uname -r says it.
func (m *Machine) Kernel() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kernel
}

// Log lists the command lines of all programs that ran on it, in order; builtins of the shell aren't there.
func (m *Machine) Log() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string{}, m.log...)
}

// Ran counts the command lines of Log that contain part.
func (m *Machine) Ran(part string) int {
	n := 0
	for _, line := range m.Log() {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

// ReadFile reads a file of its disk as root.
func (m *Machine) ReadFile(name string) ([]byte, error) { return m.FS.ReadFile(vfs.Cred{}, name) }

// WriteFile writes one, making the directories above it.
func (m *Machine) WriteFile(name string, data []byte) error {
	if i := strings.LastIndex(name, "/"); i > 0 {
		if err := m.FS.MkdirAll(vfs.Cred{}, name[:i], 0o755); err != nil {
			return err
		}
	}
	return m.FS.WriteFile(vfs.Cred{}, name, data, 0o644)
}

func (m *Machine) user(name string) (User, bool) {
	if name == "root" {
		return User{Name: "root"}, true
	}
	for _, u := range m.o.Users {
		if u.Name == name {
			return u, true
		}
	}
	return User{}, false
}

func (m *Machine) userByID(uid int) User {
	for _, u := range m.o.Users {
		if u.UID == uid {
			return u
		}
	}
	return User{Name: "root"}
}

func (u User) cred() vfs.Cred { return vfs.Cred{UID: u.UID, GID: u.UID} }

func (u User) home() string {
	if u.UID == 0 {
		return "/root"
	}
	return "/home/" + u.Name
}
