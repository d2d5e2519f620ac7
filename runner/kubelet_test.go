package runner

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// systemctl stands in for systemd's: units are files below $UNITS, and what starts one is written down. As systemd does,
// it refuses to start the socket of a service that is masked.
const systemctl = `#!/bin/sh
verb=$1 unit=$2
case $verb in
is-enabled)
	[ -e "$UNITS/$unit" ] || exit 1
	[ -e "$UNITS/$unit.masked" ] && { echo masked-runtime; exit 1; }
	echo enabled ;;
unmask) rm -f "$UNITS/$3.masked" ;;
is-active) [ -e "$UNITS/$3.active" ] ;;
start)
	case $unit in *.socket) [ ! -e "$UNITS/${unit%.socket}.service.masked" ] || exit 1 ;; esac
	echo "$unit" >>"$UNITS/started"
	: >"$UNITS/$unit.active" ;;
esac
`

// A runtime that is reached through a socket is whole again only once the socket listens: while its service was masked,
// the new package could not start it.
func TestStartScriptStartsSocketsFirst(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write("systemctl", systemctl)
	for _, unit := range []string{"docker.service", "docker.service.masked", "docker.socket", "cri-docker.service",
		"cri-docker.service.masked", "cri-docker.socket", "containerd.service", "kubelet.service", "containerd.service.active"} {
		write(unit, "")
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", startScript)
	cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "UNITS=" + dir}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	started, err := os.ReadFile(filepath.Join(dir, "started"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"docker.socket", "docker.service", "cri-docker.socket", "cri-docker.service", "kubelet.service"}
	if got := strings.Fields(string(started)); !slices.Equal(got, want) {
		t.Errorf("started %v, want %v", got, want)
	}
}
