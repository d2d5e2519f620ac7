package hardware

import (
	"net"
	"regexp"
	"strings"
)

// address is a PCI address in a path of /sys: domain, bus, device, function.
var address = regexp.MustCompile(`^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$`)

// pciOf is the last PCI address in a device's path: the function that drives it; "" where it hangs on no PCI bus.
func pciOf(path string) string {
	found := ""
	for element := range strings.SplitSeq(strings.TrimSpace(path), "/") {
		if address.MatchString(element) {
			found = element
		}
	}
	return found
}

// representor is what a card in switchdev mode calls the near end of a virtual function: "pf0vf3", of a subfunction: "pf0sf88".
var representor = regexp.MustCompile(`^(c[0-9]+)?pf[0-9]+(vf|sf)[0-9]+$`)

// parseNIC reads a port's files of /sys/class/net. Without a link the kernel says -1, or nothing, as speed. Nil: it is a virtual
// function's representor, which comes and goes with that.
func parseNIC(name, out string) *NIC {
	f := map[string]string{}
	for line := range strings.Lines(out) {
		if k, v, ok := strings.Cut(line, ": "); ok {
			f[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
	}
	if representor.MatchString(f["phys_port_name"]) {
		return nil
	}
	n := &NIC{Name: name, MAC: mac(f["address"]), Bus: pciOf(f["bus"]), Link: f["carrier"] == "1"}
	if n.Link {
		n.Mbit = number(f["speed"])
	}
	return n
}

// parsePermanent reads "Permanent address: b0:7b:25:f1:00:0a": the card's own address, when a bond has given it another.
func parsePermanent(out string, n *NIC) {
	if _, v, ok := strings.Cut(out, ": "); ok {
		if m := mac(strings.TrimSpace(v)); m != "" && m != "00:00:00:00:00:00" {
			n.MAC = m
		}
	}
}

// parseDriver reads `ethtool -i`.
func parseDriver(out string, n *NIC) {
	f := fields(out)
	n.Driver, n.Firmware = f["driver"], f["firmware-version"]
	if n.Firmware == "N/A" {
		n.Firmware = ""
	}
}

func mac(s string) string {
	hw, err := net.ParseMAC(s)
	if err != nil {
		return ""
	}
	return hw.String()
}
