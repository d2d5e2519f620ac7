package bmc

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/stmcginnis/gofish/common"
)

// refusedLogin is what to do about a wrong password. It isn't tried again: a few wrong ones lock the account.
func refusedLogin(user string) error {
	return fmt.Errorf("user %q or the password is refused; check bmc.user and where bmc.password comes from (nothing is tried again: "+
		"BMCs lock an account after a few wrong logins)", user)
}

var errUnreachable = errors.New("can't be reached: check bmc.address, and that this machine has a way into the BMCs' network")

// explain says what an error of Redfish means, and the way out.
func explain(err error, user string) error {
	var pinned *pinnedError
	var said *common.Error
	var record tls.RecordHeaderError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &pinned):
		return pinned
	case untrusted(err) != nil:
		return untrusted(err)
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS"):
		return errors.New("what listens there doesn't speak HTTPS; Redfish is on port 443 of a BMC as a rule")
	case errors.As(err, &syntax):
		return fmt.Errorf("what answers there isn't Redfish (%w); switch it on in the BMC's settings, or use type = \"ipmi\"", err)
	case errors.As(err, &said):
		return answered(said, user)
	case dialFailed(err):
		return fmt.Errorf("%w (%w)", errUnreachable, err)
	}
	return err
}

// answered puts an answer with an error's status into words.
func answered(e *common.Error, user string) error {
	switch e.HTTPReturnedStatusCode {
	case http.StatusUnauthorized:
		return refusedLogin(user)
	case http.StatusForbidden:
		return fmt.Errorf("user %q may not do that: %s; give it the role Operator on the BMC", user, message(e))
	case http.StatusNotFound:
		return fmt.Errorf("it has no such resource (%s); its firmware may be older than Redfish, or still be starting", message(e))
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return fmt.Errorf("it is busy: %s; try again in a minute", message(e))
	}
	return fmt.Errorf("status %d: %s", e.HTTPReturnedStatusCode, message(e))
}

// message is what the service said, in its own words.
func message(e *common.Error) string {
	for _, info := range e.ExtendedInfos {
		if info.Message != "" {
			return strings.TrimSpace(info.Message + " " + info.Resolution)
		}
	}
	return brief(e.Message)
}
