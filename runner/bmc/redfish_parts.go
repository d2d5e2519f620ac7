package bmc

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/stmcginnis/gofish"
	"github.com/stmcginnis/gofish/common"
	"github.com/stmcginnis/gofish/redfish"
)

// Parts reads the system and all that its lists name. What one list doesn't give is left out: firmware that serves all of
// them without a fault is rare.
func (b *fish) Parts(ctx context.Context) (parts []Part, err error) {
	err = b.on(ctx, "inventory", long, func(c *gofish.APIClient, s *redfish.ComputerSystem) error {
		parts = []Part{{
			Kind: "system", Slot: s.ID, Vendor: s.Manufacturer, Model: s.Model, Serial: s.SerialNumber,
			Health: health(s.Status.Health), Firmware: s.BIOSVersion,
		}}
		managers, _ := c.Service.Managers()
		for _, m := range managers {
			parts = append(parts, Part{Kind: "bmc", Slot: m.ID, Model: m.Model, Firmware: m.FirmwareVersion, Health: health(m.Status.Health)})
		}
		parts = append(parts, processors(s)...)
		parts = append(parts, memory(s)...)
		parts = append(parts, drives(s)...)
		parts = append(parts, ports(s)...)
		for _, at := range chassisOf(c, s) {
			parts = append(parts, cards(c, at)...)
		}
		return nil
	})
	slices.SortStableFunc(parts, func(a, b Part) int { // lists are read several parts at a time
		return cmp.Or(cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)), cmp.Compare(a.Slot, b.Slot))
	})
	return parts, err
}

// kinds are the kinds of parts, in the order in which they are told.
var kinds = []string{"system", "bmc", "cpu", "memory", "disk", "nic", "pci"}

func absent(st common.Status) bool { return st.State == common.AbsentState }

func processors(s *redfish.ComputerSystem) (parts []Part) {
	found, _ := s.Processors()
	for _, p := range found {
		if !absent(p.Status) {
			parts = append(parts, Part{
				Kind: "cpu", Slot: first(p.Socket, p.ID), Vendor: p.Manufacturer, Model: trim(p.Model),
				Serial: trim(p.SerialNumber), Health: health(p.Status.Health),
			})
		}
	}
	return parts
}

func memory(s *redfish.ComputerSystem) (parts []Part) {
	found, _ := s.Memory()
	for _, m := range found {
		if !absent(m.Status) && m.CapacityMiB > 0 {
			parts = append(parts, Part{
				Kind: "memory", Slot: first(m.DeviceLocator, m.ID), Vendor: trim(m.Manufacturer), Model: trim(m.PartNumber),
				Serial: trim(m.SerialNumber), Bytes: int64(m.CapacityMiB) << 20, Health: health(m.Status.Health),
			})
		}
	}
	return parts
}

func drives(s *redfish.ComputerSystem) (parts []Part) {
	controllers, _ := s.Storage()
	for _, c := range controllers {
		found, _ := c.Drives()
		for _, d := range found {
			if absent(d.Status) {
				continue
			}
			h := health(d.Status.Health)
			if d.FailurePredicted && h == "ok" {
				h = "warning"
			}
			parts = append(parts, Part{
				Kind: "disk", Slot: first(d.PhysicalLocation.PartLocation.ServiceLabel, d.Name, d.ID), Vendor: trim(d.Manufacturer),
				Model: trim(d.Model), Serial: trim(d.SerialNumber), Bytes: d.CapacityBytes, Health: h, Firmware: trim(d.Revision),
			})
		}
	}
	return parts
}

func ports(s *redfish.ComputerSystem) (parts []Part) {
	found, _ := s.EthernetInterfaces()
	for _, e := range found {
		mac := strings.ToLower(first(e.PermanentMACAddress, e.MACAddress))
		if mac == "" || absent(e.Status) {
			continue
		}
		p := Part{Kind: "nic", Slot: e.ID, MAC: mac, Health: health(e.Status.Health)}
		if e.LinkStatus == redfish.LinkUpLinkStatus {
			p.Mbit = e.SpeedMbps
		}
		parts = append(parts, p)
	}
	return parts
}

func cards(c *gofish.APIClient, chassis string) (parts []Part) {
	ch, err := redfish.GetChassis(c, chassis)
	if err != nil {
		return nil
	}
	found, _ := ch.PCIeDevices()
	for _, d := range found {
		if !absent(d.Status) {
			parts = append(parts, Part{
				Kind: "pci", Slot: first(d.Slot.Location.PartLocation.ServiceLabel, d.ID), Vendor: trim(d.Manufacturer), Model: trim(first(d.Model, d.Name)),
				Serial: trim(d.SerialNumber), Health: health(d.Status.Health), Firmware: trim(d.FirmwareVersion),
			})
		}
	}
	return parts
}

// trim takes off the padding that serial numbers have in EEPROMs.
func trim(s string) string { return strings.TrimSpace(s) }

func first(words ...string) string {
	for _, w := range words {
		if w = trim(w); w != "" {
			return w
		}
	}
	return ""
}
