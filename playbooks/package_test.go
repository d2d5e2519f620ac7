package playbooks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// kubeletMachine has kubelet and kubectl 1.36.4, held, from a repository of that minor, and one of 1.37 to switch to.
func kubeletMachine(t *testing.T, kind string) *machine {
	epoch, sort := "", "deb"
	if kind == "dnf" {
		epoch, sort = "0:", "rpm"
	}
	m := newMachine(t, kind, "kubelet "+epoch+"1.36.4-1.1", "kubectl "+epoch+"1.36.4-1.1")
	m.source("kubernetes", m.repository("core:/stable:/v1.36/"+sort, "kubelet "+epoch+"1.36.4-1.1", "kubectl "+epoch+"1.36.4-1.1", "kubelet "+epoch+"1.36.9-1.1", "kubectl "+epoch+"1.36.9-1.1"))
	m.repository("core:/stable:/v1.37/"+sort, "kubelet "+epoch+"1.37.2-1.1", "kubectl "+epoch+"1.37.2-1.1", "kubelet "+epoch+"1.37.20-1.1", "kubelet "+epoch+"1.37.2-1.0")
	m.hold("kubelet", "kubectl")
	return m
}

func (m *machine) hold(names ...string) {
	m.t.Helper()
	_, err := m.Run(context.Background(), withTool("hold "+words(names...)+"\n"))
	m.must(err)
	m.log()
}

func kubelet(t *testing.T, version string) Step {
	return bind(t, "", "kubelet", map[string]any{"version": version}, Target{Node: "n1"})[0]
}

// TestPackageUpgrade is the main job, on both package tools: the repository's minor is switched, old archives are kept,
// exactly the wanted versions are installed, and both packages are held again.
func TestPackageUpgrade(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"apt", "dnf"} {
		t.Run(kind, func(t *testing.T) {
			m := kubeletMachine(t, kind)
			s := kubelet(t, "1.37.2")
			status := check(t, s, m)
			changes := strings.Join(status.Changes, "\n")
			for _, want := range []string{"v1.36 → v1.37", "kubelet", "1.36.4-1.1 → ", "1.37.2-1.1", "kubectl"} {
				if !strings.Contains(changes, want) {
					t.Errorf("changes lack %q:\n%s", want, changes)
				}
			}
			if len(status.Problems) > 0 || len(status.Commands) != 2 {
				t.Errorf("status %+v", status)
			}
			before := keep(t, s, m)
			said := apply(t, s, m)
			if !strings.Contains(said, "switched to") || !strings.Contains(said, "installing kubelet") {
				t.Errorf("said:\n%s", said)
			}
			for _, name := range []string{"kubelet", "kubectl"} {
				if got := m.read("state/pkg/" + name); !strings.Contains(got, "1.37.2-1.1 amd64") {
					t.Errorf("%s: %s", name, got)
				}
				if kept, _ := filepath.Glob(m.root + "/var/lib/fleetup/kept/" + name + "*1.36.4-1.1*"); len(kept) != 1 {
					t.Errorf("%s 1.36.4 isn't kept: %v", name, kept)
				}
			}
			if got := check(t, s, m); !got.Clean {
				t.Errorf("after: %+v", got)
			}
			if sources, _ := filepath.Glob(m.root + "/var/lib/fleetup/kept/sources/*"); len(sources) != 1 {
				t.Errorf("the source's old file isn't kept: %v", sources)
			}
			if log := m.log(); strings.Contains(log, "apt-get update \n") || strings.Contains(log, "dnf makecache \n") || strings.Count(log, " install") != 1 {
				t.Errorf("more was done than needed:\n%s", log)
			}
			m.must(os.RemoveAll(m.root + "/repo")) // no mirror any more
			undo(t, s, before, m)
			for _, name := range []string{"kubelet", "kubectl"} {
				if got := m.read("state/pkg/" + name); !strings.Contains(got, "1.36.4-1.1") || m.held(name) != true {
					t.Errorf("gone back to: %s\n%s", got, m.log())
				}
			}
			for _, source := range []string{"etc/apt/sources.list.d/kubernetes.list", "etc/yum.repos.d/kubernetes.repo"} {
				if text := m.read(source); strings.Contains(text, "v1.37") {
					t.Errorf("%s: %s", source, text)
				}
			}
		})
	}
}

