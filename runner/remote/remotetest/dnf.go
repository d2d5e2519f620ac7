package remotetest

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
	"github.com/fleetup/fleetup/runner/remote/remotetest/vfs"
)

// yumSources reads the enabled sections of /etc/yum.repos.d: id and base URL.
func (m *Machine) yumSources() [][2]string {
	var out [][2]string
	files, _ := m.FS.ReadDir(vfs.Cred{}, "/etc/yum.repos.d")
	for _, info := range files {
		data, _ := m.ReadFile(path.Join("/etc/yum.repos.d", info.Name()))
		for _, section := range strings.Split("\n"+string(data), "\n[")[1:] {
			id, body, _ := strings.Cut(section, "]")
			if url := regexp.MustCompile(`(?m)^baseurl=(.*)$`).FindStringSubmatch(body); url != nil && !strings.Contains(body, "enabled=0") {
				out = append(out, [2]string{id, strings.TrimRight(url[1], "/")})
			}
		}
	}
	return out
}

func (m *Machine) rpmCandidates(name string) []known {
	var out []known
	for _, s := range m.yumSources() {
		list, _ := m.o.Repo.at(s[1])
		newestFirst(list)
		for _, p := range list {
			if ok, _ := path.Match(name, p.Name); ok {
				out = append(out, known{p, s[1], s[0]})
			}
		}
	}
	return out
}

// rpm knows -q with --qf and -a.
func (m *Machine) rpm(p *shell.Proc) int {
	opts, names := options(p.Args[1:], "qf queryformat")
	format := opts["qf"] + opts["queryformat"]
	if format == "" {
		format = `%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\n`
	}
	if has(opts, "a") && len(names) == 0 {
		names = []string{"*"}
	}
	status := 0
	for _, name := range names {
		list := m.matching(name)
		if len(list) == 0 {
			p.Printf("package %s is not installed\n", name)
			status = 1
		}
		for _, q := range list {
			p.Printf("%s", rpmFormat(format, q.Package, ""))
		}
	}
	return status
}

func rpmFormat(format string, q Package, repo string) string {
	e, rest := epoch(q.Version)
	version, release, _ := strings.Cut(rest, "-")
	return strings.NewReplacer(`\n`, "\n", `\t`, "\t", "%{NAME}", q.Name, "%{name}", q.Name, "%{EPOCHNUM}", e, "%{epoch}", e, "%{EPOCH}", e,
		"%{VERSION}", version, "%{version}", version, "%{RELEASE}", release, "%{release}", release, "%{ARCH}", q.Arch, "%{arch}", q.Arch,
		"%{repoid}", repo, "%{evr}", rest).Replace(format)
}

// dnf knows install, upgrade, downgrade, repoquery, versionlock, makecache, download, clean and autoremove.
func (m *Machine) dnf(p *shell.Proc) int {
	opts, args := options(p.Args[1:], "x qf queryformat destdir repo enablerepo disablerepo setopt repofrompath")
	if len(args) == 0 {
		return p.Fail(1, "no command")
	}
	verb, names := args[0], args[1:]
	if p.Cred.UID != 0 && verb != "repoquery" {
		fmt.Fprintln(p.Stderr(), "Error: This command has to be run with superuser privileges (under the root user on most systems).")
		return 1
	}
	switch verb {
	case "repoquery":
		for _, name := range names {
			for _, k := range m.rpmCandidates(name) {
				p.Printf("%s\n", rpmFormat(opts["qf"]+opts["queryformat"], k.Package, k.suite))
			}
		}
	case "versionlock":
		return m.versionlock(p, names)
	case "install", "upgrade", "update", "downgrade":
		return m.dnfInstall(p, verb, opts, names)
	case "download":
		return m.dnfDownload(p, opts, names)
	}
	return 0
}

const lockList = "/etc/dnf/plugins/versionlock.list"

