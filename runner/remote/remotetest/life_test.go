package remotetest

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
)

func TestReboot(t *testing.T) {
	box(t, Options{RebootTime: 10 * time.Minute}, func(t *testing.T, m *Machine, login func(string) *ssh.Client) {
		c := login("ops")
		before := m.BootID()
		m.WriteFile("/run/mark", nil)
		run(t, c, "sudo -n apt-get -y install linux-image-6.1.0-56-amd64 && sudo systemctl mask --runtime kubelet && sudo systemctl stop kubelet", "")
		if out, _, _ := run(t, c, "uname -r; cat /run/reboot-required.pkgs; systemctl is-enabled kubelet", ""); out != "6.1.0-51-amd64\nlinux-image-6.1.0-56-amd64\nmasked-runtime\n" {
			t.Errorf("before: %q", out)
		}
		if _, _, status := run(t, c, "sudo systemctl reboot", ""); status != 0 {
			t.Errorf("reboot: %d", status)
		}
		if err := c.Wait(); err == nil {
			t.Error("the connection outlived the reboot")
		}
		began := time.Now()
		if _, err := m.Dial(t.Context(), "tcp", "a:22"); !errors.Is(err, syscall.EHOSTUNREACH) || time.Since(began) != unanswered {
			t.Errorf("while down: %v after %s", err, time.Since(began))
		}
		time.Sleep(10 * time.Minute)
		out, _, _ := run(t, login("ops"), "uname -r; cat /proc/sys/kernel/random/boot_id; ls /run/mark; systemctl is-active kubelet; systemctl is-enabled kubelet", "")
		if want := "6.1.0-56-amd64\n" + m.BootID() + "\nactive\nenabled\n"; out != want || m.BootID() == before {
			t.Errorf("after: %q, want %q", out, want)
		}
		if up := m.Uptime(); up > time.Minute {
			t.Errorf("up for %s", up)
		}
	})
}

func TestFailBootAndPower(t *testing.T) {
	box(t, Options{}, func(t *testing.T, m *Machine, login func(string) *ssh.Client) {
		m.FailBoot()
		m.Reboot()
		time.Sleep(time.Hour)
		if _, err := m.Dial(t.Context(), "tcp", "a:22"); err == nil {
			t.Error("it came back")
		}
		m.PowerOn()
		time.Sleep(time.Minute)
		login("root")
		m.PowerOff()
		if _, err := m.Dial(t.Context(), "tcp", "a:22"); err == nil {
			t.Error("it answers without power")
		}
	})
}

func TestSudo(t *testing.T) {
	users := []User{{Name: "ops", UID: 1000, Sudo: SudoFree}, {Name: "dba", UID: 1001, Sudo: SudoPassword, Password: "secret"}, {Name: "guest", UID: 1002, Password: "x"}}
	box(t, Options{Users: users}, func(t *testing.T, m *Machine, login func(string) *ssh.Client) {
		for _, tt := range []struct {
			user, command, stdin, out, err string
			status                         int
			takes                          time.Duration
		}{
			{"root", "sudo id -u", "", "0\n", "", 0, 0},
			{"ops", "id -u; sudo -n id -u", "", "1000\n0\n", "", 0, 0},
			{"ops", "cat /root/x", "", "", "cat: /root/x: Permission denied\n", 1, 0},
			{"dba", "sudo -n true", "", "", "sudo: a password is required\n", 1, 0},
			{"dba", "sudo -S -p 'pw:' sh -c 'id -u; cat'", "secret\nrest\n", "0\nrest\n", "pw:", 0, 0},
			{"dba", "sudo -S -p '' id -u", "wrong\nsecret\n", "0\n", "Sorry, try again.\n", 0, 2 * time.Second},
			{"dba", "sudo -S -p '' id -u", "a\nb\nc\n", "", "Sorry, try again.\nSorry, try again.\nsudo: 3 incorrect password attempts\n", 1, 6 * time.Second},
			{"dba", "sudo -S -p '' id -u", "a\n", "", "Sorry, try again.\n\nsudo: no password was provided\nsudo: 1 incorrect password attempt\n", 1, 2 * time.Second},
			{"guest", "sudo -S -p '' id -u", "x\n", "", "guest is not in the sudoers file.\n", 1, 0},
		} {
			began := time.Now()
			out, errs, status := run(t, login(tt.user), tt.command, tt.stdin)
			if out != tt.out || errs != tt.err || status != tt.status || time.Since(began) != tt.takes {
				t.Errorf("%s: %s: %q, %q, %d after %s", tt.user, tt.command, out, errs, status, time.Since(began))
			}
		}
	})
}