// TestPackageTakesBack corrects a version that proved bad by wanting an older one, as far as what was there before it and
// no further.
func TestPackageTakesBack(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"apt", "dnf"} {
		t.Run(kind, func(t *testing.T) {
			m := kubeletMachine(t, kind)
			apply(t, kubelet(t, "1.36.9"), m)
			if got := strings.Join(check(t, kubelet(t, "1.36.3"), m).Problems, "\n"); !strings.Contains(got, "is newer than 1.36.3") {
				t.Errorf("further back than before: problems %q", got)
			}
			s := kubelet(t, "1.36.4")
			if status := check(t, s, m); len(status.Problems) > 0 {
				t.Errorf("refused: %q", status.Problems)
			}
			apply(t, s, m)
			if got := m.read("state/pkg/kubelet"); !strings.Contains(got, "1.36.4-1.1") {
				t.Errorf("after: %s\n%s", got, m.log())
			}
			if got := m.read("var/lib/fleetup/kept/kubelet.0.before"); !strings.Contains(got, "1.36.4-1.1") {
				t.Errorf("known as what there was before: %s", got)
			}
		})
	}
}

// TestPackageProblems are versions that can't be had, known before anything is touched.
func TestPackageProblems(t *testing.T) {
	t.Parallel()
	tests := []struct{ version, problem string }{
		{"1.37.9", "no repository has kubelet 1.37.9; the newest there is"},
		{"1.38.1", ""}, // its repository isn't there: the look fails, so nothing is known
		{"1.36.5", "no repository has kubelet 1.36.5; the newest there is"},
		{"1.35.1", "is newer than 1.35.1"},
	}
	for _, kind := range []string{"apt", "dnf"} {
		for _, tt := range tests {
			m := kubeletMachine(t, kind)
			status := check(t, kubelet(t, tt.version), m)
			got := strings.Join(status.Problems, "\n")
			if (tt.problem == "") != (got == "") || !strings.Contains(got, tt.problem) {
				t.Errorf("%s, %s: problems %q, want %q", kind, tt.version, got, tt.problem)
			}
			if status.Clean || m.log() != "" {
				t.Errorf("%s, %s: clean, or something was done", kind, tt.version)
			}
		}
	}
	m := newMachine(t, "apt", "docker-ce 5:28.1.1-1")
	status := check(t, bind(t, "", "containerd", map[string]any{"version": "2.1.4"}, Target{})[0], m)
	if len(status.Problems) == 0 || !strings.Contains(status.Problems[0], "none of containerd.io, containerd is installed") {
		t.Errorf("no containerd: %+v", status)
	}
}

func TestPackageHoldAlone(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"apt", "dnf"} {
		m := newMachine(t, kind, map[string]string{"apt": "kubelet 1.37.2-1.1", "dnf": "kubelet 0:1.37.2-1.1"}[kind])
		s := kubelet(t, "1.37.2")
		if got := check(t, s, m); got.Clean || !slices.Equal(got.Changes, []string{"hold kubelet"}) {
			t.Errorf("%s: %+v", kind, got)
		}
		apply(t, s, m)
		if log := m.log(); strings.Contains(log, "install") {
			t.Errorf("%s: installed where only the hold lacked:\n%s", kind, log)
		}
		if got := check(t, s, m); !got.Clean {
			t.Errorf("%s, after: %+v", kind, got)
		}
	}
	m := newMachine(t, "dnf", "kubelet 0:1.37.2-1.1")
	m.must(os.Remove(m.root + "/etc/dnf/plugins/versionlock.conf"))
	if got := check(t, kubelet(t, "1.37.2"), m); len(got.Problems) != 1 || !strings.Contains(got.Problems[0], "versionlock") {
		t.Errorf("without versionlock: %+v", got)
	}
}

