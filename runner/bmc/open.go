package bmc

import (
	"context"
	"fmt"
	"net"
	"time"
)

// The types of a BMC.
const (
	Redfish = "redfish"
	IPMI    = "ipmi"
	Command = "command"
	Wake    = "wol"
)

// Config says where a BMC is and how to get in.
type Config struct {
	Type    string
	Address string // host or host:port; of Wake the broadcast address, "" for 255.255.255.255:9
	User    string
	// Password is asked for at each login. Nil: none.
	Password func(context.Context) (string, error)
	// Fingerprint pins the certificate of Redfish: SHA256 and 64 hexadecimal digits, colons or not. "": it is checked
	// against the roots of this system.
	Fingerprint string
	MAC         string // of Wake
	// System is the id of the machine where one Redfish service manages several; "": there is one.
	System   string
	Programs Programs
	// Timeout is for one call, all its questions together; 0: a minute.
	Timeout time.Duration

	// Dial replaces the network of Redfish and Wake, Run the programs of Command. Nil: the real ones.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	Run  func(ctx context.Context, argv []string) (string, error)
}

// Programs are the operator's own, each with its arguments. They run on this machine, without a shell.
type Programs struct {
	Status []string // prints on or off
	On     []string
	Off    []string
	Cycle  []string // may be absent: off, then on
}

const callTimeout = time.Minute

// Open makes the BMC that c describes; nothing is asked of it yet. What it can do beyond Starter, a type assertion
// tells. A Config that can't work is an error.
func Open(c Config) (Starter, error) {
	if c.Timeout <= 0 {
		c.Timeout = callTimeout
	}
	switch c.Type {
	case Redfish:
		return newRedfish(c)
	case IPMI:
		return newIPMI(c)
	case Command:
		return newCommand(c)
	case Wake:
		return newWake(c)
	}
	return nil, fmt.Errorf("bmc: unknown type %q; there are %s, %s, %s and %s", c.Type, Redfish, IPMI, Command, Wake)
}

// secret is the password, asked for now.
func (c Config) secret(ctx context.Context) (string, error) {
	if c.Password == nil {
		return "", nil
	}
	return c.Password(ctx)
}

// withPort is the address with a port, and its two parts.
func withPort(address, port string) (whole, host, withPort string) {
	h, p, err := net.SplitHostPort(address)
	if err != nil {
		h, p = trimBrackets(address), port
	}
	return net.JoinHostPort(h, p), h, p
}

func trimBrackets(host string) string {
	if n := len(host); n > 1 && host[0] == '[' && host[n-1] == ']' {
		return host[1 : n-1]
	}
	return host
}
