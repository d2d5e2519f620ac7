package lab

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// VM is a machine with hardware of its own: a kernel, a boot loader, disks, a network card, a BMC. It is emulated without
// KVM, and boots in twenty seconds to two minutes.
type VM struct {
	*Machine

	// What it is built from, from when it is switched on next.
	Memory int    // MiB, in one module
	Module string // the module's serial number
	MAC    string // of its network card
	Disks  []Disk // NVMe, in its slots from the first on, beside the one that it boots from

	BMC string // where its IPMI listens; user admin, password secret

	Boot time.Duration // how long its first boot took, up to Ready; for a test to note
}

// Disk is an NVMe disk. It is empty at first, and keeps what is written to it wherever it is put.
type Disk struct {
	Serial string
	GiB    int
}

// Kernels are what the machines' repository has, as uname -r says them. Panic and Hang never get as far.
type Kernels struct {
	Old   string // runs
	New   string // Debian's newest
	Panic string // panics where it looks for an init
	Hang  string // boots, and does nothing for ever
	Mute  string // has no driver of the network card
}

// Kernels are those of the virtual machines.
func (l *Lab) Kernels() Kernels {
	text, err := os.ReadFile(filepath.Join(l.parts.vm, "versions"))
	f := strings.Fields(string(text))
	if err != nil || len(f) != 5 {
		l.fail("lab: kernels: %q, %v", text, err)
	}
	return Kernels{f[0], f[1], f[2], f[3], f[4]}
}

// planVMs plans v1, v2, …: their BMCs are at .171 and on.
func (l *Lab) planVMs(count int) {
	l.plan("v", virtual, 151, count)
	for i, m := range l.Machines[len(l.Machines)-count:] {
		m.vm = &VM{
			Machine: m, Memory: 1024, Module: "lab-module-1", Disks: slices.Clone(l.disks),
			MAC: fmt.Sprintf("52:54:00:1a:b1:%02x", i+1),
			BMC: fmt.Sprintf("10.213.0.%d:623", 171+i),
		}
		l.VMs = append(l.VMs, m.vm)
	}
	if count > 0 {
		l.patience = 10 * time.Minute // two cores that others use as well
	}
}

// serveRepositories serves what is under /srv/repo in other machines, and the kernels, to those that can't see it.
func (l *Lab) serveRepositories(context.Context) error {
	if len(l.VMs) == 0 {
		return nil
	}
	listener, err := l.Listen(apiHost + ":80")
	if err != nil {
		return err
	}
	files := http.NewServeMux()
	files.Handle("/kernels/", http.FileServer(http.Dir(l.parts.vm)))
	files.Handle("/", http.FileServer(http.Dir(l.parts.repo)))
	server := &http.Server{Handler: files, ReadHeaderTimeout: time.Minute}
	l.owned.Go(func() { _ = server.Serve(listener) })
	context.AfterFunc(l.ctx, func() { _ = server.Close() })
	return nil
}

// install makes the disk, an overlay of the image that all share, the cable, and the BMC.
func (v *VM) install() error {
	if err := os.MkdirAll(v.dir(), 0o755); err != nil {
		return err
	}
	if err := v.installDisks(); err != nil {
		return err
	}
	config, err := v.config()
	if err != nil {
		return err
	}
	if err := os.WriteFile(v.file("config.tar"), config, 0o600); err != nil {
		return err
	}
	for _, line := range []string{
		"tuntap add dev " + v.portName() + " mode tap",
		"link set " + v.portName() + " master " + bridge + " up",
	} {
		if err := run(exec.CommandContext(v.lab.ctx, "ip", append([]string{"-n", v.lab.Namespace}, strings.Fields(line)...)...)); err != nil {
			return err
		}
	}
	return v.startBMC()
}

// installDisks makes overlays of the images that all share; with UEFI the firmware's memory, too.
func (v *VM) installDisks() error {
	from, images := v.lab.parts.vm, []string{"disk.qcow2"}
	if v.lab.uefi {
		from, images = v.lab.parts.uefi, []string{"disk.qcow2", "boot.qcow2"}
		vars, err := os.ReadFile(filepath.Join(from, "vars.fd"))
		if err != nil {
			return err
		}
		if err := os.WriteFile(v.file("vars.fd"), vars, 0o600); err != nil {
			return err
		}
	}
	for _, image := range images {
		if err := run(exec.CommandContext(v.lab.ctx, "qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", filepath.Join(from, image), v.file(image))); err != nil {
			return err
		}
	}
	return nil
}

