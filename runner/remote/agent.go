package remote

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// agentTimeout bounds how long the agent may take to list its keys. A socket that a dead session left behind may accept
// and never answer, and every login would stand still for it.
const agentTimeout = 5 * time.Second

// maxAgentConns is how many connections to the agent are kept: keys that were listed on an older one may be signing yet, and
// a machine whose boot takes half an hour refuses hundreds of logins, after each of which the agent is asked anew.
const maxAgentConns = 8

// agentKeys lists the agent's keys once. An agent that doesn't answer is said and done without.
func (k *keyring) agentKeys() []cachedSigner {
	if k.asked || k.net.o.agentSock == "" {
		return k.agent
	}
	k.asked, k.mute = true, ""
	signers, err := k.askAgent()
	if err != nil {
		k.mute = fmt.Sprintf("the ssh agent at %s isn't used: %v; ssh-add -l shows whether it answers", k.net.o.agentSock, err)
		k.net.o.Log(k.mute)
	}
	for _, s := range signers {
		name := "agent key " + ssh.FingerprintSHA256(s.PublicKey())
		if key, ok := s.PublicKey().(*agent.Key); ok {
			name = "agent key " + key.Comment
		}
		k.agent = append(k.agent, cachedSigner{parsedPublic{s}, name})
	}
	return k.agent
}

func (k *keyring) askAgent() ([]ssh.Signer, error) {
	ctx, stop := context.WithTimeoutCause(k.net.ctx, agentTimeout, errNoAnswer(agentTimeout))
	defer stop()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", k.net.o.agentSock)
	if err != nil {
		return nil, err
	}
	unwatch := context.AfterFunc(ctx, func() { _ = conn.Close() })
	signers, err := agent.NewClient(conn).Signers()
	if !unwatch() && err != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	if k.conns = append(k.conns, conn); len(k.conns) > maxAgentConns {
		_ = k.conns[0].Close()
		k.conns = k.conns[1:]
	}
	return signers, nil
}

// parsedPublic shows an agent's key as what it is, so that certificates are known as such.
type parsedPublic struct{ ssh.Signer }

func (p parsedPublic) PublicKey() ssh.PublicKey {
	if k, err := ssh.ParsePublicKey(p.Signer.PublicKey().Marshal()); err == nil {
		return k
	}
	return p.Signer.PublicKey()
}

// SignWithAlgorithm keeps RSA keys of the agent from signing with SHA-1.
func (p parsedPublic) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	if s, ok := p.Signer.(ssh.AlgorithmSigner); ok {
		return s.SignWithAlgorithm(rand, data, algorithm)
	}
	return p.Signer.Sign(rand, data)
}

// signing is the key that a handshake waits for; nil where it waits for the machine.
type signing = atomic.Pointer[string]

// watched tells at which key a handshake stands. An agent may want a touch or a confirmation before it signs, and while it
// waits for that nothing else says so.
func watched(s cachedSigner, at *signing) ssh.Signer {
	if a, ok := s.Signer.(ssh.AlgorithmSigner); ok {
		return watchedSigner{a, s.name, at}
	}
	return s.Signer
}

type watchedSigner struct {
	ssh.AlgorithmSigner
	name string
	at   *signing
}

func (w watchedSigner) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	w.at.Store(&w.name)
	defer w.at.Store(nil)
	return w.AlgorithmSigner.Sign(rand, data)
}

func (w watchedSigner) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	w.at.Store(&w.name)
	defer w.at.Store(nil)
	return w.AlgorithmSigner.SignWithAlgorithm(rand, data, algorithm)
}
