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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/runner/finding"
	"github.com/fleetup/fleetup/testdata/lab"
)

// diagnoseFault is something that is put into a machine, and the finding that it must be found by. All are judged by the default
// thresholds, but for those that a fault names: what would take minutes there shall not take minutes here.
type diagnoseFault struct {
	name, rule string
	put        func(t *testing.T, l *lab.Lab, m *lab.Machine) (heal func())
	thresholds string
}

// waitPressure is a script that waits until tasks have waited for a resource for a while: an average rises slowly.
func waitPressure(resource string, percent int) string {
	return fmt.Sprintf(`for i in $(seq 180); do awk '/^some/ { sub("avg60=", "", $3); exit !($3 > %d) }' /proc/pressure/%s && exit 0; sleep 1; done; exit 1`, percent, resource)
}

// nameServer is where the lab's machines ask for names, which it has none of.
const nameServer = "10.213.0.1"

// byScripts puts a fault there by one script, and takes it away by another.
func byScripts(put, heal string) func(*testing.T, *lab.Lab, *lab.Machine) func() {
	return func(_ *testing.T, _ *lab.Lab, m *lab.Machine) func() {
		m.Must(put)
		return func() { m.Must(heal) }
	}
}

var diagnoseFaults = []diagnoseFault{
	{name: "full disk", rule: "disk-space", put: func(_ *testing.T, _ *lab.Lab, m *lab.Machine) func() {
		m.Must("mkdir -p /srv/data && mount -t tmpfs -o size=2m data /srv/data && { cat /dev/zero >/srv/data/full 2>/dev/null || true; }")
		return func() { m.Must("umount /srv/data") }
	}},
	{name: "read-only mount", rule: "read-only-mount", put: byScripts("mkdir -p /srv/ro && mount -t tmpfs -o size=2m ro /srv/ro && mount -o remount,ro /srv/ro", "umount /srv/ro")},
	{name: "burning CPU", rule: "cpu-busy", put: func(_ *testing.T, _ *lab.Lab, m *lab.Machine) func() {
		m.Must(fmt.Sprintf("for i in $(seq %d); do systemd-run --quiet --unit=burn$i sh -c 'while :; do :; done'; done; %s", 2*runtime.NumCPU(), waitPressure("cpu", 26)))
		return func() { m.Must("systemctl stop 'burn*'") }
	}},
	{name: "runaway fd leak", rule: "files-open", put: byScripts(
		`systemd-run --quiet --unit=leak -p LimitNOFILE=1024 perl -e 'for (1..1000) { open($f[$_], "<", "/dev/null") or die } sleep'; sleep 1`, "systemctl stop leak")},
	{name: "packet loss", rule: "tcp-retransmits", put: func(t *testing.T, l *lab.Lab, m *lab.Machine) func() {
		peer := l.Machines[1]
		peer.Must(`systemd-run --quiet --unit=sink perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalPort => 9999, Listen => 1, ReuseAddr => 1) or die; while ($c = $s->accept) { 1 while sysread $c, $b, 65536 }'; sleep 1`)
		heal := peer.Lose(0.2)
		m.Must(`systemd-run --quiet --unit=source perl -MIO::Socket::INET -e 'for (1..40) { fork or last } while (1) { my $c = IO::Socket::INET->new(PeerAddr => "` + peer.IP + `:9999") or next; for my $i (1..20) { syswrite $c, "a" x 65536 } }'; sleep 5`)
		return func() { heal(); m.Must("systemctl stop source"); peer.Must("systemctl stop sink") }
	}},
	{name: "crash-looping kubelet", rule: "unit-down", put: func(_ *testing.T, l *lab.Lab, m *lab.Machine) func() {
		m.Must(`mkdir -p /run/systemd/system/kubelet.service.d
printf '[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=\nExecStart=/bin/false\nRestart=always\nRestartSec=10\n' >/run/systemd/system/kubelet.service.d/crash.conf
systemctl daemon-reload; systemctl restart kubelet || true; sleep 3`)
		return func() {
			m.Must("rm -r /run/systemd/system/kubelet.service.d; systemctl daemon-reload; systemctl reset-failed kubelet; systemctl restart kubelet")
			l.WaitReady(m, "v1.36.4")
		}
	}},
	{name: "stopped kubelet", rule: "unit-stopped", put: func(_ *testing.T, l *lab.Lab, m *lab.Machine) func() {
		m.Must("systemctl stop kubelet")
		return func() { m.Must("systemctl start kubelet"); l.WaitReady(m, "v1.36.4") }
	}},
	{name: "name server that refuses", rule: "dns-away", put: func(_ *testing.T, l *lab.Lab, m *lab.Machine) func() {
		l.NameServer("10.213.0.3", lab.Refused)
		m.Must("echo nameserver 10.213.0.3 >/etc/resolv.conf")
		return func() { m.Must("echo nameserver " + nameServer + " >/etc/resolv.conf") }
	}},
	{name: "name server that is away", rule: "dns-away", put: byScripts("echo nameserver 10.213.0.4 >/etc/resolv.conf", "echo nameserver "+nameServer+" >/etc/resolv.conf")},
	{name: "failing unit", rule: "unit-failed", put: byScripts("systemd-run --quiet --wait --unit=broken false || true", "systemctl reset-failed broken")},
	{name: "expired certificate", rule: "certificate", put: func(t *testing.T, _ *lab.Lab, m *lab.Machine) func() {
		m.Must("mkdir -p /etc/kubernetes/pki && cat >/etc/kubernetes/pki/apiserver.crt <<'END'\n" + expired(t) + "END")
		return func() { m.Must("rm -r /etc/kubernetes/pki") }
	}},
	{name: "evicted pod", rule: "pod-evicted", put: func(_ *testing.T, l *lab.Lab, m *lab.Machine) func() {
		l.Apply(barePod("evicted", m.Name, ""))
		l.Kubectl("wait", "--for=condition=Ready", "--timeout=60s", "pod/evicted")
		l.Kubectl("patch", "pod", "evicted", "--subresource=status", "-p", `{"status":{"phase":"Failed","reason":"Evicted","message":"The node was low on resource: memory."}}`)
		return func() { l.Kubectl("delete", "pod", "evicted", "--force", "--grace-period=0") }
	}},
	{name: "stuck Terminating pod", rule: "pod-terminating", put: func(_ *testing.T, l *lab.Lab, m *lab.Machine) func() {
		l.Apply(barePod("stuck", m.Name, `"example.com/keep"`))
		l.Kubectl("delete", "pod", "stuck", "--grace-period=1", "--wait=false")
		time.Sleep(6 * time.Second)
		return func() { l.Kubectl("patch", "pod", "stuck", "-p", `{"metadata":{"finalizers":null}}`) }
	}, thresholds: "pod_terminating_minutes = [0.05, 30]\n"},
}

