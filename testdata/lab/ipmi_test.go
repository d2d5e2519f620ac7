package lab

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/runner/bmc"
	"github.com/fleetup/fleetup/runner/bmc/bmctest"
)

// chassisScript is what ipmi_sim calls for a machine: its power is a file, the light another.
const chassisScript = `#!/bin/sh
cd "$(dirname "$0")" || exit 1
shift # the controller's address
verb=$1
shift
while [ $# -gt 0 ]; do
	case "$verb $1" in
	"get power") echo "power:$(cat power)"; shift ;;
	"get "*) echo "$1:0"; shift ;;
	"set power") [ "$2$(cat power)" = 01 ] && echo x >>cuts; echo "$2" >power; shift 2 ;;
	"set reset") echo x >>cuts; shift 2 ;;
	"set shutdown") [ -e deaf ] || echo 0 >power; shift 2 ;;
	"set identify") echo "${2%% *}" >light; shift 2 ;; # seconds and force, in one word
	*) shift 2 ;;
	esac
done
`

const lanConf = `name "n1"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 %d
    priv_limit admin
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "%s/chassis 0x20"
  user 2 true "admin" "secret" admin 10 none md2 md5 straight
`

const emulator = `mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
sel_enable 0x20 1000 0x0a
mc_enable 0x20
`

// simulated is a machine behind ipmi_sim.
type simulated struct {
	t   *testing.T
	dir string
}

func (m simulated) read(name string) string {
	b, _ := os.ReadFile(filepath.Join(m.dir, name))
	return strings.TrimSpace(string(b))
}

func (m simulated) write(name, text string) {
	if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m simulated) Powered() bool { return m.read("power") == "1" }
func (m simulated) Shutdown()     { m.SetPower(false) }
func (m simulated) Cuts() int     { return strings.Count(m.read("cuts"), "x") }
func (m simulated) Light() bool   { l := m.read("light"); return l != "" && l != "0" }

func (m simulated) SetPower(on bool) {
	m.write("power", map[bool]string{true: "1\n", false: "0\n"}[on])
}

func (m simulated) Deaf(on bool) {
	if on {
		m.write("deaf", "")
		return
	}
	_ = os.Remove(filepath.Join(m.dir, "deaf"))
}

// startSim starts Debian's ipmi_sim with one machine, and returns how to reach it.
func startSim(t *testing.T) (simulated, bmc.Config) {
	t.Helper()
	if _, err := exec.LookPath("ipmi_sim"); err != nil {
		if _, err := prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	m := simulated{t, t.TempDir()}
	port := freeUDP(t)
	m.write("lan.conf", fmt.Sprintf(lanConf, port, m.dir))
	m.write("emu", emulator)
	m.SetPower(true)
	if err := os.WriteFile(filepath.Join(m.dir, "chassis"), []byte(chassisScript), 0o700); err != nil {
		t.Fatal(err)
	}
	sim := exec.Command("ipmi_sim", "-c", filepath.Join(m.dir, "lan.conf"), "-f", filepath.Join(m.dir, "emu"), "-s", m.dir, "-n", "-p")
	if err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Process.Kill(); _ = sim.Wait() })
	c := bmc.Config{
		Type: bmc.IPMI, Address: fmt.Sprintf("127.0.0.1:%d", port), User: "admin",
		Password: func(context.Context) (string, error) { return "secret", nil },
	}
	b, err := bmc.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := bmc.Await(ctx, b.(bmc.Power), bmc.On); err != nil {
		t.Fatal(err)
	}
	return m, c
}

func freeUDP(t *testing.T) int {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.LocalAddr().(*net.UDPAddr).Port
}

// TestIPMI holds our side of lanplus to a BMC that others wrote.
func TestIPMI(t *testing.T) {
	m, c := startSim(t)
	bmctest.Conform(t, bmctest.Subject{Config: c, Machine: m, Cuts: m.Cuts, Light: m.Light, Deaf: m.Deaf, Asks: true})

	for name, tc := range map[string]struct{ user, password, want string }{
		"wrong password": {"admin", "hunter2", `user "admin" or the password is refused; check bmc.user`},
		"wrong user":     {"ann", "secret", `user "ann" or the password is refused; check bmc.user`},
	} {
		wrong := c
		wrong.User, wrong.Password = tc.user, func(context.Context) (string, error) { return tc.password, nil }
		b, err := bmc.Open(wrong)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.(bmc.Power).State(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
