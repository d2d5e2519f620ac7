// Package box is a small data centre in a process: simulated machines (runner/remote/remotetest) joined to a simulated
// API server (kube/kubetest), with the files that fleetup needs to reach them: inventory, kubeconfig, key, known_hosts.
//
//	b, err := box.New(ctx, dir, box.Options{Nodes: box.Workers(6)})
//	defer b.Close()
//	// b.Inventory("[upgrade]\nkubelet = \"1.37.2\"") writes an inventory; b.Dial reaches machines and API in memory
//
// `fleetup demo` and the tests of commands run the very code of a real run against it: real SSH, SFTP and HTTP, real
// scripts in a real shell. It works in virtual time, in a testing/synctest bubble, too. With Options.Doors other processes
// reach it: `make box` leaves one up to play with.
package box

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fleetup/fleetup/kube/kubetest"
	"github.com/fleetup/fleetup/runner/remote/remotetest"
)

// Node is one machine of the box that is a node of its cluster.
type Node struct {
	Name   string
	Groups []string
	Labels map[string]string // of host and Node object
	Spare  bool              // of the host; its Node is cordoned, as its owner keeps it
	// Machine changes how the machine is made; may be nil.
	Machine func(*remotetest.Options)
}

// Workers are n nodes, n1, n2, …, of the group workers, three to a rack.
func Workers(n int) []Node {
	nodes := make([]Node, n)
	for i := range nodes {
		nodes[i] = Node{
			Name: fmt.Sprintf("n%d", i+1), Groups: []string{"workers"},
			Labels: map[string]string{"rack": fmt.Sprintf("r%d", i/3+1)},
		}
	}
	return nodes
}

// Options say what is in the box and how quick it is.
type Options struct {
	Nodes   []Node
	Cluster kubetest.Config
	// InstallTime and RebootTime are those of every machine; zero: remotetest's.
	InstallTime, RebootTime time.Duration
	// BMC gives every machine a BMC with Redfish.
	BMC bool
	// Doors lets other processes in: machines, BMCs and API server are at ports of 127.0.0.1, which the box's files name.
	Doors bool
}

// Box is a running data centre. Its files lie in Dir.
type Box struct {
	Dir      string
	API      *kubetest.Server
	Machines map[string]*remotetest.Machine // by node name
	Net      *remotetest.Network
	Repo     *remotetest.Repo

	options Options
	key     ssh.Signer
	bmcs    bmcs
	doors   doors
}

// apiHost is the name that the box's kubeconfig uses where there are no doors; nothing outside of the box answers to it.
const apiHost = "kubetest"

// New starts the data centre with its files in dir. Close ends it.
func New(ctx context.Context, dir string, o Options) (*Box, error) {
	b := &Box{
		Dir: dir, API: kubetest.New(ctx, o.Cluster), Machines: map[string]*remotetest.Machine{},
		Net: &remotetest.Network{}, Repo: remotetest.NewRepo(), options: o,
	}
	err := b.start()
	if err == nil {
		err = b.joined(ctx)
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Box) start() error {
	if err := os.MkdirAll(b.Dir, 0o700); err != nil {
		return err
	}
	if err := b.writeKey(); err != nil {
		return err
	}
	for i, n := range b.options.Nodes {
		if err := b.addNode(i, n); err != nil {
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
	}
	if err := b.startBMCs(); err != nil {
		return err
	}
	if err := b.openDoors(); err != nil {
		return err
	}
	if err := b.API.WriteKubeconfig(b.path("kubeconfig"), "http://"+strings.TrimSuffix(b.doors.at(apiHost+":80"), ":80")); err != nil {
		return err
	}
	return b.WriteKnownHosts()
}

// openDoors lets other processes in, where the options say so.
func (b *Box) openDoors() error {
	if !b.options.Doors {
		return nil
	}
	addresses := []string{apiHost + ":80"}
	for i := range b.options.Nodes {
		addresses = append(addresses, sshAddress(i))
	}
	for at := range b.bmcs.at {
		addresses = append(addresses, at)
	}
	return b.doors.open(b.Dial, addresses...)
}

// joined waits until the API says of every node what its machine runs.
func (b *Box) joined(ctx context.Context) error {
	return b.until(ctx, func() bool {
		for _, n := range kubetest.List[*corev1.Node](b.API, "") {
			if m := b.Machines[n.Name]; m != nil && n.Status.NodeInfo.BootID != m.BootID() {
				return false
			}
		}
		return true
	})
}

// Close ends machines and API.
func (b *Box) Close() {
	b.doors.close()
	b.bmcs.close()
	b.Net.Close()
	b.API.Close()
}

func (b *Box) path(name string) string { return filepath.Join(b.Dir, name) }

// writeKey makes the key that every machine knows.
func (b *Box) writeKey() error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	if b.key, err = ssh.NewSignerFromKey(private); err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, "fleetup box")
	if err != nil {
		return err
	}
	return os.WriteFile(b.path("key"), pem.EncodeToMemory(block), 0o600)
}

// Address is where the i-th node's machine is, from zero.
func Address(i int) string { return fmt.Sprintf("10.0.%d.%d", i/200, i%200+11) }

// sshAddress is where its sshd is.
func sshAddress(i int) string { return net.JoinHostPort(Address(i), "22") }

