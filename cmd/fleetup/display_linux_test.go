package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fleetup/fleetup/inventory"
)

// openTerminal makes a terminal of so many columns: what a program sees of it, and what its user does.
func openTerminal(t *testing.T, columns uint16) (program, user *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { user.Close() })
	fd := int(user.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0), unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns})); err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return program, user
}

// A question is answered by a whole line; anything but yes is a no.
func TestConfirm(t *testing.T) {
	for line, want := range map[string]error{"y\n": nil, "Yes\n": nil, "n\n": errNo, "\n": errNo, "yes please\n": errNo, "\x04": errNo} {
		program, user := openTerminal(t, 80)
		if _, err := user.WriteString(line); err != nil {
			t.Fatal(err)
		}
		if err := (&app{in: program, err: program}).confirm(t.Context(), "go ahead"); !errors.Is(err, want) {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// Ctrl-C at a question ends the command: the first one, as nothing is in flight that it could wait for.
func TestConfirmInterrupted(t *testing.T) {
	program, _ := openTerminal(t, 80)
	press := make(chan chan<- os.Signal, 1)
	a := &app{in: program, err: program, notify: func(c chan<- os.Signal) func() { press <- c; return func() {} }}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop, release := a.signals(cancel)
	defer release()
	answer := make(chan error, 1)
	go func() { answer <- a.confirm(ctx, "go ahead") }()
	for !a.asking.Load() {
		time.Sleep(time.Millisecond)
	}
	(<-press) <- os.Interrupt
	if err := <-answer; exitCode(err) != exitInterrupted {
		t.Errorf("exit %d: %v", exitCode(err), err)
	}
	select {
	case <-stop:
		t.Error("taken for the end after what is in flight")
	default:
	}
}

// After a Ctrl-C that came before it a question isn't asked any more.
func TestConfirmAfterCtrlC(t *testing.T) {
	program, _ := openTerminal(t, 80)
	a := &app{in: program, err: program}
	a.stopping.Store(true)
	if err := a.confirm(t.Context(), "go ahead"); exitCode(err) != exitInterrupted {
		t.Errorf("exit %d: %v", exitCode(err), err)
	}
}

// A terminal tells its width and gets lines broken to it; anything else gets them whole.
func TestSay(t *testing.T) {
	terminal, user := openTerminal(t, 60)
	if got := columns(terminal); got != 60 {
		t.Errorf("a terminal of 60 columns has %d", got)
	}
	var file bytes.Buffer
	line := "  shop/web had 2 of 3 endpoints ready at least, at 01:12:13 while n1, n2 and n3 were worked on"
	(&app{out: &file}).say("%s", line)
	if file.String() != line+"\n" {
		t.Errorf("a pipe got %q", file.String())
	}
	(&app{out: terminal}).say("%s", line)
	want := "  shop/web had 2 of 3 endpoints ready at least, at 01:12:13\r\n    while n1, n2 and n3 were worked on\r\n"
	screen := make([]byte, len(want))
	if n, err := io.ReadFull(user, screen); err != nil || string(screen) != want { // it comes in pieces
		t.Errorf("a terminal got %q, %v", screen[:n], err)
	}
}

// While machines are looked at, a line on the terminal counts them, and is gone with the last; without a terminal there is none.
func TestEachShown(t *testing.T) {
	program, user := openTerminal(t, 80)
	hosts := make([]inventory.Host, 3)
	(&app{in: program, err: program}).eachShown(hosts, 1, func(int, inventory.Host) {})
	want := "\rlooking at the machines: 1 of 3 \rlooking at the machines: 2 of 3 \rlooking at the machines: 3 of 3 \r\x1b[K"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(user, got); err != nil || string(got) != want {
		t.Errorf("%v: %q, want %q", err, got, want)
	}
	var plain bytes.Buffer
	looked := 0
	(&app{err: &plain}).eachShown(hosts, 1, func(int, inventory.Host) { looked++ })
	if looked != 3 || plain.Len() > 0 {
		t.Errorf("%d looked at, %q said", looked, plain.String())
	}
}