func TestUnitOutlivesConnection(t *testing.T) {
	box(t, Options{}, func(t *testing.T, m *Machine, login func(string) *ssh.Client) {
		c := login("root")
		script := "systemd-run --quiet --collect --unit=step -- sh -c 'sleep 60; echo said; echo 7 >/var/tmp/rc'; systemctl is-active step"
		if out, errs, _ := run(t, c, script, ""); out != "active\n" {
			t.Fatalf("%q %q", out, errs)
		}
		m.Drop()
		time.Sleep(61 * time.Second)
		if out, _, _ := run(t, login("root"), "cat /var/tmp/rc; systemctl is-active step; journalctl -u step -o cat", ""); out != "7\ninactive\nsaid\n" {
			t.Errorf("%q", out)
		}
		run(t, login("root"), "systemd-run --collect --unit=lost -- sh -c 'sleep 60; touch /var/tmp/lost'", "")
		m.Reboot()
		time.Sleep(10 * time.Minute)
		if _, err := m.ReadFile("/var/tmp/lost"); err == nil {
			t.Error("a unit outlived the reboot")
		}
	})
}

// As with OpenSSH, the status comes when the command ends, the end of its output when nobody holds that any more.
func TestBackgroundChildHoldsOutput(t *testing.T) {
	box(t, Options{}, func(t *testing.T, m *Machine, login func(string) *ssh.Client) {
		c := login("root")
		began := time.Now()
		run(t, c, "sleep 300 & echo started", "")
		if d := time.Since(began); d != 5*time.Minute {
			t.Errorf("output ended after %s", d)
		}
		began = time.Now()
		run(t, c, "setsid sh -c 'sleep 300; echo x >/tmp/late' </dev/null >/dev/null 2>&1 &", "")
		if d := time.Since(began); d != 0 {
			t.Errorf("a detached child held the channel for %s", d)
		}
		time.Sleep(301 * time.Second)
		if _, err := m.ReadFile("/tmp/late"); err != nil {
			t.Error(err)
		}
	})
}

func TestInterruptedInstall(t *testing.T) {
	box(t, Options{}, func(t *testing.T, m *Machine, login func(string) *ssh.Client) {
		m.HoldDpkgLock("unattended-upgr", 4321)
		_, errs, status := run(t, login("root"), "apt-get -y -o DPkg::Lock::Timeout=5 install containerd=2.1.4-1", "")
		if status != 100 || !strings.Contains(errs, "held by process 4321 (unattended-upgr)") {
			t.Errorf("locked: %d %s", status, errs)
		}
		m.ReleaseDpkgLock()
		s, _ := login("root").NewSession()
		s.Start("apt-get -y install containerd=2.1.4-1")
		time.Sleep(time.Second)
		m.Reboot()
		time.Sleep(time.Minute)
		out, errs, status := run(t, login("root"), "dpkg --audit; apt-get -y install base-files=12.4+deb12u11", "")
		if status != 100 || !strings.Contains(out, " containerd\n") || !strings.Contains(errs, "dpkg was interrupted") {
			t.Errorf("interrupted: %d %q %q", status, out, errs)
		}
		if out, errs, status := run(t, login("root"), "dpkg --configure -a && dpkg --audit && apt-get -y install base-files=12.4+deb12u11", ""); status != 0 {
			t.Errorf("repaired: %d %q %q", status, out, errs)
		}
	})
}

