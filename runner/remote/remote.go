// Package remote is everything that fleetup does over SSH: logins, jump hosts, host keys, becoming root, files, reboots,
// and scripts that go on when the connection doesn't.
//
//	net := remote.New(remote.Options{})
//	defer net.Close()
//	h := net.Host(remote.Login{Name: "n1", Address: "10.0.1.1", User: "ops"}, remote.Fence{Run: run, Epoch: epoch})
//	out, err := h.Run(ctx, "uname -r")                       // as root; run again where the connection was lost
//	out, err = h.Do(ctx, "upgrade", "apt-get -y upgrade", say) // as root, detached; attaches where it runs already
//
// A Net holds what is read once (keys, ~/.ssh/config, known_hosts) and shared by all hosts: the connections, one for
// each machine and one for each jump host, however many hosts lie behind it. Nothing is dialled before it is needed;
// a connection that dies is dialled again by whoever needs it next.
//
// # Who is who
//
// A peer (peer.go) is a machine that we hold a connection to, a host or a jump host. A route (route.go) is the way to
// it: direct, or the first of several jump chains that answers. A link (link.go) is one live connection. A Host
// (host.go) is a peer with a Fence, and what the rest of fleetup sees.
//
// # Root
//
// Scripts go over standard input to `sh -c 'eval "$(cat)"'`, never onto an argument list, below sudo where the user
// isn't root. What that takes is asked once a connection (root.go). A sudo password is written only when sudo's
// prompt has been seen, and only once: a second prompt means that it is wrong, and accounts lock.
//
// # Fencing
//
// With an Epoch every script first compares it, under a lock, with the one that the machine has seen. A runner that
// was stopped, lost its lease and woke up late is refused there, whatever it believes.
//
// # Host keys
//
// Checking is always strict. A key that isn't in known_hosts is refused with its fingerprint, a changed one with both
// fingerprints and the line that holds the old one. Trust is the only way to accept a key.
package remote

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Login says how to reach one machine. What is empty is taken from ~/.ssh/config, then from OpenSSH's defaults.
type Login struct {
	Name          string   // in errors; also looked up in ~/.ssh/config
	Address       string   // name or IP; empty: Name
	Port          int      // 0: ~/.ssh/config, else 22
	User          string   // "": ~/.ssh/config, else the local user
	IdentityFiles []string // set: these alone, through the agent where it holds them
	KnownHosts    []string // empty: ~/.ssh/config, else ~/.ssh/known_hosts

	// Jump lists alternatives, the first that answers is taken; each may be a chain "user@a:22,b".
	Jump []string
	// Sudo is auto (where the user isn't root; also ""), always or never.
	Sudo string
	// SudoPassword is asked when sudo wants a password; nil where there is none.
	SudoPassword func(context.Context) (string, error)
	// ConnectTimeout is for TCP, handshake and login together, for each hop; 0: 10 s.
	ConnectTimeout time.Duration
	// Legacy names algorithms to use although they are no longer safe, where the machine, or a jump host on the way, has
	// nothing better. What isn't known, or is worse than that, is an error.
	Legacy []string
}

// Options are what all hosts of a Net share. The zero value is ready to use.
type Options struct {
	// FanOut is how many handshakes may be under way at once; default 64. Through one jump host at most 8 are: sshd
	// drops logins at random from the tenth (MaxStartups 10:30:100).
	FanOut int
	// ConfigFile is an ssh_config; default ~/.ssh/config. It need not exist.
	ConfigFile string
	// SystemDir holds ssh_config, ssh_known_hosts and ssh_known_hosts2 for all users, read after the user's own; default
	// /etc/ssh.
	SystemDir string
	// Passphrase is asked for the passphrase of a key file, once a key; nil: such keys work through the agent alone.
	Passphrase func(ctx context.Context, file string) ([]byte, error)
	// Dial makes the TCP connections; default net.Dialer's.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Progress is told how far an upload or a download is, in bytes.
	Progress func(host, file string, done, total int64)
	// Base is the folder on the machines for the epoch and the detached steps; default /var/lib/fleetup.
	Base string
	// Keepalive is how often an idle connection is asked whether it lives; default 5 s. It is given up after two.
	Keepalive time.Duration
	// Log gets what an operator may want to know and no error says; default: nobody.
	Log func(string)

	home       string // of the local user; tests have their own
	agentSock  string
	systemdDir string // exists where systemd runs
}

