package bmctest

import "sync"

// Machine is what a BMC has its hands on.
type Machine interface {
	Powered() bool
	// SetPower gives or takes the power, at once.
	SetPower(on bool)
	// Shutdown presses the power button of a machine that is on.
	Shutdown()
}

// Switch is a machine that is nothing but a switch. Deaf makes its operating system ignore the power button.
type Switch struct {
	mu   sync.Mutex
	on   bool
	deaf bool
	cuts int
}

// NewSwitch returns a machine that is on or off.
func NewSwitch(on bool) *Switch { return &Switch{on: on} }

// Powered implements Machine.
func (s *Switch) Powered() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.on
}

// SetPower implements Machine.
func (s *Switch) SetPower(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.on && !on {
		s.cuts++
	}
	s.on = on
}

// Shutdown implements Machine.
func (s *Switch) Shutdown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on = s.on && s.deaf
}

// SetDeaf says whether the operating system ignores the power button.
func (s *Switch) SetDeaf(deaf bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deaf = deaf
}

// Cuts is how often the power was taken from the machine while it was on.
func (s *Switch) Cuts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cuts
}
