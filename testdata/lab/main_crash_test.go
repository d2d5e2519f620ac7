package lab_test

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fleetup/fleetup/testdata/lab"
)

// said collects what a fleetup that still runs has said, and when.
type said struct {
	mu    sync.Mutex
	text  bytes.Buffer
	times []moment
}

// moment is when the text was how long.
type moment struct {
	at   time.Time
	size int
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.text.Write(p)
	s.times = append(s.times, moment{time.Now(), s.text.Len()})
	return n, err
}

// when is the time at which words were first there; zero if they never were.
func (s *said) when(words string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := strings.Index(s.text.String(), words)
	for _, m := range s.times {
		if i >= 0 && m.size >= i+len(words) {
			return m.at
		}
	}
	return time.Time{}
}

// until waits for words.
func (s *said) until(t *testing.T, words string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(s.String(), words) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%q wasn't said:\n%s", words, s)
		}
	}
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// begin starts fleetup and returns once it has said something.
func begin(t *testing.T, l *lab.Lab, until string, arguments ...string) (*exec.Cmd, *said) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	return beginCommand(t, l.FleetupCommand(ctx, arguments...), until)
}

// beginCommand is begin of a command that is changed in some way.
func beginCommand(t *testing.T, cmd *exec.Cmd, until string) (*exec.Cmd, *said) {
	t.Helper()
	heard := &said{}
	cmd.Stdout, cmd.Stderr = heard, heard
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	heard.until(t, until)
	return cmd, heard
}

// exit waits for a fleetup that begin started.
func exit(t *testing.T, cmd *exec.Cmd, heard *said, want int) string {
	t.Helper()
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != want {
		t.Errorf("exit %d, want %d:\n%s", got, want, heard)
	}
	return heard.String()
}

// fleetup dies, is interrupted, or isn't alone; the next run picks up.
func TestInterrupted(t *testing.T) {
	l := lab.Start(t, lab.Options{Machines: 3})
	l.Apply(web)
	settled(l)
	nodes := getNodes(t, l)
	inventory := l.WriteInventory(l.Hosts("ops") + "[upgrade]\nkubelet = \"1.37.2\"\n")
	all := func(t *testing.T) {
		t.Helper()
		for _, m := range l.Machines {
			after := getNode(t, l, m.Name)
			isReady(t, after, "v1.37.2")
			asBefore(t, nodes[m.Name], after)
			stillHeld(t, m)
			installs := m.Must("grep -c ' upgrade kubelet:[a-z0-9]* 1.36.4-1.1 1.37.2-1.1' /var/log/dpkg.log")
			equal(t, m.Name+" times installed", installs, "1")
		}
	}
	reset := func(t *testing.T) {
		t.Helper()
		goBack(t, l, l.Machines...)
		for _, m := range l.Machines {
			m.Must(": >/var/log/dpkg.log")
		}
		nodes = getNodes(t, l)
	}

	t.Run("killed in mid-apt", func(t *testing.T) {
		cmd, heard := begin(t, l, "n1  installing", "run", "--yes", inventory)
		_ = cmd.Process.Kill()
		_ = exit(t, cmd, heard, -1)
		says(t, fleetup(t, l, 0, "status", inventory), "n1", "parked")
		said := fleetup(t, l, 0, "run", "--yes", inventory)
		says(t, said, "unfinished", "n1  done", "n3  done", "3 nodes done")
		all(t)
	})
	reset(t)
	t.Run("two at once, and SIGINT once", func(t *testing.T) {
		cmd, heard := begin(t, l, "n1  drain", "run", "--yes", inventory)
		second := fleetup(t, l, 4, "run", "--yes", inventory)
		says(t, second, "lease", "seconds")
		_ = cmd.Process.Signal(syscall.SIGINT)
		said := exit(t, cmd, heard, 130)
		says(t, said, "n1  done", "1 node done, 2 left")
		isReady(t, getNode(t, l, "n1"), "v1.37.2")
		asBefore(t, nodes["n1"], getNode(t, l, "n1"))
		asBefore(t, nodes["n2"], getNode(t, l, "n2"))
		says(t, fleetup(t, l, 0, "run", "--yes", inventory), "3 nodes done")
		all(t)
	})
	reset(t)
	t.Run("SIGINT twice", func(t *testing.T) {
		cmd, heard := begin(t, l, "n1  step kubelet", "run", "--yes", inventory)
		for range 2 {
			_ = cmd.Process.Signal(syscall.SIGINT)
			time.Sleep(100 * time.Millisecond)
		}
		begun := time.Now()
		said := exit(t, cmd, heard, 130)
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("parked after %v", took)
		}
		says(t, said, "0 nodes done", "3 left")
		equal(t, "n1 cordoned", getNode(t, l, "n1").Spec.Unschedulable, true)
		says(t, fleetup(t, l, 0, "run", "--yes", inventory), "3 nodes done")
		all(t)
	})
}
