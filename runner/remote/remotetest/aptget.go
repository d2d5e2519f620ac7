package remotetest

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
)

// packagePrograms are apt's and dpkg's, and rpm's and dnf's.
func (m *Machine) packagePrograms() map[string]shell.Program {
	return map[string]shell.Program{
		"apt-get": m.aptGet, "apt-cache": m.aptCache, "apt-mark": m.aptMark, "dpkg": m.dpkgProgram, "dpkg-query": m.dpkgQuery,
		"curl": m.curl, "rpm": m.rpm, "dnf": m.dnf, "needs-restarting": m.needsRestarting,
	}
}

func aptFail(p *shell.Proc, format string, a ...any) int {
	fmt.Fprintf(p.Stderr(), "E: "+format+"\n", a...)
	return 100
}

func (m *Machine) aptGet(p *shell.Proc) int {
	opts, args := options(p.Args[1:], "o c t option")
	if len(args) == 0 {
		return aptFail(p, "Invalid operation")
	}
	verb, names := args[0], args[1:]
	simulate := has(opts, "s", "simulate", "dry-run", "just-print")
	if verb == "download" {
		return m.aptDownload(p, names)
	}
	if p.Cred.UID != 0 && !simulate {
		fmt.Fprintf(p.Stderr(), "E: Could not open lock file %s - open (13: Permission denied)\n", lockFile)
		return aptFail(p, "Unable to acquire the dpkg frontend lock (%s), are you root?", lockFile)
	}
	if !simulate && verb != "clean" && verb != "autoclean" {
		holder, ok := m.takeLock(p, lockTimeout(opts))
		if !ok {
			fmt.Fprintf(p.Stderr(), "E: Could not get lock %s. It is held by process %d (%s)\n", lockFile, holder.pid, holder.name)
			return aptFail(p, "Unable to acquire the dpkg frontend lock (%s), is another process using it?", lockFile)
		}
		defer m.ReleaseDpkgLock()
	}
	switch verb {
	case "update":
		return m.aptUpdate(p, opts)
	case "install":
		return m.aptInstallLocked(p, opts, names)
	case "upgrade", "dist-upgrade", "full-upgrade":
		return m.aptUpgrade(p, opts)
	case "clean", "autoclean":
		m.FS.Clear("/var/cache/apt/archives")
		return 0
	case "autoremove":
		p.Printf("0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n")
		return 0
	case "check":
		return 0
	}
	return aptFail(p, "Invalid operation %s", verb)
}

