package bundle

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/fleetup/fleetup/runner/parts"
)

func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"kubeadm join --token abcdef.0123456789abcdef x":                             "kubeadm join --token <redacted> x",
		"mysql -uroot --password=hunter2 shop":                                       "mysql -uroot --password=<redacted> shop",
		"DB_PASSWORD=hunter2 PATH=/bin":                                              "DB_PASSWORD=<redacted> PATH=/bin",
		`{"client_secret": "s3cret, really", "name":"x"}`:                            `{"client_secret": <redacted>, "name":"x"}`,
		`msg="login" token="abc def" user=me`:                                        `msg="login" token=<redacted> user=me`,
		"  client-key-data: LS0tLS1CRUdJTg==\n  name: x":                             "  client-key-data: <redacted>\n  name: x",
		"Authorization: Bearer abc.def":                                              "Authorization: Bearer <redacted>",
		"proxy http://me:hunter2@proxy:3128/":                                        "proxy http://me:<redacted>@proxy:3128/",
		"got eyJhbGciOiJSUzI1NiIs.eyJpc3MiOiJrdWJl.c2lnbmF0dXJl here":                "got <redacted> here",
		"key AKIAIOSFODNN7EXAMPLE":                                                   "key <redacted>",
		"root:$6$saltsalt$hashhashhash:19000":                                        "root:<redacted>:19000",
		"a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nb": "a\n<redacted>\nb",
		"cut off -----BEGIN PRIVATE KEY-----\nMIIE":                                  "cut off <redacted>",
		`auth = "dXNlcjpwdw=="`:                                                      "auth = <redacted>",
		`"auths":{"r.example":{"auth": "dXNlcjpwdw=="}}`:                             `"auths":{"r.example":{"auth": <redacted>}}`,
		"redis-server --requirepass hunter2 --port 1":                                "redis-server --requirepass <redacted> --port 1",
		"app --db-pass=hunter2":                                                      "app --db-pass=<redacted>",
		"curl -u me:hunter2 http://x":                                                "curl -u me:<redacted> http://x",
		"mysql -uroot -phunter2 shop":                                                "mysql -uroot -p<redacted> shop",
		"ipmitool -I lanplus -H 10.1.2.7 -p 623 -U ops -P hunter2 power status":      "ipmitool -I lanplus -H 10.1.2.7 -p 623 -U ops -P <redacted> power status",
		"sshpass -phunter2 ssh ops@n1":                                               "sshpass -p<redacted> ssh ops@n1",
		"ipmi-power -h bmc7 -u ops -p hunter2 --on":                                  "ipmi-power -h bmc7 -u ops -p <redacted> --on",
		"curl --proxy-user me:hunter2 http://x":                                      "curl --proxy-user me:<redacted> http://x",
		"https_proxy=http://me:hunt@r2@proxy:3128 x":                                 "https_proxy=http://me:<redacted>@proxy:3128 x",
		"amqp://a:b@c1:1,amqp://a:b@c2:1/":                                           "amqp://a:<redacted>@c1:1,amqp://a:<redacted>@c2:1/",
		`"password": 12345, "port": 22`:                                              `"password": <redacted>, "port": 22`,
		"Proxy-Authorization: Basic bWU6cHc=":                                        "Proxy-Authorization: Basic <redacted>",
		"X-Auth-Token: abc.def":                                                      "X-Auth-Token: <redacted>",
		"net.ipv4.tcp_fastopen_key = 0-1-2-3":                                        "net.ipv4.tcp_fastopen_key = <redacted>",
		// What is no secret stays as it is.
		"ps -u root -p 12":                         "ps -u root -p 12",
		"ssh -p 2222 ops@n1":                       "ssh -p 2222 ops@n1",
		"ipmitool mc info":                         "ipmitool mc info",
		"GET http://10.0.0.1:8080/a?to=b@c":        "GET http://10.0.0.1:8080/a?to=b@c",
		"registry.example.com:5000/shop@sha256:ab": "registry.example.com:5000/shop@sha256:ab",
		"kubelet[99]: E1114 kuberuntime.go:10] Failed to pull image 10.0.0.1:5000/shop/web:v1.2": "kubelet[99]: E1114 kuberuntime.go:10] Failed to pull image 10.0.0.1:5000/shop/web:v1.2",
		"-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----":                           "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
		"net.ipv4.tcp_keepalive_time = 7200":                                                     "net.ipv4.tcp_keepalive_time = 7200",
	} {
		if got := Redact(text); got != want {
			t.Errorf("%q\nbecame %q\nwant   %q", text, got, want)
		}
	}
}