func (v *VM) file(name string) string { return filepath.Join(v.dir(), name) }

// config is what belongs to this machine alone, as a tar that its first boot unpacks.
func (v *VM) config() ([]byte, error) {
	files, err := v.files()
	if err != nil {
		return nil, err
	}
	delete(files, "etc/machine-id") // systemd has mounted its own there by then
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for path, content := range files {
		h := &tar.Header{Name: path, Mode: 0o644, Size: int64(len(content)), Uname: "root", Gname: "root", ModTime: time.Now()}
		if strings.Contains(path, "ssh") {
			h.Mode = 0o600
		}
		if user, ok := strings.CutPrefix(path, "home/"); ok {
			h.Uname, _, _ = strings.Cut(user, "/")
			h.Gname = h.Uname
			h.Uid, h.Gid = 65534, 65534
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(content); err != nil {
			return nil, err
		}
	}
	err = w.Close()
	return b.Bytes(), err
}

// on switches the machine on. Its firmware keeps crash logs (ERST) in a file, as a server's does in its flash.
func (v *VM) on() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.off && v.current != nil {
		return nil
	}
	arguments := []string{
		"-name", v.Name, "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35",
		"-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", strconv.Itoa(v.Memory),
		"-smbios", "type=1,manufacturer=Lab,product=VM,serial=lab-" + v.Name, "-smbios", "type=17,manufacturer=Lab,serial=" + v.Module,
		"-drive", "if=none,format=qcow2,cache=unsafe,id=disk0,file=" + v.file("disk.qcow2"), "-device", "virtio-blk-pci,drive=disk0,serial=lab-disk0",
		"-chardev", "file,id=console,append=on,path=" + v.file("console.log"), "-serial", "chardev:console",
		"-qmp", "unix:" + v.file("qmp") + ",server=on,wait=off", "-device", "virtio-rng-pci",
		"-fw_cfg", "name=opt/lab/config,file=" + v.file("config.tar"),
		"-object", "memory-backend-file,id=erst,size=64K,share=on,mem-path=" + v.file("erst"), "-device", "acpi-erst,memdev=erst",
		"-netdev", "tap,id=net,script=no,downscript=no,ifname=" + v.portName(), "-device", "virtio-net-pci,netdev=net,addr=0x10,mac=" + v.MAC,
	}
	if v.lab.uefi {
		arguments = append(arguments,
			"-drive", "if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd", "-drive", "if=pflash,unit=1,format=raw,file="+v.file("vars.fd"),
			"-drive", "if=none,format=qcow2,cache=unsafe,id=boot,file="+v.file("boot.qcow2"), "-device", "virtio-blk-pci,drive=boot,serial=lab-boot")
	}
	for i, disk := range v.Disks {
		id, file := "nvme"+strconv.Itoa(i), v.file(disk.Serial+".qcow2")
		if _, err := os.Stat(file); err != nil {
			if err := run(exec.CommandContext(v.lab.ctx, "qemu-img", "create", "-q", "-f", "qcow2", file, strconv.Itoa(disk.GiB)+"G")); err != nil {
				return err
			}
		}
		arguments = append(arguments, "-drive", "if=none,format=qcow2,cache=unsafe,id="+id+",file="+file,
			"-device", "nvme,drive="+id+",serial="+disk.Serial+",addr=0x"+strconv.FormatInt(int64(0x18+i), 16))
	}
	p, err := v.lab.spawn(v.Name, v.file("qemu.log"), nil, "qemu-system-x86_64", arguments...)
	if err != nil {
		return err
	}
	v.current, v.off = p, false
	v.lab.owned.Go(func() {
		<-p.done
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.current == p {
			v.off = true
		}
	})
	return nil
}

// Powered tells whether the machine has power, as its emulator knows.
func (v *VM) Powered() bool {
	v.mu.Lock()
	p := v.current
	v.mu.Unlock()
	if p == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// cut takes the power away, at once.
func (v *VM) cut() error {
	if !v.Powered() {
		return nil
	}
	v.mu.Lock()
	p := v.current
	v.mu.Unlock()
	_ = v.qmp("quit") // the connection may end before the answer
	select {
	case <-p.done:
		return nil
	case <-time.After(10 * time.Second):
		return errors.Join(fmt.Errorf("lab: %s: its emulator doesn't end", v.Name), p.cmd.Process.Kill())
	}
}

// Console is what the machine has written to its serial port since it was made.
func (v *VM) Console() string {
	text, _ := os.ReadFile(v.file("console.log"))
	return string(text)
}
