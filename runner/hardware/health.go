package hardware

import (
	"fmt"
	"strings"
)

// Problems is a quick test of a machine's health: what SMART and the BMC say, the memory controllers and the kernel's log
// since the boot. Nothing is stressed. Empty: nothing speaks against it.
func Problems(d Document) []string {
	var all []string
	for _, disk := range d.Disks {
		if disk.Health == "failed" {
			all = append(all, fmt.Sprintf("disk %s: %s", disk, strings.Join(disk.Complaints, ", ")))
		}
	}
	if n := d.Memory.Uncorrected; n > 0 {
		all = append(all, fmt.Sprintf("memory: %d errors that could not be corrected since the boot", n))
	}
	if len(d.Memory.Errors) > 0 {
		all = append(all, "the kernel's log since the boot: "+d.Memory.Errors[len(d.Memory.Errors)-1])
	}
	for _, text := range d.BMCErrors {
		all = append(all, "the BMC's event log: "+text)
	}
	for _, p := range d.BMC {
		if p.Health == "critical" {
			all = append(all, strings.TrimSpace(fmt.Sprintf("the BMC calls %s %s critical", p.Kind, p.Slot)))
		}
	}
	return all
}

// Warnings are what a person should know and what stops nothing: disks that begin to fail, memory that corrects itself, what the
// BMC is worried about.
func Warnings(d Document) []string {
	var all []string
	for _, disk := range d.Disks {
		if disk.Health == "warning" {
			all = append(all, fmt.Sprintf("disk %s: %s", disk, strings.Join(disk.Complaints, ", ")))
		}
	}
	if n := d.Memory.Corrected; n > 0 {
		all = append(all, fmt.Sprintf("memory: %d errors corrected since the boot", n))
	}
	for _, p := range d.BMC {
		if p.Health == "warning" {
			all = append(all, strings.TrimSpace(fmt.Sprintf("the BMC warns of %s %s", p.Kind, p.Slot))+serial(p.Serial))
		}
	}
	return all
}
