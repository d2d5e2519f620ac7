package remotetest

import (
	"fmt"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
	"github.com/fleetup/fleetup/runner/remote/remotetest/vfs"
)

// unit is a service of systemd.
type unit struct {
	name      string // with .service
	active    string // inactive, active, activating, failed
	result    string
	since     time.Duration // uptime when it became active, or began to crash
	transient bool
	proc      *shell.Proc // of a transient one
}

var unitDirs = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

func unitName(name string) string {
	if strings.Contains(name, ".") {
		return name
	}
	return name + ".service"
}

// fragment is the file that defines a unit; "/dev/null" where it is masked, "" where there is none.
func (m *Machine) fragment(name string) string {
	for _, dir := range unitDirs {
		file := path.Join(dir, name)
		if target, err := m.FS.Readlink(vfs.Cred{}, file); err == nil && target == "/dev/null" {
			return "/dev/null"
		}
		if _, err := m.FS.Stat(vfs.Cred{}, file); err == nil {
			return file
		}
	}
	return ""
}

func (m *Machine) dropIns(name string) []string {
	var files []string
	for _, dir := range unitDirs {
		list, _ := m.FS.ReadDir(vfs.Cred{}, path.Join(dir, name+".d"))
		for _, info := range list {
			if strings.HasSuffix(info.Name(), ".conf") {
				files = append(files, path.Join(dir, name+".d", info.Name()))
			}
		}
	}
	return files
}

// enabled is what systemctl is-enabled says.
func (m *Machine) enabled(name string) string {
	switch file := m.fragment(name); {
	case file == "":
		return "not-found"
	case file == "/dev/null":
		if target, _ := m.FS.Readlink(vfs.Cred{}, path.Join("/etc/systemd/system", name)); target == "/dev/null" {
			return "masked"
		}
		return "masked-runtime"
	case m.wanted(name):
		return "enabled"
	}
	return "disabled"
}

const wants = "/etc/systemd/system/multi-user.target.wants"

func (m *Machine) wanted(name string) bool {
	_, err := m.FS.Lstat(vfs.Cred{}, path.Join(wants, name))
	return err == nil
}

// condition reports whether the unit's conditions hold.
func (m *Machine) condition(name string) bool {
	for _, file := range append(m.dropIns(name), m.fragment(name)) {
		data, err := m.ReadFile(file)
		if err != nil {
			continue
		}
		for _, line := range lines(data) {
			if word, ok := strings.CutPrefix(line, "ConditionKernelCommandLine="); ok && !strings.Contains(m.text("/proc/cmdline"), word) {
				return false
			}
			if want, ok := strings.CutPrefix(strings.TrimSpace(line), "ConditionPathExists="); ok {
				_, err := m.FS.Stat(vfs.Cred{}, strings.TrimPrefix(want, "!"))
				if (err == nil) == strings.HasPrefix(want, "!") {
					return false
				}
			}
		}
	}
	return true
}

func (m *Machine) unit(name string) *unit {
	u := m.units[name]
	if u == nil {
		u = &unit{name: name, active: "inactive", result: "success"}
		if m.units == nil {
			m.units = map[string]*unit{}
		}
		m.units[name] = u
	}
	return u
}

// unitState returns copies, so that nobody looks at a unit that changes.
func (m *Machine) unitState(name string) unit {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u := m.units[name]; u != nil {
		return *u
	}
	return unit{name: name, active: "inactive", result: "success"}
}

// startUnit starts a service. The error is what systemctl says; the status is its exit status.
func (m *Machine) startUnit(name string) (int, error) {
	switch m.fragment(name) {
	case "":
		if m.unitState(name).transient {
			return 0, nil
		}
		return 5, fmt.Errorf("Failed to start %s: Unit %s not found.", name, name)
	case "/dev/null":
		return 1, fmt.Errorf("Failed to start %s: Unit %s is masked.", name, name)
	}
	if m.unitState(name).active == "active" || !m.condition(name) {
		return 0, nil
	}
	version := m.versionOf(name)
	broken := m.isBroken(name, version)
	if name == "kubelet.service" {
		if _, err := m.KubeletConfig(); err != nil {
			m.logUnit(name, fmt.Sprintf("kubelet[2000]: E1127 \"command failed\" err=\"%v\"", err))
			broken = true
		}
	}
	m.mu.Lock()
	u := m.unit(name)
	u.since, u.active, u.result = time.Since(m.booted), "active", "success"
	if broken {
		u.active, u.result = "activating", "exit-code"
		if name != "kubelet.service" {
			u.active = "failed"
		}
	}
	state := u.active
	m.mu.Unlock()
	m.logUnit(name, "systemd[1]: Started "+name+".")
	if broken {
		m.crash(name, version)
	}
	m.tellKubelet()
	if strings.HasSuffix(name, ".timer") {
		m.startTimer(name)
	}
	if state == "failed" {
		return 1, fmt.Errorf("Job for %s failed because the control process exited with error code.\nSee \"systemctl status %s\" and \"journalctl -xeu %s\" for details.", name, name, name)
	}
	return 0, nil
}

func (m *Machine) stopUnit(name string) (int, error) {
	if m.fragment(name) == "" && !m.unitState(name).transient {
		return 5, fmt.Errorf("Failed to stop %s: Unit %s not loaded.", name, name)
	}
	m.mu.Lock()
	u := m.unit(name)
	u.active, u.result = "inactive", "success"
	proc, sys := u.proc, m.sys
	m.mu.Unlock()
	if proc != nil && sys != nil {
		sys.Kill(-proc.PGID, shell.SIGTERM)
	}
	m.logUnit(name, "systemd[1]: Stopped "+name+".")
	m.tellKubelet()
	return 0, nil
}

