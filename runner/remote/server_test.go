package remote

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/fleetup/fleetup/runner/remote/remotetest/memnet"
	"github.com/pkg/sftp"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
)

func TestMain(m *testing.M) {
	if addr := os.Getenv(pipeTo); addr != "" {
		pipe(addr)
	}
	if file := os.Getenv(trustIn); file != "" {
		trustMany(file)
	}
	goleak.VerifyTestMain(m)
}

// server is an sshd whose commands are real ones, run by /bin/sh in a folder of the test's.
type server struct {
	t        testing.TB
	hostKeys []ssh.Signer
	network  *network
	path     string // folder of programs that stand before the machine's own
	home     string

	mu       sync.Mutex
	users    map[string][]ssh.PublicKey
	ca       ssh.PublicKey
	tune     func(*ssh.ServerConfig)
	requests []string // types of all requests and channels
	conns    map[*memnet.Conn]bool
	commands []string
	refuse   int                                  // connections to hang up on before anything is said
	busy     int                                  // handshakes under way
	most     int                                  // of them
	run      func(cmd string, ch ssh.Channel) int // instead of /bin/sh
	onSFTP   func(ssh.Channel, func() *memnet.Conn) io.ReadWriteCloser
	logins   atomic.Int32
	dials    atomic.Int32
	wg       sync.WaitGroup
}

// network is the wire: servers by address.
type network struct {
	mu      sync.Mutex
	servers map[string]*server
}

func (n *network) set(addr string, s *server) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.servers[addr] = s
}

// Dial connects to a server, or refuses.
func (n *network) Dial(ctx context.Context, _, addr string) (net.Conn, error) {
	n.mu.Lock()
	s := n.servers[addr]
	n.mu.Unlock()
	if s == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	return s.accept(), nil
}

func newKey(t testing.TB) (ssh.Signer, []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return signer, pem.EncodeToMemory(block)
}

func (n *network) server(t testing.TB, addr string) *server {
	key, _ := newKey(t)
	s := &server{t: t, hostKeys: []ssh.Signer{key}, network: n, users: map[string][]ssh.PublicKey{}, conns: map[*memnet.Conn]bool{},
		path: t.TempDir(), home: t.TempDir()}
	n.set(addr, s)
	t.Cleanup(func() { s.cut(); s.wg.Wait() })
	return s
}

func (s *server) accept() net.Conn {
	client, conn := memnet.Pair(&net.TCPAddr{}, &net.TCPAddr{})
	s.dials.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse > 0 {
		s.refuse--
		conn.Close()
		return client
	}
	s.conns[conn] = true
	s.wg.Add(1)
	go s.serve(conn)
	return client
}

// cut resets all connections, as a machine does that loses its power and comes back.
func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Cut()
	}
}

func (s *server) freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Freeze()
	}
}

func (s *server) config() *ssh.ServerConfig {
	checker := ssh.CertChecker{
		IsUserAuthority: func(k ssh.PublicKey) bool { return s.ca != nil && sameKey(k, s.ca) },
		UserKeyFallback: func(c ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, a := range s.users[c.User()] {
				if sameKey(a, k) {
					return nil, nil
				}
			}
			return nil, errors.New("unknown key")
		},
	}
	cfg := &ssh.ServerConfig{PublicKeyCallback: checker.Authenticate, MaxAuthTries: 6}
	for _, k := range s.hostKeys {
		cfg.AddHostKey(k)
	}
	if s.tune != nil {
		s.tune(cfg)
	}
	return cfg
}

func (s *server) handshakes(d int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy += d
	s.most = max(s.most, s.busy)
}

func (s *server) serve(c *memnet.Conn) {
	defer s.wg.Done()
	defer func() {
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		c.Close()
	}()
	s.handshakes(1)
	over := sync.OnceFunc(func() { s.handshakes(-1) })
	cfg := s.config()
	cfg.AuthLogCallback = func(_ ssh.ConnMetadata, _ string, err error) {
		if err == nil {
			over() // before the client is told, who may begin the next at once
		}
	}
	conn, chans, reqs, err := ssh.NewServerConn(c, cfg)
	over()
	if err != nil {
		return
	}
	s.logins.Add(1)
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		for r := range reqs {
			s.note(r.Type)
			r.Reply(false, nil)
		}
	}()
	for ch := range chans {
		s.note("channel " + ch.ChannelType())
		s.wg.Add(1)
		go func() {
			defer s.wg.Done()
			s.channel(ch, c)
		}()
	}
	conn.Wait()
}

