package lab

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	bridge  = "br0"
	apiHost = "10.213.0.1"
)

// makeNamespace makes the lab's network: a namespace that has no way out, with a bridge for the machines. The
// bridge has an address of its own since otherwise it takes one of its ports', and changes it when a machine reboots:
// its peers then lose it for two minutes.
func (l *Lab) makeNamespace(ctx context.Context) error {
	if err := run(exec.CommandContext(ctx, "ip", "netns", "add", l.Namespace)); err != nil {
		return err
	}
	for _, line := range []string{
		"link set lo up",
		"link add " + bridge + " address 52:54:00:1a:b0:01 type bridge",
		"address add " + apiHost + "/24 dev " + bridge,
		"link set " + bridge + " up",
	} {
		if err := run(exec.CommandContext(ctx, "ip", append([]string{"-n", l.Namespace}, strings.Fields(line)...)...)); err != nil {
			return err
		}
	}
	return nil
}

// Command is a command that will run inside the lab's network. It is killed when the context or the lab ends; its process
// is the command itself, not a wrapper of it.
func (l *Lab) Command(ctx context.Context, name string, arguments ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + l.namespacePath(), "--", name}, arguments...)...)
	cmd.WaitDelay = 5 * time.Second // a child of it that keeps its output open must not hang a test
	return cmd
}

func (l *Lab) namespacePath() string { return "/run/netns/" + l.Namespace }

// DialContext connects from inside the lab's network, so that a test can hand it to client-go (rest.Config.Dial) or
// net/http and stay in its own process.
func (l *Lab) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var conn net.Conn
	err := l.inside(func() (err error) {
		// Go may dial several addresses of a name on other threads, which are in another namespace: literal ones alone.
		if host, _, err := net.SplitHostPort(address); err != nil || net.ParseIP(host) == nil {
			return fmt.Errorf("lab: dial %s: want an IP address and a port", address)
		}
		conn, err = (&net.Dialer{FallbackDelay: -1}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Listen listens inside the lab's network, on an address that it gets for it: for a server that the machines or the
// API server's proxy shall reach. Pods report 192.168.192.168.
func (l *Lab) Listen(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	// "File exists" is as good; that it has the address at all is seen by listening.
	_ = run(exec.CommandContext(l.ctx, "ip", "-n", l.Namespace, "address", "add", host+"/32", "dev", bridge))
	var listener net.Listener
	err = l.inside(func() (err error) {
		listener, err = net.Listen("tcp", address)
		return err
	})
	return listener, err
}

// inside calls f on a thread that is in the lab's namespace. A socket keeps the namespace that it was made in.
func (l *Lab) inside(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and no unlock: the thread ends with the goroutine, nobody else gets it
		fd, err := unix.Open(l.namespacePath(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			done <- fmt.Errorf("lab: namespace %s: %w", l.Namespace, err)
			return
		}
		defer unix.Close(fd)
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("lab: enter namespace %s: %w", l.Namespace, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// run runs a command and returns its output as part of the error.
func run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
