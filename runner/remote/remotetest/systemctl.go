package remotetest

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
	"github.com/fleetup/fleetup/runner/remote/remotetest/vfs"
)

// servicePrograms are systemd's.
func (m *Machine) servicePrograms() map[string]shell.Program {
	return map[string]shell.Program{"systemctl": m.systemctl, "systemd-run": m.systemdRun, "journalctl": m.journalctl, "systemd-detect-virt": systemdDetectVirt}
}

func systemdDetectVirt(p *shell.Proc) int {
	p.Printf("none\n")
	return 1
}

func (m *Machine) systemctl(p *shell.Proc) int {
	opts, args := options(p.Args[1:], "p property t type s n state")
	if len(args) == 0 {
		args = []string{"list-units"}
	}
	verb, names := args[0], args[1:]
	for i, name := range names {
		names[i] = unitName(name)
	}
	if slices.Contains([]string{"start", "stop", "restart", "reload-or-restart", "try-restart", "enable", "disable", "mask", "unmask", "reboot", "poweroff", "daemon-reload"}, verb) && p.Cred.UID != 0 {
		fmt.Fprintf(p.Stderr(), "Failed to %s: Access denied\n", verb)
		return 4
	}
	switch verb {
	case "reboot":
		m.restartAfter(rebootGrace)
		return 0
	case "poweroff", "halt": // sshd and the network are often gone before anybody hears of it
		m.spawn(m.PowerOff)
		<-p.Ctx.Done()
		return 0
	case "daemon-reload", "daemon-reexec":
		return 0
	case "is-system-running":
		p.Printf("running\n")
		return 0
	case "list-units", "list-unit-files":
		return m.listUnits(p, opts["state"])
	}
	status := 0
	for i, name := range names {
		if verb == "show" && i > 0 {
			p.Printf("\n")
		}
		if s := m.systemctlOne(p, verb, name, opts); s != 0 {
			status = s
		}
	}
	return status
}

func (m *Machine) systemctlOne(p *shell.Proc, verb, name string, opts map[string]string) int {
	fail := func(status int, err error) int {
		if err != nil {
			fmt.Fprintln(p.Stderr(), err)
		}
		return status
	}
	switch verb {
	case "start":
		return fail(m.startUnit(name))
	case "stop", "kill":
		return fail(m.stopUnit(name))
	case "restart", "reload-or-restart":
		return m.restartUnit(p, name)
	case "try-restart":
		if m.unitState(name).active != "active" {
			return 0
		}
		return m.restartUnit(p, name)
	case "is-active":
		return m.isActive(p, name, opts)
	case "is-failed":
		if m.unitState(name).active == "failed" {
			return 0
		}
		return 1
	case "is-enabled":
		return m.isEnabled(p, name, opts)
	case "enable", "disable", "mask", "unmask":
		return fail(m.link(verb, name, opts))
	case "show":
		m.show(p, name, opts)
		return 0
	case "cat":
		return m.catUnit(p, name)
	case "status":
		p.Printf("%s\n   Active: %s\n", name, m.unitState(name).active)
		return m.isActive(p, name, map[string]string{"quiet": ""})
	case "reset-failed":
		m.mu.Lock()
		defer m.mu.Unlock()
		if u := m.unit(name); u.active == "failed" {
			u.active = "inactive"
		}
		return 0
	case "reload":
		return 0
	}
	return p.Fail(1, "Unknown command verb %s.", verb)
}

func (m *Machine) restartUnit(p *shell.Proc, name string) int {
	if m.fragment(name) != "" && m.fragment(name) != "/dev/null" {
		m.stopUnit(name)
	}
	status, err := m.startUnit(name)
	if err != nil {
		fmt.Fprintln(p.Stderr(), strings.Replace(err.Error(), "to start", "to restart", 1))
	}
	return status
}

func (m *Machine) isActive(p *shell.Proc, name string, opts map[string]string) int {
	state := m.unitState(name).active
	if !has(opts, "q", "quiet") {
		p.Printf("%s\n", state)
	}
	if state == "active" {
		return 0
	}
	return 3
}

