package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A holder counts as gone only where it was a process of this very machine that has surely ended.
func TestGone(t *testing.T) {
	ours := strings.Split(identity(), "/")
	if len(ours) != 4 || ours[2] != processID(os.Getpid()) || ours[3] == "" {
		t.Fatal("identity ", ours)
	}
	dead := zombie(t)
	as := func(change func(p []string)) string {
		p := strings.Split(identity(), "/")
		change(p)
		return strings.Join(p, "/")
	}
	for name, c := range map[string]struct {
		holder string
		want   bool
	}{
		"this process":                {identity(), false},
		"another start of its id":     {as(func(p []string) { p[3] = "1" }), true},
		"a process that ended":        {as(func(p []string) { p[2] = processID(ended(t)) }), true},
		"a container of that name":    {as(func(p []string) { p[1], p[2] = "another-boot", "1@4026539999" }), false},
		"another machine":             {as(func(p []string) { p[0] = "0badcafe.laptop"; p[3] = "1" }), false},
		"another machine, other boot": {"0badcafe.laptop/other/17/42", false},
		"no boot id":                  {as(func(p []string) { p[1] = "" }), false},
		"no start":                    {as(func(p []string) { p[3] = "" }), false},
		"no number":                   {as(func(p []string) { p[2] = "x"; p[3] = "1" }), false},
		"a zombie":                    {as(func(p []string) { p[2], p[3] = processID(dead), startTime(dead) }), true},
		"another container's":         {as(func(p []string) { p[2], p[3] = "1@4026539999", "1" }), false},
		"another program's holder":    {"kured-abcde", false},
		"":                            {"", false},
	} {
		if got := gone(c.holder); got != c.want {
			t.Errorf("%s: gone(%s) = %v", name, c.holder, got)
		}
	}
}

// Another boot id is a reboot of this machine only where its name is surely that of one machine.
func TestRebooted(t *testing.T) {
	for name, c := range map[string]struct {
		theirs, ours string
		want         bool
	}{
		"this machine":                      {"1925938c.n1/before/17/4", "1925938c.n1/now/21/5", true},
		"containers, whose image has an id": {"1925938c.job/before/1@4026532711/4", "1925938c.job/now/1@4026532800/5", false},
		"no machine id":                     {"unknown.job/before/17/4", "unknown.job/now/21/5", false},
	} {
		if got := rebooted(strings.Split(c.theirs, "/"), strings.Split(c.ours, "/")); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// ended is the id of a process that has ended.
func ended(t *testing.T) int {
	t.Helper()
	c := exec.Command("true")
	if err := c.Run(); err != nil {
		t.Skip(err)
	}
	return c.Process.Pid
}

// zombie is the id of a process that has ended and that nobody waits for before the test's end.
func zombie(t *testing.T) int {
	t.Helper()
	c := exec.Command("true")
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = c.Wait() })
	for end := time.Now().Add(10 * time.Second); !ending(c.Process.Pid) && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
	}
	return c.Process.Pid
}

// A process that is killed counts as gone at once, however long the kernel takes over it.
func TestKilledIsGone(t *testing.T) {
	for range 20 {
		c := exec.Command("sleep", "60")
		if err := c.Start(); err != nil {
			t.Skip(err)
		}
		holder := strings.Split(identity(), "/")
		holder[2], holder[3] = processID(c.Process.Pid), startTime(c.Process.Pid)
		if gone(strings.Join(holder, "/")) {
			t.Error("gone while it sleeps")
		}
		_ = c.Process.Kill()
		if !gone(strings.Join(holder, "/")) {
			t.Error("killed, and not gone")
		}
		_ = c.Wait()
	}
}

func TestStartTime(t *testing.T) {
	if s := startTime(os.Getpid()); s == "" || s == "0" {
		t.Error("this process started at ", s)
	}
	if s := startTime(-1); s != "" {
		t.Error("no process started at ", s)
	}
}