// TestPackageFailureHoldsAgain: whatever the installation comes to, what was held is held.
func TestPackageFailureHoldsAgain(t *testing.T) {
	t.Parallel()
	m := kubeletMachine(t, "apt")
	m.write("state/fails/kubelet", "")
	err := kubelet(t, "1.37.2").Apply(t.Context(), m, nil)
	if err == nil || !strings.Contains(err.Error(), "failed in postinst") {
		t.Errorf("err = %v", err)
	}
	for _, name := range []string{"kubelet", "kubectl"} {
		if got := m.read("state/pkg/" + name); !strings.Contains(got, " hold ") {
			t.Errorf("%s isn't held: %s", name, got)
		}
	}
	if got := check(t, kubelet(t, "1.37.2"), m); got.Clean || !strings.Contains(strings.Join(got.Changes, ""), "half-configured") {
		t.Errorf("half-configured: %+v", got)
	}
}

// TestFault20InterruptedDpkg: what an earlier installation left half done is finished first, and said.
func TestFault20InterruptedDpkg(t *testing.T) {
	t.Parallel()
	m := kubeletMachine(t, "apt")
	m.write("state/pkg/tzdata", "1 all install half-configured\n")
	m.write("var/lib/dpkg/updates/0001", "")
	said := apply(t, kubelet(t, "1.37.2"), m)
	if !strings.Contains(said, "dpkg --configure -a") {
		t.Errorf("not said:\n%s", said)
	}
	log := m.log()
	if repair, install := strings.Index(log, "dpkg --configure"), strings.Index(log, "apt-get install"); repair < 0 || repair > install {
		t.Errorf("repaired too late:\n%s", log)
	}
}

// TestFault21PackageLock: the process that holds the lock is named while it is waited for.
func TestFault21PackageLock(t *testing.T) {
	t.Parallel()
	m := kubeletMachine(t, "apt")
	m.write("var/lib/dpkg/lock-frontend", "")
	m.write("proc/locks", "1: POSIX  ADVISORY  WRITE 4711 fe:01:99 0 EOF\n1: -> POSIX  ADVISORY  WRITE 4712 fe:01:99 0 EOF\n2: FLOCK  ADVISORY  WRITE 1 00:01:5 0 EOF\n")
	m.write("proc/4711/comm", "unattended-upgr\n")
	m.must(os.MkdirAll(m.root+"/proc/4711/fd", 0o755))
	m.must(os.Symlink(m.root+"/var/lib/dpkg/lock-frontend", m.root+"/proc/4711/fd/5"))
	found, err := Preflight(t.Context(), m, Wanted{})
	if err != nil || !strings.Contains(strings.Join(found.Warnings, ""), "unattended-upgr (pid 4711)") {
		t.Errorf("preflight: %+v, %v", found, err)
	}
	// sleep ends the lock, see testdata/tools.sh.
	said := apply(t, kubelet(t, "1.37.2"), m)
	if !strings.Contains(said, "waiting for the package lock: held by unattended-upgr (pid 4711)") {
		t.Errorf("said:\n%s", said)
	}
	if log := m.log(); !strings.Contains(log, "slept") {
		t.Errorf("didn't wait:\n%s", log)
	}
	d := kubeletMachine(t, "dnf")
	d.write("var/lib/dnf/rpmdb_lock.pid", "77")
	d.write("proc/77/comm", "packagekitd\n")
	out, err := d.Run(t.Context(), withTool("wait_lock 0\n"))
	if err == nil || !strings.Contains(err.Error(), "held by packagekitd (pid 77)") {
		t.Errorf("dnf: %q, %v", out, err)
	}
}

