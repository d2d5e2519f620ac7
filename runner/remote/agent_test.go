package remote

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// listener is an agent's socket; serve gets each connection and owns it.
func (b *bench) listener(serve func(net.Conn)) string {
	b.t.Helper()
	sock := filepath.Join(b.t.TempDir(), "a")
	l, err := net.Listen("unix", sock)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { b.net.Close(); l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return sock
}

// deaf accepts, reads and never answers, as the socket of a session that hangs does.
func deaf(c net.Conn) {
	defer c.Close()
	for b := make([]byte, 1024); ; {
		if _, err := c.Read(b); err != nil {
			return
		}
	}
}

// TestAgentThatNeverAnswers: a login goes on without it, and one that is refused says so.
func TestAgentThatNeverAnswers(t *testing.T) {
	b := newBench(t)
	b.machine("n1:22")
	b.machine("n2:22").users["root"] = nil
	b.net.keys.net.o.agentSock = b.listener(deaf)
	began := time.Now()
	if err := b.ok(Login{Name: "n1"}); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > agentTimeout+time.Minute {
		t.Errorf("logged in after %s", took)
	}
	err := b.ok(Login{Name: "n2"})
	mustContain(t, fmt.Sprint(err), "the ssh agent at", "no answer within 5s", "ssh-add -l")
}

// TestAgentIsntAskedOverEverMoreConnections: each login that is refused after one that worked has the agent asked anew.
func TestAgentIsntAskedOverEverMoreConnections(t *testing.T) {
	b := newBench(t)
	var open atomic.Int32
	ring := agent.NewKeyring()
	_, private, _ := ed25519.GenerateKey(rand.Reader)
	if err := ring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	b.net.keys.net.o.agentSock = b.listener(func(c net.Conn) {
		open.Add(1)
		defer open.Add(-1)
		defer c.Close()
		_ = agent.ServeAgent(ring, c)
	})
	for range 40 {
		if s, _, err := b.net.keys.signers(endpoint{}); err != nil || len(s) == 0 {
			t.Fatal(s, err)
		}
		b.net.keys.forget()
	}
	waitFor(t, func() bool { return open.Load() <= maxAgentConns }) // the agent notices a moment later that one was closed
}

// TestAgentThatNeverAnswersLetsGo: whoever ends fleetup needn't wait for it.
func TestAgentThatNeverAnswersLetsGo(t *testing.T) {
	said := make(chan string, 100)
	b := newBench(t, func(o *Options) { o.Log = func(s string) { said <- s } })
	b.machine("n1:22")
	asked := make(chan struct{}, 1)
	b.net.keys.net.o.agentSock = b.listener(func(c net.Conn) { asked <- struct{}{}; deaf(c) })
	ended := make(chan error, 1)
	go func() { ended <- b.ok(Login{Name: "n1"}) }()
	<-asked
	b.net.Close()
	<-ended
	close(said)
	for s := range said {
		if strings.Contains(s, "no answer within") {
			t.Errorf("it was waited for: %s", s)
		}
	}
}

// untouched is an agent that lists its key and waits for a touch that nobody gives.
type untouched struct {
	agent.ExtendedAgent
	gone chan struct{}
}

func (u untouched) SignWithFlags(ssh.PublicKey, []byte, agent.SignatureFlags) (*ssh.Signature, error) {
	<-u.gone
	return nil, errors.New("not touched")
}

// TestAgentThatWaitsForATouch: the connect timeout ends the login, says what it stood at, and the end of ctx ends it too.
func TestAgentThatWaitsForATouch(t *testing.T) {
	b := newBench(t)
	signer, file, private := b.encrypted("x")
	b.machine("n1:22").users["root"] = []ssh.PublicKey{signer.PublicKey()}
	ring, gone := agent.NewKeyring().(agent.ExtendedAgent), make(chan struct{})
	defer close(gone)
	if err := ring.Add(agent.AddedKey{PrivateKey: private, Comment: "the token"}); err != nil {
		t.Fatal(err)
	}
	b.net.keys.net.o.agentSock = b.listener(func(c net.Conn) { _ = agent.ServeAgent(untouched{ring, gone}, c) })
	login := Login{Name: "n1", IdentityFiles: []string{file}, ConnectTimeout: 3 * time.Second}
	err := b.ok(login)
	mustContain(t, fmt.Sprint(err), "host n1", "agent key the token wasn't used to sign for 3s", "touch", "ssh.identity_files")

	login.ConnectTimeout = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := b.host(login).Run(ctx, "true"); err == nil || time.Since(began) > 30*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}
