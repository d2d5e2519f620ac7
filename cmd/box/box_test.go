package box

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// inBox runs a test on n machines in a bubble of virtual time.
func inBox(t *testing.T, n int, test func(t *testing.T, b *Box)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, err := New(t.Context(), t.TempDir(), Options{Nodes: Workers(n), Cluster: kubetest.Config{Seed: 1}})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		test(t, b)
	})
}

func TestWorkers(t *testing.T) {
	nodes := Workers(4)
	if len(nodes) != 4 || nodes[0].Name != "n1" || nodes[2].Labels["rack"] != "r1" || nodes[3].Labels["rack"] != "r2" {
		t.Errorf("%+v", nodes)
	}
	if Address(0) != "10.0.0.11" || Address(200) != "10.0.1.11" {
		t.Error(Address(0), Address(200))
	}
}

// As soon as there is a box, the API says of each node what its machine runs; a reboot is seen there as well.
func TestNodesAreMachines(t *testing.T) {
	inBox(t, 2, func(t *testing.T, b *Box) {
		info := func() corev1.NodeSystemInfo { return kubetest.Get[*corev1.Node](b.API, "", "n2").Status.NodeInfo }
		m := b.Machines["n2"]
		if _, version := m.Kubelet(); info().KubeletVersion != version || info().BootID != m.BootID() || info().KernelVersion != m.Kernel() {
			t.Errorf("%+v", info())
		}
		before := info().BootID
		m.Reboot()
		time.Sleep(time.Minute)
		if info().BootID == before || info().BootID != m.BootID() {
			t.Error("the API doesn't know of the reboot")
		}
	})
}

// The key opens every machine, each machine shows the key that known_hosts holds, and nothing else is reached.
func TestDial(t *testing.T) {
	inBox(t, 2, func(t *testing.T, b *Box) {
		pem, err := os.ReadFile(filepath.Join(b.Dir, "key"))
		if err != nil {
			t.Fatal(err)
		}
		key, err := ssh.ParsePrivateKey(pem)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := b.Dial(t.Context(), "tcp", Address(1)+":22")
		if err != nil {
			t.Fatal(err)
		}
		conn, chans, reqs, err := ssh.NewClientConn(raw, Address(1)+":22", &ssh.ClientConfig{
			User: "ops", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.FixedHostKey(b.Machines["n2"].HostKey()),
		})
		if err != nil {
			t.Fatal(err)
		}
		ssh.NewClient(conn, chans, reqs).Close()
		if _, err := b.Dial(t.Context(), "tcp", "192.0.2.1:22"); err == nil {
			t.Error("an address outside of the box answered")
		}
		known, err := os.ReadFile(filepath.Join(b.Dir, "known_hosts"))
		if err != nil || strings.Count(string(known), "\n") != 2 || !strings.Contains(string(known), Address(1)) {
			t.Errorf("%s %v", known, err)
		}
	})
}

func TestInventory(t *testing.T) {
	inBox(t, 1, func(t *testing.T, b *Box) {
		path, err := b.Inventory("[upgrade]\nkubelet = \"1.37.2\"\n")
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"[cluster]", `n1   = { address = "10.0.0.11", groups = ["workers"], labels = { rack = "r1" } }`, "[upgrade]\nkubelet"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("no %s in\n%s", want, text)
			}
		}
	})
}

// Settle ends once the pods are Ready, or with its context.
func TestSettle(t *testing.T) {
	inBox(t, 2, func(t *testing.T, b *Box) {
		if err := b.API.AddDeployment("shop", "web", 3, nil); err != nil {
			t.Fatal(err)
		}
		if err := b.Settle(t.Context(), 3); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := b.Settle(ctx, 4); err == nil {
			t.Error("three pods are four")
		}
	})
}

// A box that can't be made leaves nothing running.
func TestNewFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(t.Context(), filepath.Join(file, "box"), Options{Nodes: Workers(1)}); err == nil {
			t.Error("a box in a file")
		}
	})
}