// TestFault22NoQuestions: debconf, conffiles and needrestart are told not to ask.
func TestFault22NoQuestions(t *testing.T) {
	t.Parallel()
	script := aptShell.sent()
	for _, want := range []string{"DEBIAN_FRONTEND=noninteractive", "APT_LISTCHANGES_FRONTEND=none", "NEEDRESTART_MODE=l", "UCF_FORCE_CONFFOLD=1", "--force-confdef", "--force-confold", "</dev/null"} {
		if !strings.Contains(script, want) {
			t.Errorf("apt.sh lacks %s", want)
		}
	}
}

// TestPackageStaleLists: archives that the mirror has no more lead to fetching the lists and another try.
func TestPackageStaleLists(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "apt", "containerd 2.1.3-1")
	m.source("docker", m.repository("docker", "containerd 2.1.4-1"))
	m.write("state/gone/containerd", "")
	s := bind(t, "", "containerd", map[string]any{"version": "2.1.4"}, Target{})[0]
	if said := apply(t, s, m); !strings.Contains(said, "out of date") {
		t.Errorf("said:\n%s", said)
	}
	if got := check(t, s, m); !got.Clean {
		t.Errorf("after: %+v", got)
	}
	// A version that the mirror has but the machine's lists don't know yet.
	m.repository("docker", "containerd 2.1.4-1", "containerd 2.1.5-1")
	s = bind(t, "", "containerd", map[string]any{"version": "2.1.5"}, Target{})[0]
	if got := check(t, s, m); len(got.Problems) > 0 || !strings.Contains(got.Changes[0], "→ 2.1.5-1") {
		t.Errorf("looked up: %+v", got)
	}
	apply(t, s, m)
	if got := check(t, s, m); !got.Clean {
		t.Errorf("after the second: %+v", got)
	}
}

// TestPackageStarts: a runtime that doesn't start fails the step with its log, a masked one is left to whoever masked it.
func TestPackageStarts(t *testing.T) {
	t.Parallel()
	for _, masked := range []bool{false, true} {
		m := newMachine(t, "apt", "containerd 2.1.3-1")
		m.source("docker", m.repository("docker", "containerd 2.1.5-1"))
		m.write("state/unit/containerd.fails", "")
		if masked {
			m.write("state/unit/containerd.enabled", "masked-runtime\n")
		}
		s := bind(t, "", "containerd", map[string]any{"version": "2.1.5"}, Target{})[0]
		err := s.Apply(t.Context(), m, nil)
		if (err == nil) != masked {
			t.Errorf("masked %v: %v", masked, err)
		}
		if err != nil && !strings.Contains(err.Error(), "the last line of the log") {
			t.Errorf("the log lacks: %v", err)
		}
		if err := s.Verify(t.Context(), m); err == nil || !strings.Contains(err.Error(), "doesn't run") {
			t.Errorf("Verify of a runtime that is down: %v", err)
		}
	}
}

