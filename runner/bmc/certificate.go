package bmc

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// pin reads a fingerprint: 64 hexadecimal digits, with or without colons, with or without SHA256 before them.
func pin(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	digits := strings.TrimPrefix(strings.TrimPrefix(strings.ToUpper(s), "SHA256:"), "SHA256 ")
	b, err := hex.DecodeString(strings.ReplaceAll(digits, ":", ""))
	if err != nil || len(b) != sha256.Size {
		return nil, fmt.Errorf("bmc: %q is no fingerprint: it is SHA256: and 64 hexadecimal digits, as `openssl x509 -noout -fingerprint -sha256` prints it", s)
	}
	return b, nil
}

// fingerprint writes a certificate's fingerprint as it may stand in an inventory.
func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return "SHA256:" + strings.ToUpper(hex.EncodeToString(sum[:]))
}

// pinnedError says that the BMC shows another certificate than the pinned one.
type pinnedError struct{ shown, wanted string }

func (e *pinnedError) Error() string {
	return fmt.Sprintf("it shows a certificate with fingerprint %s, and bmc.fingerprint is %s: either it was renewed (compare with "+
		"the BMC's own page, then change the inventory), or this isn't your BMC", e.shown, e.wanted)
}

// web is an HTTP client for this BMC. It uses no proxy: the network of BMCs is never behind one.
func (b *fish) web() *http.Client {
	t := &http.Transport{
		DialContext: b.c.Dial, TLSHandshakeTimeout: b.c.Timeout, DisableKeepAlives: false, MaxIdleConnsPerHost: 4,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if t.DialContext == nil {
		t.DialContext = (&net.Dialer{Timeout: min(b.c.Timeout, 10*time.Second)}).DialContext
	}
	if want, err := pin(b.c.Fingerprint); err == nil && want != nil {
		t.TLSClientConfig.InsecureSkipVerify = true // VerifyConnection compares, also on resumed sessions
		t.TLSClientConfig.VerifyConnection = func(s tls.ConnectionState) error {
			if got := sha256.Sum256(s.PeerCertificates[0].Raw); string(got[:]) != string(want) {
				return &pinnedError{fingerprint(s.PeerCertificates[0]), b.c.Fingerprint}
			}
			return nil
		}
	}
	return &http.Client{Transport: t, CheckRedirect: sameHost}
}

// sameHost follows no redirect that leads the password elsewhere.
func sameHost(r *http.Request, via []*http.Request) error {
	if r.URL.Host != via[0].URL.Host || r.URL.Scheme != via[0].URL.Scheme || len(via) > 5 {
		return fmt.Errorf("it redirects to %s: name that one as bmc.address if it is the BMC", r.URL.Host)
	}
	return nil
}

// untrusted puts a certificate that can't be checked into words, and says how to pin it.
func untrusted(err error) error {
	var v *tls.CertificateVerificationError
	if !errors.As(err, &v) || len(v.UnverifiedCertificates) == 0 {
		return nil
	}
	return fmt.Errorf("its certificate isn't to be trusted: %w. BMCs sign their own: compare its fingerprint with the one on the BMC's "+
		"own page, then pin it: fingerprint = %q", v.Err, fingerprint(v.UnverifiedCertificates[0]))
}

// dialFailed reports whether no connection came about.
func dialFailed(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns) || errors.Is(err, context.DeadlineExceeded)
}