func TestBrokenServices(t *testing.T) {
	box(t, Options{}, func(t *testing.T, m *Machine, login func(string) *ssh.Client) {
		var told []string
		m.OnKubelet(func(up bool, v string) { told = append(told, map[bool]string{true: "up ", false: "down "}[up]+v) })
		m.BreakKubelet("1.36")
		m.BreakService("containerd", "2.1.3")
		c := login("root")
		out, _, _ := run(t, c, "systemctl restart kubelet; echo $?; systemctl is-active kubelet; journalctl -u kubelet -n 2 --no-pager -o cat", "")
		if !strings.HasPrefix(out, "0\nactivating\nkubelet.service: Main process exited") {
			t.Errorf("%q", out)
		}
		if _, errs, status := run(t, c, "systemctl restart containerd", ""); status != 1 || !strings.Contains(errs, "failed because the control process") {
			t.Errorf("%d %q", status, errs)
		}
		if got := strings.Join(told, ", "); got != "up v1.36.4, down v1.36.4" {
			t.Errorf("told %s", got)
		}
	})
}

func TestFreeze(t *testing.T) {
	box(t, Options{}, func(t *testing.T, m *Machine, login func(string) *ssh.Client) {
		c := login("root")
		m.Freeze(30 * time.Second)
		began := time.Now()
		if out, _, _ := run(t, c, "echo back", ""); out != "back\n" || time.Since(began) != 30*time.Second {
			t.Errorf("%q after %s", out, time.Since(began))
		}
	})
}

func TestJumpHost(t *testing.T) {
	key, err := newHostKey()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		n := &Network{}
		for _, name := range []string{"bastion", "inner"} {
			m, err := New(Options{Name: name, AuthorizedKeys: []ssh.PublicKey{key.PublicKey()}})
			if err != nil {
				t.Fatal(err)
			}
			n.Add(name+":22", m)
		}
		defer n.Close()
		bastion, err := dialSSH(func(ctx context.Context, network, _ string) (net.Conn, error) {
			return n.Dial(ctx, network, "bastion:22")
		}, n.machines["bastion:22"], "ops", key)
		if err != nil {
			t.Fatal(err)
		}
		defer bastion.Close()
		inner, err := dialSSH(func(ctx context.Context, network, _ string) (net.Conn, error) {
			return bastion.DialContext(ctx, network, "inner:22")
		}, n.machines["inner:22"], "ops", key)
		if err != nil {
			t.Fatal(err)
		}
		if out, _, _ := run(t, inner, "hostname", ""); out != "inner\n" {
			t.Errorf("%q", out)
		}
		inner.Close()
		if _, err := bastion.Dial("tcp", "nobody:22"); err == nil {
			t.Error("forwarded to nobody")
		}
	})
}

func TestRealListener(t *testing.T) {
	key, err := newHostKey()
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(Options{AuthorizedKeys: []ssh.PublicKey{key.PublicKey()}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- m.Serve(l) }()
	var d net.Dialer
	c, err := dialSSH(func(ctx context.Context, network, _ string) (net.Conn, error) {
		return d.DialContext(ctx, network, l.Addr().String())
	}, m, "ops", key)
	if err != nil {
		t.Fatal(err)
	}
	if out, _, _ := run(t, c, "echo hi | cat; id -un", ""); out != "hi\nops\n" {
		t.Errorf("%q", out)
	}
	c.Close()
	l.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestLogins(t *testing.T) {
	box(t, Options{LoginDelay: time.Minute, Uptime: time.Second}, func(t *testing.T, m *Machine, login func(string) *ssh.Client) {
		stranger, _ := newHostKey()
		if _, err := dialSSH(m.Dial, m, "root", stranger); err == nil {
			t.Error("a key that nobody knows logged in")
		}
		login("root")
		time.Sleep(time.Minute)
		login("ops")
		old := m.HostKey()
		if err := m.ReplaceHostKey(); err != nil || string(old.Marshal()) == string(m.HostKey().Marshal()) {
			t.Error("the same host key", err)
		}
		login("ops")
	})
}
