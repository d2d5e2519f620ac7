package remote

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// terminal is the server's half: a real one, in which a real shell runs.
type terminal struct {
	mu   sync.Mutex
	file *os.File // nil: the shell runs without one
	name string
	size pty.Winsize
}

func (t *terminal) open(payload []byte) {
	var m struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}
	if ssh.Unmarshal(payload, &m) == nil {
		t.name, t.size = m.Term, pty.Winsize{Cols: uint16(m.Columns), Rows: uint16(m.Rows)}
	}
}

func (t *terminal) resize(payload []byte) {
	var m struct{ Columns, Rows, Width, Height uint32 }
	t.mu.Lock()
	defer t.mu.Unlock()
	if ssh.Unmarshal(payload, &m) == nil && t.file != nil {
		_ = pty.Setsize(t.file, &pty.Winsize{Cols: uint16(m.Columns), Rows: uint16(m.Rows)})
	}
}

// shell runs a login shell as sshd does, in a terminal where one was asked for.
func (s *server) shell(t *terminal, ch ssh.Channel) {
	cmd := exec.Command("/bin/sh")
	cmd.Dir, cmd.Env = s.home, []string{"PATH=" + os.Getenv("PATH"), "TERM=" + t.name, "PS1=$ "}
	if t.name == "" {
		cmd.Stdout, cmd.Stderr = ch, ch.Stderr()
		in, _ := cmd.StdinPipe()
		s.wg.Go(func() { _, _ = io.Copy(in, ch); in.Close() })
		_ = cmd.Run()
	} else {
		file, err := pty.StartWithSize(cmd, &t.size)
		if err != nil {
			s.t.Error(err)
			return
		}
		t.mu.Lock()
		t.file = file
		t.mu.Unlock()
		s.wg.Go(func() {
			_, _ = io.Copy(file, ch)
			_ = cmd.Process.Kill() // the session's leader: its end hangs the terminal up. A SIGHUP may come before the shell hears it.
		})
		_, _ = io.Copy(ch, file)
		_ = cmd.Wait()
		t.mu.Lock()
		t.file = nil
		t.mu.Unlock()
		file.Close()
	}
	_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(cmd.ProcessState.ExitCode())}))
}

// desk is a person's terminal: what is typed goes in at one end, and what the screen shows is kept.
type desk struct {
	t           *testing.T
	master, tty *os.File
	mu          sync.Mutex
	screen      bytes.Buffer
	read        sync.WaitGroup
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	d := &desk{t: t, master: master, tty: tty}
	d.size(100, 40)
	d.read.Go(func() {
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			d.mu.Lock()
			d.screen.Write(b[:n])
			d.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		tty.Close()
		_, _ = io.WriteString(master, "\n") // for the one who still reads from the terminal, as nobody can close it under a read
		d.read.Wait()
		master.Close()
	})
	return d
}

func (d *desk) size(columns, rows uint16) {
	d.t.Helper()
	if err := pty.Setsize(d.master, &pty.Winsize{Cols: columns, Rows: rows}); err != nil {
		d.t.Fatal(err)
	}
}

// types waits for what the screen must show after it, below what it shows already.
func (d *desk) types(text, then string) {
	d.t.Helper()
	d.mu.Lock()
	before := d.screen.Len()
	d.mu.Unlock()
	if _, err := io.WriteString(d.master, text); err != nil {
		d.t.Fatal(err)
	}
	waitFor(d.t, func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return strings.Contains(d.screen.String()[before:], then)
	})
	if d.t.Failed() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.t.Fatalf("typed %q, waited for %q, the screen shows:\n%s", text, then, d.screen.String())
	}
}

func modes(t *testing.T, f *os.File) unix.Termios {
	t.Helper()
	m, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *m
}

func TestShellInATerminal(t *testing.T) {
	t.Setenv("TERM", "vt220")
	b := newBench(t)
	b.machine("n1:22")
	d := newDesk(t)
	before := modes(t, d.tty)
	ended := make(chan error, 1)
	go func() { ended <- b.host(Login{Name: "n1"}).Shell(t.Context(), d.tty, d.tty, d.tty) }()
	d.types("echo $TERM $((6*7))\n", "vt220 42")
	d.types("stty size\n", "40 100")
	if m := modes(t, d.tty); m.Lflag&(unix.ECHO|unix.ICANON|unix.ISIG) != 0 {
		t.Errorf("the terminal isn't raw: %x", m.Lflag)
	}
	d.types("sh -c 'echo at $((6*8)); exec sleep 600'; echo ended $?\n", "at 48") // what is in the foreground says so
	d.types("\x03", "\n$ ")                                                       // goes there as a byte, and ends the sleep there, not us here
	d.size(132, 50)
	if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	d.types("until [ \"$(stty size)\" = '50 132' ]; do sleep 0.1; done; echo now $((6*9))\n", "now 54")
	d.types("exit 7\n", "exit 7")
	var exit *ExitError
	if err := <-ended; !errors.As(err, &exit) || exit.ExitStatus() != 7 {
		t.Errorf("ended with %v", err)
	}
	if after := modes(t, d.tty); after != before {
		t.Errorf("the terminal was %+v and is %+v", before, after)
	}
}

func TestShellLostConnectionGivesTheTerminalBack(t *testing.T) {
	b := newBench(t)
	s := b.machine("n1:22")
	d := newDesk(t)
	before := modes(t, d.tty)
	ended := make(chan error, 1)
	go func() { ended <- b.host(Login{Name: "n1"}).Shell(t.Context(), d.tty, d.tty, d.tty) }()
	d.types("echo $((6*7))\n", "42")
	s.cut()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "host n1: shell: ") || !errors.Is(err, errLost) {
		t.Errorf("ended with %v", err)
	}
	if modes(t, d.tty) != before {
		t.Error("the terminal stays raw")
	}
}

func TestShellWithoutATerminal(t *testing.T) {
	b := newBench(t)
	s := b.machine("n1:22")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, _ = io.WriteString(w, "echo hi; [ -t 0 ] || echo no terminal\nexit 3\n")
	w.Close()
	if term.IsTerminal(int(r.Fd())) {
		t.Fatal("a pipe")
	}
	out, errw := buffers()
	err = b.host(Login{Name: "n1"}).Shell(t.Context(), r, out, errw)
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Status != 3 || out.String() != "hi\nno terminal\n" {
		t.Errorf("%v, %q, %q", err, out, errw)
	}
	if strings.Contains(strings.Join(s.requests, " "), "pty-req") {
		t.Error("a terminal was asked for")
	}
}
