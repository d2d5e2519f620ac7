package bmc

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bougou/go-ipmi/pkg/types"
	"github.com/google/go-cmp/cmp"
)

// TestSELEntries reads records as they lie in a BMC (IPMI 2.0, 32): when, how bad, and what. That something bad has ended is told as
// that, and is nothing bad itself; that something good has ended may be.
func TestSELEntries(t *testing.T) {
	standard := func(sensor, kind, data byte) []byte {
		return []byte{1, 0, 0x02, 0x00, 0xf1, 0x53, 0x65, 0x20, 0, 0x04, sensor, 0x2a, kind, data, 0, 0}
	}
	at := time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC) // 0x6553f100
	for _, tc := range []struct {
		name     string
		record   []byte
		severity string
		text     string
		at       time.Time
	}{
		{"a memory error that could be corrected", standard(0x0c, 0x6f, 0x00), "warning", "Memory #0x2a: Correctable ECC / other correctable memory error", at},
		{"one that couldn't", standard(0x0c, 0x6f, 0x01), "critical", "Memory #0x2a: Uncorrectable ECC / other uncorrectable memory error", at},
		{"its end", standard(0x0c, 0xef, 0x01), "ok", "Memory #0x2a: Uncorrectable ECC / other uncorrectable memory error (deasserted)", at},
		{"too hot", standard(0x01, 0x01, 0x09), "critical", "Temperature #0x2a: Upper Critical - going high", at},
		{"no longer", standard(0x01, 0x81, 0x09), "ok", "Temperature #0x2a: Upper Critical - going high (deasserted)", at},
		{"a record of the vendor's, with a time", []byte{7, 0, 0xc0, 0x00, 0xf1, 0x53, 0x65, 1, 2, 3, 4, 5, 6, 7, 8, 9}, "ok", "record 0x0007 of the vendor's own kind", at},
		{"one without", []byte{8, 0, 0xe0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}, "ok", "record 0x0008 of the vendor's own kind", time.Time{}},
	} {
		record, err := types.ParseSEL(tc.record)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Entry{tc.at, tc.severity, tc.text}, selEntry(record)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

// TestIPMIWords: units and thresholds as they are told of every BMC, whichever way it was asked.
func TestIPMIWords(t *testing.T) {
	for unit, want := range map[types.SensorUnitType]string{
		types.SensorUnitType_DegreesC: "°C", types.SensorUnitType_Volts: "V", types.SensorUnitType_Amps: "A", types.SensorUnitType_Watts: "W", 18: "rpm", 17: "CFM",
	} {
		if got := ipmiUnit(types.SensorUnit{BaseUnit: unit}.String()); got != want {
			t.Errorf("%s is told as %q, want %q", unit, got, want)
		}
	}
	if got := ipmiUnit(types.SensorUnit{Percentage: true}.String()); got != "%" {
		t.Errorf("percents are told as %q", got)
	}
	for status, want := range map[string]string{
		types.SensorThresholdStatus_OK: "ok", types.SensorThresholdStatus_LNC: "warning", types.SensorThresholdStatus_UNC: "warning",
		types.SensorThresholdStatus_LCR: "critical", types.SensorThresholdStatus_UCR: "critical",
		types.SensorThresholdStatus_LNR: "critical", types.SensorThresholdStatus_UNR: "critical", "N/A": "",
	} {
		if got := ipmiHealth(status); got != want {
			t.Errorf("%s is told as %q, want %q", status, got, want)
		}
	}
}

// TestExplainIPMI: what an operator can do about each way in which a BMC says no.
func TestExplainIPMI(t *testing.T) {
	for text, want := range map[string]string{
		"RAKP authentication failed":                     `user "op" or the password is refused`,
		"open session: unauthorized name":                `user "op" or the password is refused`,
		"read udp 10.0.0.1:1->10.1.2.7:623: i/o timeout": "IPMI over LAN is switched on",
		"dial udp: lookup bmc7: no such host":            "check the address",
		"something else":                                 "something else",
	} {
		if got := explainIPMI(errors.New(text), "op").Error(); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestFRUs: a FRU is told as the product that it names or, where it names none, as the board; padding isn't part of a serial number.
func TestFRUs(t *testing.T) {
	product := &types.FRUProductInfoArea{Manufacturer: []byte("Supermicro"), Name: []byte("SYS-1029P  "), SerialNumber: []byte("S123\x00\x00")}
	board1 := &types.FRUBoardInfoArea{Manufacturer: []byte("Supermicro"), ProductName: []byte("X11DPU"), SerialNumber: []byte("OM1 ")}
	for _, tc := range []struct {
		name string
		fru  types.FRU
		want Part
		ok   bool
	}{
		{"a product", types.FRU{DeviceName: "Builtin FRU", ProductInfoArea: product, BoardInfoArea: board1},
			Part{Kind: "system", Slot: "Builtin FRU", Vendor: "Supermicro", Model: "SYS-1029P", Serial: "S123"}, true},
		{"a part number alone", types.FRU{ProductInfoArea: &types.FRUProductInfoArea{PartModel: []byte("P-1")}}, Part{Kind: "system", Model: "P-1"}, true},
		{"a board alone", types.FRU{BoardInfoArea: board1}, Part{Kind: "system", Vendor: "Supermicro", Model: "X11DPU", Serial: "OM1"}, true},
		{"a product that says nothing", types.FRU{ProductInfoArea: &types.FRUProductInfoArea{Manufacturer: []byte("Supermicro"), SerialNumber: []byte("\x00")}, BoardInfoArea: board1},
			Part{Kind: "system", Vendor: "Supermicro", Model: "X11DPU", Serial: "OM1"}, true},
		{"neither", types.FRU{DeviceName: "PSU1"}, Part{}, false},
	} {
		got, ok := board(&tc.fru)
		if diff := cmp.Diff(tc.want, got); diff != "" || ok != tc.ok {
			t.Errorf("%s: %v (-want +got):\n%s", tc.name, ok, diff)
		}
	}
}
