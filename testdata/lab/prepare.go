package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// parts are the folders that prepare.sh made, shared and read by every lab.
type parts struct {
	bin, repo, debian, apt, dnf, dnfbase string
	vm                                   string // "-" unless FLEETUP_VM asks for it
	kubelet, uefi                        string // "-" unless a lab asks for them
}

// sourceDir is this package's folder: tests run in it, `go run ./testdata/lab/up` does not.
func sourceDir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// cacheDir is where prepare.sh keeps the parts and where labs live. It must lie on a disk that can hold overlayfs.
func cacheDir() string {
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "fleetup-lab")
	}
	home := os.Getenv("HOME")
	if home == "" {
		home = "/root"
	}
	return filepath.Join(home, ".cache", "fleetup-lab")
}

// prepare runs prepare.sh: a quarter of an hour on a fresh machine, a tenth of a second afterwards. What it does
// in the meantime goes to stderr. also are parts that not every lab needs.
func prepare(ctx context.Context, also ...string) (parts, error) {
	var stdout bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(sourceDir(), "prepare.sh"), also...)
	cmd.Stdout, cmd.Stderr = &stdout, os.Stderr
	// What it compiles with ends with it. What is whole by then is kept.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Run(); err != nil {
		return parts{}, fmt.Errorf("lab: prepare.sh: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	dirs := strings.Fields(lines[len(lines)-1])
	if len(dirs) != 9 {
		return parts{}, fmt.Errorf("lab: prepare.sh answered %q, want nine folders", lines[len(lines)-1])
	}
	return parts{bin: dirs[0], repo: dirs[1], debian: dirs[2], apt: dirs[3], dnf: dirs[4], dnfbase: dirs[5], vm: dirs[6], kubelet: dirs[7], uefi: dirs[8]}, nil
}