// option finds the value of an apt option given by -o, "" where it isn't there.
func option(opts map[string]string, name string) string {
	for _, o := range strings.Split(opts["o"]+"\n"+opts["option"], "\n") {
		if k, v, _ := strings.Cut(o, "="); strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

func lockTimeout(opts map[string]string) time.Duration {
	n, _ := strconv.Atoi(option(opts, "DPkg::Lock::Timeout"))
	if n < 0 {
		return 24 * time.Hour
	}
	return time.Duration(n) * time.Second
}

func (m *Machine) aptUpdate(p *shell.Proc, opts map[string]string) int {
	if !p.Sleep(time.Second) {
		return 100
	}
	var only []string
	if file := option(opts, "Dir::Etc::sourcelist"); file != "" && option(opts, "Dir::Etc::sourceparts") == "-" {
		only = []string{file}
	}
	failed := m.fetchLists(only, option(opts, "APT::Get::List-Cleanup") != "0")
	for _, url := range failed {
		fmt.Fprintf(p.Stderr(), "E: The repository '%s Release' does not have a Release file.\n", url)
	}
	if len(failed) > 0 {
		return 100
	}
	p.Printf("Reading package lists...\n")
	return 0
}

// aptInstall takes the lock itself, for dpkg -i.
func (m *Machine) aptInstall(p *shell.Proc, opts map[string]string, names []string) int {
	holder, ok := m.takeLock(p, 0)
	if !ok {
		return p.Fail(2, "error: dpkg frontend lock was locked by another process with pid %d", holder.pid)
	}
	defer m.ReleaseDpkgLock()
	return m.aptInstallLocked(p, opts, names)
}

func (m *Machine) aptInstallLocked(p *shell.Proc, opts map[string]string, names []string) int {
	if len(m.unfinished()) > 0 {
		return aptFail(p, "dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem. ")
	}
	list, status := m.resolve(p, names)
	if status != 0 {
		return status
	}
	return m.transaction(p, opts, list)
}

// resolve finds each package that is named: NAME, NAME=VERSION, or an archive's path; and what it depends on.
func (m *Machine) resolve(p *shell.Proc, names []string) ([]Package, int) {
	var list []Package
	for _, arg := range names {
		if strings.HasPrefix(arg, "/") || strings.HasPrefix(arg, "./") {
			data, err := p.ReadFile(arg)
			if err != nil {
				return nil, aptFail(p, "Unsupported file %s given on commandline", arg)
			}
			list = append(list, parsePackage(string(data)))
			continue
		}
		name, version, exact := strings.Cut(arg, "=")
		found := m.candidates(name)
		if len(found) == 0 && m.Installed(name) == "" {
			return nil, aptFail(p, "Unable to locate package %s", name)
		}
		i := 0
		for exact && i < len(found) && found[i].Version != version {
			i++
		}
		switch {
		case i < len(found):
			for _, d := range found[i].Depends {
				if more := m.candidates(d); len(more) > 0 && m.Installed(d) == "" {
					list = append(list, more[0].Package)
				}
			}
			list = append(list, found[i].Package)
		case exact && m.Installed(name) != version:
			return nil, aptFail(p, "Version '%s' for '%s' was not found", version, name)
		}
	}
	return list, 0
}

// transaction installs what is to be changed, one by one.
func (m *Machine) transaction(p *shell.Proc, opts map[string]string, list []Package) int {
	var change []Package
	for _, q := range list {
		now := m.Installed(q.Name)
		switch {
		case now == q.Version, now == "" && has(opts, "only-upgrade"):
			continue
		case now != "" && compareVersions(q.Version, now) < 0 && !has(opts, "allow-downgrades", "force-yes"):
			return aptFail(p, "Packages were downgraded and -y was used without --allow-downgrades.")
		case m.Held(q.Name) && !has(opts, "allow-change-held-packages"):
			return aptFail(p, "Held packages were changed and -y was used without --allow-change-held-packages.")
		}
		change = append(change, q)
	}
	p.Printf("Reading package lists...\nBuilding dependency tree...\nReading state information...\n")
	if has(opts, "s", "simulate", "dry-run") {
		m.simulate(p, change)
		return 0
	}
	if !has(opts, "y", "yes", "assume-yes") && len(change) > 0 && path.Base(p.Args[0]) == "apt-get" {
		p.Printf("Do you want to continue? [Y/n] Abort.\n")
		return 1
	}
	for _, dir := range []string{"/var", "/usr", "/boot"} {
		if m.FS.Full(path.Join(dir, "x")) && len(change) > 0 {
			return aptFail(p, "You don't have enough free space in %s.", "/var/cache/apt/archives/")
		}
	}
	for _, q := range change {
		if status := m.change(p, q); status != 0 {
			return status
		}
	}
	p.Printf("%d upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n", len(change))
	return 0
}

// change replaces one package. A process that is killed meanwhile leaves it half configured.
func (m *Machine) change(p *shell.Proc, q Package) int {
	p.Printf("Unpacking %s (%s) ...\n", q.Name, q.Version)
	m.unpack(q)
	m.setState(q.Name, "half-configured")
	if !p.Sleep(m.o.InstallTime) {
		return 100
	}
	p.Printf("Setting up %s (%s) ...\n", q.Name, q.Version)
	if p.Ctx.Err() != nil {
		return 100
	}
	m.setState(q.Name, "installed")
	m.postinst(q)
	return 0
}

func (m *Machine) simulate(p *shell.Proc, list []Package) {
	for _, q := range list {
		now := ""
		if v := m.Installed(q.Name); v != "" {
			now = "[" + v + "] "
		}
		p.Printf("Inst %s %s(%s %s [%s])\n", q.Name, now, q.Version, q.Origin, q.Arch)
	}
	for _, q := range list {
		p.Printf("Conf %s (%s %s [%s])\n", q.Name, q.Version, q.Origin, q.Arch)
	}
}

// aptUpgrade upgrades all that isn't held, nor pinned below 0 by the preferences file.
func (m *Machine) aptUpgrade(p *shell.Proc, opts map[string]string) int {
	pinned := m.pinned(option(opts, "Dir::Etc::preferences"))
	var list []Package
	for _, q := range m.matching("*") {
		found := m.candidates(q.Name)
		if len(found) == 0 || q.held || pinned(q.Name) || compareVersions(found[0].Version, q.Version) <= 0 {
			continue
		}
		if has(opts, "with-new-pkgs") {
			for _, d := range found[0].Depends {
				if more := m.candidates(d); len(more) > 0 && m.Installed(d) == "" {
					list = append(list, more[0].Package)
				}
			}
		}
		list = append(list, found[0].Package)
	}
	return m.transaction(p, opts, list)
}

func (m *Machine) pinned(file string) func(string) bool {
	if file == "" {
		file = "/etc/apt/preferences"
	}
	data, _ := m.ReadFile(file)
	var patterns []string
	for _, stanza := range strings.Split(string(data), "\n\n") {
		if !strings.Contains(stanza, "Pin-Priority: -") {
			continue
		}
		for _, line := range strings.Split(stanza, "\n") {
			if list, ok := strings.CutPrefix(line, "Package: "); ok {
				patterns = append(patterns, strings.Fields(list)...)
			}
		}
	}
	return func(name string) bool {
		for _, pattern := range patterns {
			if ok, _ := path.Match(pattern, name); ok {
				return true
			}
		}
		return false
	}
}

// aptDownload writes archives into the current directory; what one holds is its description.
func (m *Machine) aptDownload(p *shell.Proc, names []string) int {
	for _, arg := range names {
		name, version, exact := strings.Cut(arg, "=")
		var found *known
		for _, k := range m.candidates(name) {
			if !exact || k.Version == version {
				found = &k
				break
			}
		}
		if found == nil {
			return aptFail(p, "Version '%s' for '%s' was not found", version, name)
		}
		file := fmt.Sprintf("%s_%s_%s.deb", name, strings.ReplaceAll(found.Version, ":", "%3a"), found.Arch)
		if err := m.FS.WriteFile(p.Cred, p.Abs(file), archive(found.Package), 0o644); err != nil {
			return aptFail(p, "%s", shell.Text(err))
		}
	}
	return 0
}

func archive(p Package) []byte {
	return []byte(fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nOrigin: %s\nReboot: %v\n", p.Name, p.Version, p.Arch, p.Origin, p.Reboot))
}
