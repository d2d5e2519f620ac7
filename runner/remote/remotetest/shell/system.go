package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/fleetup/fleetup/runner/remote/remotetest/vfs"
)

// Magic begins a file that stands for a Program; its name in System.Programs follows.
const Magic = "\x7fELF"

// System is what runs between two boots of a machine: its processes over its files.
type System struct {
	FS       *vfs.FS
	Programs map[string]Program
	Began    func(p *Proc) // told of every program that starts; may be nil

	ctx    context.Context
	stop   context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	procs  map[int]*Proc
	next   int
	homes  map[string]string
	booted time.Time
}

// NewSystem boots a system whose files are files. Programs are found in PATH, where files that Install made stand.
func NewSystem(files *vfs.FS, programs map[string]Program, began func(*Proc)) *System {
	ctx, stop := context.WithCancel(context.Background())
	return &System{FS: files, Programs: programs, Began: began, ctx: ctx, stop: stop, procs: map[int]*Proc{}, next: 300, booted: time.Now()}
}

// Install puts a program's file there.
func Install(files *vfs.FS, file, program string) error {
	return files.WriteFile(vfs.Cred{}, file, []byte(Magic+program), 0o755)
}

// Halt kills every process and waits until they are gone.
func (s *System) Halt() {
	s.stop()
	s.wg.Wait()
}

// Ctx ends with Halt.
func (s *System) Ctx() context.Context { return s.ctx }

// Go runs a goroutine that Halt waits for; it must end with Ctx.
func (s *System) Go(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() == nil {
		s.wg.Go(f)
	}
}

// Start starts a process that has no parent here.
func (s *System) Start(spec Spec) (*Proc, error) {
	run, args, _, err := s.find(spec)
	if err != nil {
		releaseAll(spec.Files)
		return nil, err
	}
	spec.Args, spec.Session = args, true
	return s.start(nil, spec, run), nil
}

func (s *System) start(parent *Proc, spec Spec, run Program) *Proc {
	p := s.newProc(parent, spec)
	if s.Began != nil && len(spec.Args) > 0 {
		s.Began(p)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	p.PID = s.next
	if p.PGID == 0 {
		p.PGID = p.PID
	}
	s.procs[p.PID] = p
	s.describe(p)
	if s.ctx.Err() != nil {
		p.stop()
		s.end(p, 128+SIGKILL)
		return p
	}
	s.wg.Go(func() {
		status := run(p)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.end(p, status)
	})
	return p
}

func (s *System) newProc(parent *Proc, spec Spec) *Proc {
	p := &Proc{
		Sys: s, Args: spec.Args, Env: spec.Env, Dir: spec.Dir, Cred: spec.Cred, Unit: spec.Unit, Began: time.Now(),
		fds: spec.Files, ignored: map[int]bool{}, caught: map[int]bool{}, poked: make(chan struct{}), done: make(chan struct{}),
	}
	p.Ctx, p.stop = context.WithCancel(s.ctx)
	if p.Env == nil {
		p.Env = map[string]string{}
	}
	if p.Dir == "" {
		p.Dir = "/"
	}
	p.PPID = 1
	if parent != nil {
		p.PPID = parent.PID
		parent.mu.Lock()
		p.ignored = maps.Clone(parent.ignored)
		parent.mu.Unlock()
		if !spec.Session {
			p.PGID = parent.PGID
		}
		if p.Args == nil {
			p.Args = parent.Args
		}
	}
	for _, sig := range spec.Ignore {
		p.ignored[sig] = true
	}
	return p
}

// end is called with the lock held.
func (s *System) end(p *Proc, status int) {
	p.mu.Lock()
	if p.killed != 0 {
		status = 128 + p.killed
	}
	files := p.fds
	p.fds = nil
	p.mu.Unlock()
	p.status = status
	p.stop()
	delete(s.procs, p.PID)
	s.FS.RemoveAll(vfs.Cred{}, fmt.Sprintf("/proc/%d", p.PID))
	releaseAll(files)
	close(p.done)
}

// Procs lists the processes, by number.
func (s *System) Procs() []*Proc {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*Proc
	for _, p := range s.procs {
		list = append(list, p)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].PID < list[j].PID })
	return list
}

// Kill sends a signal to the process pid, or to the group -pid; it reports whether there was one.
func (s *System) Kill(pid, sig int) bool {
	found := false
	for _, p := range s.Procs() {
		if p.PID == pid || pid < -1 && p.PGID == -pid {
			found = true
			p.Signal(sig)
		}
	}
	return found
}

// errNotFound and errDenied are how a shell says that it can't execute.
var (
	errNotFound = errors.New("not found")
	errDenied   = errors.New("Permission denied")
)

// LookPath finds a program's file.
func (s *System) LookPath(c vfs.Cred, dir, pathVar, name string) (string, error) {
	if strings.Contains(name, "/") {
		if !path.IsAbs(name) {
			name = path.Join(dir, name)
		}
		return name, s.executable(c, name)
	}
	for _, d := range strings.Split(pathVar, ":") {
		if d == "" {
			d = dir
		}
		if file := path.Join(d, name); s.executable(c, file) == nil {
			return file, nil
		}
	}
	return "", errNotFound
}

func (s *System) executable(c vfs.Cred, file string) error {
	info, err := s.FS.Stat(c, file)
	switch {
	case err != nil:
		return errNotFound
	case info.IsDir(), s.FS.Access(c, file, 1) != nil:
		return errDenied
	}
	return nil
}

// find returns what to run for spec and its arguments, or the status and error of a shell that can't.
func (s *System) find(spec Spec) (Program, []string, int, error) {
	file, err := s.LookPath(spec.Cred, spec.Dir, spec.Env["PATH"], spec.Args[0])
	if err != nil {
		status := 127
		if err == errDenied {
			status = 126
		}
		return nil, nil, status, fmt.Errorf("%s: %w", spec.Args[0], err)
	}
	content, err := s.FS.ReadFile(vfs.Cred{}, file)
	if err != nil {
		return nil, nil, 126, fmt.Errorf("%s: %w", spec.Args[0], err)
	}
	if name, ok := bytes.CutPrefix(content, []byte(Magic)); ok {
		if run := s.Programs[string(name)]; run != nil {
			return run, spec.Args, 0, nil
		}
		return nil, nil, 126, fmt.Errorf("%s: Exec format error", spec.Args[0])
	}
	args := append([]string{"sh", file}, spec.Args[1:]...)
	return Main, args, 0, nil
}

// Home says where a user's ~ is.
func (s *System) Home(user, dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.homes == nil {
		s.homes = map[string]string{}
	}
	s.homes[user] = dir
}

func (s *System) home(user string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if dir := s.homes[user]; dir != "" {
		return dir
	}
	return "~" + user
}

// describe makes /proc/PID.
func (s *System) describe(p *Proc) {
	dir, root := fmt.Sprintf("/proc/%d", p.PID), vfs.Cred{}
	if s.FS.Mkdir(root, dir, 0o555) != nil {
		return // no /proc is mounted
	}
	name := path.Base(p.Args[0])
	ticks := time.Since(s.booted).Milliseconds() / 10
	stat := fmt.Sprintf("%d (%s) S %d %d %d 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0\n", p.PID, name, p.PPID, p.PGID, p.PGID, ticks)
	s.FS.WriteFile(root, dir+"/stat", []byte(stat), 0o444)
	s.FS.WriteFile(root, dir+"/comm", []byte(name+"\n"), 0o444)
	s.FS.WriteFile(root, dir+"/cmdline", []byte(strings.Join(p.Args, "\x00")+"\x00"), 0o444)
}