func (m *Machine) isEnabled(p *shell.Proc, name string, opts map[string]string) int {
	state := m.enabled(name)
	if state == "not-found" {
		fmt.Fprintf(p.Stderr(), "Failed to get unit file state for %s: No such file or directory\n", name)
		return 1
	}
	if !has(opts, "q", "quiet") {
		p.Printf("%s\n", state)
	}
	if state == "enabled" {
		return 0
	}
	return 1
}

// link does what enable, disable, mask and unmask do: symbolic links.
func (m *Machine) link(verb, name string, opts map[string]string) (int, error) {
	root := vfs.Cred{}
	dir := "/etc/systemd/system"
	if has(opts, "runtime") {
		dir = "/run/systemd/system"
	}
	file := path.Join(dir, name)
	switch verb {
	case "mask":
		if info, err := m.FS.Lstat(root, file); err == nil && info.Mode()&os.ModeSymlink == 0 {
			return 1, fmt.Errorf("Failed to mask unit: File %s already exists.", file)
		}
		m.FS.MkdirAll(root, dir, 0o755)
		m.FS.Remove(root, file)
		m.FS.Symlink(root, "/dev/null", file)
	case "unmask":
		if target, err := m.FS.Readlink(root, file); err == nil && target == "/dev/null" {
			m.FS.Remove(root, file)
		}
	case "disable":
		m.FS.Remove(root, path.Join(wants, name))
	case "enable":
		switch fragment := m.fragment(name); fragment {
		case "":
			return 1, fmt.Errorf("Failed to enable unit: Unit file %s does not exist.", name)
		case "/dev/null":
			return 1, fmt.Errorf("Failed to enable unit: Unit file /etc/systemd/system/%s is masked.", name)
		default:
			m.FS.MkdirAll(root, wants, 0o755)
			m.FS.Symlink(root, fragment, path.Join(wants, name))
		}
	}
	if has(opts, "now") {
		if verb == "enable" {
			return m.startUnit(name)
		}
		if verb != "unmask" {
			return m.stopUnit(name)
		}
	}
	return 0, nil
}

func (m *Machine) show(p *shell.Proc, name string, opts map[string]string) {
	u, fragment := m.unitState(name), m.fragment(name)
	load := "loaded"
	switch fragment {
	case "":
		load = "not-found"
		if u.transient {
			load = "loaded"
		}
	case "/dev/null":
		load = "masked"
	}
	sub := map[string]string{"active": "running", "activating": "auto-restart", "failed": "failed"}[u.active]
	if sub == "" {
		sub = "dead"
	}
	pid := 0
	if u.proc != nil {
		pid = u.proc.PID
	}
	exe := strings.TrimSuffix(name, ".service")
	values := []struct{ key, value string }{
		{"Id", name}, {"LoadState", load}, {"ActiveState", u.active}, {"SubState", sub}, {"Result", u.result}, {"NRestarts", strconv.Itoa(m.restarts(u))},
		{"UnitFileState", m.enabled(name)}, {"FragmentPath", fragment}, {"DropInPaths", strings.Join(m.dropIns(name), " ")},
		{"MainPID", strconv.Itoa(pid)}, {"ExecMainStatus", "0"}, {"NeedDaemonReload", "no"},
		{"ActiveEnterTimestampMonotonic", strconv.FormatInt(u.since.Microseconds(), 10)},
		{"ExecStart", fmt.Sprintf("{ path=/usr/bin/%s ; argv[]=/usr/bin/%s ; ignore_errors=no }", exe, exe)},
	}
	wanted := strings.FieldsFunc(opts["p"]+"\n"+opts["property"], func(r rune) bool { return r == ',' || r == '\n' })
	for _, v := range values {
		switch {
		case len(wanted) > 0 && !slices.Contains(wanted, v.key):
		case has(opts, "value"):
			p.Printf("%s\n", v.value)
		default:
			p.Printf("%s=%s\n", v.key, v.value)
		}
	}
}

