package lab

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// makeKeys makes every secret of the lab anew: SSH keys, host keys, the user CA, the API server's CA and tokens.
func (l *Lab) makeKeys(context.Context) error {
	if err := os.MkdirAll(filepath.Dir(l.Key), 0o700); err != nil {
		return err
	}
	userCA, err := writeSSHKey(filepath.Join(filepath.Dir(l.Key), "user_ca"))
	if err != nil {
		return err
	}
	if _, err := writeSSHKey(l.Key); err != nil {
		return err
	}
	certified, err := writeSSHKey(l.Certificate)
	if err != nil {
		return err
	}
	if err := certify(l.Certificate+"-cert.pub", certified.PublicKey(), userCA); err != nil {
		return err
	}
	var known strings.Builder
	for _, m := range l.Machines {
		key, err := m.makeHostKeys()
		if err != nil {
			return err
		}
		fmt.Fprintf(&known, "%s,%s %s", m.Name, m.IP, ssh.MarshalAuthorizedKey(key))
	}
	if err := os.WriteFile(l.KnownHosts, []byte(known.String()), 0o600); err != nil {
		return err
	}
	l.api, err = newAPI(l)
	return err
}

// writeSSHKey writes an ed25519 key to path and its public half to path.pub.
func writeSSHKey(path string) (ssh.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return saveSSHKey(path, key)
}

func saveSSHKey(path string, key crypto.Signer) (ssh.Signer, error) {
	block, err := ssh.MarshalPrivateKey(key, "lab")
	if err != nil {
		return nil, err
	}
	signer, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		return nil, err
	}
	return signer, errors.Join(
		os.WriteFile(path, pem.EncodeToMemory(block), 0o600),
		os.WriteFile(path+".pub", ssh.MarshalAuthorizedKey(signer.PublicKey()), 0o644))
}

// makeHostKeys makes the machine's host keys where boot will look for them and returns the ed25519 one.
func (m *Machine) makeHostKeys() (ssh.PublicKey, error) {
	if err := os.MkdirAll(m.dir(), 0o755); err != nil {
		return nil, err
	}
	ed, err := writeSSHKey(filepath.Join(m.dir(), "ssh_host_ed25519_key"))
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	_, err = saveSSHKey(filepath.Join(m.dir(), "ssh_host_ecdsa_key"), key)
	return ed.PublicKey(), err
}

// certify writes a certificate by which key may log in as any of the lab's users for a day.
func certify(path string, key ssh.PublicKey, ca ssh.Signer) error {
	now := time.Now()
	certificate := &ssh.Certificate{
		Key:             key,
		CertType:        ssh.UserCert,
		KeyId:           "lab",
		ValidPrincipals: []string{"root", "ops", "pw"},
		ValidAfter:      uint64(now.Add(-time.Hour).Unix()),
		ValidBefore:     uint64(now.Add(24 * time.Hour).Unix()),
		Permissions:     ssh.Permissions{Extensions: map[string]string{"permit-port-forwarding": "", "permit-pty": ""}},
	}
	if err := certificate.SignCert(rand.Reader, ca); err != nil {
		return err
	}
	return os.WriteFile(path, ssh.MarshalAuthorizedKey(certificate), 0o644)
}

// makeCertificates makes in dir a CA, and for the API server what it serves with and what it asks kubelets with. It returns
// the CA's certificate, as PEM.
func makeCertificates(dir string) ([]byte, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "lab"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(7 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return nil, err
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "kube-apiserver"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.ParseIP(apiHost), net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1)},
		DNSNames:    []string{"localhost", "kubernetes.default.svc"},
	}
	client := &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "kube-apiserver-kubelet-client", Organization: []string{"system:masters"}},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	caPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	return caPEM, errors.Join(
		os.WriteFile(filepath.Join(dir, "ca.crt"), caPEM, 0o644),
		writeCertificate(filepath.Join(dir, "server"), server, ca, caKey),
		writeCertificate(filepath.Join(dir, "kubelet-client"), client, ca, caKey))
}

// writeCertificate writes a certificate that the CA signs to path.crt, and its key to path.key.
func writeCertificate(path string, certificate, ca *x509.Certificate, caKey crypto.Signer) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, ca, key.Public(), caKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(path+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644),
		os.WriteFile(path+".key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), 0o600))
}
