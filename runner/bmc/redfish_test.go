package bmc_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/runner/bmc"
	"github.com/fleetup/fleetup/runner/bmc/bmctest"
)

// redfish serves a vendor's machine, and returns how to get in.
func redfish(t *testing.T, vendor string) (*bmctest.Service, *bmctest.Switch, bmc.Config, *httptest.Server) {
	t.Helper()
	m := bmctest.NewSwitch(true)
	s, err := bmctest.NewService(vendor, m)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(s)
	web.Config.ErrorLog = quiet
	web.StartTLS()
	t.Cleanup(web.Close)
	return s, m, bmc.Config{
		Type: bmc.Redfish, Address: strings.TrimPrefix(web.URL, "https://"), User: "admin", Password: password("calvin"),
		Fingerprint: fingerprintOf(web),
	}, web
}

func fingerprintOf(web *httptest.Server) string {
	sum := sha256.Sum256(web.Certificate().Raw)
	return "SHA256:" + strings.ToUpper(hex.EncodeToString(sum[:]))
}

func TestRedfish(t *testing.T) {
	for _, vendor := range []string{bmctest.IDRAC, bmctest.ILO} {
		t.Run(vendor, func(t *testing.T) {
			s, m, c, _ := redfish(t, vendor)
			bmctest.Conform(t, bmctest.Subject{Config: c, Machine: m, Cuts: m.Cuts, Light: s.Light, Deaf: m.SetDeaf, Asks: true})
			if open, ever := s.Sessions(); open != 0 || ever == 0 {
				t.Errorf("%d of %d sessions were left open", open, ever)
			}
			if diff := cmp.Diff([]string{"Once Pxe", "Once Hdd", "Once Cd", "Once BiosSetup"}, s.Boots()); diff != "" {
				t.Errorf("boots (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRedfishReads: everything that two vendors' machines tell, as it comes out.
func TestRedfishReads(t *testing.T) {
	for vendor, want := range map[string]struct {
		sensors []bmc.Sensor
		log     []bmc.Entry
		parts   []bmc.Part
	}{
		bmctest.IDRAC: {
			[]bmc.Sensor{
				{"CPU1 Temp", 71, "°C", "warning"}, {"PS1 Voltage 1", 230, "V", "ok"}, {"System Board Fan1A", 7800, "rpm", "ok"},
				{"System Board Inlet Temp", 22, "°C", "ok"}, {"System Power Control", 268, "W", ""},
			},
			[]bmc.Entry{
				{at("2026-01-12T02:55:41Z"), "critical", "Correctable memory error rate exceeded for DIMM_A1."},
				{at("2026-03-01T09:11:00Z"), "warning", "The system inlet temperature is greater than the upper warning threshold."},
			},
			[]bmc.Part{
				{Kind: "system", Slot: "System.Embedded.1", Vendor: "Dell Inc.", Model: "PowerEdge R650", Serial: "CNIVC0012300AB", Health: "ok", Firmware: "1.13.2"},
				{Kind: "bmc", Slot: "iDRAC.Embedded.1", Model: "15G Monolithic", Health: "ok", Firmware: "7.00.00.171"},
				{Kind: "cpu", Slot: "CPU.Socket.1", Vendor: "Intel", Model: "Intel(R) Xeon(R) Gold 5318Y CPU @ 2.10GHz", Health: "ok"},
				{Kind: "cpu", Slot: "CPU.Socket.2", Vendor: "Intel", Model: "Intel(R) Xeon(R) Gold 5318Y CPU @ 2.10GHz", Health: "ok"},
				{Kind: "memory", Slot: "DIMM A1", Vendor: "Hynix Semiconductor", Model: "HMA84GR7DJR4N-XN", Serial: "40D5C1A1", Bytes: 32 << 30, Health: "ok"},
				{Kind: "memory", Slot: "DIMM B1", Vendor: "Hynix Semiconductor", Model: "HMA84GR7DJR4N-XN", Serial: "40D5C1B7", Bytes: 32 << 30, Health: "ok"},
				{Kind: "disk", Slot: "Bay 0", Vendor: "SAMSUNG", Model: "MZ7LH960HAJR0D3", Serial: "S6EPNA0T500117", Bytes: 960197124096, Health: "ok", Firmware: "HG58"},
				{Kind: "disk", Slot: "Bay 1", Vendor: "SAMSUNG", Model: "MZ7LH960HAJR0D3", Serial: "S6EPNA0T500123", Bytes: 960197124096, Health: "warning", Firmware: "HG58"},
				{Kind: "nic", Slot: "NIC.Integrated.1-1-1", MAC: "b0:7b:25:f1:00:0a", Mbit: 25000, Health: "ok"},
				{Kind: "nic", Slot: "NIC.Integrated.1-2-1", MAC: "b0:7b:25:f1:00:0b", Health: "ok"},
				{Kind: "pci", Slot: "59-0", Vendor: "Intel Corporation", Model: "Ethernet 25G 2P E810-XXV OCP", Health: "ok", Firmware: "22.5.7"},
			},
		},
		bmctest.ILO: {
			[]bmc.Sensor{{"01-Inlet Ambient", 21, "°C", "ok"}, {"Fan 1", 34, "%", "ok"}, {"Power Meter", 143, "W", "ok"}},
			[]bmc.Entry{
				{at("2026-02-03T04:05:06Z"), "ok", "Server power restored."},
				{at("2026-02-20T14:00:00Z"), "critical", "Internal storage drive in bay 1 has failed."},
			},
			[]bmc.Part{
				{Kind: "system", Slot: "1", Vendor: "HPE", Model: "ProLiant DL380 Gen10", Serial: "CZJ94501QT", Health: "warning", Firmware: "U30 v2.78 (03/16/2023)"},
				{Kind: "bmc", Slot: "1", Model: "iLO 5", Health: "ok", Firmware: "iLO 5 v2.82"},
				{Kind: "cpu", Slot: "Proc 1", Vendor: "Intel(R) Corporation", Model: "Intel(R) Xeon(R) Silver 4208 CPU @ 2.10GHz", Health: "ok"},
				{Kind: "memory", Slot: "PROC 1 DIMM 1", Vendor: "HPE", Model: "840756-091", Serial: "3B41C5E8", Bytes: 16 << 30, Health: "ok"},
				{Kind: "memory", Slot: "PROC 1 DIMM 2", Vendor: "HPE", Model: "840756-091", Serial: "3B41C611", Bytes: 16 << 30, Health: "ok"},
				{Kind: "disk", Slot: "Slot=0:Port=1I:Box=1:Bay=1", Model: "EG000600JWJNP", Serial: "WFK1E2XH", Bytes: 600127266816, Health: "critical", Firmware: "HPD4"},
				{Kind: "nic", Slot: "1", MAC: "20:67:7c:d8:aa:10", Mbit: 10000, Health: "ok"},
			},
		},
	} {
		_, _, c, _ := redfish(t, vendor)
		b := open(t, c)
		sensors, err := b.(bmc.Sensors).Sensors(t.Context())
		same(t, vendor+" sensors", want.sensors, sensors, err)
		log, err := b.(bmc.Log).Log(t.Context(), 2)
		same(t, vendor+" log", want.log, log, err)
		parts, err := b.(bmc.Parts).Parts(t.Context())
		same(t, vendor+" parts", want.parts, parts, err)
	}
}

// TestEventLogs: the log of the hardware is found by the name that each vendor gives it, beside those of who logged in and what was
// configured, whatever stands first.
func TestEventLogs(t *testing.T) {
	for vendor, name := range map[string]string{
		"Dell, Cisco": "Sel", "HPE": "IML", "Fujitsu": "SystemEventLog", "Lenovo": "PlatformLog", "Lenovo, older": "StandardLog", "OpenBMC": "EventLog", "Supermicro": "Log1",
	} {
		s, _, c, web := redfish(t, bmctest.IDRAC)
		web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			told := httptest.NewRecorder()
			s.ServeHTTP(told, r)
			for k, v := range told.Header() {
				w.Header()[k] = v
			}
			w.WriteHeader(told.Code)
			w.Write([]byte(strings.ReplaceAll(told.Body.String(), `"Id":"Sel"`, `"Id":"`+name+`"`)))
		})
		log, err := open(t, c).(bmc.Log).Log(t.Context(), 1)
		if err != nil || len(log) != 1 || log[0].Text != "The system inlet temperature is greater than the upper warning threshold." {
			t.Errorf("%s: %v, %v", vendor, log, err)
		}
	}
}

// TestRedfishErrors: each says what is wrong and what to do.
func TestRedfishErrors(t *testing.T) {
	s, _, good, web := redfish(t, bmctest.IDRAC)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	page := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>Welcome</html>")) }))
	page.StartTLS()
	t.Cleanup(page.Close)
	away := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, web.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	away.StartTLS()
	t.Cleanup(away.Close)
	slow := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	slow.StartTLS()
	t.Cleanup(slow.Close)

	for name, tc := range map[string]struct {
		change func(*bmc.Config)
		want   []string
	}{
		"wrong password": {func(c *bmc.Config) { c.Password = password("hunter2") }, []string{`user "admin" or the password is refused`, "bmc.password"}},
		"unreachable":    {func(c *bmc.Config) { c.Address = unused(t) }, []string{"can't be reached", "bmc.address"}},
		"self-signed":    {func(c *bmc.Config) { c.Fingerprint = "" }, []string{"isn't to be trusted", `fingerprint = "` + fingerprintOf(web) + `"`}},
		"another certificate": {func(c *bmc.Config) { c.Fingerprint = "SHA256:" + strings.Repeat("AB:", 31) + "AB" },
			[]string{fingerprintOf(web), "AB:AB", "renewed", "isn't your BMC"}},
		"slow": {func(c *bmc.Config) {
			c.Address, c.Fingerprint, c.Timeout = address(slow), fingerprintOf(slow), 300*time.Millisecond
		}, []string{"no answer within 300ms", "restart the BMC"}},
		"no HTTPS":    {func(c *bmc.Config) { c.Address = strings.TrimPrefix(plain.URL, "http://") }, []string{"doesn't speak HTTPS"}},
		"no Redfish":  {func(c *bmc.Config) { c.Address, c.Fingerprint = address(page), fingerprintOf(page) }, []string{"isn't Redfish", `"ipmi"`}},
		"led astray":  {func(c *bmc.Config) { c.Address, c.Fingerprint = address(away), fingerprintOf(away) }, []string{"redirects to", "bmc.address"}},
		"no such one": {func(c *bmc.Config) { c.System = "HGX" }, []string{`no system "HGX"`, "System.Embedded.1"}},
		"no secret": {func(c *bmc.Config) {
			c.Password = func(context.Context) (string, error) { return "", context.DeadlineExceeded }
		}, []string{"deadline exceeded"}},
	} {
		c := good
		tc.change(&c)
		began := time.Now()
		_, err := open(t, c).(bmc.Power).State(t.Context())
		wantError(t, name, err, append(tc.want, "bmc "+c.Address+": power state: "))
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: took %s", name, took)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the password stands in the error: %v", name, err)
		}
	}
	s.SetDown(true)
	_, err := open(t, good).(bmc.Power).State(t.Context())
	wantError(t, "busy", err, []string{"it is busy", "Retry in 30 seconds"})
	if open, _ := s.Sessions(); open != 0 {
		t.Errorf("%d sessions were left open", open)
	}
}

// TestRedfishSeveralSystems: where one of several can't be read just now, the other isn't taken for the only one: it may be another's.
func TestRedfishSeveralSystems(t *testing.T) {
	s, m, c, web := redfish(t, bmctest.IDRAC)
	web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/Systems/Second") {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		told := httptest.NewRecorder()
		s.ServeHTTP(told, r)
		for k, v := range told.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(told.Code)
		text := told.Body.String()
		if strings.HasSuffix(strings.TrimSuffix(r.URL.Path, "/"), "/Systems") {
			text = strings.Replace(text, `"Members":[`, `"Members":[{"@odata.id":"/redfish/v1/Systems/Second"},`, 1)
		}
		w.Write([]byte(text))
	})
	if err := open(t, c).(bmc.Power).Off(t.Context(), true); err == nil || !m.Powered() {
		t.Errorf("power off without a name: %v; the machine has power: %v", err, m.Powered())
	} else {
		wantError(t, "power off without a name", err, []string{"500"})
	}
	c.System = "Second"
	_, err := open(t, c).(bmc.Power).State(t.Context())
	wantError(t, "the state of the one that can't be read", err, []string{"500"})
	c.System = "System.Embedded.1"
	if err := open(t, c).(bmc.Power).Off(t.Context(), true); err != nil || m.Powered() {
		t.Errorf("power off by name: %v; the machine has power: %v", err, m.Powered())
	}
}