func (m *Machine) catUnit(p *shell.Proc, name string) int {
	fragment := m.fragment(name)
	if fragment == "" {
		fmt.Fprintf(p.Stderr(), "No files found for %s.\n", name)
		return 1
	}
	for _, file := range append([]string{fragment}, m.dropIns(name)...) {
		data, _ := m.ReadFile(file)
		p.Printf("# %s\n%s\n", file, data)
	}
	return 0
}

// listUnits lists all units, or those in a state.
func (m *Machine) listUnits(p *shell.Proc, state string) int {
	m.mu.Lock()
	var list []string
	for name, u := range m.units {
		if state == "" || u.active == state {
			list = append(list, fmt.Sprintf("%s loaded %s", name, u.active))
		}
	}
	m.mu.Unlock()
	slices.Sort(list)
	for _, line := range list {
		p.Printf("%s\n", line)
	}
	return 0
}

// systemdRun starts a transient service: it runs apart from whoever asked, until it ends or the machine goes down.
func (m *Machine) systemdRun(p *shell.Proc) int {
	opts, args := runOptions(p.Args[1:])
	if p.Cred.UID != 0 {
		return p.Fail(1, "Failed to start transient service unit: Access denied")
	}
	if len(args) == 0 {
		return p.Fail(1, "Command line to execute required.")
	}
	name := opts["unit"] + opts["u"]
	if name == "" {
		name = fmt.Sprintf("run-r%d", time.Now().UnixNano())
	}
	name = unitName(name)
	if state := m.unitState(name); state.transient {
		return p.Fail(1, "Failed to start transient service unit: Unit %s was already loaded or has a fragment file.", name)
	}
	m.mu.Lock() // the unit is known before its process runs: whoever asks in between must not hear that there is none
	u := m.unit(name)
	u.transient, u.active, u.since = true, "activating", time.Since(m.booted)
	m.mu.Unlock()
	files := map[int]*shell.Desc{0: m.null(), 1: shell.NewDesc(&journalStream{m: m, unit: name})}
	files[2] = shell.NewDesc(&journalStream{m: m, unit: name})
	proc, err := p.Sys.Start(shell.Spec{
		Args: args, Env: map[string]string{"PATH": searchPath, "LANG": "C.UTF-8", "INVOCATION_ID": strings.ReplaceAll(newBootID(), "-", "")}, Unit: name, Files: files,
	})
	if err != nil {
		m.mu.Lock()
		delete(m.units, name)
		m.mu.Unlock()
		return p.Fail(1, "Failed to find executable: %v", err)
	}
	m.mu.Lock()
	u.active, u.proc = "active", proc
	m.mu.Unlock()
	if !has(opts, "quiet", "q") {
		fmt.Fprintf(p.Stderr(), "Running as unit: %s\n", name)
	}
	p.Sys.Go(func() { m.reap(p.Sys, name, proc, has(opts, "collect", "G")) })
	if has(opts, "wait", "pipe", "P") {
		return proc.Wait(p.Ctx)
	}
	return 0
}

func runOptions(args []string) (map[string]string, []string) {
	n := 0
	for n < len(args) && strings.HasPrefix(args[n], "-") && args[n] != "--" {
		if args[n] == "-p" || args[n] == "--unit" || args[n] == "-u" || args[n] == "--property" || args[n] == "--description" {
			n++
		}
		n++
	}
	n = min(n, len(args))
	opts, _ := options(args[:n], "p u unit property description")
	if n < len(args) && args[n] == "--" {
		n++
	}
	return opts, args[n:]
}

// reap ends a transient unit with its process; what is left of its group is killed, as systemd does.
func (m *Machine) reap(sys *shell.System, name string, proc *shell.Proc, collect bool) {
	status := proc.Wait(sys.Ctx())
	sys.Kill(-proc.PGID, shell.SIGKILL)
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.units[name]
	if u == nil || u.proc != proc {
		return
	}
	if status == 0 || collect {
		delete(m.units, name)
		return
	}
	u.active, u.result, u.proc = "failed", "exit-code", nil
}

func (m *Machine) null() *shell.Desc {
	return shell.NewDesc(nothing{})
}
