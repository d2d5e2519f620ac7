package bmc

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"syscall"
)

// wake sends Wake-on-LAN's magic packet: six bytes of ones, then the machine's MAC sixteen times, as AMD's "Magic Packet
// Technology" of 1995 has it. Nothing answers, so nobody knows whether it was heard.
type wake struct {
	c   Config
	mac net.HardwareAddr
	to  string
}

func newWake(c Config) (Starter, error) {
	mac, err := net.ParseMAC(c.MAC)
	if err != nil || len(mac) != 6 {
		return nil, fmt.Errorf("bmc: Wake-on-LAN needs the machine's MAC address, such as 52:54:00:12:34:56, not %q", c.MAC)
	}
	to, _, _ := withPort(cmp.Or(c.Address, "255.255.255.255"), "9")
	return &wake{c: c, mac: mac, to: to}, nil
}

// On sends the packet three times: it is a datagram, and harmless to a machine that is up.
func (w *wake) On(ctx context.Context) error {
	dial := w.c.Dial
	if dial == nil {
		d := &net.Dialer{Control: broadcasting}
		dial = d.DialContext
	}
	conn, err := dial(ctx, "udp", w.to)
	if err != nil {
		return fmt.Errorf("wake %s by %s: %w; is there a way to that broadcast address from here?", w.mac, w.to, err)
	}
	defer conn.Close()
	packet := append(bytes.Repeat([]byte{0xff}, 6), bytes.Repeat(w.mac, 16)...)
	for range 3 {
		if _, err := conn.Write(packet); err != nil {
			return fmt.Errorf("wake %s by %s: %w; is there a way to that broadcast address from here?", w.mac, w.to, err)
		}
	}
	return nil
}

// broadcasting allows the socket to send to a broadcast address.
func broadcasting(_, _ string, c syscall.RawConn) error {
	var set error
	err := c.Control(func(fd uintptr) { set = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_BROADCAST, 1) })
	return cmp.Or(err, set)
}
