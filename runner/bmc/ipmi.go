package bmc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/command/chassis"
	"github.com/bougou/go-ipmi/pkg/types"
)

// lanplus is a BMC that speaks IPMI 2.0 over the network (RMCP+).
type lanplus struct {
	c    Config
	host string
	port int
}

func newIPMI(c Config) (Starter, error) {
	if c.Address == "" {
		return nil, errors.New("bmc: ipmi needs an address")
	}
	_, host, p := withPort(c.Address, "623")
	port, err := strconv.Atoi(p)
	if err != nil {
		return nil, fmt.Errorf("bmc: %q is no port", p)
	}
	return &lanplus{c: c, host: host, port: port}, nil
}

// suites are tried in turn: AES with SHA256, then with SHA1, which is all that firmware before 2015 has. Those without
// authentication or encryption never are.
var suites = []types.CipherSuiteID{types.CipherSuiteID17, types.CipherSuiteID3}

// A datagram may be lost, and a BMC takes a second for an answer now and then.
const (
	answerTime = 2 * time.Second
	repeats    = 3
)

// call opens a session, calls f, and closes it again.
func (b *lanplus) call(ctx context.Context, what string, times int, f func(context.Context, *client.Client) error) error {
	limit := b.c.Timeout * time.Duration(times)
	c, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := b.session(c, f)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("bmc %s: %s: %w", b.c.Address, what, explainIPMI(err, b.c.User))
}

func (b *lanplus) session(ctx context.Context, f func(context.Context, *client.Client) error) error {
	password, err := b.c.secret(ctx)
	if err != nil {
		return err
	}
	for _, suite := range suites {
		var c *client.Client
		if c, err = client.NewClient(b.host, b.port, b.c.User, password); err != nil {
			return err
		}
		c.WithTimeout(answerTime).WithRetry(repeats).WithCipherSuiteID(suite)
		err = c.Connect(ctx)
		if err == nil {
			defer closeSession(ctx, c)
			return f(ctx, c)
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		_ = c.Close(ended) // there is no session to close, only a socket
		if loginRefused(err) || silent(err) {
			return err
		}
	}
	return err
}

// closeSession gives the session back, also when the call's own time is up.
func closeSession(ctx context.Context, c *client.Client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	defer cancel()
	_ = c.Close(ctx)
}

// State asks for the chassis' status.
func (b *lanplus) State(ctx context.Context) (state State, err error) {
	err = b.call(ctx, "power state", 1, func(ctx context.Context, c *client.Client) error {
		st, err := c.GetChassisStatus(ctx)
		if err != nil {
			return err
		}
		state = Off
		if st.PowerIsOn {
			state = On
		}
		return nil
	})
	return state, err
}

// control gives an order, unless the machine is in a state in which there is nothing to order.
func (b *lanplus) control(ctx context.Context, what string, order func(on bool) (chassis.ChassisControl, bool)) error {
	return b.call(ctx, what, 1, func(ctx context.Context, c *client.Client) error {
		st, err := c.GetChassisStatus(ctx)
		if err != nil {
			return err
		}
		if how, due := order(st.PowerIsOn); due {
			_, err = c.ChassisControl(ctx, how)
		}
		return err
	})
}

func (b *lanplus) On(ctx context.Context) error {
	return b.control(ctx, "power on", func(on bool) (chassis.ChassisControl, bool) { return chassis.ChassisControlPowerUp, !on })
}

func (b *lanplus) Off(ctx context.Context, hard bool) error {
	if hard {
		return b.control(ctx, "power off", func(on bool) (chassis.ChassisControl, bool) { return chassis.ChassisControlPowerDown, on })
	}
	return b.control(ctx, "shut down", func(on bool) (chassis.ChassisControl, bool) { return chassis.ChassisControlSoftShutdown, on })
}

// Cycle is a power cycle, or the hard reset that every BMC has where it has none (IPMI 2.0, 28.3: it is optional).
func (b *lanplus) Cycle(ctx context.Context) error {
	return b.call(ctx, "power cycle", 1, func(ctx context.Context, c *client.Client) error {
		st, err := c.GetChassisStatus(ctx)
		if err != nil {
			return err
		}
		if !st.PowerIsOn {
			_, err = c.ChassisControl(ctx, chassis.ChassisControlPowerUp)
			return err
		}
		_, err = c.ChassisControl(ctx, chassis.ChassisControlPowerCycle)
		if _, answered := types.IsResponseError(err); answered {
			_, err = c.ChassisControl(ctx, chassis.ChassisControlHardReset)
		}
		return err
	})
}

var bootSelectors = map[Device]types.BootDeviceSelector{
	Disk: types.BootDeviceSelectorForceHardDrive, PXE: types.BootDeviceSelectorForcePXE,
	CD: types.BootDeviceSelectorForceCDROM, Setup: types.BootDeviceSelectorForceBIOSSetup,
}

func (b *lanplus) BootOnce(ctx context.Context, d Device) error {
	return b.call(ctx, "boot once from "+string(d), 1, func(ctx context.Context, c *client.Client) error {
		return c.SetBootDevice(ctx, bootSelectors[d], types.BIOSBootTypeEFI, false)
	})
}

// Locate forces the light on for good, which IPMI 1.5 didn't know: there it goes out after 255 seconds.
func (b *lanplus) Locate(ctx context.Context, on bool) error {
	return b.call(ctx, "locator light", 1, func(ctx context.Context, c *client.Client) error {
		if !on {
			_, err := c.ChassisIdentify(ctx, 0, false)
			return err
		}
		_, err := c.ChassisIdentify(ctx, 255, true)
		if _, answered := types.IsResponseError(err); answered {
			_, err = c.ChassisIdentify(ctx, 255, false)
		}
		return err
	})
}

// loginRefused reports whether the user or the password is wrong. go-ipmi keeps only the text of what it joins.
func loginRefused(err error) bool {
	text := strings.ToLower(err.Error())
	return slices.ContainsFunc([]string{"rakp authentication failed", "unauthorized name", "invalid user", "unauthorized role"}, func(part string) bool {
		return strings.Contains(text, part)
	})
}

// silent reports whether nothing answered at all.
func silent(err error) bool {
	text := err.Error()
	return strings.Contains(text, "i/o timeout") || strings.Contains(text, "connection refused") || strings.Contains(text, "no datagram matched") ||
		strings.Contains(text, "no such host") || errors.Is(err, context.DeadlineExceeded)
}

// explainIPMI says what an error means, and the way out.
func explainIPMI(err error, user string) error {
	answered, ok := types.IsResponseError(err)
	switch {
	case loginRefused(err):
		return refusedLogin(user)
	case ok && answered.CompletionCode() == 0xd4:
		return fmt.Errorf("user %q may not do that: give it the privilege level Operator on the BMC's LAN channel (%w)", user, err)
	case ok && answered.CompletionCode() == 0xc1:
		return fmt.Errorf("this BMC doesn't know that command (%w)", err)
	case silent(err):
		return fmt.Errorf("no answer on UDP port 623 or as bmc.address says: check the address, that this machine has a way into the BMCs' "+
			"network, and that IPMI over LAN is switched on (%s)", brief(err.Error()))
	}
	return err
}
