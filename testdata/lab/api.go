package lab

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

const (
	server  = "https://" + apiHost + ":6443"
	anyNode = "Ready" // the condition that waitNodes waits for
)

// auditPolicy notes each request once, when it has been answered, without bodies.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
`

// api is what the lab knows of its API server: credentials, and a client of a few lines for waiting.
type api struct {
	lab    *Lab
	ca     []byte
	tokens map[string]string // by user
	client *http.Client
}

func newAPI(l *Lab) (*api, error) {
	ca, err := makeCertificates(l.Dir)
	if err != nil {
		return nil, err
	}
	a := &api{lab: l, ca: ca, tokens: map[string]string{}}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	a.client = &http.Client{Transport: &http.Transport{
		DialContext:     l.DialContext,
		TLSClientConfig: &tls.Config{RootCAs: roots},
	}}
	return a, errors.Join(
		a.writeTokens(),
		a.writeKubeconfig(l.Kubeconfig, "admin"),
		a.writeKubeconfig(l.UserKubeconfig, "fleetup"),
		os.WriteFile(filepath.Join(l.Dir, "audit.yaml"), []byte(auditPolicy), 0o644))
}

// writeTokens makes a token for each user. RBAC gives the administrator's group everything, a node's what a kubelet
// needs, and fleetup's nothing.
func (a *api) writeTokens() error {
	groups := map[string]string{"admin": "system:masters", "fleetup": "fleetup"}
	for _, m := range a.lab.Machines {
		groups["system:node:"+m.Name] = "system:nodes"
	}
	var file strings.Builder
	for user, group := range groups {
		a.tokens[user] = rand.Text()
		fmt.Fprintf(&file, "%s,%s,%s,%s\n", a.tokens[user], user, user, group)
	}
	return os.WriteFile(filepath.Join(a.lab.Dir, "tokens.csv"), []byte(file.String()), 0o600)
}

func (a *api) kubeconfig(user string) ([]byte, error) {
	type object = map[string]any
	return json.MarshalIndent(object{ // JSON is YAML
		"apiVersion": "v1", "kind": "Config", "current-context": "lab",
		"clusters": []object{{"name": "lab", "cluster": object{"server": server, "certificate-authority-data": a.ca}}},
		"users":    []object{{"name": user, "user": object{"token": a.tokens[user]}}},
		"contexts": []object{{"name": "lab", "context": object{"cluster": "lab", "user": user}}},
	}, "", "  ")
}

func (a *api) writeKubeconfig(path, user string) error {
	data, err := a.kubeconfig(user)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

// startAPI starts etcd and the API server at once: the latter waits for the former by itself.
func (l *Lab) startAPI(context.Context) error {
	key := filepath.Join(l.Dir, "server.key")
	if err := l.daemon("etcd", "--unsafe-no-fsync", "--log-level=warn", "--data-dir="+filepath.Join(l.Dir, "etcd")); err != nil {
		return err
	}
	return l.daemon("kube-apiserver",
		"--etcd-servers=http://127.0.0.1:2379", "--endpoint-reconciler-type=none",
		"--secure-port=6443", "--bind-address=0.0.0.0", "--advertise-address="+apiHost,
		"--tls-cert-file="+filepath.Join(l.Dir, "server.crt"), "--tls-private-key-file="+key,
		"--kubelet-client-certificate="+filepath.Join(l.Dir, "kubelet-client.crt"), "--kubelet-client-key="+filepath.Join(l.Dir, "kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname", // as kubeadm has it; the names mean nothing here
		"--cert-dir="+l.Dir, "--token-auth-file="+filepath.Join(l.Dir, "tokens.csv"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--disable-admission-plugins=ServiceAccount", // its pods would wait for tokens that no container here reads
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+key, "--service-account-signing-key-file="+key,
		"--service-cluster-ip-range=10.96.0.0/16", "--allow-privileged=true", "--profiling=false",
		"--audit-policy-file="+filepath.Join(l.Dir, "audit.yaml"), "--audit-log-path="+l.auditLog())
}

func (l *Lab) startControllers(ctx context.Context) error {
	if err := l.api.wait(ctx, "the API server", func() (string, error) {
		return "", l.api.get(ctx, "/readyz", nil)
	}); err != nil {
		return err
	}
	key := filepath.Join(l.Dir, "server.key")
	// A node counts as gone after 20 s rather than 50: tests wait for it.
	if err := l.daemon("kube-controller-manager", "--kubeconfig="+l.Kubeconfig, "--leader-elect=false", "--secure-port=0",
		"--service-account-private-key-file="+key, "--root-ca-file="+filepath.Join(l.Dir, "ca.crt"),
		"--node-monitor-grace-period=20s", "--profiling=false"); err != nil {
		return err
	}
	return l.daemon("kube-scheduler", "--kubeconfig="+l.Kubeconfig, "--leader-elect=false", "--secure-port=0", "--profiling=false")
}

func (l *Lab) daemon(name string, arguments ...string) error {
	p, err := l.spawn(name, filepath.Join(l.Dir, name+".log"), nil, filepath.Join(l.parts.bin, name), arguments...)
	if err != nil {
		return err
	}
	d := &daemon{process: p, arguments: arguments}
	l.mu.Lock()
	l.daemons[name] = d
	l.mu.Unlock()
	l.owned.Go(func() {
		<-p.done
		if !d.killed.Load() {
			l.cancel(fmt.Errorf("lab: %s has ended: %w", name, p.err)) // says nothing new where the lab ended it
		}
	})
	return nil
}

// daemon is one program of the control plane.
type daemon struct {
	*process
	arguments []string
	killed    atomic.Bool // by a test
}

// KillAPI ends the API server as SIGKILL does. What it returns starts it again, and returns once it serves.
func (l *Lab) KillAPI() (restart func()) {
	const name = "kube-apiserver"
	l.mu.Lock()
	d := l.daemons[name]
	l.mu.Unlock()
	d.killed.Store(true)
	_ = d.cmd.Process.Kill()
	<-d.done
	return func() {
		err := l.daemon(name, d.arguments...)
		if err == nil {
			err = l.api.wait(l.ctx, "the API server", func() (string, error) { return "", l.api.get(l.ctx, "/readyz", nil) })
		}
		if err != nil {
			l.fail("lab: %v", err)
		}
	}
}

// waitNodes waits until every machine that has a kubelet is a Ready node, and the taint that it had before is gone:
// until then pods go elsewhere.
func (l *Lab) waitNodes(ctx context.Context) error {
	return l.api.wait(ctx, "nodes", func() (string, error) {
		nodes, err := l.Nodes(ctx)
		if err != nil {
			return "", err
		}
		for _, m := range l.Machines {
			node := nodes[m.Name]
			if m.kind != bastion && (!node.Ready || node.Tainted) {
				return m.Name + " is not Ready, or tainted as if it were not", nil
			}
		}
		return "", nil
	})
}

// Node is what the API says of a node.
type Node struct {
	Ready, Unschedulable, Tainted bool

	Version     string // of the kubelet, with its v
	Annotations map[string]string
}

// Nodes asks the API for all nodes, by name.
func (l *Lab) Nodes(ctx context.Context) (map[string]Node, error) {
	var list struct {
		Items []struct {
			Metadata struct {
				Name        string
				Annotations map[string]string
			}
			Spec struct {
				Unschedulable bool
				Taints        []struct{ Key string }
			}
			Status struct {
				Conditions []struct{ Type, Status string }
				NodeInfo   struct{ KubeletVersion string }
			}
		}
	}
	if err := l.api.get(ctx, "/api/v1/nodes", &list); err != nil {
		return nil, err
	}
	nodes := map[string]Node{}
	for _, item := range list.Items {
		node := Node{
			Unschedulable: item.Spec.Unschedulable,
			Tainted:       len(item.Spec.Taints) > 0,
			Version:       item.Status.NodeInfo.KubeletVersion,
			Annotations:   item.Metadata.Annotations,
		}
		for _, condition := range item.Status.Conditions {
			node.Ready = node.Ready || condition.Type == anyNode && condition.Status == "True"
		}
		nodes[item.Metadata.Name] = node
	}
	return nodes, nil
}

// get asks as the administrator and decodes the answer into v, unless that is nil.
func (a *api) get(ctx context.Context, path string, v any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+a.tokens["admin"])
	request.Header.Set("User-Agent", "lab")
	response, err := a.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(response.Body, 500))
		return fmt.Errorf("GET %s: %s: %s", path, response.Status, body)
	}
	if v == nil {
		_, err := io.Copy(io.Discard, response.Body)
		return err
	}
	return json.NewDecoder(response.Body).Decode(v)
}

// wait asks until state answers "", for as long as the lab's patience lasts, and says what it waited for if it never does.
func (a *api) wait(ctx context.Context, what string, state func() (string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, a.lab.patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		left, err := state()
		if left == "" && err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-a.lab.ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, context.Cause(a.lab.ctx))
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waiting for %s: %w %s", what, ctx.Err(), left), err)
		}
	}
}
