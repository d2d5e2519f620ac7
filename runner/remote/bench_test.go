package remote

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

const benchHosts = 200

// benchFleet is 200 addresses of one server, known each by its own line.
func benchFleet(b *testing.B) (*bench, *server) {
	b.Helper()
	var fleet *bench
	var s *server
	fleet = newBench(b)
	s = fleet.machine("n:22")
	s.run = func(string, ssh.Channel) int { return 0 }
	for i := range benchHosts {
		fleet.set(fmt.Sprintf("n%d:22", i), s)
		fleet.know(fmt.Sprintf("n%d ", i) + line(s))
	}
	return fleet, s
}

// BenchmarkExec runs `true` on 200 hosts; beside BenchmarkBare, which does so without any of this package.
func BenchmarkExec(b *testing.B) {
	fleet, _ := benchFleet(b)
	for b.Loop() {
		net := New(fleet.net.o)
		each(func(i int) {
			err := net.Host(Login{Name: fmt.Sprintf("n%d", i), User: "root"}, Fence{}).Exec(b.Context(), "true", nil, nil, nil)
			if err != nil {
				b.Error(err)
			}
		})
		net.Close()
	}
}

func BenchmarkBare(b *testing.B) {
	fleet, s := benchFleet(b)
	slots := make(chan struct{}, 64)
	cfg := &ssh.ClientConfig{User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(fleet.user)}, HostKeyCallback: ssh.FixedHostKey(s.hostKeys[0].PublicKey())}
	for b.Loop() {
		each(func(i int) {
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := bare(b.Context(), fleet, fmt.Sprintf("n%d:22", i), cfg); err != nil {
				b.Error(err)
			}
		})
	}
}

func bare(ctx context.Context, fleet *bench, addr string, cfg *ssh.ClientConfig) error {
	conn, err := fleet.Dial(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	c, chans, reqs, err := ssh.NewClientConn(conn, addr, cfg)
	if err != nil {
		return err
	}
	client := ssh.NewClient(c, chans, reqs)
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	return session.Run("true")
}

func each(do func(i int)) {
	var wg sync.WaitGroup
	for i := range benchHosts {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}