// shellHost is this very machine, as far as a shell goes; files are copied.
type shellHost struct {
	t      *testing.T
	noRoom bool
	ran    []string
}

func (h *shellHost) Run(ctx context.Context, script string) (string, error) {
	h.ran = append(h.ran, script)
	if h.noRoom && strings.Contains(script, "mktemp") {
		return "", errors.New("no space left on device")
	}
	if strings.HasPrefix(script, "rm -rf ") {
		out, err := exec.CommandContext(ctx, "sh", "-c", script).Output()
		return string(out), err
	}
	script = strings.ReplaceAll(script, collectScript, "part ps\necho root x --password=hunter2\n")
	out, err := exec.CommandContext(ctx, "sh", "-c", script).Output()
	return string(out), err
}

func (h *shellHost) Download(_ context.Context, from, to string) error {
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	return err
}

func TestBundle(t *testing.T) {
	for _, noRoom := range []bool{false, true} {
		dir := t.TempDir()
		file := filepath.Join(dir, "case.tar.zst")
		w, err := Create(file, "case")
		if err != nil {
			t.Fatal(err)
		}
		h := &shellHost{t: t, noRoom: noRoom}
		err = Collect(t.Context(), h, dir, func(name, text string) error { return w.Add("nodes/n1/"+name, text) })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(file); err == nil {
			t.Error("the file is there before it is whole")
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		w.Discard()
		if got := list(t, file); got["case/nodes/n1/ps.txt"] != "root x --password=<redacted>\n" || len(got) != 1 {
			t.Errorf("in it: %q", got)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", info.Mode(), err)
		}
		if last := h.ran[len(h.ran)-1]; !noRoom && !strings.HasPrefix(last, "rm -rf /var/tmp/fleetup-") {
			t.Errorf("what lay on the machine is left there: %s", last)
		}
	}
}

// Outputs are handed over one by one as they are read, none of them larger than is held; what is cut off is handed over and said.
func TestHandOver(t *testing.T) {
	type file struct {
		name string
		size int
	}
	read := func(text string) (got []file, err error) {
		err = handOver(strings.NewReader(text), func(name, text string) error { got = append(got, file{name, len(text)}); return nil })
		return got, err
	}
	line := strings.Repeat("x", 1023) + "\n"
	got, err := read("\n#fleetup a\n1\n\n#fleetup huge\n" + strings.Repeat(line, mostPart/1024+100) + "\n#fleetup b c\n2\n\n#fleetup end\n")
	if err != nil || len(got) != 3 || got[0] != (file{"a.txt", 2}) || got[1].size > mostPart+100 || got[2] != (file{"b c.txt", 2}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := read("\n#fleetup a\n1\n\n#fleetup b\n2"); !errors.Is(err, parts.ErrCutOff) || len(got) != 2 {
		t.Errorf("cut off: %v, %v", got, err)
	}
}

// A file that could not be added is no bundle.
func TestNoCommitAfterAFailedAdd(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(filepath.Join(dir, "case.tar.zst"), "case")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.tar.Close(); err != nil { // nothing more can be written
		t.Fatal(err)
	}
	if w.Add("a", "b") == nil || w.Commit() == nil {
		t.Error("nobody was told")
	}
	w.Discard()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

func TestDiscardLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if _, err := Create(filepath.Join(dir, "nowhere", "case.tar.zst"), "case"); err == nil || !strings.HasSuffix(err.Error(), "there is no folder "+filepath.Join(dir, "nowhere")) {
		t.Error(err)
	}
	w, err := Create(filepath.Join(dir, "case.tar.zst"), "case")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Add("../../x", "y"); err != nil {
		t.Fatal(err)
	}
	w.Discard()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

// list reads a bundle.
func list(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	all := map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all[h.Name] = string(b)
	}
}

func TestCollectScript(t *testing.T) {
	if out, err := exec.CommandContext(t.Context(), "sh", "-n", "-c", parts.Script(collectScript)).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
