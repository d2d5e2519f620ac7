package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/fleetup/fleetup/runner/remote/remotetest"
)

// powered tells whether a machine has power, and whether its light is on.
func (s *hall) powered(args []string) (string, error) {
	text := map[bool]string{true: "on", false: "off"}[s.box.Machines[args[0]].Powered()]
	if b := s.box.BMC(args[0]); b != nil && b.Light() {
		text += ", light on"
	}
	return text + "\n", nil
}

// boots are what a machine's BMC was told to boot it from, a line each.
func (s *hall) boots(args []string) (string, error) {
	var text strings.Builder
	for _, device := range s.box.BMC(args[0]).Boots() {
		text.WriteString(device + "\n")
	}
	return text.String(), nil
}

// waitBoot waits until a machine answers.
func (s *hall) waitBoot(args []string) (string, error) {
	m := s.box.Machines[args[0]]
	for range 300 {
		if m.Up() {
			return "", nil
		}
		time.Sleep(time.Second)
	}
	return "", fmt.Errorf("%s doesn't come up", args[0])
}

// bmc takes a BMC away, brings it back, or gives it another password.
func (s *hall) bmc(args []string) (string, error) {
	b := s.box.BMC(args[0])
	switch {
	case b == nil:
		return "", fmt.Errorf("%s has no BMC", args[0])
	case args[1] == "password":
		b.Password = args[2]
	default:
		b.SetDown(args[1] == "down")
	}
	return "", nil
}

// screwdriver changes what a machine is made of; it shows once the machine boots.
func screwdriver(m *remotetest.Machine, what string) error {
	do, ok := map[string]func(*remotetest.Hardware){
		"add-disk": func(h *remotetest.Hardware) {
			h.Disks = append(h.Disks, remotetest.Disk{Name: "sdc", Serial: "S-NEW", GiB: 3840})
		},
		"lose-disk": func(h *remotetest.Hardware) { h.Disks = h.Disks[:len(h.Disks)-1] },
		"fail-disk": func(h *remotetest.Hardware) { h.Disks[0].Failing = true },
		"add-dimm": func(h *remotetest.Hardware) {
			h.DIMMs = append(h.DIMMs, remotetest.DIMM{Slot: "C1", Serial: "D-NEW", GiB: 32})
		},
		"lose-dimm": func(h *remotetest.Hardware) { h.DIMMs = h.DIMMs[:len(h.DIMMs)-1] },
		"mac":       func(h *remotetest.Hardware) { h.NICs[0].MAC = "52:54:00:ff:ff:01" },
		"slow-link": func(h *remotetest.Hardware) { h.NICs[0].Mbit = 1000 },
	}[what]
	if !ok {
		return fmt.Errorf("hardware: what is %q?", what)
	}
	m.SetHardware(do)
	return nil
}