func (s *server) channel(n ssh.NewChannel, c *memnet.Conn) {
	if n.ChannelType() == "direct-tcpip" {
		s.forward(n)
		return
	}
	ch, reqs, err := n.Accept()
	if err != nil {
		return
	}
	defer ch.Close()
	term := &terminal{}
	for r := range reqs {
		s.note(r.Type)
		switch r.Type {
		case "pty-req":
			term.open(r.Payload)
			r.Reply(true, nil)
		case "shell":
			r.Reply(true, nil)
			s.wg.Go(func() {
				for r := range reqs {
					s.note(r.Type)
					term.resize(r.Payload)
				}
			})
			s.shell(term, ch)
			return
		case "exec":
			r.Reply(true, nil)
			var m struct{ Command string }
			ssh.Unmarshal(r.Payload, &m)
			s.wg.Add(1)
			go func() {
				defer s.wg.Done()
				for r := range reqs {
					s.note(r.Type)
				}
			}()
			s.command(m.Command, ch)
			return
		case "subsystem":
			r.Reply(true, nil)
			s.wg.Add(1)
			go func() {
				defer s.wg.Done()
				for r := range reqs {
					s.note(r.Type)
				}
			}()
			s.sftp(ch, c)
			return
		default:
			r.Reply(true, nil)
		}
	}
}

func (s *server) sftp(ch ssh.Channel, c *memnet.Conn) {
	var rw io.ReadWriteCloser = ch
	s.mu.Lock()
	hook := s.onSFTP
	s.mu.Unlock()
	if hook != nil {
		rw = hook(ch, func() *memnet.Conn { return c })
	}
	srv, err := sftp.NewServer(rw)
	if err != nil {
		return
	}
	srv.Serve()
	srv.Close()
}

// command runs one as sshd does: the status is sent at its end, before the rest of the output, whoever holds that open.
func (s *server) command(line string, ch ssh.Channel) {
	exit := func(status int) {
		ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status)}))
	}
	s.mu.Lock()
	s.commands = append(s.commands, line)
	run := s.run
	s.mu.Unlock()
	if run != nil {
		exit(run(line, ch))
		return
	}
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.Dir = s.home
	cmd.Env = []string{"PATH=" + s.path + ":" + os.Getenv("PATH"), "HOME=" + s.home}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, _ := cmd.StdinPipe()
	outR, outW, _ := os.Pipe()
	errR, errW, _ := os.Pipe()
	cmd.Stdout, cmd.Stderr = outW, errW
	if err := cmd.Start(); err != nil {
		exit(127)
		return
	}
	s.t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	outW.Close()
	errW.Close()
	s.wg.Go(func() { io.Copy(in, ch); in.Close() })
	streams := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { io.Copy(ch, outR) })
	wg.Go(func() { io.Copy(ch.Stderr(), errR) })
	s.wg.Go(func() { wg.Wait(); close(streams) })
	cmd.Wait()
	exit(cmd.ProcessState.ExitCode())
	<-streams // whoever holds them is killed at the test's end at the latest
	outR.Close()
	errR.Close()
}

func (s *server) forward(n ssh.NewChannel) {
	var m struct {
		Host   string
		Port   uint32
		Origin string
		From   uint32
	}
	ssh.Unmarshal(n.ExtraData(), &m)
	to, err := s.network.Dial(context.Background(), "tcp", net.JoinHostPort(m.Host, strconv.Itoa(int(m.Port))))
	if err != nil {
		n.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	ch, reqs, err := n.Accept()
	if err != nil {
		to.Close()
		return
	}
	s.wg.Go(func() { ssh.DiscardRequests(reqs) })
	s.wg.Go(func() { io.Copy(ch, to); ch.Close() })
	io.Copy(to, ch)
	to.Close()
	ch.Close()
}

func (s *server) note(request string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, request)
}

func (s *server) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.commands, "\n")
}

// program puts a shell script into the server's PATH.
func (s *server) program(name, text string) {
	s.t.Helper()
	write(s.t, filepath.Join(s.path, name), "#!/bin/sh\n"+text, 0o755)
}
