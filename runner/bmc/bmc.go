package bmc

import (
	"context"
	"time"
)

// State says whether a machine has power.
type State string

// On and Off are the states that end a wait; anything else that a BMC may say ("PoweringOn") is on the way to one.
const (
	On  State = "on"
	Off State = "off"
)

// Starter turns a machine on.
type Starter interface {
	// On returns once the order was taken. A machine that is on stays on.
	On(ctx context.Context) error
}

// Power switches a machine and knows its state. Orders return once they are taken, not once they are carried out.
type Power interface {
	Starter
	// State asks whether the machine has power.
	State(ctx context.Context) (State, error)
	// Off asks the operating system to shut down or, where hard, takes the power away at once. A machine that is off
	// stays off.
	Off(ctx context.Context, hard bool) error
	// Cycle takes the power away and gives it back, whatever the machine is doing. One that is off is turned on.
	Cycle(ctx context.Context) error
}

// Device is what a machine may be told to boot from.
type Device string

// The devices that every BMC knows.
const (
	Disk  Device = "disk"
	PXE   Device = "pxe"
	CD    Device = "cd"
	Setup Device = "setup" // the firmware's own screen
)

// Booter chooses what the machine boots from next.
type Booter interface {
	// BootOnce holds for one boot; the order is as before after it.
	BootOnce(ctx context.Context, d Device) error
}

// Sensor is one reading.
type Sensor struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`             // "°C", "V", "W", "rpm", "%", "A"
	Health string  `json:"health,omitempty"` // "ok", "warning" or "critical"; "" where the BMC doesn't judge
}

// Sensors are what the BMC measures.
type Sensors interface {
	// Sensors returns those that have a reading now, by name.
	Sensors(ctx context.Context) ([]Sensor, error)
}

// Entry is a line of the event log.
type Entry struct {
	Time     time.Time `json:"time,omitzero"` // by the BMC's clock; zero where it had none
	Severity string    `json:"severity"`      // "ok", "warning" or "critical"
	Text     string    `json:"text"`
}

// Log is the BMC's event log.
type Log interface {
	// Log returns the last n entries, the oldest first.
	Log(ctx context.Context, n int) ([]Entry, error)
}

// Part is a piece of hardware that the BMC knows of, also one that the operating system can't see.
type Part struct {
	Kind   string `json:"kind"` // "system", "bmc", "cpu", "memory", "disk", "nic", "pci"
	Slot   string `json:"slot"` // "DIMM A1", "Bay 3"
	Vendor string `json:"vendor,omitempty"`
	Model  string `json:"model,omitempty"`
	Serial string `json:"serial,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
	MAC    string `json:"mac,omitempty"`
	Mbit   int    `json:"mbit,omitempty"` // of a NIC's link; 0 without one
	Health string `json:"health,omitempty"`
	// Firmware is the version of what runs on it: the BIOS of a system, the BMC's own.
	Firmware string `json:"firmware,omitempty"`
}

// Parts is what the BMC knows of the hardware.
type Parts interface {
	// Parts returns what is there; what can't be read of it is left out.
	Parts(ctx context.Context) ([]Part, error)
}

// Locator is the light by which a person finds the machine in its rack.
type Locator interface {
	// Locate turns the light on or off.
	Locate(ctx context.Context, on bool) error
}
