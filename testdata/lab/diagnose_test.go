package lab_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/runner/finding"
	"github.com/fleetup/fleetup/testdata/lab"
)

// The lab's machines share one kernel: what lasts for minutes elsewhere must show within seconds here, and a pod that is stuck
// for seconds is stuck.
const labThresholds = `
cpu_pressure_percent    = [15, 60]
memory_pressure_percent = [5, 40]
pod_terminating_minutes = [0.05, 30]
`

// diagnoseFault is something that is put into a machine, and the finding that it must be found by.
type diagnoseFault struct {
	name, rule string
	put        func(t *testing.T, l *lab.Lab, m *lab.Machine) (heal func())
}

// byScripts puts a fault there by one script, and takes it away by another.
func byScripts(put, heal string) func(*testing.T, *lab.Lab, *lab.Machine) func() {
	return func(_ *testing.T, _ *lab.Lab, m *lab.Machine) func() {
		m.Must(put)
		return func() { m.Must(heal) }
	}
}

var diagnoseFaults = []diagnoseFault{
	{"full disk", "disk-space", func(_ *testing.T, _ *lab.Lab, m *lab.Machine) func() {
		m.Must("mkdir -p /srv/data && mount -t tmpfs -o size=2m data /srv/data && { cat /dev/zero >/srv/data/full 2>/dev/null || true; }")
		return func() { m.Must("umount /srv/data") }
	}},
	{"read-only mount", "read-only-mount", byScripts("mkdir -p /srv/ro && mount -t tmpfs -o size=2m ro /srv/ro && mount -o remount,ro /srv/ro", "umount /srv/ro")},
	{"burning CPU", "cpu-busy", func(_ *testing.T, _ *lab.Lab, m *lab.Machine) func() {
		m.Must(fmt.Sprintf("for i in $(seq %d); do systemd-run --quiet --unit=burn$i sh -c 'while :; do :; done'; done; sleep 30", 2*runtime.NumCPU()))
		return func() { m.Must("systemctl stop 'burn*'") }
	}},
	{"runaway fd leak", "files-open", byScripts(
		`systemd-run --quiet --unit=leak -p LimitNOFILE=1024 perl -e 'for (1..1000) { open($f[$_], "<", "/dev/null") or die } sleep'; sleep 1`, "systemctl stop leak")},
	{"packet loss", "tcp-retransmits", func(t *testing.T, l *lab.Lab, m *lab.Machine) func() {
		peer := l.Machines[1]
		peer.Must(`systemd-run --quiet --unit=sink perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalPort => 9999, Listen => 1, ReuseAddr => 1) or die; while ($c = $s->accept) { 1 while sysread $c, $b, 65536 }'; sleep 1`)
		heal := peer.Lose(0.2)
		m.Must(`systemd-run --quiet --unit=source perl -MIO::Socket::INET -e 'for (1..40) { fork or last } while (1) { my $c = IO::Socket::INET->new(PeerAddr => "` + peer.IP + `:9999") or next; for my $i (1..20) { syswrite $c, "a" x 65536 } }'; sleep 5`)
		return func() { heal(); m.Must("systemctl stop source"); peer.Must("systemctl stop sink") }
	}},
	{"crash-looping kubelet", "unit-down", func(_ *testing.T, l *lab.Lab, m *lab.Machine) func() {
		m.Must(`mkdir -p /run/systemd/system/kubelet.service.d
printf '[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=\nExecStart=/bin/false\nRestart=always\nRestartSec=10\n' >/run/systemd/system/kubelet.service.d/crash.conf
systemctl daemon-reload; systemctl restart kubelet || true; sleep 3`)
		return func() {
			m.Must("rm -r /run/systemd/system/kubelet.service.d; systemctl daemon-reload; systemctl reset-failed kubelet; systemctl restart kubelet")
			l.WaitReady(m, "v1.36.4")
		}
	}},
	{"failing unit", "unit-failed", byScripts("systemd-run --quiet --wait --unit=broken false || true", "systemctl reset-failed broken")},
	{"expired certificate", "certificate", func(t *testing.T, _ *lab.Lab, m *lab.Machine) func() {
		m.Must("mkdir -p /etc/kubernetes/pki && cat >/etc/kubernetes/pki/apiserver.crt <<'END'\n" + expired(t) + "END")
		return func() { m.Must("rm -r /etc/kubernetes/pki") }
	}},
	{"evicted pod", "pod-evicted", func(_ *testing.T, l *lab.Lab, m *lab.Machine) func() {
		l.Apply(barePod("evicted", m.Name, ""))
		l.Kubectl("wait", "--for=condition=Ready", "--timeout=60s", "pod/evicted")
		l.Kubectl("patch", "pod", "evicted", "--subresource=status", "-p", `{"status":{"phase":"Failed","reason":"Evicted","message":"The node was low on resource: memory."}}`)
		return func() { l.Kubectl("delete", "pod", "evicted", "--force", "--grace-period=0") }
	}},
	{"stuck Terminating pod", "pod-terminating", func(_ *testing.T, l *lab.Lab, m *lab.Machine) func() {
		l.Apply(barePod("stuck", m.Name, `"example.com/keep"`))
		l.Kubectl("delete", "pod", "stuck", "--grace-period=1", "--wait=false")
		time.Sleep(6 * time.Second)
		return func() { l.Kubectl("patch", "pod", "stuck", "-p", `{"metadata":{"finalizers":null}}`) }
	}},
}

