package remotetest

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
	"github.com/fleetup/fleetup/runner/remote/remotetest/vfs"
)

// KernelFault is what is wrong with a kernel.
type KernelFault int

// A kernel panics as it boots, and reboots where its command line has panic=; hangs until the power is cut; or runs, and
// has no network.
const (
	KernelPanics KernelFault = iota + 1
	KernelHangs
	KernelMute
)

// BreakKernel makes a kernel fail whenever it is booted.
func (m *Machine) BreakKernel(release string, how KernelFault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.faults == nil {
		m.faults = map[string]KernelFault{}
	}
	m.faults[release] = how
}

const (
	grubConfig = "/boot/grub/grub.cfg"
	grubEnv    = "/boot/grub/grubenv"
	grubCustom = "/boot/grub/custom.cfg"
)

// grubPrograms are GRUB's tools, as Debian has them.
func (m *Machine) grubPrograms() map[string]shell.Program {
	set := func(key string) shell.Program {
		return func(p *shell.Proc) int {
			if len(p.Args) != 2 {
				return p.Fail(1, "More than one menu entry?")
			}
			m.setGrub(key, p.Args[1])
			return 0
		}
	}
	return map[string]shell.Program{
		"grub-editenv": m.grubEditenv, "grub-set-default": set("saved_entry"), "grub-reboot": set("next_entry"),
		"grub-probe": m.grubProbe, "update-grub": func(p *shell.Proc) int { m.updateGrub(); return 0 },
	}
}

// installGrub is a new machine's boot loader.
func (m *Machine) installGrub() {
	if m.o.Distro == "redhat" { // the simulated one boots what is newest in /boot
		for name := range m.grubPrograms() {
			m.FS.Remove(vfs.Cred{}, "/usr/bin/"+name)
		}
		return
	}
	m.WriteFile("/etc/default/grub", []byte("GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"))
	m.WriteFile(grubEnv, []byte("# GRUB Environment Block\n"))
	m.updateGrub()
}

func (m *Machine) text(file string) string {
	data, _ := m.ReadFile(file)
	return string(data)
}

// grub is a variable of GRUB's environment block.
func (m *Machine) grub(key string) string {
	for _, line := range strings.Split(m.text(grubEnv), "\n") {
		if value, ok := strings.CutPrefix(line, key+"="); ok {
			return value
		}
	}
	return ""
}

func (m *Machine) setGrub(key, value string) {
	var kept []string
	for _, line := range lines([]byte(m.text(grubEnv))) {
		if !strings.HasPrefix(line, key+"=") {
			kept = append(kept, line)
		}
	}
	if value != "" {
		kept = append(kept, key+"="+value)
	}
	m.WriteFile(grubEnv, []byte(strings.Join(kept, "\n")+"\n"))
}

// grubEditenv knows - list, - set KEY=VALUE and - unset KEY.
func (m *Machine) grubEditenv(p *shell.Proc) int {
	if len(p.Args) < 3 || p.Args[1] != "-" {
		return p.Fail(1, "unknown command")
	}
	switch p.Args[2] {
	case "list":
		for _, line := range lines([]byte(m.text(grubEnv))) {
			if !strings.HasPrefix(line, "#") {
				p.Printf("%s\n", line)
			}
		}
	case "set", "unset":
		for _, arg := range p.Args[3:] {
			key, value, _ := strings.Cut(arg, "=")
			m.setGrub(key, value)
		}
	}
	return 0
}

// grubProbe says that /boot is a plain file system, unless SetBoot said otherwise.
func (m *Machine) grubProbe(p *shell.Proc) int {
	opts, _ := options(p.Args[1:], "t target")
	m.mu.Lock()
	defer m.mu.Unlock()
	switch opts["target"] {
	case "abstraction":
		if m.bootOn != "" {
			p.Printf("%s\n", m.bootOn)
		}
	case "fs":
		p.Printf("ext2\n")
	}
	return 0
}

// BootOn says what /boot lies on, as grub-probe calls it: "lvm". GRUB can't write there.
func (m *Machine) BootOn(abstraction string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bootOn = abstraction
}

