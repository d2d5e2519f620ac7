package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/kube"
)

// TestForetold: the card that carries the address and a certificate that ends are said before the machine goes.
func TestForetold(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate := func(end time.Time) string {
		c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.AddDate(-1, 0, 0), NotAfter: end}
		der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	addresses := "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever\n2: eno1    inet 10.0.0.11/24 brd 10.0.0.255 scope global eno1\n"
	for name, tc := range map[string]struct {
		out  string
		want []string
	}{
		"nothing": {"", nil},
		"address": {addresses, []string{"network card eno1 carries the node's address"}},
		"by name": {strings.ReplaceAll(addresses, "10.0.0.11", "192.0.2.7"), []string{"network card eno1 carries the node's address"}}, // the Node's own
		"a bond's": {strings.ReplaceAll(addresses, "eno1", "br0") + "under br0 bond0.100\nunder bond0.100 bond0\nunder bond0 eno1\nunder bond0 eno2\n",
			[]string{"network card eno1, eno2 (br0) carries the node's address"}},
		"in a circle": {addresses + "under eno1 eno1\n", []string{"carries the node's address"}},
		"soon":        {addresses[:60] + "\n" + certificate(now.AddDate(0, 0, 2)), []string{"the kubelet's certificate ends on 2026-03-03 00:00 UTC"}},
		"in a month":  {certificate(now.AddDate(0, 1, 0)), nil},
		"garbage":     {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n2: eno1 inet\n", nil},
	} {
		got := foretold(tc.out, []string{"192.0.2.7", "10.0.0.11"}, now)
		if len(got) != len(tc.want) || len(got) > 0 && !strings.Contains(got[0], tc.want[0]) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestStorageOn(t *testing.T) {
	d := kube.Drain{
		Evict: []kube.PodVerdict{{Namespace: "rook-ceph", Name: "rook-ceph-osd-3-abc"}, {Namespace: "rook-ceph", Name: "rook-ceph-osd-4-abc"}, {Namespace: "shop", Name: "web-1"}},
		Skip:  []kube.PodVerdict{{Namespace: "longhorn-system", Name: "instance-manager-e-1"}},
	}
	got := strings.Join(storageOn(d), "\n")
	if strings.Count(got, "Ceph") != 1 || strings.Count(got, "Longhorn") != 1 || !strings.Contains(got, "noout") {
		t.Error(got)
	}
}
