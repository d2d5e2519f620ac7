package bmctest

import (
	"crypto/subtle"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
)

//go:embed vendors
var vendors embed.FS

// The vendors whose machines a Service can be, in the shape of what they publish: a PowerEdge R650 with an iDRAC 9 (one
// DIMM slot in two empty, a disk that predicts its failure, an event log newest first and in one piece), and a ProLiant
// DL380 Gen10 with an iLO 5 (no power cycle, the light of old firmware, sensors one by one, a log in pages).
const (
	IDRAC = "idrac"
	ILO   = "ilo"
)

// Service is a Redfish service with one machine: an http.Handler for a TLS listener.
type Service struct {
	User, Password string

	mu       sync.Mutex
	m        Machine
	res      map[string]map[string]any
	sessions map[string]bool
	opened   int
	down     bool
	boots    []string
}

// NewService returns the Redfish service of a vendor's machine.
func NewService(vendor string, m Machine) (*Service, error) {
	s := &Service{User: "admin", Password: "calvin", m: m, sessions: map[string]bool{}}
	b, err := vendors.ReadFile("vendors/" + vendor + ".json")
	if err == nil {
		err = json.Unmarshal(b, &s.res)
	}
	return s, err
}

// SetDown makes the service answer that it is busy, as firmware does while it starts.
func (s *Service) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// Sessions returns how many sessions are open, and how many ever were.
func (s *Service) Sessions() (open, ever int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions), s.opened
}

// Light reports whether the locator light is on.
func (s *Service) Light() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	system := s.res[s.system()]
	return system["LocationIndicatorActive"] == true || system["IndicatorLED"] == "Blinking"
}

// Boots are the devices that were asked for, for one boot each.
func (s *Service) Boots() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.boots
}

// system is the address of the machine.
func (s *Service) system() string {
	for at, r := range s.res {
		if t, _ := r["@odata.type"].(string); strings.HasPrefix(t, "#ComputerSystem.") {
			return at
		}
	}
	return ""
}

// ServeHTTP answers what gofish asks. All but the root and a login want a session or Basic.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := strings.TrimSuffix(r.URL.Path, "/")
	login := r.Method == http.MethodPost && strings.HasSuffix(at, "/Sessions")
	switch {
	case s.down:
		problem(w, http.StatusServiceUnavailable, "The service is temporarily unavailable. Retry in 30 seconds.")
	case login:
		s.login(w, r)
	case at != "/redfish/v1" && !s.authorized(r):
		problem(w, http.StatusUnauthorized, "The authentication credentials included with this request are missing or invalid.")
	case r.Method == http.MethodGet:
		s.read(w, r)
	case r.Method == http.MethodDelete:
		delete(s.sessions, strings.TrimPrefix(at, "/redfish/v1/SessionService/Sessions/"))
	case r.Method == http.MethodPatch:
		s.patch(w, r, at)
	case r.Method == http.MethodPost && strings.HasSuffix(at, "/ComputerSystem.Reset"):
		s.reset(w, r)
	default:
		problem(w, http.StatusMethodNotAllowed, "The HTTP method is not allowed on this resource.")
	}
}

func (s *Service) login(w http.ResponseWriter, r *http.Request) {
	var who struct{ UserName, Password string }
	if json.NewDecoder(r.Body).Decode(&who) != nil || !s.known(who.UserName, who.Password) {
		problem(w, http.StatusUnauthorized, "The authentication credentials included with this request are missing or invalid.")
		return
	}
	s.opened++
	token := fmt.Sprintf("%d", s.opened)
	s.sessions[token] = true
	w.Header().Set("X-Auth-Token", token)
	w.Header().Set("Location", "/redfish/v1/SessionService/Sessions/"+token)
	w.WriteHeader(http.StatusCreated)
	io.WriteString(w, "{}") //nolint:errcheck // the client has gone
}

func (s *Service) known(user, password string) bool {
	return user == s.User && subtle.ConstantTimeCompare([]byte(password), []byte(s.Password)) == 1
}

func (s *Service) authorized(r *http.Request) bool {
	user, password, basic := r.BasicAuth()
	return s.sessions[r.Header.Get("X-Auth-Token")] || basic && s.known(user, password)
}

// read answers with a resource; those of the machine show whether it is on.
func (s *Service) read(w http.ResponseWriter, r *http.Request) {
	at := strings.TrimSuffix(r.URL.Path, "/")
	if r.URL.RawQuery != "" {
		at += "?" + r.URL.RawQuery
	}
	res, ok := s.res[at]
	if !ok {
		problem(w, http.StatusNotFound, "The resource at the URI "+at+" was not found.")
		return
	}
	res = maps.Clone(res)
	if _, has := res["PowerState"]; has {
		res["PowerState"] = map[bool]string{true: "On", false: "Off"}[s.m.Powered()]
	}
	if tag, ok := res["@odata.etag"].(string); ok {
		w.Header().Set("ETag", tag)
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(res) //nolint:errcheck // the client has gone
}

// patch sets what a resource has, and nothing else.
func (s *Service) patch(w http.ResponseWriter, r *http.Request, at string) {
	var set map[string]any
	res, ok := s.res[at]
	if !ok || json.NewDecoder(r.Body).Decode(&set) != nil {
		problem(w, http.StatusBadRequest, "The request body is no JSON object.")
		return
	}
	if tag, ok := res["@odata.etag"].(string); ok && r.Header.Get("If-Match") != tag {
		problem(w, http.StatusPreconditionFailed, "The ETag supplied did not match the ETag required to change this resource.")
		return
	}
	for k, v := range set {
		if _, has := res[k]; !has {
			problem(w, http.StatusBadRequest, "The property "+k+" is not in the list of valid properties for the resource.")
			return
		}
		if boot, ok := v.(map[string]any); ok && k == "Boot" {
			s.boots = append(s.boots, fmt.Sprintf("%v %v", boot["BootSourceOverrideEnabled"], boot["BootSourceOverrideTarget"]))
			continue
		}
		res[k] = v
	}
	w.WriteHeader(http.StatusNoContent)
}

// reset switches the machine. As real firmware does, it refuses to turn on what is on.
func (s *Service) reset(w http.ResponseWriter, r *http.Request) {
	var order struct{ ResetType string }
	_ = json.NewDecoder(r.Body).Decode(&order)
	on := s.m.Powered()
	switch {
	case order.ResetType == "On" && on, strings.Contains(order.ResetType, "Off") && !on:
		problem(w, http.StatusConflict, "The requested resource is already in the requested state.")
		return
	case order.ResetType == "On":
		s.m.SetPower(true)
	case order.ResetType == "ForceOff":
		s.m.SetPower(false)
	case order.ResetType == "GracefulShutdown", order.ResetType == "PushPowerButton":
		s.m.Shutdown()
	case order.ResetType == "PowerCycle", order.ResetType == "ForceRestart":
		s.m.SetPower(false)
		s.m.SetPower(true)
	default:
		problem(w, http.StatusBadRequest, "The value "+order.ResetType+" for the property ResetType is not in the list of acceptable values.")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// problem is an error as DSP0266 8.6 has it.
func problem(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{ //nolint:errcheck // the client has gone
		"code": "Base.1.8.GeneralError", "message": "A general error has occurred. See ExtendedInfo for more information.",
		"@Message.ExtendedInfo": []any{map[string]string{"MessageId": "Base.1.8.GeneralError", "Message": message}},
	}})
}
