package playbooks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// machine is a Host that runs the real scripts with the real /bin/sh over a folder, with testdata/tools.sh as its
// package tool, systemd and kubeadm. Its PATH has nothing but these and the plain tools listed here: a script that
// needs another one fails in the tests.
type machine struct {
	t    *testing.T
	root string
	kind string
	done []string // names given to Do
}

var plainTools = []string{"cat", "grep", "sed", "awk", "cut", "sort", "head", "tail", "mkdir", "mv", "rm", "cp", "date", "df", "du", "stat",
	"basename", "mktemp", "gzip", "xz", "timeout", "find", "sha256sum", "sync", "tr", "touch", "ls", "sh", "uniq", "test",
	"chmod", "chown", "readlink", "dirname", "od"}

var aptTools = []string{"apt-get", "apt-cache", "apt-mark", "dpkg", "dpkg-query"}
var dnfTools = []string{"dnf", "rpm", "needs-restarting"}

// newMachine makes a machine with the packages given as "name version".
func newMachine(t *testing.T, kind string, packages ...string) *machine {
	t.Helper()
	m := &machine{t: t, root: t.TempDir(), kind: kind}
	bin := filepath.Join(m.root, "bin")
	for _, dir := range []string{"bin", "state/pkg", "state/lists", "state/unit", "state/gone", "state/fails", "etc/apt/sources.list.d", "etc/yum.repos.d",
		"etc/dnf/plugins", "var/lib/dpkg/updates", "proc/sys/kernel/random", "run/systemd/system", "boot", "var/cache", "sys/fs/cgroup", "tmp"} {
		m.must(os.MkdirAll(filepath.Join(m.root, dir), 0o755))
	}
	for _, tool := range plainTools {
		path, err := exec.LookPath(tool)
		m.must(err)
		m.must(os.Symlink(path, filepath.Join(bin, tool)))
	}
	tools, err := filepath.Abs("testdata/tools.sh")
	m.must(err)
	own := append([]string{"findmnt", "efibootmgr", "systemctl", "journalctl", "uname", "sleep", "kubelet", "kubeadm", "containerd"}, aptTools...)
	if kind == "dnf" {
		own = append(own[:9:9], dnfTools...)
		m.write("etc/dnf/plugins/versionlock.conf", "")
		m.write("etc/dnf/plugins/versionlock.list", "")
	}
	for _, tool := range own {
		m.must(os.Symlink(tools, filepath.Join(bin, tool)))
	}
	m.write("state/running", "6.1.0-51-amd64\n")
	m.write("proc/sys/kernel/random/boot_id", "boot-1\n")
	m.write("proc/stat", "cpu 1\nbtime 1000000000\n")
	for _, p := range packages {
		name, version, _ := strings.Cut(p, " ")
		m.write("state/pkg/"+name, version+" amd64 install installed\n")
	}
	return m
}

func (m *machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) write(path, text string) {
	m.t.Helper()
	path = filepath.Join(m.root, path)
	m.must(os.MkdirAll(filepath.Dir(path), 0o755))
	syscall.ForkLock.RLock() // a process that another test begins meanwhile would have a program open for writing: "text file busy"
	defer syscall.ForkLock.RUnlock()
	m.must(os.WriteFile(path, []byte(text), 0o644))
}

func (m *machine) read(path string) string {
	text, _ := os.ReadFile(filepath.Join(m.root, path))
	return string(text)
}

func (m *machine) exists(path string) bool {
	_, err := os.Stat(filepath.Join(m.root, path))
	return err == nil
}

// repository makes a flat repository of "name version [origin]" and returns its folder.
func (m *machine) repository(name string, packages ...string) string {
	var b strings.Builder
	for _, p := range packages {
		fields := append(strings.Fields(p), "Debian:12/stable")
		fmt.Fprintf(&b, "Package: %s\nVersion: %s\nOrigin: %s\n\n", fields[0], fields[1], fields[2])
	}
	m.write("repo/"+name+"/Packages", b.String())
	return filepath.Join(m.root, "repo", name)
}

// source adds a repository's folder to the package sources, and fetches its lists.
func (m *machine) source(name, dir string) {
	if m.kind == "dnf" {
		m.write("etc/yum.repos.d/"+name+".repo", "["+name+"]\nbaseurl=file://"+dir+"/\ngpgkey=file://"+dir+"/key\nenabled=1\n")
	} else {
		m.write("etc/apt/sources.list.d/"+name+".list", "deb [trusted=yes] file:"+dir+"/ /\n")
	}
	m.refresh()
}

