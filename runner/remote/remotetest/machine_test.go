package remotetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pkg/sftp"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// box makes a machine in a bubble and hands it over with a way to log in.
func box(t *testing.T, o Options, do func(t *testing.T, m *Machine, login func(user string) *ssh.Client)) {
	t.Helper()
	key, err := newHostKey()
	if err != nil {
		t.Fatal(err)
	}
	o.AuthorizedKeys = append(o.AuthorizedKeys, key.PublicKey())
	synctest.Test(t, func(t *testing.T) {
		m, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		var clients []*ssh.Client
		defer func() {
			for _, c := range clients {
				c.Close()
			}
			m.Close()
			synctest.Wait()
		}()
		do(t, m, func(user string) *ssh.Client {
			c, err := dialSSH(m.Dial, m, user, key)
			if err != nil {
				t.Fatal(err)
			}
			clients = append(clients, c)
			return c
		})
	})
}

type dialer = func(context.Context, string, string) (netConn, error)

func run(t *testing.T, c *ssh.Client, command, stdin string) (stdout, stderr string, status int) {
	t.Helper()
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var out, errs bytes.Buffer
	s.Stdin, s.Stdout, s.Stderr = strings.NewReader(stdin), &out, &errs
	err = s.Run(command)
	var exit *ssh.ExitError
	switch {
	case errors.As(err, &exit):
		status = exit.ExitStatus()
	case err != nil:
		t.Fatalf("%s: %v (stderr %q)", command, err, errs.String())
	}
	return out.String(), errs.String(), status
}

func TestExec(t *testing.T) {
	box(t, Options{}, func(t *testing.T, m *Machine, login func(string) *ssh.Client) {
		c := login("root")
		for _, tt := range []struct {
			command, stdin, out string
			status              int
		}{
			{"echo hello", "", "hello\n", 0},
			{`sh -c 'eval "$(cat)"'`, "x=3\necho $((x+4)) | tr 7 8\nexit 9\n", "8\n", 9},
			{`sh -s a b`, "echo $# $2", "2 b\n", 0},
			{`echo "$(printf 'a\nb\n' | wc -l)"`, "", "2\n", 0},
			{"(sleep 120; echo late) | cat", "", "late\n", 0},
			{"sleep 60 & wait $!; echo done", "", "done\n", 0},
			{"set -e; false || true; false; echo no", "", "", 1},
			{"exec 9>/tmp/l; flock -n 9 && echo got; flock -n /tmp/l true || echo busy", "", "got\nbusy\n", 0},
			{"trap 'echo bye' EXIT; exit 3", "", "bye\n", 3},
			{"for i in 1 2 3; do [ $i = 2 ] && continue; echo $i; done", "", "1\n3\n", 0},
			{"f() { local x=in; echo $x; return 4; }; x=out; f; echo $? $x", "", "in\n4 out\n", 0},
			{"case abc in a*) echo yes ;; *) echo no ;; esac", "", "yes\n", 0},
			{"cat <<E\n$((1+1))\nE", "", "2\n", 0},
			{"nonsense", "", "", 127},
			{"cat /nothere", "", "", 1},
			{"yes=$(false) || echo failed", "", "failed\n", 0},
			{"printf '%s\\n' a b c | while read -r l; do echo \"<$l>\"; done", "", "<a>\n<b>\n<c>\n", 0},
			{"sh -c 'kill -TERM $$; sleep 1; echo no'; echo $?", "", "143\n", 0},
			{"cd /etc && ls hostname && pwd", "", "hostname\n/etc\n", 0},
			{"echo a >/tmp/x; echo b >>/tmp/x; sed -n '2p' /tmp/x; rm /tmp/x; [ -e /tmp/x ]", "", "b\n", 1},
			{"ls /etc/os-rel*", "", "/etc/os-release\n", 0},
			{"df -Pk / | awk 'NR == 2 { print ($4 > 0) }'", "", "1\n", 0},
			{"awk -v n=2 'BEGIN { print n * 2 }'", "", "4\n", 0},
			{"timeout 5 sleep 60; echo $?", "", "124\n", 0},
			{`read -r _ second rest </proc/uptime; echo "${second:+ok}"`, "", "ok\n", 0},
		} {
			out, errs, status := run(t, c, tt.command, tt.stdin)
			if tt.out != "" && out != tt.out || status != tt.status {
				t.Errorf("%s\n got %q, status %d, stderr %q\nwant %q, status %d", tt.command, out, status, errs, tt.out, tt.status)
			}
		}
	})
}

