package remotetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"

	"golang.org/x/crypto/ssh"
)

var errKey = errors.New("no authorized key")

// sshConn speaks SSH on one connection until it ends.
func (m *Machine) sshConn(conn net.Conn) {
	defer conn.Close()
	sc, channels, requests, err := ssh.NewServerConn(conn, m.sshConfig())
	if err != nil {
		return
	}
	defer sc.Close()
	ctx, cancel := context.WithCancel(m.ctx)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { answer(requests) })
	user, _ := m.user(sc.User())
	s := &login{m: m, user: user, ctx: ctx, wg: &wg}
	for ch := range channels {
		s.open(ch)
	}
	cancel()
	wg.Wait()
}

// answer answers global requests; OpenSSH says no to the keepalives that ask for an answer, which is one.
func answer(requests <-chan *ssh.Request) {
	for r := range requests {
		if r.WantReply {
			r.Reply(false, nil)
		}
	}
}

func (m *Machine) sshConfig() *ssh.ServerConfig {
	c := &ssh.ServerConfig{
		PublicKeyCallback: m.authenticate,
		ServerVersion:     "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7",
		MaxAuthTries:      6,
	}
	if m.o.SSHD != nil {
		m.o.SSHD(c)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c.AddHostKey(m.hostKey)
	return c
}

func (m *Machine) authenticate(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	user, ok := m.user(c.User())
	if !ok {
		return nil, fmt.Errorf("invalid user %s: %w", c.User(), errKey)
	}
	if m.Uptime() < m.o.LoginDelay && user.UID != 0 {
		return nil, &ssh.BannerError{Err: errors.New("pam_nologin"), Message: "System is booting up. Unprivileged users are not permitted to log in yet. Please come back later.\n"}
	}
	checker := ssh.CertChecker{IsUserAuthority: m.isCA, UserKeyFallback: m.authorized}
	return checker.Authenticate(c, key)
}

func (m *Machine) isCA(key ssh.PublicKey) bool { return holds(m.o.UserCAs, key) }

func (m *Machine) authorized(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	if holds(m.o.AuthorizedKeys, key) {
		return &ssh.Permissions{}, nil
	}
	return nil, errKey
}

func holds(list []ssh.PublicKey, key ssh.PublicKey) bool {
	for _, k := range list {
		if bytes.Equal(k.Marshal(), key.Marshal()) {
			return true
		}
	}
	return false
}

// login is one authenticated connection.
type login struct {
	m        *Machine
	user     User
	ctx      context.Context // ends with the connection
	wg       *sync.WaitGroup
	mu       sync.Mutex
	sessions int
}

func (s *login) open(ch ssh.NewChannel) {
	switch ch.ChannelType() {
	case "session":
		s.mu.Lock()
		full := s.sessions >= s.m.o.MaxSessions
		if !full {
			s.sessions++
		}
		s.mu.Unlock()
		if full {
			ch.Reject(ssh.ResourceShortage, "open failed")
			return
		}
		s.wg.Go(func() { s.session(ch) })
	case "direct-tcpip":
		s.wg.Go(func() { s.forward(ch) })
	default:
		ch.Reject(ssh.UnknownChannelType, "unknown channel type")
	}
}

// forward connects a channel to another machine of the network.
func (s *login) forward(nc ssh.NewChannel) {
	var to struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	if err := ssh.Unmarshal(nc.ExtraData(), &to); err != nil {
		nc.Reject(ssh.ConnectionFailed, "bad request")
		return
	}
	s.m.mu.Lock()
	network := s.m.network
	s.m.mu.Unlock()
	if network == nil {
		nc.Reject(ssh.ConnectionFailed, "Network is unreachable")
		return
	}
	conn, err := network.Dial(s.ctx, "tcp", net.JoinHostPort(to.Host, strconv.Itoa(int(to.Port))))
	if err != nil {
		nc.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	ch, requests, err := nc.Accept()
	if err != nil {
		conn.Close()
		return
	}
	s.splice(ch, requests, conn)
}

func (s *login) splice(ch ssh.Channel, requests <-chan *ssh.Request, conn net.Conn) {
	stop := context.AfterFunc(s.ctx, func() { conn.Close() })
	defer stop()
	s.wg.Go(func() { ssh.DiscardRequests(requests) })
	s.wg.Go(func() {
		io.Copy(conn, ch)
		conn.Close()
	})
	io.Copy(ch, conn)
	ch.Close()
	conn.Close()
}