func (m *Machine) versionlock(p *shell.Proc, args []string) int {
	data, _ := m.ReadFile(lockList)
	kept := lines(data)
	if len(args) > 0 && (args[0] == "add" || args[0] == "delete") {
		for _, name := range args[1:] {
			kept = without(kept, name)
			if v := m.Installed(name); args[0] == "add" && v != "" {
				kept = append(kept, name+"-"+v+".*")
			}
		}
		m.WriteFile(lockList, []byte(strings.Join(kept, "\n")+"\n"))
		return 0
	}
	p.Printf("%s\n", strings.Join(kept, "\n"))
	return 0
}

func without(list []string, name string) []string {
	var out []string
	for _, line := range list {
		rest, ok := strings.CutPrefix(line, name+"-")
		if line != "" && !(ok && rest != "" && rest[0] >= '0' && rest[0] <= '9') {
			out = append(out, line)
		}
	}
	return out
}

// rpmNamed finds what "name", "name-version-release", with epoch or architecture or not, stands for.
func (m *Machine) rpmNamed(spec string) (known, bool) {
	for _, s := range m.yumSources() {
		list, _ := m.o.Repo.at(s[1])
		newestFirst(list)
		for _, q := range list {
			_, rest := epoch(q.Version)
			for _, form := range []string{q.Name, q.Name + "-" + rest, q.Name + "-" + q.Version, q.Name + "-" + rest + "." + q.Arch, q.Name + "-" + q.Version + "." + q.Arch} {
				if form == spec {
					return known{q, s[1], s[0]}, true
				}
			}
		}
	}
	return known{}, false
}

func (m *Machine) dnfInstall(p *shell.Proc, verb string, opts map[string]string, names []string) int {
	var list []Package
	for _, name := range names {
		if strings.HasPrefix(name, "/") {
			data, err := p.ReadFile(name)
			if err != nil {
				fmt.Fprintf(p.Stderr(), "Could not open: %s\n", name)
				return 1
			}
			list = append(list, parsePackage(string(data)))
			continue
		}
		k, ok := m.rpmNamed(name)
		if !ok {
			fmt.Fprintf(p.Stderr(), "No match for argument: %s\nError: Unable to find a match: %s\n", name, name)
			return 1
		}
		list = append(list, k.Package)
	}
	if len(names) == 0 && verb != "install" {
		for _, q := range m.matching("*") {
			if found := m.rpmCandidates(q.Name); len(found) > 0 && compareVersions(found[0].Version, q.Version) > 0 {
				list = append(list, found[0].Package)
			}
		}
	}
	for _, q := range list {
		if m.Installed(q.Name) == q.Version {
			continue
		}
		if status := m.change(p, q); status != 0 {
			return 1
		}
	}
	p.Printf("Complete!\n")
	return 0
}

func (m *Machine) dnfDownload(p *shell.Proc, opts map[string]string, names []string) int {
	dir := opts["destdir"]
	if dir == "" {
		dir = p.Dir
	}
	for _, name := range names {
		k, ok := m.rpmNamed(name)
		if !ok {
			fmt.Fprintf(p.Stderr(), "Error: No package %s available.\n", name)
			return 1
		}
		_, rest := epoch(k.Version)
		m.FS.WriteFile(p.Cred, path.Join(dir, fmt.Sprintf("%s-%s.%s.rpm", k.Name, rest, k.Arch)), archive(k.Package), 0o644)
	}
	return 0
}

// needsRestarting answers -r: status 1 where a kernel newer than the running one is installed.
func (m *Machine) needsRestarting(p *shell.Proc) int {
	if _, err := m.ReadFile("/run/reboot-required"); err != nil {
		p.Printf("No core libraries or services have been updated since boot-up.\nReboot should not be necessary.\n")
		return 0
	}
	p.Printf("Core libraries or services have been updated since boot-up:\n  * kernel\n\nReboot is required to fully utilize these updates.\nMore information: https://access.redhat.com/solutions/27943\n")
	return 1
}