// vmFaults need a kernel, memory and a clock of the machine's own.
var vmFaults = []diagnoseFault{
	{name: "memory pressure", rule: "memory-pressure", put: byScripts(
		`systemd-run --quiet --unit=thrash -p MemoryHigh=20M -p MemorySwapMax=0 perl -e 'push @all, "a" x (1 << 20) while @all < 100; sleep'
`+waitPressure("memory", 11), "systemctl stop thrash"), thresholds: "memory_pressure_percent = [5, 40]\n"}, // it falls while it is looked at
	{name: "OOM kill", rule: "oom-kill", put: byScripts(
		`systemd-run --quiet --wait --unit=hungry -p MemoryMax=20M -p MemorySwapMax=0 perl -e 'push @all, "a" x (1 << 20) while 1' || true; sleep 1`, "systemctl reset-failed hungry || true")},
	{name: "skewed clock", rule: "clock", put: byScripts("date -s '90 seconds ago' >/dev/null", "date -s '90 seconds' >/dev/null")},
}

// TestDiagnose puts each fault into a healthy machine: it is found, by the finding that names it; without any there is none.
func TestDiagnose(t *testing.T) {
	l := lab.Start(t, lab.Options{Machines: 2})
	l.NameServer(nameServer, lab.NoSuchName)
	for _, m := range l.Machines {
		m.Must("echo nameserver " + nameServer + " >/etc/resolv.conf")
	}
	allFound(t, l, l.Machines[0], diagnoseFaults)
}

// keptClock makes the kernel believe, as a time service does, that the clock is right to a moment: adjtimex(2), number 159 on x86-64,
// with ADJ_MAXERROR, ADJ_ESTERROR and ADJ_STATUS, and STA_PLL. The lab has nothing to ask for the time.
const keptClock = `perl -e '$t = pack("Ix4qqqqix4", 0x1c, 0, 0, 0, 0, 1) . "\0" x 200; syscall(159, $t) >= 0 or die "adjtimex: $!"'`

// TestVMDiagnose does the same with what machines that share a kernel can't have alone.
func TestVMDiagnose(t *testing.T) {
	l, v := virtual(t, lab.Options{})
	l.NameServer(nameServer, lab.NoSuchName)
	v.Must("echo nameserver " + nameServer + " >/etc/resolv.conf")
	v.Must(keptClock)
	allFound(t, l, v.Machine, vmFaults)
}

// allFound puts one fault after the other into a machine of a fleet without findings.
func allFound(t *testing.T, l *lab.Lab, m *lab.Machine, faults []diagnoseFault) {
	t.Helper()
	inventory := l.WriteInventory(l.Hosts("root"))
	waitHealthy(t, l, inventory)
	table := "| fault | found by | severity | time |\n|---|---|---|---|\n"
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			heal := f.put(t, l, m)
			defer heal()
			thresholds := filepath.Join(t.TempDir(), "thresholds.toml")
			if err := os.WriteFile(thresholds, []byte(f.thresholds), 0o600); err != nil {
				t.Fatal(err)
			}
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
func waitHealthy(t *testing.T, l *lab.Lab, inventory string) {
	t.Helper()
	var found []finding.Finding
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(5 * time.Second) {
		found = slices.DeleteFunc(diagnosedBy(t, l, inventory, ""), func(f finding.Finding) bool { return f.Rule == "cpu-busy" && hostBusy(t) })
		if len(found) == 0 {
			return
		}
	}
	t.Errorf("a healthy fleet has findings: %+v", found)
}

// hostBusy reports whether tasks wait for this host's cores. The machines have no others: what else runs here is true of them too.
func hostBusy(t *testing.T) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/pressure/cpu")
	var ten, minute float64
	if err == nil {
		_, err = fmt.Sscanf(string(text), "some avg10=%f avg60=%f", &ten, &minute)
	}
	if err != nil {
		t.Fatal(err)
	}
	return minute > 20
}

// diagnosedBy are all findings about some nodes, by thresholds of their own ("": the defaults); none named: all.
func diagnosedBy(t *testing.T, l *lab.Lab, inventory, thresholds string, nodes ...string) []finding.Finding {
	t.Helper()
	arguments := append([]string{"diagnose", inventory, "--output", "json"}, nodes...)
	if thresholds != "" {
		arguments = append(arguments, "--thresholds", thresholds)
	}
	said := fleetup(t, l, 0, arguments...)
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