// TestRedfishBasic: a service without sessions is asked with Basic.
func TestRedfishBasic(t *testing.T) {
	s, _, c, web := redfish(t, bmctest.ILO)
	web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/Sessions") {
			http.NotFound(w, r)
			return
		}
		s.ServeHTTP(w, r)
	})
	state, err := open(t, c).(bmc.Power).State(t.Context())
	same(t, "state", bmc.On, state, err)
}

// TestFingerprintForms: as openssl prints it, as browsers do, and what is none.
func TestFingerprintForms(t *testing.T) {
	digits := strings.Repeat("ab", 32)
	for _, good := range []string{digits, strings.ToUpper(digits), "SHA256:" + digits, "sha256:" + strings.TrimSuffix(strings.Repeat("AB:", 32), ":")} {
		if _, err := bmc.Open(bmc.Config{Type: bmc.Redfish, Address: "b", Fingerprint: good}); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"abcd", digits + "00", "SHA1:" + digits, "zz" + digits[2:]} {
		_, err := bmc.Open(bmc.Config{Type: bmc.Redfish, Address: "b", Fingerprint: bad})
		wantError(t, bad, err, []string{"is no fingerprint", "openssl x509"})
	}
}

func address(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "https://") }

// unused is an address on which nothing listens.
func unused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
