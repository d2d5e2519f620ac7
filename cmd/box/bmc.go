package box

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/fleetup/fleetup/runner/bmc/bmctest"
	"github.com/fleetup/fleetup/runner/remote/remotetest"
	"github.com/fleetup/fleetup/runner/remote/remotetest/memnet"
)

// bmcs are the Redfish services of the box's machines, each at an address of its own, behind one certificate.
type bmcs struct {
	print    string // the certificate's fingerprint
	services map[string]*bmctest.Service
	web      []*http.Server
	at       map[string]*listener
	serving  sync.WaitGroup
}

// BMC is the Redfish service of a node's machine; nil without Options.BMC.
func (b *Box) BMC(node string) *bmctest.Service { return b.bmcs.services[node] }

// bmcAddress is where the BMC of the i-th node's machine is.
func bmcAddress(i int) string { return fmt.Sprintf("10.1.%d.%d:443", i/200, i%200+11) }

// startBMCs gives every machine a BMC, of two vendors in turn, and writes the file with their password.
func (b *Box) startBMCs() error {
	b.bmcs = bmcs{services: map[string]*bmctest.Service{}, at: map[string]*listener{}}
	if !b.options.BMC {
		return nil
	}
	cert, err := selfSigned()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(cert.Certificate[0])
	b.bmcs.print = "SHA256:" + strings.ToUpper(hex.EncodeToString(sum[:]))
	for i, n := range b.options.Nodes {
		s, err := bmctest.NewService([]string{bmctest.IDRAC, bmctest.ILO}[i%2], switched{b.Machines[n.Name]})
		if err != nil {
			return err
		}
		b.bmcs.services[n.Name] = s
		b.bmcs.serve(bmcAddress(i), s, cert)
	}
	return os.WriteFile(b.path("bmc-password"), []byte("calvin\n"), 0o600)
}

func (s *bmcs) serve(at string, h http.Handler, cert tls.Certificate) {
	l := &listener{conns: make(chan net.Conn), closed: make(chan struct{}), at: at}
	web := &http.Server{
		Handler: h, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
	}
	s.at[at], s.web = l, append(s.web, web)
	s.serving.Go(func() { _ = web.ServeTLS(l, "", "") })
}

func (s *bmcs) close() {
	for _, web := range s.web {
		_ = web.Close()
	}
	s.serving.Wait()
}

// switched is a machine as its BMC sees it.
type switched struct{ *remotetest.Machine }

func (s switched) SetPower(on bool) {
	if on {
		s.PowerOn()
	} else {
		s.PowerOff()
	}
}

// listener hands out connections in memory.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	at     string
}

func (l *listener) dial(ctx context.Context) (net.Conn, error) {
	client, server := memnet.Pair(hostPort("192.0.2.1:50000"), l.Addr())
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return hostPort(l.at) }

type hostPort string

func (hostPort) Network() string  { return "tcp" }
func (a hostPort) String() string { return string(a) }

// selfSigned is a certificate as a BMC makes one for itself.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bmc"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
