package inventory

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// BMC says how a machine is reached past its operating system. The zero BMC is that of a host without one.
type BMC struct {
	Type        string // redfish, ipmi, command or wol
	Address     string // host or host:port; of wol the broadcast address, "" for the whole network's
	User        string
	Password    Secret
	Fingerprint string // redfish: of its certificate, SHA256; "" where an authority has signed it
	System      string // redfish: the machine's id where the service manages several; "" where it manages one
	// Status, On, Off and Cycle are the programs of command, each with its arguments. Cycle may be nil: off, then on.
	Status, On, Off, Cycle []string
}

// IsZero reports whether the host has none.
func (b BMC) IsZero() bool { return b.Type == "" }

// bmcKeys are the keys that each type knows beside type itself; the first of them it must have.
var bmcKeys = map[string]struct{ must, may []string }{
	"redfish": {[]string{"address", "user", "password"}, []string{"fingerprint", "system"}},
	"ipmi":    {[]string{"address", "user", "password"}, nil},
	"command": {[]string{"status", "on", "off"}, []string{"cycle"}},
	"wol":     {nil, []string{"address"}},
}

var (
	hardwareAddress = regexp.MustCompile(`^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$|^[0-9A-Fa-f]{2}(-[0-9A-Fa-f]{2}){5}$`)
	checkMAC        = matching(hardwareAddress, "the MAC address of a network card, such as 52:54:00:12:34:56")
	sha256Print     = regexp.MustCompile(`^(?i:sha256:)?([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$`)
	checkPrint      = matching(sha256Print, "a fingerprint such as SHA256:3F:0A:… with 64 hexadecimal digits, as `openssl x509 -noout -fingerprint -sha256` prints it")
)

// bmcs reads mac and bmc of a key of [hosts] into the hosts that it makes.
func (t *table) bmcs(hosts []Host) {
	mac, hasMAC := t.safe("mac", checkMAC)
	if hasMAC && len(hosts) > 1 {
		t.bad("mac", "is one machine's, and this key makes %d hosts: give that host a key of its own", len(hosts))
	}
	sub, ok := t.sub("bmc")
	var b BMC
	if ok {
		b = sub.bmc()
	}
	if b.Type == "wol" && !hasMAC {
		t.bad("bmc", "Wake-on-LAN needs the host's mac = \"52:54:00:12:34:56\"")
	}
	at := make([]string, len(hosts))
	if b.Address != "" {
		at = sub.spread(b, len(hosts))
	}
	for i := range at {
		hosts[i].MAC, hosts[i].BMC = strings.ToLower(strings.ReplaceAll(mac, "-", ":")), b
		hosts[i].BMC.Address = at[i]
	}
}

// bmc is one table bmc = { … }, its address still a range.
func (t *table) bmc() (b BMC) {
	var ok bool
	if b.Type, ok = oneOf([]string{"redfish", "ipmi", "command", "wol"})(t, "type"); !ok {
		if _, has := t.m["type"]; !has {
			t.problem(t.path, `needs a type: "redfish", "ipmi", "command" or "wol"`)
		}
		t.m = nil // what the other keys mean, the type says
		return BMC{}
	}
	known := bmcKeys[b.Type]
	for _, name := range known.must {
		if _, has := t.m[name]; !has {
			t.problem(t.path, "of type %q needs %s", b.Type, listOf(known.must))
			break
		}
	}
	for _, name := range t.names() {
		switch {
		case name == "type" || slices.Contains(known.must, name) || slices.Contains(known.may, name):
		case name == "insecure":
			t.know(name)
			t.bad(name, "there is no way to go without a check: pin the BMC's certificate with fingerprint = \"SHA256:…\"; `fleetup power status INVENTORY NODE` prints what it shows")
		case t.belongs(name):
			t.know(name)
			t.bad(name, "has no meaning for type %q", b.Type)
		}
	}
	t.bmcValues(&b)
	t.done()
	return b
}

// belongs reports whether some type of BMC has a key of this name.
func (t *table) belongs(name string) bool {
	for _, k := range bmcKeys {
		if slices.Contains(k.must, name) || slices.Contains(k.may, name) {
			return true
		}
	}
	return false
}

func (t *table) bmcValues(b *BMC) {
	known := bmcKeys[b.Type]
	has := func(name string) bool { return slices.Contains(known.must, name) || slices.Contains(known.may, name) }
	if has("address") {
		b.Address, _ = t.string("address")
	}
	if has("user") {
		b.User, _ = t.safe("user", checkUser)
		b.Password, _ = t.secret("password")
	}
	if has("fingerprint") {
		b.Fingerprint, _ = t.safe("fingerprint", checkPrint)
		b.System, _ = t.safe("system", checkWord)
	}
	if !has("status") {
		return
	}
	for name, field := range map[string]*[]string{"status": &b.Status, "on": &b.On, "off": &b.Off, "cycle": &b.Cycle} {
		if command, ok := t.strings(name); ok {
			*field = t.program(name, command)
		}
	}
}

// spread makes an address for each of n hosts. One address for all of them is the broadcast address of wol alone: two
// machines behind one switch would be switched together, unless Redfish's system tells them apart.
func (t *table) spread(b BMC, n int) []string {
	all, ok := []string{b.Address}, true
	if !bracketed(b.Address) {
		all, ok = t.expandChecked(t.key("address"), b.Address, checkEndpoint)
	} else if err := check(b.Address, checkEndpoint); err != nil {
		t.bad("address", "%v", err)
	}
	same := make([]string, n)
	switch {
	case !ok:
		return same
	case b.Type == "wol" && len(all) == 1:
		for i := range same {
			same[i] = all[0]
		}
		return same
	case len(all) != n && n > 0:
		t.bad("address", "%q makes %d, the host's key makes %d: ranges must be of equal length", b.Address, len(all), n)
		return same
	}
	return all
}

// bracketed reports whether the brackets are those of an IPv6 address with a port, and not of a range.
func bracketed(s string) bool {
	inside, _, closed := strings.Cut(strings.TrimPrefix(s, "["), "]")
	_, err := netip.ParseAddr(inside)
	return strings.HasPrefix(s, "[") && closed && err == nil
}

// checkEndpoint accepts an address with or without a port: 10.1.2.7, bmc7:443, [fd00::7]:443.
func checkEndpoint(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = s, ""
		if _, perr := netip.ParseAddr(strings.Trim(s, "[]")); perr == nil {
			return nil
		}
	}
	if port != "" || strings.HasSuffix(s, ":") {
		if err := checkPort(port); err != nil {
			return err
		}
	}
	if strings.Contains(s, "://") {
		return fmt.Errorf("%q is a URL; write the address alone", s)
	}
	return check(host, checkAddress)
}

// sameBMC names the machine that the BMC switches, for finding two hosts that name one; "" where that can't be told.
func (h Host) sameBMC() string {
	switch h.BMC.Type {
	case "redfish", "ipmi":
		return strings.ToLower(strings.TrimSpace(h.BMC.Address + " " + h.BMC.System))
	}
	return ""
}

// listOf is "a, b and c".
func listOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
