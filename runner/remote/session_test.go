package remote

import (
	"testing"

	"golang.org/x/crypto/ssh"
)

// TestWatchExit: how a command ended, as the server tells it (RFC 4254, 6.10): its status, 128 and the signal's number as in a shell, or
// nothing, which is no success.
func TestWatchExit(t *testing.T) {
	status := func(n uint32) *ssh.Request {
		return &ssh.Request{Type: "exit-status", Payload: ssh.Marshal(struct{ Status uint32 }{n})}
	}
	signal := func(name string) *ssh.Request {
		return &ssh.Request{Type: "exit-signal", Payload: ssh.Marshal(struct {
			Signal     string
			CoreDumped bool
			Error      string
			Lang       string
		}{name, false, "killed", "en"})}
	}
	const nothing = -1
	for _, tc := range []struct {
		name string
		reqs []*ssh.Request
		want int
	}{
		{"well", []*ssh.Request{status(0)}, 0},
		{"with a status", []*ssh.Request{{Type: "eow@openssh.com"}, status(65)}, 65},
		{"killed", []*ssh.Request{signal("KILL")}, 137},
		{"asked to end", []*ssh.Request{signal("TERM")}, 143},
		{"by a signal that has no name there", []*ssh.Request{signal("SIG@openssh.com")}, 128},
		{"told twice", []*ssh.Request{status(3), status(0)}, 3},
		{"a message that isn't whole", []*ssh.Request{{Type: "exit-status", Payload: []byte{0, 0}}}, nothing},
		{"the channel closed", nil, nothing},
	} {
		reqs, exit := make(chan *ssh.Request, len(tc.reqs)), make(chan int, 1)
		for _, r := range tc.reqs {
			reqs <- r
		}
		close(reqs)
		watchExit(reqs, exit)
		got, told := <-exit
		if !told {
			got = nothing
		}
		if got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}
