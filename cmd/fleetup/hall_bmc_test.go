package main

import "fmt"

// powered tells whether a machine has power, and whether its light is on.
func (s *hall) powered(args []string) (string, error) {
	text := map[bool]string{true: "on", false: "off"}[s.box.Machines[args[0]].Powered()]
	if b := s.box.BMC(args[0]); b != nil && b.Light() {
		text += ", light on"
	}
	return text + "\n", nil
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
