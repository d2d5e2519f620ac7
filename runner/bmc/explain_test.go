package bmc

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stmcginnis/gofish/common"
	"github.com/stmcginnis/gofish/redfish"
)

// TestAnswered: what each refusal of a Redfish service means to an operator, with the service's own words.
func TestAnswered(t *testing.T) {
	for _, tc := range []struct {
		status int
		infos  []common.ErrExtendedInfo
		text   string
		want   string
	}{
		{http.StatusUnauthorized, nil, "", `user "op" or the password is refused; check bmc.user`},
		{http.StatusForbidden, []common.ErrExtendedInfo{{}, {Message: "Insufficient privilege.", Resolution: "Ask an administrator."}}, "general error",
			`user "op" may not do that: Insufficient privilege. Ask an administrator.; give it the role Operator on the BMC`},
		{http.StatusNotFound, nil, "no such resource\nat all", "it has no such resource (no such resource); its firmware may be older than Redfish, or still be starting"},
		{http.StatusServiceUnavailable, nil, "booting", "it is busy: booting; try again in a minute"},
		{http.StatusTooManyRequests, nil, "slow down", "it is busy: slow down; try again in a minute"},
		{http.StatusInternalServerError, nil, strings.Repeat("x", 300), "status 500: " + strings.Repeat("x", 200) + "…"},
	} {
		err := fmt.Errorf("get: %w", &common.Error{HTTPReturnedStatusCode: tc.status, ExtendedInfos: tc.infos, Message: tc.text})
		if got := explain(err, "op").Error(); !strings.Contains(got, tc.want) {
			t.Errorf("%d: %s\nwant %s", tc.status, got, tc.want)
		}
	}
}

// TestOffered: of the ways to switch, the first that a system has is taken; one that doesn't say which it has is asked for one that all have.
func TestOffered(t *testing.T) {
	type how = redfish.ResetType
	for _, tc := range []struct {
		name        string
		has, wanted []how
		want        how
	}{
		{"the first", []how{redfish.ForceOffResetType, redfish.OnResetType}, []how{redfish.OnResetType, redfish.ForceOnResetType}, redfish.OnResetType},
		{"the next best", []how{redfish.PushPowerButtonResetType}, []how{redfish.GracefulShutdownResetType, redfish.PushPowerButtonResetType}, redfish.PushPowerButtonResetType},
		{"none of them", []how{redfish.NmiResetType}, []how{redfish.ForceOffResetType}, redfish.ForceOffResetType},
		{"silent", nil, []how{redfish.ForceOffResetType}, redfish.ForceOffResetType},
		{"silent about a power cycle", nil, []how{redfish.PowerCycleResetType, redfish.ForceRestartResetType}, redfish.ForceRestartResetType},
	} {
		if got := offered(&redfish.ComputerSystem{SupportedResetTypes: tc.has}, tc.wanted...); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// TestWithPort: an address may have a port, and may be IPv6 with or without brackets.
func TestWithPort(t *testing.T) {
	for address, want := range map[string]string{
		"10.1.2.7": "10.1.2.7:443 10.1.2.7 443", "10.1.2.7:8443": "10.1.2.7:8443 10.1.2.7 8443", "bmc7": "bmc7:443 bmc7 443",
		"fd00::7": "[fd00::7]:443 fd00::7 443", "[fd00::7]": "[fd00::7]:443 fd00::7 443", "[fd00::7]:8443": "[fd00::7]:8443 fd00::7 8443",
	} {
		whole, host, port := withPort(address, "443")
		if got := whole + " " + host + " " + port; got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