// addNode makes the machine and joins it: its kubelet's starts and stops are what the API hears of the node.
func (b *Box) addNode(i int, n Node) error {
	o := remotetest.Options{
		Name: n.Name, AuthorizedKeys: []ssh.PublicKey{b.key.PublicKey()}, Repo: b.Repo,
		InstallTime: b.options.InstallTime, RebootTime: b.options.RebootTime,
	}
	if n.Machine != nil {
		n.Machine(&o)
	}
	m, err := remotetest.New(o)
	if err != nil {
		return err
	}
	b.Machines[n.Name] = m
	b.Net.Add(sshAddress(i), m)
	if err := b.API.AddNode(n.Name, n.Labels); err != nil {
		return err
	}
	if n.Spare {
		err := kubetest.Change(b.API, "", n.Name, func(n *corev1.Node) { n.Spec.Unschedulable = true })
		if err != nil {
			return err
		}
	}
	m.OnKubelet(func(up bool, version string) {
		if !up {
			b.API.StopKubelet(n.Name)
			return
		}
		config, _ := m.KubeletConfig() // it runs, so it can be read
		b.API.Kubelet(n.Name, kubetest.KubeletStatus{
			Config: config, Allocatable: allocatable(config),
			Version: version, KernelVersion: m.Kernel(), BootID: m.BootID(),
			OSImage: "Debian GNU/Linux 12 (bookworm)", ContainerRuntimeVersion: "containerd://" + m.Installed("containerd"),
		})
	})
	return nil
}

// allocatable is what a kubelet leaves to pods of the 8 CPUs and 32 GiB that the box's machines have.
func allocatable(config map[string]any) corev1.ResourceList {
	left := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("32Gi"),
		corev1.ResourcePods: resource.MustParse(fmt.Sprint(config["maxPods"])), corev1.ResourceEphemeralStorage: resource.MustParse("100Gi"),
	}
	for _, field := range []string{"kubeReserved", "systemReserved"} {
		kept, _ := config[field].(map[string]any)
		for name, amount := range kept {
			rest := left[corev1.ResourceName(name)]
			rest.Sub(resource.MustParse(fmt.Sprint(amount)))
			left[corev1.ResourceName(name)] = rest
		}
	}
	return left
}

// WriteKnownHosts writes the machines' keys of this moment.
func (b *Box) WriteKnownHosts() error {
	var lines strings.Builder
	for i, n := range b.options.Nodes {
		lines.WriteString(knownhosts.Line([]string{b.doors.at(sshAddress(i))}, b.Machines[n.Name].HostKey()) + "\n")
	}
	return os.WriteFile(b.path("known_hosts"), []byte(lines.String()), 0o600)
}

// Dial reaches the API and the machines, and nothing else.
func (b *Box) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if host, _, err := net.SplitHostPort(addr); err == nil && host == apiHost {
		return b.API.Dial(ctx, network, addr)
	}
	if l := b.bmcs.at[addr]; l != nil {
		return l.dial(ctx)
	}
	return b.Net.Dial(ctx, network, addr)
}

// Head is the first part of an inventory of the box: cluster, ssh and hosts.
func (b *Box) Head() string {
	var t strings.Builder
	t.WriteString("[cluster]\nkubeconfig = \"kubeconfig\"\n\n[ssh]\nuser = \"ops\"\nidentity_files = [\"key\"]\nknown_hosts = [\"known_hosts\"]\n\n[hosts]\n")
	for i, n := range b.options.Nodes {
		host, port, _ := net.SplitHostPort(b.doors.at(sshAddress(i)))
		fmt.Fprintf(&t, "%-4s = { address = %q", n.Name, host)
		if port != "22" {
			fmt.Fprintf(&t, ", port = %s", port)
		}
		if len(n.Groups) > 0 {
			fmt.Fprintf(&t, ", groups = [%q]", n.Groups[0])
		}
		if rack := n.Labels["rack"]; rack != "" {
			fmt.Fprintf(&t, ", labels = { rack = %q }", rack)
		}
		if b.options.BMC {
			fmt.Fprintf(&t, ",\n       bmc = { type = \"redfish\", address = %q, user = \"admin\", password = { file = \"bmc-password\" },\n               fingerprint = %q }", b.doors.at(bmcAddress(i)), b.bmcs.print)
		}
		if n.Spare {
			t.WriteString(", spare = true")
		}
		t.WriteString(" }\n")
	}
	return t.String()
}

// Inventory writes an inventory of the box's hosts with the rest given, and returns its path.
func (b *Box) Inventory(rest string) (string, error) {
	path := b.path("inventory.toml")
	return path, os.WriteFile(path, []byte(b.Head()+"\n"+rest), 0o600)
}

// Shop runs a small shop in the cluster, and waits until its pods are Ready: a Deployment and a StatefulSet with their
// Services and budgets, and a DaemonSet. It needs three nodes.
func (b *Box) Shop(ctx context.Context) error {
	err := errors.Join(
		b.API.AddDeployment("shop", "web", 4, nil), b.API.AddPDB("shop", "web", "web", "3", ""), b.API.AddService("shop", "web", "web"),
		b.API.AddStatefulSet("shop", "db", 2, nil), b.API.AddPDB("shop", "db", "db", "", "1"), b.API.AddService("shop", "db", "db"),
		b.API.AddDaemonSet("kube-system", "cni", nil),
	)
	if err != nil {
		return err
	}
	return b.Settle(ctx, 6+len(b.options.Nodes))
}

// Settle waits until so many pods are Ready.
func (b *Box) Settle(ctx context.Context, pods int) error {
	return b.until(ctx, func() bool {
		ready := 0
		for _, p := range kubetest.List[*corev1.Pod](b.API, "") {
			for _, c := range p.Status.Conditions {
				if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
					ready++
				}
			}
		}
		return ready >= pods
	})
}

// until waits for a condition of the box.
func (b *Box) until(ctx context.Context, holds func() bool) error {
	for !holds() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}
