package bmc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/stmcginnis/gofish"
	"github.com/stmcginnis/gofish/common"
	"github.com/stmcginnis/gofish/redfish"
)

// fish is a BMC that speaks DMTF's Redfish (DSP0266) over HTTPS.
type fish struct {
	c        Config
	endpoint string
}

func newRedfish(c Config) (Starter, error) {
	if c.Address == "" {
		return nil, errors.New("bmc: redfish needs an address")
	}
	if _, err := pin(c.Fingerprint); err != nil {
		return nil, err
	}
	at, _, _ := withPort(c.Address, "443")
	return &fish{c: c, endpoint: "https://" + at}, nil
}

// long is how many times a power order's time a question may take that reads dozens of resources one by one.
const long = 5

// call logs in, calls f, and logs out again, all within the time of times calls.
func (b *fish) call(ctx context.Context, what string, times int, f func(*gofish.APIClient) error) error {
	limit := b.c.Timeout * time.Duration(times)
	c, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := b.session(c, f)
	if err == nil {
		return nil
	}
	if c.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("no answer within %s: it is slow or hangs; try again later, or restart the BMC itself", limit)
	}
	return fmt.Errorf("bmc %s: %s: %w", b.c.Address, what, explain(err, b.c.User))
}

func (b *fish) session(ctx context.Context, f func(*gofish.APIClient) error) error {
	web := b.web()
	defer web.CloseIdleConnections()
	password, err := b.c.secret(ctx)
	if err != nil {
		return err
	}
	client, err := login(ctx, gofish.ClientConfig{
		Endpoint: b.endpoint, HTTPClient: web, MaxConcurrentRequests: 4, ReuseConnections: true,
		Username: b.c.User, Password: password,
	})
	if err != nil {
		return err
	}
	defer logout(ctx, web, b.endpoint, client)
	return f(client)
}

// login opens a session, or goes without one where the service has none: Basic is for each request.
func login(ctx context.Context, cfg gofish.ClientConfig) (*gofish.APIClient, error) {
	client, err := gofish.ConnectContext(ctx, cfg)
	var e *common.Error
	if errors.As(err, &e) && slices.Contains([]int{0, http.StatusNotFound, http.StatusMethodNotAllowed}, e.HTTPReturnedStatusCode) ||
		err != nil && strings.Contains(err.Error(), "no target provided") {
		cfg.BasicAuth = true
		return gofish.ConnectContext(ctx, cfg)
	}
	return client, err
}

// logout gives the session back, also when the call's own time is up: a BMC has a handful, and they last half an hour.
func logout(ctx context.Context, web *http.Client, endpoint string, c *gofish.APIClient) {
	s, err := c.GetSession()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodDelete, endpoint+s.ID, nil)
	if err != nil {
		return
	}
	r.Header.Set("X-Auth-Token", s.Token)
	if resp, err := web.Do(r); err == nil {
		resp.Body.Close()
	}
}