// updateGrub writes the menu, in the form of Debian's grub-mkconfig.
func (m *Machine) updateGrub() {
	list := m.bootable()
	if len(list) == 0 {
		return
	}
	first := "0"
	for _, line := range strings.Split(m.text("/etc/default/grub"), "\n") {
		if value, ok := strings.CutPrefix(line, "GRUB_DEFAULT="); ok && value == "saved" {
			first = "${saved_entry}"
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "if [ \"${next_entry}\" ] ; then\n   set default=\"${next_entry}\"\n   set next_entry=\n   save_env next_entry\n   set boot_once=true\nelse\n   set default=\"%s\"\nfi\n", first)
	menuEntry(&b, "", "Debian GNU/Linux", "gnulinux-simple-u-u-i-d", list[0], "quiet")
	b.WriteString("submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-u-u-i-d' {\n")
	for _, release := range list {
		menuEntry(&b, "\t", "Debian GNU/Linux, with Linux "+release, "gnulinux-"+release+"-advanced-u-u-i-d", release, "quiet")
		menuEntry(&b, "\t", "Debian GNU/Linux, with Linux "+release+" (recovery mode)", "gnulinux-"+release+"-recovery-u-u-i-d", release, "single")
	}
	b.WriteString("}\nif [ -f  ${config_directory}/custom.cfg ]; then\n  source ${config_directory}/custom.cfg\nfi\n")
	m.WriteFile(grubConfig, []byte(b.String()))
}

func menuEntry(b *strings.Builder, margin, title, id, release, args string) {
	fmt.Fprintf(b, "%smenuentry '%s' --class debian $menuentry_id_option '%s' {\n", margin, title, id)
	fmt.Fprintf(b, "%s\tlinux\t/boot/vmlinuz-%s root=/dev/sda1 ro %s\n%s\tinitrd\t/boot/initrd.img-%s\n%s}\n", margin, release, args, margin, release, margin)
}

// bootable are the kernels in /boot, the newest first.
func (m *Machine) bootable() []string {
	list, _ := m.FS.ReadDir(vfs.Cred{}, "/boot")
	var releases []string
	for _, info := range list {
		if v, ok := strings.CutPrefix(info.Name(), "vmlinuz-"); ok {
			releases = append(releases, v)
		}
	}
	sort.SliceStable(releases, func(i, j int) bool { return compareVersions(releases[i], releases[j]) > 0 })
	return releases
}

// choose is what the boot loader boots: the next entry, once; else the saved one; else the newest kernel.
func (m *Machine) choose() (release, args string) {
	entry, menu := m.grub("next_entry"), m.text(grubConfig)
	if entry != "" {
		m.setGrub("next_entry", "")
	} else if strings.Contains(menu, "${saved_entry}") {
		entry = m.grub("saved_entry")
	}
	entry = entry[strings.LastIndex(entry, ">")+1:]
	for _, mark := range []string{"'" + entry + "' {", "--id " + entry + " {"} {
		if _, body, found := strings.Cut(menu+m.text(grubCustom), mark); found && entry != "" {
			return kernelLine(body)
		}
	}
	if list := m.bootable(); len(list) > 0 {
		return list[0], "root=/dev/sda1 ro quiet"
	}
	return m.o.Kernel, "root=/dev/sda1 ro quiet"
}

func kernelLine(body string) (release, args string) {
	for _, line := range strings.Split(body, "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "linux" {
			return strings.TrimPrefix(f[1], "/boot/vmlinuz-"), strings.Join(f[2:], " ")
		}
	}
	return "", ""
}

// panics waits as a kernel does that panicked: for ever without panic= on its command line.
func (m *Machine) panics(release, args string, seq int) {
	m.WriteFile("/sys/fs/pstore/dmesg-erst-1", []byte("Panic#1 Part1\n<0>[    2.718281] Kernel panic - not syncing: No working init found.\n"))
	if !strings.Contains(args, "panic=30") {
		return
	}
	m.spawn(func() {
		if !m.pause(30*time.Second + m.o.RebootTime) {
			return
		}
		m.mu.Lock()
		same := m.seq == seq && !m.powerOff
		m.mu.Unlock()
		if same {
			m.boot()
		}
	})
}