func TestNothingOfTheRealMachine(t *testing.T) {
	secret := t.TempDir() + "/secret"
	if err := os.WriteFile(secret, []byte("real"), 0o644); err != nil {
		t.Fatal(err)
	}
	box(t, Options{}, func(t *testing.T, m *Machine, login func(string) *ssh.Client) {
		c := login("root")
		for _, script := range []string{
			"cat /etc/passwd", "cat " + secret, "read x <" + secret + " && echo $x", "/bin/ls /", ". " + secret, "sh " + secret, "exec /usr/bin/id -u -x",
			"cd " + secret[:strings.LastIndex(secret, "/")] + " && echo in", "test -e " + secret + " && echo there", "echo " + secret + "* | grep -v '*'",
			"awk 'BEGIN { while ((getline l < \"" + secret + "\") > 0) print l; system(\"echo real\") }'", "awk '{print}' " + secret,
			"cp " + secret + " /tmp/copy && cat /tmp/copy", "ln -s " + secret + " /tmp/l; cat /tmp/l", "sed p " + secret, "find " + secret, "echo ~nobody/x | grep -v '~'",
		} {
			out, _, _ := run(t, c, script, "")
			if strings.Contains(out, "real") || strings.Contains(out, "root:") || strings.Contains(out, "in\n") || strings.Contains(out, "there") {
				t.Errorf("%s: %q", script, out)
			}
		}
		mark := "/tmp/fleetup-remotetest-escape"
		run(t, c, "echo x >"+mark+"; touch "+mark+".2; awk 'BEGIN { print 1 >\""+mark+".3\" }'", "")
		for _, name := range []string{mark, mark + ".2", mark + ".3"} {
			if _, err := os.Stat(name); err == nil {
				t.Errorf("%s was written on the real machine", name)
			}
		}
		if data, err := m.ReadFile(mark); err != nil || string(data) != "x\n" {
			t.Errorf("the machine's own file: %q, %v", data, err)
		}
	})
}

func TestSFTP(t *testing.T) {
	box(t, Options{}, func(t *testing.T, m *Machine, login func(string) *ssh.Client) {
		c, err := sftp.NewClient(login("ops"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		f, err := c.OpenFile("/var/tmp/new.part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(f, strings.NewReader(strings.Repeat("0123456789", 20000))); err != nil {
			t.Fatal(err)
		}
		f.Chmod(0o600)
		f.Close()
		m.WriteFile("/var/tmp/new", []byte("old"))
		if err := c.Rename("/var/tmp/new.part", "/var/tmp/new"); err == nil {
			t.Error("a plain rename replaced a file")
		}
		if err := c.PosixRename("/var/tmp/new.part", "/var/tmp/new"); err == nil {
			t.Error("a user replaced root's file in a sticky directory")
		}
		if err := c.PosixRename("/var/tmp/new.part", "/var/tmp/mine"); err != nil {
			t.Fatal(err)
		}
		info, err := c.Stat("/var/tmp/mine")
		if err != nil || info.Size() != 200000 || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		if _, err := c.Create("/etc/mine"); !errors.Is(err, os.ErrPermission) {
			t.Errorf("a user wrote to /etc: %v", err)
		}
	})
}

func TestInstallTakesNoRealTime(t *testing.T) {
	begin := time.Now()
	box(t, Options{InstallTime: 2 * time.Minute}, func(t *testing.T, m *Machine, login func(string) *ssh.Client) {
		c := login("root")
		script := `set -e
apt-mark unhold kubelet
sed -i 's#v1.36/#v1.37/#' /etc/apt/sources.list.d/kubernetes.list
apt-get -q -y update
systemctl mask --runtime kubelet
systemctl stop kubelet
apt-get -q -y install kubelet=1.37.2-1.1 | tee /tmp/log
systemctl is-active kubelet && exit 50
systemctl unmask --runtime kubelet
systemctl start kubelet
apt-mark hold kubelet
kubelet --version`
		out, errs, status := run(t, c, `sh -c 'eval "$(cat)"'`, script)
		if status != 0 || !strings.HasSuffix(out, "Kubernetes v1.37.2\n") {
			t.Errorf("status %d\n%s%s", status, out, errs)
		}
		if up, v := m.Kubelet(); !up || v != "v1.37.2" || !m.Held("kubelet") {
			t.Errorf("kubelet %v %s", up, v)
		}
	})
	if d := time.Since(begin); d > time.Minute {
		t.Errorf("took %s", d)
	}
}
