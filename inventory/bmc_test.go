package inventory

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBMC reads every type, also of a range.
func TestBMC(t *testing.T) {
	got := mustParse(t, `[hosts]
"n[1-2]" = { bmc = { type = "ipmi", address = "10.1.0.[1-2]", user = "op", password = { file = "/etc/bmc" } } }
n3 = { bmc = { type = "redfish", address = "[fd00::3]:8443", user = "op", password = { env = "P" }, system = "Node3",
  fingerprint = "SHA256:`+strings.Repeat("ab:", 31)+`AB" } }
n4 = { bmc = { type = "command", status = ["pdu", "s 4"], on = ["/opt/pdu", "on"], off = ["pdu", "off"], cycle = ["pdu", "c"] } }
n5 = { mac = "52-54-00-AB-CD-05", bmc = { type = "wol" } }
n6 = { mac = "52:54:00:ab:cd:06", bmc = { type = "wol", address = "10.1.0.255:7" } }
n7 = {}
`)
	secret := Secret{File: "/etc/bmc"}
	want := []Host{
		{BMC: BMC{Type: "ipmi", Address: "10.1.0.1", User: "op", Password: secret}},
		{BMC: BMC{Type: "ipmi", Address: "10.1.0.2", User: "op", Password: secret}},
		{BMC: BMC{
			Type: "redfish", Address: "[fd00::3]:8443", User: "op", Password: Secret{Env: "P"}, System: "Node3",
			Fingerprint: "SHA256:" + strings.Repeat("ab:", 31) + "AB",
		}},
		{BMC: BMC{Type: "command", Status: []string{"pdu", "s 4"}, On: []string{"/opt/pdu", "on"}, Off: []string{"pdu", "off"}, Cycle: []string{"pdu", "c"}}},
		{MAC: "52:54:00:ab:cd:05", BMC: BMC{Type: "wol"}},
		{MAC: "52:54:00:ab:cd:06", BMC: BMC{Type: "wol", Address: "10.1.0.255:7"}},
		{},
	}
	for i, h := range got.Hosts {
		if diff := cmp.Diff(want[i], Host{MAC: h.MAC, BMC: h.BMC}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", h.Name, diff)
		}
		if h.BMC.IsZero() != (h.Name == "n7") {
			t.Errorf("%s: IsZero is %v", h.Name, h.BMC.IsZero())
		}
	}
	// --set reaches into it.
	f, err := parse("fleet.toml", []byte(oneHost), []string{`hosts.n1.bmc.type=wol`, `hosts.n1.mac=52:54:00:12:34:56`})
	if err != nil || f.Hosts[0].BMC.Type != "wol" || f.Hosts[0].MAC != "52:54:00:12:34:56" {
		t.Errorf("%+v, %v", f, err)
	}
}

// TestBMCRefused holds one mistake a row, with the line it stands on.
func TestBMCRefused(t *testing.T) {
	const who = `user = "op", password = { env = "P" }`
	for _, tc := range []struct{ host, want string }{
		{`n2 = { mac = "52:54:00:12:34" }`, `fleet.toml:2: hosts.n2.mac: "52:54:00:12:34" is not the MAC address of a network card`},
		{`"n[2-3]" = { mac = "52:54:00:12:34:56" }`, `fleet.toml:2: hosts."n[2-3]".mac: is one machine's, and this key makes 2 hosts`},
		{`n2 = { bmc = "10.0.0.1" }`, `fleet.toml:2: hosts.n2.bmc: must be a table, not a string`},
		{`n2 = { bmc = {} }`, `fleet.toml:2: hosts.n2.bmc: needs a type: "redfish", "ipmi", "command" or "wol"`},
		{`n2 = { bmc = { type = "redfisch" } }`, `hosts.n2.bmc.type: unknown value "redfisch"; did you mean "redfish"?`},
		{`n2 = { bmc = { type = "redfish", ` + who + ` } }`, `hosts.n2.bmc: of type "redfish" needs address, user and password`},
		{`n2 = { bmc = { type = "ipmi", address = "b" } }`, `hosts.n2.bmc: of type "ipmi" needs address, user and password`},
		{`n2 = { bmc = { type = "command", on = ["x"], off = ["x"] } }`, `hosts.n2.bmc: of type "command" needs status, on and off`},
		{`n2 = { bmc = { type = "wol" } }`, `hosts.n2.bmc: Wake-on-LAN needs the host's mac =`},
		{`n2 = { bmc = { type = "ipmi", address = "b", user = "op", password = "hunter2" } }`, `hosts.n2.bmc.password: a secret never stands in the inventory`},
		{`n2 = { bmc = { type = "ipmi", address = "b", ` + who + `, fingerprint = "ab" } }`, `hosts.n2.bmc.fingerprint: has no meaning for type "ipmi"`},
		{`n2 = { bmc = { type = "redfish", address = "b", ` + who + `, insecure = true } }`, `hosts.n2.bmc.insecure: there is no way to go without a check: pin`},
		{`n2 = { bmc = { type = "redfish", address = "b", ` + who + `, fingerprint = "SHA256:ab" } }`, `hosts.n2.bmc.fingerprint: "SHA256:ab" is not a fingerprint such as`},
		{`n2 = { bmc = { type = "redfish", address = "b", ` + who + `, fingerprnt = "x" } }`, `hosts.n2.bmc.fingerprnt: unknown key; did you mean "fingerprint"?`},
		{`n2 = { bmc = { type = "redfish", address = "https://b", ` + who + ` } }`, `hosts.n2.bmc.address:`},
		{`n2 = { bmc = { type = "ipmi", address = "b:99999", ` + who + ` } }`, `hosts.n2.bmc.address: "99999" is not a port`},
		{`n2 = { bmc = { type = "ipmi", address = "-b", ` + who + ` } }`, `hosts.n2.bmc.address: unsafe string`},
		{`"n[2-3]" = { bmc = { type = "ipmi", address = "b[1-3]", ` + who + ` } }`, `hosts."n[2-3]".bmc.address: "b[1-3]" makes 3, the host's key makes 2`},
		{`"n[2-3]" = { bmc = { type = "ipmi", address = "b", ` + who + ` } }`, `hosts."n[2-3]".bmc.address: "b" makes 1, the host's key makes 2`},
		{`n2 = { bmc = { type = "command", status = ["x"], on = [], off = ["x"] } }`, `hosts.n2.bmc.on: names no program`},
		{`n2 = { bmc = { type = "command", status = ["x"], on = ["x\ny"], off = ["x"] } }`, `hosts.n2.bmc.on: unsafe string`},
		{`n2 = { bmc = { type = "ipmi", address = "B", ` + who + ` } }
n3 = { bmc = { type = "ipmi", address = "b", ` + who + ` } }`, `fleet.toml:3: hosts.n3.bmc: the bmc b is also that of hosts.n2 on line 2`},
		{`n2 = { mac = "52:54:00:12:34:5A" }
n3 = { mac = "52-54-00-12-34-5a" }`, `fleet.toml:3: hosts.n3.mac: the mac 52:54:00:12:34:5a is also that of hosts.n2 on line 2`},
	} {
		_, err := parse("fleet.toml", []byte("[hosts]\n"+tc.host+"\n"), nil)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s\n got: %v\nwant: %s", tc.host, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the password stands in the message", tc.host)
		}
	}
	// Two machines behind one service are told apart by their ids.
	mustParse(t, "[hosts]\nn2 = { bmc = { type = \"redfish\", system = \"a\", address = \"b\", "+who+" } }\nn3 = { bmc = { type = \"redfish\", system = \"b\", address = \"b\", "+who+" } }\n")
}
