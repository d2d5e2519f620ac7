package audit

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate is a certificate with its key behind it, as kubelet-client-current.pem is.
func certificate(t *testing.T, ends ...time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, end := range ends {
		c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: end.AddDate(-1, 0, 0), NotAfter: end}
		der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	_ = pem.Encode(&out, &pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	return out.Bytes()
}

// onDisk runs the script with a real /bin/sh over a folder that stands for /etc, /var and /proc.
func onDisk(t *testing.T, files map[string]string) func(context.Context, string) (string, error) {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(strings.ReplaceAll(text, "ROOT", root)), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return func(ctx context.Context, script string) (string, error) {
		script = strings.NewReplacer("/etc/", root+"/etc/", "/var/", root+"/var/", "/proc/", root+"/proc/").Replace(script)
		out, err := exec.CommandContext(ctx, "/bin/sh", "-c", script).Output()
		return strings.ReplaceAll(string(out), root, ""), err
	}
}

// TestLook reads a machine: certificates by the first that ends and without their keys, sysctls, and the kubelet's files with
// the drop-in over them.
func TestLook(t *testing.T) {
	first, later := now.AddDate(0, 0, 12), now.AddDate(1, 0, 0)
	files := map[string]string{
		"etc/kubernetes/pki/apiserver.crt":               string(certificate(t, later, first)),
		"var/lib/kubelet/pki/kubelet-client-current.pem": string(certificate(t, later)),
		"etc/kubernetes/pki/ca.crt":                      "no certificate",
		"etc/kubernetes/scheduler.conf":                  "    client-certificate-data: " + base64.StdEncoding.EncodeToString(certificate(t, first)) + "\n    client-key-data: U0VDUkVU\n",
		"etc/kubernetes/kubelet.conf":                    "    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem\n",
		"proc/uptime":                                    "864000.53 1.0\n",
		"proc/sys/vm/swappiness":                         "60\n",
		"proc/sys/net/ipv4/ip_local_port_range":          "32768\t60999\n",
		"var/lib/kubelet/config.yaml":                    "kind: KubeletConfiguration\nmaxPods: 50\nkubeReserved: {cpu: 100m}\n",
		"etc/default/kubelet":                            "KUBELET_EXTRA_ARGS=\"--v=2 --config-dir=ROOT/etc/kubernetes/kubelet.conf.d\"\n",
		"etc/kubernetes/kubelet.conf.d/90-fleetup.conf":  "kind: KubeletConfiguration\nkubeReserved: {memory: 1Gi}\n",
		"etc/kubernetes/kubelet.conf.d/README":           "kind: [\n",
		"etc/kubernetes/pki/etcd/server.crt":             string(certificate(t, later)),
		"var/lib/kubelet/kubeadm-flags.env":              "KUBELET_KUBEADM_ARGS=\"\"\n",
	}
	run := onDisk(t, files)
	sent := ""
	m, k, err := Look(context.Background(), func(ctx context.Context, script string) (string, error) {
		out, err := run(ctx, script)
		sent = out
		return out, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(sent, "PRIVATE KEY") || strings.Contains(sent, "U0VDUkVU") {
		t.Error("a private key left the machine")
	}
	ends := map[string]time.Time{}
	for _, c := range m.Certificates {
		ends[c.Path] = c.NotAfter
	}
	if len(ends) != 4 || !ends["/etc/kubernetes/scheduler.conf"].Equal(first) || !ends["/etc/kubernetes/pki/apiserver.crt"].Equal(first) || !ends["/var/lib/kubelet/pki/kubelet-client-current.pem"].Equal(later) {
		t.Errorf("certificates: %v", ends)
	}
	if m.Uptime != 240*time.Hour || m.Alike["sysctl vm.swappiness"] != "60" || m.Alike["sysctl net.ipv4.ip_local_port_range"] != "32768 60999" || m.Alike["kernel"] == "" {
		t.Errorf("%v %v", m.Uptime, m.Alike)
	}
	if k == nil || k.MaxPods != 50 || k.KubeReserved["memory"] != "1Gi" || k.KubeReserved["cpu"] != "100m" {
		t.Errorf("the kubelet's files: %+v", k)
	}

	files["etc/default/kubelet"] = "KUBELET_EXTRA_ARGS=--kube-reserved=cpu=1\n"
	if _, k, err = Look(context.Background(), onDisk(t, files)); err != nil || k != nil {
		t.Errorf("with a flag that outranks the files: %+v, %v", k, err)
	}
	cut := func(context.Context, string) (string, error) { return "\n#fleetup uptime\n12", nil }
	if _, _, err = Look(context.Background(), cut); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("half an answer: %v", err)
	}
}
