package lab_test

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	xssh "golang.org/x/crypto/ssh"

	"github.com/fleetup/fleetup/runner/remote"
	"github.com/fleetup/fleetup/testdata/lab"
)

// TestBenchReboot reboots a machine and logs in from aside again and again: how much later does fleetup see it?
func TestBenchReboot(t *testing.T) {
	benchOnly(t)
	l := lab.Start(t, lab.Options{Bastions: 1})
	b1 := l.Machines[0]
	network := remote.New(remote.Options{Dial: l.DialContext})
	defer network.Close()
	host := network.Host(remote.Login{
		Name: b1.Name, Address: b1.IP, User: "root", IdentityFiles: []string{l.Key}, KnownHosts: []string{l.KnownHosts},
	}, remote.Fence{})
	var late []time.Duration
	for range rounds() {
		before, err := host.BootID(t.Context())
		must(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		possible := make(chan time.Time, 1)
		go func() { possible <- firstLogin(ctx, l, b1, before) }()
		must(t, host.Reboot(ctx, before))
		noticed := time.Now()
		first := <-possible
		cancel()
		if first.IsZero() {
			t.Fatal("no login from aside")
		}
		late = append(late, noticed.Sub(first)) // below zero: fleetup was first
	}
	t.Logf("late: %v", texts(late))
	atMost(t, "a rebooted machine is noticed after a login is possible by", median(late), time.Second)
}

// firstLogin is when a login to another boot succeeded first. The zero time: never.
func firstLogin(ctx context.Context, l *lab.Lab, m *lab.Machine, before string) time.Time {
	key, _ := os.ReadFile(l.Key)
	signer, err := xssh.ParsePrivateKey(key)
	if err != nil {
		return time.Time{}
	}
	config := &xssh.ClientConfig{User: "root", Auth: []xssh.AuthMethod{xssh.PublicKeys(signer)}, HostKeyCallback: xssh.InsecureIgnoreHostKey()}
	for ctx.Err() == nil {
		if id, err := bootID(ctx, l, m, config); err == nil && id != before {
			return time.Now()
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return time.Time{}
}

func bootID(ctx context.Context, l *lab.Lab, m *lab.Machine, config *xssh.ClientConfig) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	conn, err := l.DialContext(ctx, "tcp", net.JoinHostPort(m.IP, "22"))
	if err != nil {
		return "", err
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c, channels, requests, err := xssh.NewClientConn(conn, m.IP, config)
	if err != nil {
		conn.Close()
		return "", err
	}
	client := xssh.NewClient(c, channels, requests)
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	out, err := session.Output("cat /proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(out)), err
}