// vmFaults need a kernel, memory and a clock of the machine's own.
var vmFaults = []diagnoseFault{
	{"memory pressure", "memory-pressure", byScripts(
		`systemd-run --quiet --unit=thrash -p MemoryHigh=20M -p MemorySwapMax=0 perl -e 'push @all, "a" x (1 << 20) while @all < 100; sleep'
sleep 30`, "systemctl stop thrash")},
	{"OOM kill", "oom-kill", byScripts(
		`systemd-run --quiet --wait --unit=hungry -p MemoryMax=20M -p MemorySwapMax=0 perl -e 'push @all, "a" x (1 << 20) while 1' || true; sleep 1`, "systemctl reset-failed hungry || true")},
	{"skewed clock", "clock", byScripts("date -s '90 seconds ago' >/dev/null", "date -s '90 seconds' >/dev/null")},
}

// TestDiagnose puts each fault into a healthy machine: it is found, by the finding that names it; without any there is none.
func TestDiagnose(t *testing.T) {
	l := lab.Start(t, lab.Options{Machines: 2})
	for _, m := range l.Machines {
		m.Must(": >/etc/resolv.conf") // the lab has no name server: one that doesn't answer is a finding
	}
	allFound(t, l, l.Machines[0], diagnoseFaults)
}

// TestVMDiagnose does the same with what machines that share a kernel can't have alone.
func TestVMDiagnose(t *testing.T) {
	l, v := virtual(t)
	v.Must(": >/etc/resolv.conf")
	allFound(t, l, v.Machine, vmFaults)
}

// allFound puts one fault after the other into a machine of a fleet without findings.
func allFound(t *testing.T, l *lab.Lab, m *lab.Machine, faults []diagnoseFault) {
	t.Helper()
	inventory := l.WriteInventory(l.Hosts("root"))
	thresholds := filepath.Join(filepath.Dir(inventory), "thresholds.toml")
	if err := os.WriteFile(thresholds, []byte(labThresholds), 0o600); err != nil {
		t.Fatal(err)
	}
	waitHealthy(t, l, inventory, thresholds)
	table := "| fault | found by | severity | time |\n|---|---|---|---|\n"
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			heal := f.put(t, l, m)
			defer heal()
			begin := time.Now()
			found := diagnosedBy(t, l, inventory, thresholds, m.Name)
			took := time.Since(begin).Round(10 * time.Millisecond)
			for _, one := range found {
				if one.Rule == f.rule {
					table += fmt.Sprintf("| %s | %s: %s | %s | %s |\n", f.name, one.Rule, one.Evidence, one.Severity, took)
					return
				}
			}
			t.Errorf("%s isn't found, but %+v", f.rule, found)
		})
	}
	t.Logf("\n%s", table)
}

// waitHealthy wants a fleet without a finding: what the lab's own start did to the cores is over within two minutes.
func waitHealthy(t *testing.T, l *lab.Lab, inventory, thresholds string) {
	t.Helper()
	var found []finding.Finding
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(5 * time.Second) {
		if found = diagnosedBy(t, l, inventory, thresholds); len(found) == 0 {
			return
		}
	}
	t.Errorf("a healthy fleet has findings: %+v", found)
}

// diagnosedBy are all findings about some nodes; none named: all.
func diagnosedBy(t *testing.T, l *lab.Lab, inventory, thresholds string, nodes ...string) []finding.Finding {
	t.Helper()
	said := fleetup(t, l, 0, append([]string{"diagnose", inventory, "--thresholds", thresholds, "--output", "json"}, nodes...)...)
	var told struct {
		Nodes   []struct{ Findings []finding.Finding }
		Cluster []finding.Finding
	}
	if err := json.Unmarshal([]byte(said), &told); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	list := told.Cluster
	for _, n := range told.Nodes {
		list = append(list, n.Findings...)
	}
	return list
}

func barePod(name, node, finalizer string) string {
	return strings.NewReplacer("NAME", name, "NODE", node, "FINALIZER", finalizer).Replace(`{apiVersion: v1, kind: Pod, metadata: {name: NAME, finalizers: [FINALIZER]},
 spec: {nodeName: NODE, terminationGracePeriodSeconds: 1, containers: [{name: app, image: pause}]}}
`)
}

// expired is a certificate of yesterday.
func expired(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kube-apiserver"}, NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(0, 0, -1)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
