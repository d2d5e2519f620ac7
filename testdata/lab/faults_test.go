package lab_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/testdata/lab"
)

func TestFaults(t *testing.T) {
	l := lab.Start(t, lab.Options{Machines: 1})
	n1 := l.Machines[0]
	unreachable := func(fault func() func()) {
		t.Helper()
		undo := fault()
		if _, err := n1.SSH("true"); err == nil {
			t.Error("a login all the same")
		}
		undo()
		ssh(t, n1, "true")
	}
	t.Run("cut", func(t *testing.T) { unreachable(n1.Cut) })
	t.Run("frozen", func(t *testing.T) { unreachable(n1.Freeze) })
	t.Run("slow", func(t *testing.T) {
		heal := n1.Slow("256kbit")
		begin := time.Now()
		ssh(t, n1, ": "+strings.Repeat("x", 64<<10)) // 64 KiB at 32 KiB a second
		if took := time.Since(begin); took < 1500*time.Millisecond {
			t.Errorf("64 KiB at 256 kbit/s took %v", took)
		}
		heal()
	})
	t.Run("losing", func(t *testing.T) { unreachable(func() func() { return n1.Lose(1) }) })
	t.Run("dpkg lock", func(t *testing.T) {
		release := n1.HoldDpkgLock()
		_, err := n1.SSH("apt-get -q -y install labextra")
		if err == nil || !strings.Contains(err.Error(), "holder") {
			t.Errorf("apt-get doesn't name the holder: %v", err)
		}
		release()
		ssh(t, n1, "apt-get -q -y install labextra")
	})
	t.Run("full disk", func(t *testing.T) {
		empty := n1.Fill("/var/tmp")
		if _, err := n1.SSH("head -c 100000 /dev/zero >/var/tmp/x"); err == nil {
			t.Error("/var/tmp takes more")
		}
		empty()
		ssh(t, n1, "head -c 100000 /dev/zero >/var/tmp/x")
	})
	t.Run("host key", func(t *testing.T) {
		n1.NewHostKey()
		if _, err := n1.SSH("true"); err == nil || !strings.Contains(err.Error(), "Host key verification failed") {
			t.Errorf("another host key is accepted: %v", err)
		}
	})
}
