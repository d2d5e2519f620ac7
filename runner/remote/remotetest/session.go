package remotetest

import (
	"context"
	"io"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
)

const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// session serves one session channel: environment, then one command, shell or subsystem.
func (s *login) session(nc ssh.NewChannel) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sessions--
	}()
	ch, requests, err := nc.Accept()
	if err != nil {
		return
	}
	defer ch.Close()
	run := &session{login: s, ch: ch, env: map[string]string{}}
	for r := range requests {
		ok := run.request(r)
		if r.WantReply {
			r.Reply(ok, nil)
		}
		if ok && run.start != nil {
			start := run.start
			run.start = nil
			s.wg.Go(start)
		}
	}
	run.wg.Wait()
}

// session is what runs in a session channel.
type session struct {
	*login
	ch    ssh.Channel
	env   map[string]string
	begun bool
	start func() // set by the request that begins it
	wg    sync.WaitGroup
	pmu   sync.Mutex
	proc  *shell.Proc
}

func (r *session) request(q *ssh.Request) bool {
	var text struct{ Value string }
	switch q.Type {
	case "env":
		return false // AcceptEnv LANG LC_* alone, and scripts set what they need
	case "pty-req", "window-change":
		return true
	case "signal":
		return r.signal(q.Payload)
	case "exec":
		if r.begun || ssh.Unmarshal(q.Payload, &text) != nil {
			return false
		}
		r.begun, r.start = true, func() { r.exec([]string{"sh", "-c", text.Value}) }
		return true
	case "shell":
		r.start = func() { r.exec([]string{"sh"}) }
	case "subsystem":
		if ssh.Unmarshal(q.Payload, &text) != nil || text.Value != "sftp" {
			return false
		}
		r.start = func() { r.m.sftp(r.ch, r.user); r.end(0) }
	default:
		return false
	}
	ok := !r.begun
	r.begun = true
	if !ok {
		r.start = nil
	}
	return ok
}

func (r *session) signal(payload []byte) bool {
	var text struct{ Value string }
	if ssh.Unmarshal(payload, &text) != nil {
		return false
	}
	sig, ok := shell.SignalNumber(text.Value)
	r.pmu.Lock()
	defer r.pmu.Unlock()
	if !ok || r.proc == nil {
		return false
	}
	r.proc.Sys.Kill(-r.proc.PGID, sig)
	return true
}

// exec runs a command. As with OpenSSH, its status is sent when it ends, and the channel is closed once all that
// inherited its output have ended too.
func (r *session) exec(args []string) {
	r.m.mu.Lock()
	sys := r.m.sys
	r.m.mu.Unlock()
	if sys == nil {
		return
	}
	in, inW := shell.NewPipe()
	out, outW := shell.NewPipe()
	errs, errW := shell.NewPipe()
	p, err := sys.Start(shell.Spec{
		Args: args, Env: r.environment(), Dir: r.user.home(), Cred: r.user.cred(),
		Files: map[int]*shell.Desc{0: in, 1: outW, 2: errW},
	})
	if err != nil {
		inW.Release()
		out.Release()
		errs.Release()
		r.end(127)
		return
	}
	r.pmu.Lock()
	r.proc = p
	r.pmu.Unlock()
	r.login.wg.Go(func() { feed(r.ctx, inW, r.ch) })
	tell := sync.OnceFunc(func() { r.status(p.Wait(r.ctx)) })
	if between := r.m.overtaking(); between != nil {
		tell()
		between()
	}
	var output sync.WaitGroup
	output.Go(func() { drain(r.ctx, r.ch, out) })
	output.Go(func() { drain(r.ctx, r.ch.Stderr(), errs) })
	select {
	case <-p.Done():
		tell()
	case <-r.ctx.Done():
	}
	output.Wait()
	r.ch.CloseWrite()
	r.ch.Close()
}

// Overtake makes the exit status of each of the next n commands arrive before its output, as OpenSSH's may, and calls between
// when it has been sent: it may cut the connection, or let time pass. Their output must fit into a pipe.
func (m *Machine) Overtake(n int, between func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.overtaken, m.overtakes = n, between
}

func (m *Machine) overtaking() func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.overtaken == 0 {
		return nil
	}
	m.overtaken--
	return m.overtakes
}

func (r *session) environment() map[string]string {
	return map[string]string{
		"PATH": searchPath, "HOME": r.user.home(), "USER": r.user.Name, "LOGNAME": r.user.Name, "SHELL": "/bin/sh",
		"SSH_CONNECTION": "192.0.2.1 40000 192.0.2.2 22", "LANG": "C.UTF-8",
	}
}

// drain copies a pipe to the channel; with the connection gone nobody reads the pipe any more.
func drain(ctx context.Context, to io.Writer, from *shell.Desc) {
	defer from.Release()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(ctx, buf)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func feed(ctx context.Context, to *shell.Desc, from io.Reader) {
	defer to.Release()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := to.Write(ctx, buf[:n]); err != nil {
				io.Copy(io.Discard, from)
				return
			}
		}
		if err != nil {
			return
		}
	}
}

var signalNames = map[int]string{1: "HUP", 2: "INT", 9: "KILL", 13: "PIPE", 15: "TERM"}

func (r *session) status(status int) {
	if name := signalNames[status-128]; name != "" {
		r.ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Name       string
			CoreDumped bool
			Msg, Lang  string
		}{name, false, "", ""}))
		return
	}
	r.ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status)}))
}

func (r *session) end(status int) {
	r.status(status)
	r.ch.Close()
}