// Fence names the run in whose name scripts run, and the epoch of its lease. Epoch 0 is for reads (plan, check, exec).
type Fence struct {
	Run   string
	Epoch int64
}

// Net holds the connections to a fleet. Its methods may be called from several goroutines.
type Net struct {
	o      Options
	config *sshConfig // the user's
	system *sshConfig // for all users of this machine
	keys   *keyring
	known  *knownFiles
	slots  chan struct{} // FanOut

	ctx    context.Context // ends with Close
	stop   context.CancelFunc
	mu     sync.Mutex
	peers  map[string]*peer
	routes map[string]*route
	closed bool
	owned  sync.WaitGroup // handshakes that nobody waits for any more
}

// New returns a Net. It does no I/O.
func New(o Options) *Net {
	o.defaults()
	n := &Net{o: o, slots: make(chan struct{}, o.FanOut), peers: map[string]*peer{}, routes: map[string]*route{}}
	n.ctx, n.stop = context.WithCancel(context.Background())
	n.config = &sshConfig{file: o.ConfigFile, home: o.home, log: o.Log}
	n.system = &sshConfig{file: filepath.Join(o.SystemDir, "ssh_config"), home: o.home, system: o.SystemDir, log: o.Log}
	n.keys = &keyring{net: n, cache: map[string][]cachedSigner{}, files: map[string]*keyFile{}}
	n.known = &knownFiles{log: o.Log, cache: map[string]*knownDB{}}
	return n
}

func (o *Options) defaults() {
	if o.FanOut <= 0 {
		o.FanOut = 64
	}
	if o.home == "" {
		o.home, _ = os.UserHomeDir()
		o.agentSock = os.Getenv("SSH_AUTH_SOCK")
	}
	if o.ConfigFile == "" {
		o.ConfigFile = filepath.Join(o.home, ".ssh", "config")
	}
	if o.SystemDir == "" {
		o.SystemDir = "/etc/ssh"
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	if o.Base == "" {
		o.Base = "/var/lib/fleetup"
	}
	if o.Keepalive <= 0 {
		o.Keepalive = 5 * time.Second
	}
	if o.systemdDir == "" {
		o.systemdDir = "/run/systemd/system"
	}
	if o.Log == nil {
		o.Log = func(string) {}
	}
}

// Host returns the machine that l leads to, for scripts in the name of f. It does no I/O; the machine is dialled when
// it is first needed. Hosts of one machine share one connection, whatever their fences.
func (n *Net) Host(l Login, f Fence) *Host {
	return &Host{net: n, login: fill(l), fence: f, told: map[string]bool{}}
}

func fill(l Login) Login {
	l.Address = orElse(l.Address, l.Name)
	l.Name = orElse(l.Name, l.Address)
	return l
}

// Close closes every connection and waits for what they had running. Calls under way fail; later ones too.
func (n *Net) Close() {
	n.mu.Lock()
	n.closed = true
	peers := n.peers
	n.peers = map[string]*peer{}
	n.mu.Unlock()
	n.stop()
	for _, p := range peers {
		if l := p.current(); l != nil {
			l.close(errClosed)
		}
	}
	for _, p := range peers {
		p.drop(errClosed)
	}
	n.keys.close()
	n.owned.Wait()
}

// own runs f in a goroutine that Close waits for; false, and f isn't run, once Close was called.
func (n *Net) own(f func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.closed {
		n.owned.Go(f)
	}
	return !n.closed
}

// expandHome replaces a leading ~ by the local user's home.
func expandHome(home, file string) string {
	if file == "~" || strings.HasPrefix(file, "~/") {
		return filepath.Join(home, file[1:])
	}
	return file
}