// refresh fetches all package lists, as the system's own timers do.
func (m *machine) refresh() {
	m.t.Helper()
	_, err := m.Run(context.Background(), map[string]string{"apt": "apt-get update", "dnf": "dnf makecache"}[m.kind])
	m.must(err)
	m.must(os.RemoveAll(filepath.Join(m.root, "state/log")))
}

// log is what changed something, and is empty again afterwards.
func (m *machine) log() string {
	text := m.read("state/log")
	os.Remove(filepath.Join(m.root, "state/log"))
	return text
}

// sh runs a script with the machine's paths put in.
func (m *machine) sh(ctx context.Context, script string, line func(string)) (string, error) {
	var pairs []string
	for _, dir := range []string{"/var/", "/etc/", "/proc/", "/run/", "/boot/", "/boot ", "/sys/"} {
		pairs = append(pairs, m.root+dir, m.root+dir, dir, m.root+dir)
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", strings.NewReplacer(pairs...).Replace(script))
	cmd.Env = []string{"PATH=" + m.root + "/bin", "ROOT=" + m.root, "TMPDIR=" + m.root + "/tmp"}
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if line != nil {
		for scanner := bufio.NewScanner(strings.NewReader(out.String())); scanner.Scan(); {
			line(scanner.Text())
		}
	}
	if err != nil {
		return out.String(), &failure{err, errs.String()}
	}
	return out.String(), nil
}

// failure is an error as a Host has to give it.
type failure struct {
	error
	stderr string
}

func (f *failure) Error() string { return f.error.Error() + ": " + f.stderr }

func (f *failure) ExitStatus() int {
	var exit *exec.ExitError
	errors.As(f.error, &exit)
	return exit.ExitCode()
}

func (m *machine) Run(ctx context.Context, script string) (string, error) {
	return m.sh(ctx, script, nil)
}

func (m *machine) Do(ctx context.Context, name, script string, line func(string)) (string, error) {
	m.done = append(m.done, name)
	return m.sh(ctx, script, line)
}

func (m *machine) Upload(_ context.Context, from, to string, mode fs.FileMode) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	m.write(to, string(text))
	return os.Chmod(filepath.Join(m.root, to), mode)
}

func (m *machine) Download(_ context.Context, from, to string) error {
	return os.WriteFile(to, []byte(m.read(from)), 0o600)
}

// bind makes the steps of a playbook, or fails the test.
func bind(t *testing.T, dir, name string, params map[string]any, target Target) []Step {
	t.Helper()
	book, err := Load(dir, name)
	if err != nil {
		t.Fatal(err)
	}
	steps, err := book.Bind(params, target)
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

// own writes a playbook of the user's and binds it.
func own(t *testing.T, source string, params map[string]any) []Step {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "playbooks"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "playbooks", "own.toml"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	return bind(t, dir, "own", params, Target{Node: "n1"})
}

func check(t *testing.T, s Step, m *machine) Status {
	t.Helper()
	status, err := s.Check(context.Background(), m)
	if err != nil {
		t.Fatalf("%s: Check: %v", s.Name(), err)
	}
	return status
}

// apply applies a step and returns what it said.
func apply(t *testing.T, s Step, m *machine) string {
	t.Helper()
	var said []string
	if err := s.Apply(context.Background(), m, func(line string) { said = append(said, line) }); err != nil {
		t.Fatalf("%s: Apply: %v", s.Name(), err)
	}
	return strings.Join(said, "\n")
}

// keep returns what Before notes.
func keep(t *testing.T, s Step, m *machine) string {
	t.Helper()
	record, err := Keep(context.Background(), m, []Step{s})
	if err != nil {
		t.Fatalf("%s: Before: %v", s.Name(), err)
	}
	return record[s.ID()]
}

// undo takes a step back, and wants that to be seen.
func undo(t *testing.T, s Step, record string, m *machine) {
	t.Helper()
	back := s.Undo(record)
	if status := check(t, back, m); status.Clean || status.Staged || len(status.Problems) > 0 || len(status.Changes) == 0 {
		t.Fatalf("before it is taken back: %+v", status)
	}
	apply(t, back, m)
	if status := check(t, back, m); !status.Clean {
		t.Fatalf("after it was taken back: %+v\n%s", status, m.log())
	}
}

// held says whether a package is.
func (m *machine) held(name string) bool {
	m.t.Helper()
	out, err := m.Run(context.Background(), withTool("installed "+words(name)+"\n"))
	m.must(err)
	return parseInstalled(out).packages[name].held
}
