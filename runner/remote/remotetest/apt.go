package remotetest

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
	"github.com/fleetup/fleetup/runner/remote/remotetest/vfs"
)

// source is one line of the package sources.
type source struct{ url, suite, file string }

// sources reads one-line and deb822 sources; only names the files to look at, nil means all.
func (m *Machine) sources(only []string) []source {
	files := only
	if files == nil {
		files = []string{"/etc/apt/sources.list"}
		list, _ := m.FS.ReadDir(vfs.Cred{}, "/etc/apt/sources.list.d")
		for _, info := range list {
			files = append(files, path.Join("/etc/apt/sources.list.d", info.Name()))
		}
	}
	var out []source
	for _, file := range files {
		data, err := m.ReadFile(file)
		switch {
		case err != nil:
		case strings.HasSuffix(file, ".sources"):
			out = append(out, deb822(file, data)...)
		case strings.HasSuffix(file, ".list"):
			out = append(out, oneLine(file, data)...)
		}
	}
	return out
}

var options822 = regexp.MustCompile(`\[[^\]]*\]`)

func oneLine(file string, data []byte) []source {
	var out []source
	for _, line := range lines(data) {
		f := strings.Fields(options822.ReplaceAllString(line, ""))
		if len(f) >= 3 && f[0] == "deb" {
			out = append(out, source{f[1], f[2], file})
		}
	}
	return out
}

func deb822(file string, data []byte) []source {
	var out []source
	for _, stanza := range strings.Split(string(data), "\n\n") {
		keys := map[string]string{}
		for _, line := range strings.Split(stanza, "\n") {
			if k, v, ok := strings.Cut(line, ":"); ok {
				keys[strings.TrimSpace(k)] = strings.TrimSpace(v)
			}
		}
		if strings.EqualFold(keys["Enabled"], "no") {
			continue
		}
		for _, url := range strings.Fields(keys["URIs"]) {
			out = append(out, source{url, keys["Suites"], file})
		}
	}
	return out
}

const listsDir = "/var/lib/apt/lists"

func listFile(s source) string {
	_, rest, _ := strings.Cut(s.url, "://")
	return path.Join(listsDir, strings.ReplaceAll(strings.TrimRight(rest, "/"), "/", "_")+"_Packages")
}

// fetchLists is apt-get update. What a list holds is kept in it as apt keeps it, with a line that says where it is from.
func (m *Machine) fetchLists(only []string, clean bool) (failed []string) {
	keep := map[string]bool{"lock": true, "partial": true}
	for _, s := range m.sources(only) {
		list, ok := m.o.Repo.at(s.url)
		if !ok {
			failed = append(failed, s.url)
			continue
		}
		var text strings.Builder
		suite := s.suite
		if suite != "/" {
			suite += "/main amd64"
		}
		fmt.Fprintf(&text, "# %s|%s\n", s.url, suite)
		for _, p := range list {
			fmt.Fprintf(&text, "Package: %s\nVersion: %s\nArchitecture: %s\nDepends: %s\nOrigin: %s\nReboot: %v\n\n", p.Name, p.Version, p.Arch, strings.Join(p.Depends, ", "), p.Origin, p.Reboot)
		}
		m.WriteFile(listFile(s), []byte(text.String()))
		keep[path.Base(listFile(s))] = true
	}
	if clean {
		list, _ := m.FS.ReadDir(vfs.Cred{}, listsDir)
		for _, info := range list {
			if !keep[info.Name()] {
				m.FS.Remove(vfs.Cred{}, path.Join(listsDir, info.Name()))
			}
		}
	}
	m.FS.Chtimes(vfs.Cred{}, listsDir, time.Now())
	m.FS.Chtimes(vfs.Cred{}, listsDir+"/partial", time.Now())
	return failed
}

// known is a package version that the lists know.
type known struct {
	Package
	url, suite string
}