// stopAll forgets what ran, at the end of a boot.
func (m *Machine) stopAll() {
	m.mu.Lock()
	m.units = map[string]*unit{}
	m.mu.Unlock()
	m.tellKubelet()
}

// startEnabled starts what is enabled; timersOnly stands for a machine whose services don't matter since nobody hears them.
func (m *Machine) startEnabled(timersOnly bool) {
	list, _ := m.FS.ReadDir(vfs.Cred{}, wants)
	var names []string
	for _, info := range list {
		names = append(names, info.Name())
	}
	sort.Strings(names) // containerd before kubelet
	for _, name := range names {
		if !timersOnly || strings.HasSuffix(name, ".timer") {
			m.startUnit(name)
		}
	}
}

// startTimer runs the commands of a timer's service at OnBootSec, unless the timer was stopped or the machine rebooted.
func (m *Machine) startTimer(name string) {
	seconds, _ := strconv.Atoi(m.setting(name, "OnBootSec"))
	service := strings.TrimSuffix(name, ".timer") + ".service"
	m.mu.Lock()
	sys, boot, left := m.sys, m.bootID, time.Until(m.booted.Add(time.Duration(seconds)*time.Second))
	m.mu.Unlock()
	m.spawn(func() {
		if !m.pause(left) || m.BootID() != boot || m.unitState(name).active != "active" {
			return
		}
		var script strings.Builder
		for _, command := range m.settings(service, "ExecStart") {
			command, mayFail := strings.CutPrefix(command, "-")
			script.WriteString(command + map[bool]string{true: "\n", false: " || exit\n"}[mayFail])
		}
		files := map[int]*shell.Desc{0: m.null(), 1: m.null(), 2: m.null()}
		_, _ = sys.Start(shell.Spec{Args: []string{"sh", "-c", script.String()}, Env: map[string]string{"PATH": searchPath}, Unit: service, Files: files})
	})
}

// setting is a key of a unit's file, where it first stands.
func (m *Machine) setting(name, key string) string {
	return slices.Concat(m.settings(name, key), []string{""})[0]
}

// settings are all that a unit's file gives for a key.
func (m *Machine) settings(name, key string) (values []string) {
	for _, line := range strings.Split(m.text(m.fragment(name)), "\n") {
		if value, ok := strings.CutPrefix(line, key+"="); ok {
			values = append(values, value)
		}
	}
	return values
}

// crash writes what a service that doesn't start says, once for each restart that systemd would have tried.
func (m *Machine) crash(name, version string) {
	short := strings.TrimSuffix(name, ".service")
	m.logUnit(name, fmt.Sprintf("%s[%d]: Error: failed to run %s: version %s is broken on this machine", short, 2000, short, version))
	m.logUnit(name, fmt.Sprintf("systemd[1]: %s: Main process exited, code=exited, status=1/FAILURE", name))
	m.logUnit(name, fmt.Sprintf("systemd[1]: %s: Failed with result 'exit-code'.", name))
}

// BreakService makes a service crash whenever it is started at version, which is compared from its beginning:
// "kubelet", "1.37.2". The kubelet crash-loops as systemd restarts it; others fail to start.
func (m *Machine) BreakService(name, version string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken[unitName(name)+" "+version] = true
}

// BreakKubelet is BreakService of the kubelet.
func (m *Machine) BreakKubelet(version string) { m.BreakService("kubelet", version) }

// MendKubelet takes BreakKubelet back.
func (m *Machine) MendKubelet(version string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.broken, unitName("kubelet")+" "+version)
}

func (m *Machine) isBroken(name, version string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for b := range m.broken {
		if strings.HasPrefix(name+" "+version, b) {
			return true
		}
	}
	return false
}

// Kubelet reports whether the kubelet runs, and at which version ("v1.36.4").
func (m *Machine) Kubelet() (running bool, version string) {
	state := m.unitState("kubelet.service")
	return state.active == "active", "v" + upstream(m.versionOf("kubelet.service"))
}

// OnKubelet calls f, now and whenever the kubelet has been started or stopped, with its version. f must not wait.
func (m *Machine) OnKubelet(f func(up bool, version string)) {
	m.mu.Lock()
	m.onKube, m.told = f, ""
	m.mu.Unlock()
	m.tellKubelet()
}

func (m *Machine) tellKubelet() {
	up, version := m.Kubelet()
	what := fmt.Sprint(up, version)
	m.mu.Lock()
	f, known := m.onKube, m.told == what
	m.told = what
	m.mu.Unlock()
	if f != nil && !known {
		f(up, version)
	}
}

// upstream is a package version without epoch and revision.
func upstream(version string) string {
	if _, rest, ok := strings.Cut(version, ":"); ok {
		version = rest
	}
	version, _, _ = strings.Cut(version, "-")
	version, _, _ = strings.Cut(version, "~")
	return version
}

// restarts is how often systemd has restarted a unit that crashes: every ten seconds, as kubelet.service asks for.
func (m *Machine) restarts(u unit) int {
	const restartEvery = 10 * time.Second
	if u.active != "activating" || u.transient {
		return 0
	}
	return int((time.Since(m.booted) - u.since) / restartEvery)
}
