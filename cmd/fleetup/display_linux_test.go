package main

import (
	"bytes"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A terminal tells its width and gets lines broken to it; anything else gets them whole.
func TestSay(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 60}); err != nil {
		t.Fatal(err)
	}
	if got := columns(terminal); got != 60 {
		t.Errorf("a terminal of 60 columns has %d", got)
	}
	var file bytes.Buffer
	line := "  shop/web had 2 of 3 endpoints ready at least, at 01:12:13 while n1, n2 and n3 were worked on"
	(&app{out: &file}).say("%s", line)
	if file.String() != line+"\n" {
		t.Errorf("a pipe got %q", file.String())
	}
}
