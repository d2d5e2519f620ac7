package playbooks

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	oldKernel = "6.1.0-51-amd64"
	newKernel = "6.1.0-56-amd64"
)

// grub gives the machine a boot loader: Debian's menu, or Red Hat's files of the boot loader specification.
func (m *machine) grub() {
	m.t.Helper()
	prefix, tools := "grub", []string{"update-grub"}
	for _, dir := range []string{"etc/systemd/system", "etc/default/grub.d", "boot"} {
		m.must(os.MkdirAll(filepath.Join(m.root, dir), 0o755))
	}
	m.write("boot/vmlinuz-"+m.running(), "kernel\n")
	m.write("boot/initrd.img-"+m.running(), "initramfs\n")
	m.write("proc/cmdline", "BOOT_IMAGE=/boot/vmlinuz root=/dev/sda1 ro quiet\n")
	m.write("state/grub.fs", "ext2\n")
	if m.kind == "dnf" {
		prefix, tools = "grub2", []string{"grub2-mkconfig"}
		m.write("etc/default/grub", "GRUB_TIMEOUT=5\nGRUB_DEFAULT=saved\nGRUB_ENABLE_BLSCFG=true\n")
		m.write("etc/sysconfig/kernel", "UPDATEDEFAULT=yes\nDEFAULTKERNEL=kernel-core\n")
		m.write("boot/loader/entries/abc-0-rescue.conf", "title rescue\nversion 0-rescue-abc\n")
		m.write("boot/loader/entries/abc-"+m.running()+".conf", "title Rocky Linux\nversion "+m.running()+"\nlinux /vmlinuz-"+m.running()+"\noptions root=/dev/mapper/rl-root ro\n")
		m.write("boot/grub2/grubenv", "# GRUB Environment Block\nsaved_entry=abc-"+m.running()+"\nboot_success=0\n")
	} else {
		m.write("etc/default/grub", "# If you change this file, run 'update-grub' afterwards\nGRUB_DEFAULT=0\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n")
		m.write("boot/grub/grubenv", "# GRUB Environment Block\n")
	}
	for _, tool := range append(tools, prefix+"-editenv", prefix+"-set-default", prefix+"-reboot", prefix+"-probe") {
		m.tool(tool)
	}
	if m.kind == "dnf" {
		m.do("grub2-mkconfig -o /boot/grub2/grub.cfg")
	} else {
		m.do("update-grub")
	}
	m.log()
}

// tool gives the machine one of the stand-ins of testdata/tools.sh.
func (m *machine) tool(name string) {
	m.t.Helper()
	own, err := filepath.Abs("testdata/tools.sh")
	m.must(err)
	m.must(os.Symlink(own, filepath.Join(m.root, "bin", name)))
}

func (m *machine) do(script string) {
	m.t.Helper()
	_, err := m.Run(m.t.Context(), script)
	m.must(err)
}

func (m *machine) running() string { return strings.TrimSpace(m.read("state/running")) }

func (m *machine) env(key string) string {
	for line := range strings.Lines(m.read("boot/grub/grubenv") + m.read("boot/grub2/grubenv")) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
			return value
		}
	}
	return ""
}

// boot boots as GRUB would: the next entry once, else the saved one or the newest kernel. A kernel that is broken panics,
// and is followed by another boot. It returns what came up, in order.
func (m *machine) boot(broken ...string) (tried []string) {
	m.t.Helper()
	for n := range 5 {
		entry := m.env("next_entry")
		if entry == "" {
			entry = m.defaultEntry()
		} else {
			m.do(m.prefix() + "-editenv - unset next_entry")
		}
		release, args := m.entry(entry)
		tried = append(tried, release)
		m.write("proc/sys/kernel/random/boot_id", fmt.Sprintf("boot-%d\n", 100*len(m.read("state/boots"))+n+2))
		m.write("state/boots", m.read("state/boots")+"x")
		m.write("proc/cmdline", "BOOT_IMAGE=/boot/vmlinuz-"+release+" "+args+"\n")
		if !slices.Contains(broken, release) {
			m.write("state/running", release+"\n")
			m.log()
			return tried
		}
	}
	m.t.Fatalf("the machine boots for ever: %v", tried)
	return nil
}

func (m *machine) prefix() string {
	if m.kind == "dnf" {
		return "grub2"
	}
	return "grub"
}

func (m *machine) defaultEntry() string {
	if strings.Contains(m.menus(), `set default="${saved_entry}"`) {
		return m.env("saved_entry")
	}
	return "gnulinux-simple-u-u-i-d"
}

// menus are all that GRUB reads.
func (m *machine) menus() string {
	var all strings.Builder
	for _, dir := range []string{"boot/grub/", "boot/grub2/", "boot/efi/EFI/redhat/"} {
		all.WriteString(m.read(dir+"grub.cfg") + m.read(dir+"custom.cfg"))
	}
	return all.String()
}

// entry reads the menu, in a way of its own: what an entry's id boots, and with which arguments.
func (m *machine) entry(id string) (release, args string) {
	m.t.Helper()
	id = id[strings.LastIndex(id, ">")+1:]
	bls := m.read("boot/loader/entries/" + id + ".conf")
	_, text, found := strings.Cut(m.menus(), id+"' {")
	if !found {
		_, text, found = strings.Cut(m.menus(), "--id "+id+" {")
	}
	if bls == "" && !found {
		m.t.Fatalf("the boot menu has no entry %q", id)
	}
	for line := range strings.Lines(strings.ReplaceAll(bls, "$default_kernelopts", "root=/dev/mapper/rl-root ro") + text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) < 2:
		case fields[0] == "linux" && bls == "":
			return filepath.Base(fields[1])[len("vmlinuz-"):], strings.Join(fields[2:], " ")
		case fields[0] == "linux":
			release = filepath.Base(fields[1])[len("vmlinuz-"):]
		case fields[0] == "options":
			return release, strings.Join(fields[1:], " ")
		}
	}
	m.t.Fatalf("the entry %q boots nothing", id)
	return "", ""
}