// system is the machine: the only one that the service manages, or the one that Config.System names. One that is read while
// another can't be is not the only one.
func (b *fish) system(c *gofish.APIClient) (*redfish.ComputerSystem, error) {
	all, err := c.Service.Systems()
	if err != nil && (len(all) == 0 || b.c.System == "") {
		return nil, err
	}
	var names []string
	for _, s := range all {
		if b.c.System == "" && len(all) == 1 || b.c.System != "" && (s.ID == b.c.System || path.Base(s.ODataID) == b.c.System) {
			return s, nil
		}
		names = append(names, s.ID)
	}
	switch {
	case err != nil:
		return nil, err
	case len(names) == 0:
		return nil, errors.New("the service lists no system; its firmware may still be starting")
	case b.c.System == "":
		return nil, fmt.Errorf("it manages several systems (%s); say which with bmc.system", strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("it manages no system %q, but %s", b.c.System, strings.Join(names, ", "))
}

// on asks the machine's system.
func (b *fish) on(ctx context.Context, what string, times int, f func(*gofish.APIClient, *redfish.ComputerSystem) error) error {
	return b.call(ctx, what, times, func(c *gofish.APIClient) error {
		s, err := b.system(c)
		if err != nil {
			return err
		}
		return f(c, s)
	})
}

// State reads PowerState.
func (b *fish) State(ctx context.Context) (state State, err error) {
	err = b.on(ctx, "power state", 1, func(_ *gofish.APIClient, s *redfish.ComputerSystem) error {
		if state = stateOf(s); state == "" {
			return errors.New("it doesn't say whether the machine is on; its firmware may still be starting")
		}
		return nil
	})
	return state, err
}

func stateOf(s *redfish.ComputerSystem) State { return State(strings.ToLower(string(s.PowerState))) }

// On asks first: some firmware calls it an error to turn on what is on.
func (b *fish) On(ctx context.Context) error {
	return b.on(ctx, "power on", 1, func(_ *gofish.APIClient, s *redfish.ComputerSystem) error {
		if stateOf(s) == On {
			return nil
		}
		return s.Reset(offered(s, redfish.OnResetType, redfish.ForceOnResetType, redfish.PushPowerButtonResetType))
	})
}

func (b *fish) Off(ctx context.Context, hard bool) error {
	how, what := []redfish.ResetType{redfish.GracefulShutdownResetType, redfish.PushPowerButtonResetType}, "shut down"
	if hard {
		how, what = []redfish.ResetType{redfish.ForceOffResetType}, "power off"
	}
	return b.on(ctx, what, 1, func(_ *gofish.APIClient, s *redfish.ComputerSystem) error {
		if stateOf(s) == Off {
			return nil
		}
		return s.Reset(offered(s, how...))
	})
}

func (b *fish) Cycle(ctx context.Context) error {
	return b.on(ctx, "power cycle", 1, func(_ *gofish.APIClient, s *redfish.ComputerSystem) error {
		if stateOf(s) == Off {
			return s.Reset(offered(s, redfish.OnResetType, redfish.ForceOnResetType))
		}
		return s.Reset(offered(s, redfish.PowerCycleResetType, redfish.ForceRestartResetType))
	})
}

// offered is the first of wanted that the system offers. One that doesn't say what it offers is asked for the first.
func offered(s *redfish.ComputerSystem, wanted ...redfish.ResetType) redfish.ResetType {
	for _, w := range wanted {
		if slices.Contains(s.SupportedResetTypes, w) {
			return w
		}
	}
	if len(s.SupportedResetTypes) == 0 && wanted[0] == redfish.PowerCycleResetType {
		return redfish.ForceRestartResetType // which every service has
	}
	return wanted[0]
}

var bootTargets = map[Device]redfish.BootSourceOverrideTarget{
	Disk: redfish.HddBootSourceOverrideTarget, PXE: redfish.PxeBootSourceOverrideTarget,
	CD: redfish.CdBootSourceOverrideTarget, Setup: redfish.BiosSetupBootSourceOverrideTarget,
}

func (b *fish) BootOnce(ctx context.Context, d Device) error {
	return b.on(ctx, "boot once from "+string(d), 1, func(_ *gofish.APIClient, s *redfish.ComputerSystem) error {
		return s.SetBoot(redfish.Boot{
			BootSourceOverrideEnabled: redfish.OnceBootSourceOverrideEnabled, BootSourceOverrideTarget: bootTargets[d],
		})
	})
}

// Locate sets LocationIndicatorActive, or the IndicatorLED of older firmware, of whichever of system and chassis has it.
func (b *fish) Locate(ctx context.Context, on bool) error {
	return b.on(ctx, "locator light", 1, func(c *gofish.APIClient, s *redfish.ComputerSystem) error {
		for _, at := range append([]string{s.ODataID}, chassisOf(c, s)...) {
			var has map[string]json.RawMessage
			etag, err := get(c, at, &has)
			if err != nil {
				return err
			}
			light := map[string]any{"LocationIndicatorActive": on}
			if _, ok := has["LocationIndicatorActive"]; !ok {
				if _, ok := has["IndicatorLED"]; !ok {
					continue
				}
				light = map[string]any{"IndicatorLED": map[bool]string{true: "Blinking", false: "Off"}[on]}
			}
			resp, err := c.PatchWithHeaders(at, light, map[string]string{"If-Match": etag})
			if err == nil {
				err = resp.Body.Close()
			}
			return err
		}
		return errors.New("this machine has no locator light that its BMC knows of")
	})
}

// get decodes a resource, and returns its ETag, or "*" where it has none.
func get(c *gofish.APIClient, at string, v any) (etag string, err error) {
	resp, err := c.Get(at)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if etag = resp.Header.Get("ETag"); etag == "" {
		etag = "*"
	}
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		return "", fmt.Errorf("%s can't be read: %w", at, err)
	}
	return etag, nil
}

// chassisOf are the addresses of the chassis that the system is in.
func chassisOf(c *gofish.APIClient, s *redfish.ComputerSystem) []string {
	var v struct {
		Links struct {
			Chassis []struct {
				At string `json:"@odata.id"`
			}
		}
	}
	if _, err := get(c, s.ODataID, &v); err != nil {
		return nil
	}
	var at []string
	for _, l := range v.Links.Chassis {
		at = append(at, l.At)
	}
	return at
}