// candidates are the versions that the lists know of a package, the newest first. A list whose source is another one by now is
// there still, and isn't read, as apt reads only those of its sources.
func (m *Machine) candidates(name string) []known {
	var out []known
	used := map[string]bool{}
	for _, s := range m.sources(nil) {
		used[listFile(s)] = true
	}
	files, _ := m.FS.ReadDir(vfs.Cred{}, listsDir)
	for _, info := range files {
		list := path.Join(listsDir, info.Name())
		data, err := m.ReadFile(list)
		if err != nil || !used[list] || !strings.HasSuffix(info.Name(), "_Packages") {
			continue
		}
		first, rest, _ := strings.Cut(string(data), "\n")
		url, suite, _ := strings.Cut(strings.TrimPrefix(first, "# "), "|")
		for _, stanza := range strings.Split(rest, "\n\n") {
			p := parsePackage(stanza)
			if p.Name != "" && (name == "" || p.Name == name) {
				out = append(out, known{p, strings.TrimRight(url, "/"), suite})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b known) int { return compareVersions(b.Version, a.Version) })
	return out
}

func parsePackage(stanza string) Package {
	var p Package
	for _, line := range strings.Split(stanza, "\n") {
		k, v, _ := strings.Cut(line, ": ")
		switch k {
		case "Package":
			p.Name = v
		case "Version":
			p.Version = v
		case "Architecture":
			p.Arch = v
		case "Origin":
			p.Origin = v
		case "Reboot":
			p.Reboot = v == "true"
		case "Depends":
			p.Depends = strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' })
		}
	}
	return p
}

func (m *Machine) aptCache(p *shell.Proc) int {
	_, args := options(p.Args[1:], "o c")
	if len(args) == 0 {
		return 0
	}
	for _, name := range args[1:] {
		list := m.candidates(name)
		switch args[0] {
		case "madison":
			for _, k := range list {
				suite := " " + k.suite
				if k.suite == "/" {
					suite = " "
				}
				p.Printf("%10s | %10s | %s%s Packages\n", k.Name, k.Version, k.url, suite)
			}
		case "policy":
			m.policy(p, name, list)
		case "depends":
			if len(list) > 0 {
				p.Printf("%s\n", name)
				for _, d := range list[0].Depends {
					p.Printf("  Depends: %s\n", d)
				}
			}
		case "pkgnames":
			m.pkgnames(p, name)
		}
	}
	return 0
}

func (m *Machine) policy(p *shell.Proc, name string, list []known) {
	now, best := m.Installed(name), "(none)"
	if len(list) > 0 {
		best = list[0].Version
	}
	if now == "" {
		now = "(none)"
	}
	p.Printf("%s:\n  Installed: %s\n  Candidate: %s\n  Version table:\n", name, now, best)
	for _, k := range list {
		p.Printf("     %s 500\n        500 %s %s Packages\n", k.Version, k.url, k.suite)
	}
}

func (m *Machine) pkgnames(p *shell.Proc, prefix string) {
	names := map[string]bool{}
	for _, k := range m.candidates("") {
		names[k.Name] = strings.HasPrefix(k.Name, prefix)
	}
	for _, name := range sortedKeys(names) {
		if names[name] {
			p.Printf("%s\n", name)
		}
	}
}

func (m *Machine) aptMark(p *shell.Proc) int {
	_, args := options(p.Args[1:], "o")
	if len(args) == 0 {
		return p.Fail(100, "no command")
	}
	if p.Cred.UID != 0 && !strings.HasPrefix(args[0], "show") {
		return p.Fail(100, "E: Could not create temporary file - mkstemp (13: Permission denied)")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	said := ""
	for _, name := range sortedKeys(m.dpkg.list) {
		if q := m.dpkg.list[name]; args[0] == "showhold" && q.held || args[0] == "showauto" && q.auto || args[0] == "showmanual" && !q.auto {
			said += name + "\n"
		}
	}
	status := 0
	for _, name := range args[1:] {
		q := m.dpkg.list[name]
		if q == nil {
			fmt.Fprintf(p.Stderr(), "E: Unable to locate package %s\n", name)
			status = 100
			continue
		}
		switch args[0] {
		case "hold":
			q.held = true
			said += name + " set on hold.\n"
		case "unhold":
			q.held = false
			said += "Canceled hold on " + name + ".\n"
		case "auto", "manual":
			q.auto = args[0] == "auto"
		}
	}
	p.Printf("%s", said)
	return status
}