func TestRepositorySwitches(t *testing.T) {
	t.Parallel()
	madison := "madison kubelet | 1.36.4-1.1 | https://pkgs.k8s.io/core:/stable:/v1.36/deb  Packages\n"
	tests := []struct {
		name, output, wanted string
		want                 []string
	}{
		{"one line", madison + "source /e/k.list:deb [signed-by=/k.gpg arch=amd64] https://pkgs.k8s.io/core:/stable:/v1.36/deb/ /\n", "1.37", []string{"https://pkgs.k8s.io/core:/stable:/v1.37/deb/"}},
		{"deb822", madison + "source /e/k.sources:Types: deb\nsource /e/k.sources:URIs: https://pkgs.k8s.io/core:/stable:/v1.36/deb/\nsource /e/k.sources:Suites: /\n", "1.37", []string{"https://pkgs.k8s.io/core:/stable:/v1.37/deb/"}},
		{"another's minor stays", madison + "source /e/k.list:deb https://pkgs.k8s.io/core:/stable:/v1.36/deb/ /\nsource /e/c.list:deb https://x.example/cri-o/v1.36/deb/ /\n", "1.37", []string{"https://pkgs.k8s.io/core:/stable:/v1.37/deb/"}},
		{"nothing known of who serves", "source /e/k.list:deb https://mirror.example/kubernetes/v1.36/deb/ /\nsource /e/c.list:deb https://x.example/other/v1.36/deb/ /\n", "1.37", []string{"https://mirror.example/kubernetes/v1.37/deb/"}},
		{"there already", madison + "source /e/k.list:deb https://pkgs.k8s.io/core:/stable:/v1.36/deb/ /\n", "1.36", nil},
		{"no minor in the URL", "madison kubelet | 1.36.4-1.1 | https://mirror.example/all  Packages\nsource /e/k.list:deb https://mirror.example/all /\n", "1.37", nil},
		{"a URL", madison + "source /e/k.list:deb https://pkgs.k8s.io/core:/stable:/v1.36/deb/ /\n", "https://pkgs.k8s.io/core:/stable:/v1.37/deb", []string{"https://pkgs.k8s.io/core:/stable:/v1.37/deb/"}},
		{"another URL", madison + "source /e/k.list:deb https://pkgs.k8s.io/core:/stable:/v1.36/deb/ /\n", "https://mirror.example/v1.37/deb/", nil},
		{"no version", madison + "source /e/k.list:deb https://pkgs.k8s.io/core:/stable:/v1.36/deb/ /\n", "", nil},
	}
	for _, tt := range tests {
		var got []string
		for _, c := range parseIndex(tt.output, true).switches(tt.wanted) {
			got = append(got, c.url())
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestIndexURLs(t *testing.T) {
	t.Parallel()
	ix := parseIndex("source /e/d.list:deb http://deb.example/debian bookworm main contrib\nsource /e/f.list:deb file:/srv/x ./\narch arm64\n", true)
	var got []string
	for _, s := range ix.sources {
		got = append(got, s.urls(s.uri)...)
	}
	want := []string{"http://deb.example/debian/dists/bookworm/main/binary-arm64/Packages", "http://deb.example/debian/dists/bookworm/contrib/binary-arm64/Packages", "file:/srv/x/Packages"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestPatches(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"apt", "dnf"} {
		e := map[string]string{"apt": "", "dnf": "0:"}[kind]
		m := newMachine(t, kind)
		for _, name := range []string{"libc6", "tzdata", "kubelet", "containerd", "linux-image-amd64", "ceph-common", "mine", "heldpkg"} {
			m.write("state/pkg/"+name, e+"1-1 amd64 install installed\n")
		}
		m.hold("heldpkg", "kubelet")
		var packages []string
		for _, name := range []string{"tzdata", "kubelet", "containerd", "linux-image-amd64", "ceph-common", "mine", "heldpkg"} {
			packages = append(packages, fmt.Sprintf("%s %s2-1", name, e))
		}
		m.source("os", m.repository("os", append(packages, "libc6 "+e+"2-1 Debian-Security:12/stable-security")...))
		m.write("var/cache/dnf/os/repodata/repomd.xml", "")
		names := func(params map[string]any) string {
			var all []string
			for _, change := range check(t, bind(t, "", "os-patches", params, Target{})[0], m).Changes {
				all = append(all, strings.Fields(change)[0])
			}
			slices.Sort(all)
			return strings.Join(all, " ")
		}
		want := map[string]string{"all": "libc6 mine tzdata", "without": "libc6 tzdata"}
		if kind == "dnf" { // what isn't a kernel by Red Hat's names
			want = map[string]string{"all": "libc6 mine tzdata", "without": "libc6 tzdata"}
		}
		if got := names(nil); got != want["all"] {
			t.Errorf("%s: all: %s", kind, got)
		}
		if got := names(map[string]any{"exclude": []any{"mi*"}}); got != want["without"] {
			t.Errorf("%s: with exclude: %s", kind, got)
		}
		if got := names(map[string]any{"security_only": true}); got != "libc6" {
			t.Errorf("%s: security only: %s", kind, got)
		}
		m.write("state/auto", "tzdata\nother\n")
		s := bind(t, "", "os-patches", nil, Target{})[0]
		said := apply(t, s, m)
		if !strings.Contains(said, "upgrading 3 packages") {
			t.Errorf("%s: said:\n%s", kind, said)
		}
		if got := m.read("state/pkg/kubelet"); !strings.HasPrefix(got, e+"1-1") {
			t.Errorf("%s: kubelet was upgraded: %s", kind, got)
		}
		if log := m.log(); kind == "apt" && !strings.Contains(log, "apt-mark auto tzdata\n") {
			t.Errorf("tzdata lost its mark as a dependency:\n%s", log)
		}
	}
}

// TestPatchesOfUnknownLists: dnf without the lists of one repository answers nothing, which doesn't mean that nothing is
// pending.
func TestPatchesOfUnknownLists(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "dnf", "libc6 1-1")
	m.source("os", m.repository("os", "libc6 0:1-2"))
	m.write("state/uncached", "")
	s := bind(t, "", "os-patches", nil, Target{})[0]
	if got := check(t, s, m); got.Clean || !strings.Contains(strings.Join(got.Changes, "\n"), "not of every repository") {
		t.Errorf("taken for patched: %+v", got)
	}
	apply(t, s, m)
	if got := m.read("state/pkg/libc6"); !strings.Contains(got, "1-2") {
		t.Errorf("libc6 is %s\n%s", got, m.log())
	}
}

// TestPatchesOldLists: lists of yesterday say nothing of today's patches.
func TestPatchesOldLists(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "apt", "libc6 1-1")
	s := bind(t, "", "os-patches", nil, Target{})[0]
	if got := check(t, s, m); got.Clean || !strings.Contains(got.Changes[0], "there are none") {
		t.Errorf("no lists: %+v", got)
	}
	m.source("os", m.repository("os", "libc6 1-1"))
	if got := check(t, s, m); !got.Clean {
		t.Errorf("fresh: %+v", got)
	}
	var said []string
	for _, age := range []time.Duration{3 * 24 * time.Hour, 4*24*time.Hour + time.Minute} { // as plan finds it, and a run a day later
		at := time.Now().Add(-age)
		for _, file := range []string{"var/lib/apt/lists", "var/lib/apt/lists/partial"} {
			if err := os.Chtimes(filepath.Join(m.root, file), at, at); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
		said = append(said, strings.Join(check(t, s, m).Changes, ", "))
	}
	if said[0] != said[1] || !strings.Contains(said[0], "more than a day old") {
		t.Errorf("lists of three days and of four: %q", said)
	}
	m.refresh()
	m.write("run/reboot-required", "")
	m.write("run/reboot-required.pkgs", "libc6\n")
	if got := check(t, s, m); !got.Staged || !got.Reboot || !strings.Contains(got.Changes[0], "libc6") {
		t.Errorf("a reboot is required: %+v", got)
	}
}

// TestPackageDatabaseThatCannotBeRead: what a package tool can't say is an error, never "not installed".
func TestPackageDatabaseThatCannotBeRead(t *testing.T) {
	for kind, broken := range map[string]string{
		"apt": "dpkg-query:echo 'dpkg-query: error: cannot read /var/lib/dpkg/status: Input/output error' >&2; exit 2",
		"dnf": "rpm:echo 'error: cannot open Packages database in /var/lib/rpm' >&2; shift 3; for n; do echo \"package $n is not installed\"; done; exit 1",
	} {
		m := newMachine(t, kind, "kubelet 1.36.4-1.1")
		tool, script, _ := strings.Cut(broken, ":")
		m.must(os.Remove(m.root + "/bin/" + tool))
		m.must(os.WriteFile(m.root+"/bin/"+tool, []byte("#!/bin/sh\n"+script+"\n"), 0o755))
		for _, ask := range []string{"installed kubelet\n", "kernels\n"} {
			out, err := m.Run(t.Context(), withTool(ask+"echo on\n"))
			if err == nil || !strings.Contains(err.Error(), tool) || !strings.Contains(err.Error(), "what is installed") {
				t.Errorf("%s: %s: %q, %v", kind, ask, out, err)
			}
		}
	}
}
