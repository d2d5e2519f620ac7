package lab_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	ossignal "os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fleetup/fleetup/testdata/lab"
)

// chatty is a playbook that has so much to say that a journal's reserve has to be renewed, and takes its time over it.
const chatty = `
[params]
lines = { required = true, help = "how many" }
[[steps]]
name   = "talk"
check  = "test -e /run/talked"
apply  = "for i in $(seq {{.lines}}); do echo \"line $i $(printf '%0180d' 0)\"; sleep 0.01; done; touch /run/talked"
repeatable = true
`

// TestFault03DiskFull: the disk of the journals fills up in the middle of a run.
func TestFault03DiskFull(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{Machines: 2})
	disk := filepath.Join(l.Dir, "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=512k"); err != nil { // the lab's end unmounts it
		t.Fatal(err)
	}
	inventory := l.WriteInventory(l.Hosts("root") + "[upgrade]\nchatty = { lines = \"LINES\" }\n")
	playbooks := filepath.Join(filepath.Dir(inventory), "playbooks")
	if err := os.Mkdir(playbooks, 0o700); err == nil {
		err = os.WriteFile(filepath.Join(playbooks, "chatty.toml"), []byte(chatty), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	arguments := func(lines string) []string {
		for _, m := range l.Machines {
			m.Must("rm -f /run/talked")
		}
		return []string{"--state-dir", disk, "run", "--yes", inventory, "--set", fmt.Sprintf("upgrade.chatty.lines=%q", lines)}
	}
	t.Run("what is in flight is finished, and nothing begins", func(t *testing.T) {
		cmd, heard := begin(t, l, "n1  line 9 ", arguments("160")...)
		empty := fill(t, disk)
		heard.until(t, "free some space")
		heard.until(t, "n1  done")
		time.Sleep(3 * time.Second)
		notTaken(t, l, "n2")
		empty()
		said := exit(t, cmd, heard, 0)
		says(t, said, "n1  done", "n2  done", "2 nodes done")
		saysNot(t, said, "FAILED")
	})
	t.Run("what can't be written down any more is parked", func(t *testing.T) {
		nodes := getNodes(t, l)
		again := arguments("600")
		cmd, heard := begin(t, l, "n1  line 9 ", again...)
		empty := fill(t, disk)
		said := exit(t, cmd, heard, 1)
		says(t, said, "no space left on device")
		notTaken(t, l, "n2")
		empty()
		says(t, fleetup(t, l, 0, again...), "unfinished", "2 nodes done")
		for _, m := range l.Machines {
			asBefore(t, nodes[m.Name], getNode(t, l, m.Name))
		}
	})
}

// notTaken wants of a node that a run has not begun with it.
func notTaken(t *testing.T, l *lab.Lab, name string) {
	t.Helper()
	n := getNode(t, l, name)
	equal(t, name+" claimed by", n.Annotations["fleetup.io/run"], "")
	equal(t, name+" cordoned", n.Spec.Unschedulable, false)
}

// fill takes all that is free on a small disk.
func fill(t *testing.T, dir string) (empty func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for size := 64 << 10; size > 0; {
		if _, err := file.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// TestFault01SignalsOfSystems: a real process is told to end as pods and terminals are: it parks within a pod's grace, and
// the next run goes on. What nohup protects goes on by itself.
func TestFault01SignalsOfSystems(t *testing.T) {
	hangUps := make(chan os.Signal, 1)
	ossignal.Notify(hangUps, syscall.SIGHUP) // or what this process was told to ignore would be ignored by its children too
	defer ossignal.Stop(hangUps)
	l := lab.Start(t, lab.Options{Machines: 2}) // n2 takes in what runs on n1
	l.Apply(web)                                // goBack waits for it
	settled(l)
	inventory := l.WriteInventory(l.Hosts("ops") + "[upgrade]\nkubelet = \"1.37.2\"\n")
	for _, test := range []struct {
		name   string
		signal syscall.Signal
		nohup  bool
	}{{"a pod's end", syscall.SIGTERM, false}, {"a lost terminal", syscall.SIGHUP, false}, {"a lost terminal under nohup", syscall.SIGHUP, true}} {
		t.Run(test.name, func(t *testing.T) {
			goBack(t, l, l.Machines[0])
			l.Machines[0].Must(": >/var/log/dpkg.log")
			before := getNode(t, l, "n1")
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			cmd := l.FleetupCommand(ctx, "run", "--yes", "--limit", "n1", inventory)
			if test.nohup {
				through(cmd, `trap "" HUP; exec "$@"`)
			}
			_, heard := beginCommand(t, cmd, "n1  installing")
			signal(t, cmd.Process.Signal(test.signal))
			told := time.Now()
			if test.nohup {
				says(t, exit(t, cmd, heard, 0), "1 node done")
				return
			}
			says(t, exit(t, cmd, heard, 130), "1 left")
			if took := time.Since(told); took > 10*time.Second {
				t.Errorf("parked after %v, and a pod is killed after 30 s", took)
			}
			says(t, fleetup(t, l, 0, "run", "--yes", "--limit", "n1", inventory), "unfinished", "1 node done")
			asBefore(t, before, getNode(t, l, "n1"))
			equal(t, "installed", installs(l.Machines[0]), "1")
		})
	}
}

// through puts a shell script before a command of the lab's.
func through(cmd *exec.Cmd, script string) {
	at := 0
	for cmd.Args[at] != "--" {
		at++
	}
	cmd.Args = append(append(append([]string{}, cmd.Args[:at+1]...), "sh", "-c", script, "sh"), cmd.Args[at+1:]...)
}

// TestOutOfDescriptors: a process that may open no more files says so before it touches anything; one that comes to it in
// the middle of a run waits for better times.
func TestOutOfDescriptors(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{Machines: 2})
	nodes := getNodes(t, l)
	inventory := l.WriteInventory(l.Hosts("ops") + kubeletRebooted)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for _, limit := range []int{8, 10, 12} { // too few for its files; with fewer still, Go's own runtime doesn't begin
		cmd := l.FleetupCommand(ctx, "check", inventory)
		through(cmd, fmt.Sprintf(`ulimit -n %d; exec "$@"`, limit))
		out, _ := cmd.CombinedOutput()
		t.Logf("%d: exit %d: %s", limit, cmd.ProcessState.ExitCode(), out)
		if code := cmd.ProcessState.ExitCode(); code != 0 && !strings.Contains(string(out), "too many open files") || limit == 8 && code == 0 {
			t.Errorf("with %d descriptors: exit %d: %s", limit, code, out)
		}
	}
	for _, m := range l.Machines {
		untouched(t, l, m, nodes[m.Name], m.BootID())
	}

	cmd, heard := begin(t, l, "n1  rebooting", "run", "--yes", inventory)
	limit := func(n uint64) {
		if err := unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: 1024}, nil); err != nil {
			t.Fatal(err)
		}
	}
	limit(3)
	time.Sleep(15 * time.Second)
	if strings.Contains(heard.String(), "back after") {
		t.Error("it has opened a connection after all")
	}
	limit(1024)
	said := exit(t, cmd, heard, 0)
	t.Log(said)
	says(t, said, "n1  done", "2 nodes done")
	saysNot(t, said, "FAILED")
	for _, m := range l.Machines {
		asBefore(t, nodes[m.Name], getNode(t, l, m.Name))
		equal(t, m.Name+" booted", m.Boots(), 2)
	}
}
