package remotetest

import (
	"path"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
	"github.com/fleetup/fleetup/runner/remote/remotetest/vfs"
)

// packages is what is installed.
type packages struct {
	list map[string]*installed
	lock lockHolder
	free chan struct{} // closed when the lock is given up
}

type installed struct {
	Package
	held, auto bool
	state      string // installed, half-configured
}

type lockHolder struct {
	name string
	pid  int
}

// installPackages writes the package sources and the packages that the machine begins with.
func (m *Machine) installPackages() {
	if m.o.Repo == nil {
		m.o.Repo = NewRepo()
	}
	redhat := m.o.Distro == "redhat"
	versions := m.o.Packages
	if versions == nil {
		versions = map[string]string{
			"kubelet": "1.36.4-1.1", "kubeadm": "1.36.4-1.1", "kubectl": "1.36.4-1.1", "containerd": "2.1.3-1",
			"base-files": "12.4+deb12u10", "openssh-server": "1:9.2p1-2+deb12u7", "sudo": "1.9.13p3-1+deb12u2", "linux-image-" + m.o.Kernel: "6.1.51-1",
		}
		if redhat {
			versions = map[string]string{
				"kubelet": "0:1.36.4-150500.1.1", "kubeadm": "0:1.36.4-150500.1.1", "kubectl": "0:1.36.4-150500.1.1", "containerd": "0:2.1.3-1.el9",
				"dnf": "0:4.14.0-1.el9", "dnf-utils": "0:4.3.0-1.el9", "kernel-core": "0:" + strings.TrimSuffix(m.o.Kernel, ".x86_64"),
			}
		}
	}
	m.dpkg = &packages{list: map[string]*installed{}}
	for _, name := range sortedKeys(versions) {
		m.unpack(Package{Name: name, Version: versions[name]})
		m.dpkg.list[name].held = strings.HasPrefix(name, "kube")
	}
	m.writeSources(versions["kubelet"])
	for _, name := range []string{"containerd", "kubelet"} {
		if m.fragment(unitName(name)) != "" {
			m.link("enable", unitName(name), nil)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func (m *Machine) writeSources(kubelet string) {
	minor := regexp.MustCompile(`\d+\.\d+`).FindString(upstream(kubelet))
	foreign := []string{"rpm", "dnf", "yum", "needs-restarting", "repoquery"}
	if m.o.Distro == "redhat" {
		foreign = []string{"apt-get", "apt-cache", "apt-mark", "dpkg", "dpkg-query"}
		m.WriteFile("/etc/yum.repos.d/rocky.repo", []byte("[baseos]\nname=Rocky Linux 9 - BaseOS\nbaseurl="+rockyURL+"\nenabled=1\n"))
		m.WriteFile("/etc/yum.repos.d/kubernetes.repo", []byte("[kubernetes]\nname=Kubernetes\nbaseurl="+kubeURL+minor+"/rpm/\nenabled=1\ngpgcheck=1\nexclude=kubelet kubeadm kubectl\n"))
		m.WriteFile("/etc/dnf/plugins/versionlock.conf", []byte("[main]\nenabled = 1\nlocklist = /etc/dnf/plugins/versionlock.list\n"))
		m.WriteFile("/etc/dnf/plugins/versionlock.list", nil)
	} else {
		m.WriteFile("/etc/apt/sources.list", []byte("deb "+debianURL+" bookworm main\n"))
		m.WriteFile("/etc/apt/sources.list.d/kubernetes.list", []byte("deb [signed-by=/etc/apt/keyrings/kubernetes-apt-keyring.gpg] "+kubeURL+minor+"/deb/ /\n"))
		for _, dir := range []string{"/var/lib/apt/lists/partial", "/var/cache/apt/archives", "/var/lib/dpkg/updates", "/etc/apt/preferences.d"} {
			m.FS.MkdirAll(vfs.Cred{}, dir, 0o755)
		}
		for _, file := range []string{"/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock"} {
			m.WriteFile(file, nil)
		}
		m.fetchLists(nil, true)
	}
	for _, name := range foreign {
		m.FS.Remove(vfs.Cred{}, path.Join("/usr/bin", name))
	}
}

// unpack puts a package's files there: programs, units, kernels.
func (m *Machine) unpack(p Package) {
	if p.Arch == "" {
		p.Arch = "amd64"
		if m.o.Distro == "redhat" {
			p.Arch = "x86_64"
		}
	}
	m.mu.Lock()
	old := m.dpkg.list[p.Name]
	now := &installed{Package: p, state: "installed"}
	if old != nil {
		now.held, now.auto = old.held, old.auto
	}
	m.dpkg.list[p.Name] = now
	m.mu.Unlock()
	if service := serviceOf(p.Name); service != "" {
		starts := "ExecStart=/usr/bin/" + strings.TrimSuffix(service, ".service")
		if service == "kubelet.service" { // as kubeadm's packages have it
			starts = "EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\nEnvironmentFile=-" + map[bool]string{true: "/etc/default/kubelet", false: "/etc/sysconfig/kubelet"}[m.o.Distro == "debian"] +
				"\n" + starts + " $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS"
		}
		m.WriteFile("/usr/lib/systemd/system/"+service, []byte("[Unit]\nDescription="+p.Name+"\n[Service]\n"+starts+"\nRestart=always\n[Install]\nWantedBy=multi-user.target\n"))
	}
	if kernel, ok := strings.CutPrefix(p.Name, "linux-image-"); ok && kernel[0] >= '0' && kernel[0] <= '9' {
		m.WriteFile("/boot/vmlinuz-"+kernel, []byte("kernel\n"))
		m.WriteFile("/boot/initrd.img-"+kernel, []byte("initramfs\n"))
		m.FS.MkdirAll(vfs.Cred{}, "/lib/modules/"+kernel, 0o755)
	}
}

// serviceOf is the unit that a package brings, "" for none.
func serviceOf(name string) string {
	switch name {
	case "kubelet", "containerd", "cri-dockerd", "docker":
		return name + ".service"
	case "containerd.io":
		return "containerd.service"
	case "docker-ce", "docker.io":
		return "docker.service"
	}
	return ""
}

// versionOf is the version of the package that brings a unit.
func (m *Machine) versionOf(service string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range sortedKeys(m.dpkg.list) {
		if serviceOf(name) == service {
			return m.dpkg.list[name].Version
		}
	}
	return ""
}

// Installed is the version of a package, "" where it isn't there.
func (m *Machine) Installed(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.dpkg.list[name]; p != nil {
		return p.Version
	}
	return ""
}

// Held reports whether a package is held back from upgrades.
func (m *Machine) Held(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.dpkg.list[name]
	return p != nil && p.held
}

// dpkgProgram knows --configure -a, --audit, -l, -s, --print-architecture, --compare-versions and -i.
func (m *Machine) dpkgProgram(p *shell.Proc) int {
	opts, args := options(p.Args[1:], "")
	switch {
	case has(opts, "print-architecture"):
		p.Printf("amd64\n")
	case has(opts, "audit", "C"):
		for _, q := range m.unfinished() {
			p.Printf("The following packages are only half configured, probably due to problems\nconfiguring them the first time.  The configuration should be retried using\ndpkg --configure <package> or the configure menu option in dselect:\n %s\n", q.Name)
		}
	case has(opts, "configure"):
		return m.configure(p)
	case has(opts, "compare-versions") && len(args) == 3:
		return btoi(!relation(args[1], compareVersions(args[0], args[2])))
	case has(opts, "l"):
		return m.query(p, "ii  ${Package} ${Version} ${Architecture}\n", args)
	case has(opts, "s"):
		return m.query(p, "Package: ${Package}\nStatus: ${db:Status-Want} ok ${db:Status-Status}\nVersion: ${Version}\n", args)
	case has(opts, "i", "install"):
		return m.aptInstall(p, map[string]string{"allow-downgrades": ""}, args)
	default:
		return p.Fail(2, "error: need an action option")
	}
	return 0
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func relation(op string, c int) bool {
	switch op {
	case "lt", "<":
		return c < 0
	case "le", "<=":
		return c <= 0
	case "eq", "=":
		return c == 0
	case "ne":
		return c != 0
	case "ge", ">=":
		return c >= 0
	}
	return c > 0
}

func (m *Machine) unfinished() []*installed {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []*installed
	for _, name := range sortedKeys(m.dpkg.list) {
		if q := m.dpkg.list[name]; q.state != "installed" {
			list = append(list, q)
		}
	}
	return list
}

func (m *Machine) configure(p *shell.Proc) int {
	if p.Cred.UID != 0 {
		return p.Fail(2, "error: requested operation requires superuser privilege")
	}
	holder, ok := m.takeLock(p, 0)
	if !ok {
		return p.Fail(2, "error: dpkg frontend lock was locked by another process with pid %d", holder.pid)
	}
	defer m.ReleaseDpkgLock()
	for _, q := range m.unfinished() {
		p.Printf("Setting up %s (%s) ...\n", q.Name, q.Version)
		if !p.Sleep(m.o.InstallTime) {
			return 2
		}
		m.setState(q.Name, "installed")
		m.postinst(q.Package)
	}
	return 0
}

func (m *Machine) setState(name, state string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if q := m.dpkg.list[name]; q != nil {
		q.state = state
	}
}

// postinst restarts the service of a package unless it is masked, and asks for a reboot after a kernel.
func (m *Machine) postinst(p Package) {
	if service := serviceOf(p.Name); service != "" && m.fragment(service) != "/dev/null" {
		if m.enabled(service) == "disabled" {
			m.link("enable", service, nil)
		}
		m.stopUnit(service)
		m.startUnit(service)
	}
	if strings.HasPrefix(p.Name, "linux-image-") {
		m.updateGrub()
	}
	if p.Reboot || strings.HasPrefix(p.Name, "linux-image-") {
		m.WriteFile("/run/reboot-required", []byte("*** System restart required ***\n"))
		old, _ := m.ReadFile("/run/reboot-required.pkgs")
		m.WriteFile("/run/reboot-required.pkgs", append(old, []byte(p.Name+"\n")...))
	}
}

var field = regexp.MustCompile(`\$\{([^}]*)\}`)

// dpkgQuery knows -W with -f, as dpkg-query.
func (m *Machine) dpkgQuery(p *shell.Proc) int {
	opts, args := options(p.Args[1:], "f showformat")
	format := strings.TrimPrefix(opts["f"]+opts["showformat"], "=") // -f=FORMAT is allowed
	if format == "" {
		format = "${Package}\t${Version}\n"
	}
	return m.query(p, strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(format), args)
}

func (m *Machine) query(p *shell.Proc, format string, patterns []string) int {
	if len(patterns) == 0 {
		patterns = []string{"*"}
	}
	status := 0
	for _, pattern := range patterns {
		found := false
		for _, q := range m.matching(pattern) {
			found = true
			p.Printf("%s", field.ReplaceAllStringFunc(format, func(s string) string { return q.field(s[2 : len(s)-1]) }))
		}
		if !found {
			status = p.Fail(1, "no packages found matching %s", pattern)
		}
	}
	return status
}

func (m *Machine) matching(pattern string) []installed {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []installed
	for _, name := range sortedKeys(m.dpkg.list) {
		if ok, _ := path.Match(pattern, name); ok {
			list = append(list, *m.dpkg.list[name])
		}
	}
	return list
}

func (q installed) field(name string) string {
	want := "install"
	if q.held {
		want = "hold"
	}
	name, _, _ = strings.Cut(name, ";")
	return map[string]string{
		"Package": q.Name, "binary:Package": q.Name, "Version": q.Version, "Architecture": q.Arch, "db:Status-Want": want, "db:Status-Status": q.state,
		"Status": want + " ok " + q.state, "db:Status-Abbrev": want[:1] + "i ", "Installed-Size": strconv.Itoa(1000),
	}[name]
}
