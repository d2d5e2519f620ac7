package shell

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/fleetup/fleetup/runner/remote/remotetest/vfs"
)

// Program is an executable: it runs as the process p and returns its exit status. It must end soon after p.Ctx.
type Program func(p *Proc) int

// Signals that a process may get, with Linux's numbers.
const (
	SIGHUP  = 1
	SIGINT  = 2
	SIGKILL = 9
	SIGPIPE = 13
	SIGTERM = 15
)

// Proc is a process of a System.
type Proc struct {
	Sys       *System
	PID, PPID int
	PGID      int // its process group, and its session: there is no job control here
	Args      []string
	Env       map[string]string
	Dir       string
	Cred      vfs.Cred
	Unit      string // the systemd unit that it belongs to
	Began     time.Time
	Ctx       context.Context // ends when it is killed, or the machine goes down

	stop    context.CancelFunc
	mu      sync.Mutex
	fds     map[int]*Desc
	ignored map[int]bool
	caught  map[int]bool
	pending []int
	poked   chan struct{}
	killed  int // signal that ended it
	status  int
	done    chan struct{}
}

// Spec says how a process is started.
type Spec struct {
	Args    []string
	Env     map[string]string
	Dir     string
	Cred    vfs.Cred
	Unit    string
	Session bool          // in a session of its own, as setsid does
	Ignore  []int         // signals ignored from the start, as nohup does
	Files   map[int]*Desc // taken over: released when the process ends
}

func (p *Proc) fd(n int) *Desc {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fds[n]
}

// File returns the description behind descriptor n, or nil.
func (p *Proc) File(n int) *Desc { return p.fd(n) }

// Stdin, Stdout and Stderr are its first descriptors. Writing to a pipe that nobody reads kills it, as SIGPIPE does.
func (p *Proc) Stdin() io.Reader { return reader{p, 0} }

// Stdout is descriptor 1.
func (p *Proc) Stdout() io.Writer { return writer{p, 1} }

// Stderr is descriptor 2.
func (p *Proc) Stderr() io.Writer { return writer{p, 2} }

// Printf writes to standard output.
func (p *Proc) Printf(format string, a ...any) { fmt.Fprintf(p.Stdout(), format, a...) }

// Fail writes "program: message" to standard error and returns status.
func (p *Proc) Fail(status int, format string, a ...any) int {
	fmt.Fprintf(p.Stderr(), path.Base(p.Args[0])+": "+format+"\n", a...)
	return status
}

// Sleep waits, and reports false where the process was killed meanwhile.
func (p *Proc) Sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return p.Ctx.Err() == nil
	case <-p.Ctx.Done():
		return false
	}
}

// Abs makes a path absolute.
func (p *Proc) Abs(name string) string {
	if name == "" || path.IsAbs(name) {
		return name
	}
	return path.Join(p.Dir, name)
}

// Open opens a file with the process's rights; "/dev/stdin" and the like are not known.
func (p *Proc) Open(name string, flag int, perm fs.FileMode) (*vfs.File, error) {
	return p.Sys.FS.Open(p.Cred, p.Abs(name), flag, perm)
}

// ReadFile reads a file; "-" is standard input.
func (p *Proc) ReadFile(name string) ([]byte, error) {
	if name == "-" || name == "/dev/stdin" {
		return io.ReadAll(p.Stdin())
	}
	return p.Sys.FS.ReadFile(p.Cred, p.Abs(name))
}

// Run runs a program as a child with this process's environment and descriptors, and returns its status.
func (p *Proc) Run(args ...string) int { return p.RunWith(Spec{Args: args}) }

// RunWith runs a child as s says; what s leaves empty is inherited.
func (p *Proc) RunWith(s Spec) int {
	child := p.Spawn(s)
	if child == nil {
		return 127
	}
	return child.Wait(p.Ctx)
}

// Spawn starts a child and returns at once; nil where there is no such program, which it says.
func (p *Proc) Spawn(s Spec) *Proc {
	s.Cred = p.Cred
	return p.spawn(s)
}

// SpawnRoot is Spawn as root, whoever the process itself runs as: for sudo, which is setuid.
func (p *Proc) SpawnRoot(s Spec) *Proc {
	s.Cred = vfs.Cred{}
	return p.spawn(s)
}

func (p *Proc) spawn(s Spec) *Proc {
	if s.Env == nil {
		s.Env = maps.Clone(p.Env)
	}
	if s.Dir == "" {
		s.Dir = p.Dir
	}
	if s.Unit == "" {
		s.Unit = p.Unit
	}
	if s.Files == nil {
		s.Files = p.cloneFiles()
	}
	run, args, _, err := p.Sys.find(s)
	if err != nil {
		releaseAll(s.Files)
		fmt.Fprintf(p.Stderr(), "%s: %v\n", path.Base(p.Args[0]), err)
		return nil
	}
	s.Args = args
	return p.Sys.start(p, s, run)
}

func (p *Proc) cloneFiles() map[int]*Desc {
	p.mu.Lock()
	defer p.mu.Unlock()
	files := make(map[int]*Desc, len(p.fds))
	for n, d := range p.fds {
		files[n] = d.hold()
	}
	return files
}

func releaseAll(files map[int]*Desc) {
	for _, d := range files {
		d.Release()
	}
}

// Wait waits for its end and returns its status, 128 and the signal where one ended it.
func (p *Proc) Wait(ctx context.Context) int {
	select {
	case <-p.done:
		return p.status
	case <-ctx.Done():
		return 128 + SIGTERM
	}
}

// Done is closed when it has ended.
func (p *Proc) Done() <-chan struct{} { return p.done }

// Signal sends it a signal. What isn't ignored or caught ends it.
func (p *Proc) Signal(sig int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case sig == 0 || sig != SIGKILL && p.ignored[sig]:
	case sig != SIGKILL && p.caught[sig]:
		p.pending = append(p.pending, sig)
		close(p.poked)
		p.poked = make(chan struct{})
	default:
		if p.killed == 0 {
			p.killed = sig
		}
		p.stop()
	}
}

// endedBy is the signal that ended it, 0 for none.
func (p *Proc) endedBy() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.killed
}

// catch says what a signal does from now on: kill, be ignored, or be kept for take.
func (p *Proc) catch(sig int, ignore, keep bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ignored[sig], p.caught[sig] = ignore, keep
}

// take returns the next caught signal, 0 for none, and a channel that is closed when another comes.
func (p *Proc) take() (int, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.pending) == 0 {
		return 0, p.poked
	}
	sig := p.pending[0]
	p.pending = p.pending[1:]
	return sig, p.poked
}

// Command is its command line, as ps shows it.
func (p *Proc) Command() string { return strings.Join(p.Args, " ") }

// OpenFile makes a description of a file, for use as a child's descriptor.
func (p *Proc) OpenFile(name string, flag int, perm fs.FileMode) (*Desc, error) {
	file, err := p.Open(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return NewDesc(&fileStream{file: file}), nil
}

// Locked returns the file behind a description, for flock; nil where it is no file.
func (d *Desc) Locked() *vfs.File {
	if s, ok := d.Stream.(*fileStream); ok {
		return s.file
	}
	return nil
}

// Text is what went wrong with a file, as C programs say it.
func Text(err error) string {
	if e, ok := err.(*fs.PathError); ok {
		err = e.Err
	}
	s := err.Error()
	if s == os.ErrClosed.Error() || s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
