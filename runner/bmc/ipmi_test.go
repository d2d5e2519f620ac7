package bmc_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	ipmibmc "github.com/bougou/go-ipmi/pkg/bmc"
	"github.com/bougou/go-ipmi/pkg/hal"
	"github.com/bougou/go-ipmi/pkg/hal/mock"
	"github.com/bougou/go-ipmi/pkg/server"
	"github.com/bougou/go-ipmi/pkg/transport/udp"
	"github.com/bougou/go-ipmi/pkg/types"

	"github.com/fleetup/fleetup/runner/bmc"
	"github.com/fleetup/fleetup/runner/bmc/bmctest"
)

// chassis lets go-ipmi's server, which can be had without root and without a package, switch our machine. Debian's
// ipmi_sim, which shares no code with us, is asked the same in the lab.
type chassis struct {
	*mock.Chassis
	*bmctest.Switch
	mu    sync.Mutex
	light bool
}

func (c *chassis) PowerState(context.Context) (bool, error)        { return c.Powered(), nil }
func (c *chassis) SetPower(_ context.Context, on bool) error       { c.Switch.SetPower(on); return nil }
func (c *chassis) WarmReset(context.Context) error                 { c.Shutdown(); return nil }
func (c *chassis) ColdReset(context.Context) error                 { return c.PowerCycle(context.Background()) }
func (c *chassis) Identify(_ context.Context, seconds uint8) error { c.shine(seconds > 0); return nil }

func (c *chassis) PowerCycle(context.Context) error {
	c.Switch.SetPower(false)
	c.Switch.SetPower(true)
	return nil
}

func (c *chassis) shine(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.light = on
}

func (c *chassis) lit() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.light
}

type board struct {
	*mock.HAL
	c *chassis
}

func (b board) Chassis() hal.ChassisHAL { return b.c }

// ipmiServer is a BMC in this process.
func ipmiServer(t *testing.T) (bmc.Config, *chassis) {
	t.Helper()
	c := &chassis{Chassis: &mock.Chassis{}, Switch: bmctest.NewSwitch(true)}
	b := ipmibmc.New(ipmibmc.DeviceInfo{IPMIVersion: 0x20, FirmwareMajor: 2, FirmwareMinor: 0x11}, [16]byte{1}, board{mock.New(), c})
	u, err := b.Users.Add(2, "admin")
	if err != nil {
		t.Fatal(err)
	}
	err = b.Users.Update(u.ID, func(u *ipmibmc.User) error {
		u.SetPassword([]byte("secret"))
		u.Enabled = true
		u.ChannelAccess = map[uint8]ipmibmc.UserChannelAccess{1: {MaxPrivilege: ipmibmc.PrivilegeLevel(types.PrivilegeLevelAdministrator), Enabled: true}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := server.NewServer(b, udp.Wrap(pc))
	var serving sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	serving.Go(func() { _ = s.Serve(ctx) })
	t.Cleanup(func() { cancel(); s.Close(); serving.Wait() })
	return bmc.Config{Type: bmc.IPMI, Address: pc.LocalAddr().String(), User: "admin", Password: password("secret")}, c
}

func TestIPMI(t *testing.T) {
	config, c := ipmiServer(t)
	bmctest.Conform(t, bmctest.Subject{Config: config, Machine: c.Switch, Cuts: c.Cuts, Light: c.lit, Deaf: c.SetDeaf, Asks: true, NoLog: true})
}

func TestIPMIErrors(t *testing.T) {
	good, _ := ipmiServer(t)
	for name, tc := range map[string]struct {
		change func(*bmc.Config)
		want   string
	}{
		"wrong password": {func(c *bmc.Config) { c.Password = password("hunter2") }, `user "admin" or the password is refused; check bmc.user`},
		"wrong user":     {func(c *bmc.Config) { c.User = "ann" }, `user "ann" or the password is refused`},
		"long user":      {func(c *bmc.Config) { c.User = strings.Repeat("a", 17) }, "too long"},
		"unreachable":    {func(c *bmc.Config) { c.Address = unused(t) }, "that IPMI over LAN is switched on"},
		"no such host":   {func(c *bmc.Config) { c.Address = "bmc.invalid" }, "check the address"},
		"slow":           {func(c *bmc.Config) { c.Address, c.Timeout = deaf(t), 300*time.Millisecond }, "no answer"},
	} {
		c := good
		tc.change(&c)
		_, err := open(t, c).(bmc.Power).State(t.Context())
		wantError(t, name, err, []string{tc.want, "bmc " + c.Address + ": power state: "})
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the password stands in the error: %v", name, err)
		}
	}
}

// deaf is an address that takes datagrams and answers none.
func deaf(t *testing.T) string {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.LocalAddr().String()
}
