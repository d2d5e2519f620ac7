package hardware

// Document is what a machine is made of.
type Document struct {
	Version int    `json:"version"` // 1
	System  System `json:"system"`
	CPUs    []CPU  `json:"cpus"`
	Memory  Memory `json:"memory"`
	Disks   []Disk `json:"disks"`
	NICs    []NIC  `json:"nics"`
	PCI     []PCI  `json:"pci"`
	// BMC is what the BMC itself tells, where it was asked.
	BMC []Part `json:"bmc,omitempty"`
	// BMCErrors are what its event log holds of memory and processors that failed, with the time, the oldest first.
	BMCErrors []string `json:"bmc_errors,omitempty"`
	// Gaps names what could not be asked, and why: "dmidecode isn't installed".
	Gaps []string `json:"gaps,omitempty"`
}

// System is the machine as a whole.
type System struct {
	Vendor      string `json:"vendor,omitempty"`
	Model       string `json:"model,omitempty"`
	Serial      string `json:"serial,omitempty"`
	BIOS        string `json:"bios,omitempty"` // version and date
	UEFI        bool   `json:"uefi"`
	BMCFirmware string `json:"bmc_firmware,omitempty"`
	Kernel      string `json:"kernel,omitempty"`
}

// CPU is one socket.
type CPU struct {
	Socket  string `json:"socket"`
	Model   string `json:"model"`
	Cores   int    `json:"cores,omitempty"`
	Threads int    `json:"threads,omitempty"`
}

// Memory is the RAM.
type Memory struct {
	Bytes int64  `json:"bytes"` // as the kernel counts it, a little less than the modules hold
	DIMMs []DIMM `json:"dimms"`
	// Corrected and Uncorrected are the errors that EDAC has counted since the boot.
	Corrected   int `json:"corrected_errors"`
	Uncorrected int `json:"uncorrected_errors"`
	// Errors are the last lines of the kernel's log that tell of broken hardware.
	Errors []string `json:"errors,omitempty"`
}

// DIMM is a memory module.
type DIMM struct {
	Slot   string `json:"slot"`
	Bytes  int64  `json:"bytes"`
	Type   string `json:"type,omitempty"` // DDR4
	Speed  int    `json:"speed_mts,omitempty"`
	Vendor string `json:"vendor,omitempty"`
	Part   string `json:"part,omitempty"`
	Serial string `json:"serial,omitempty"`
}

// Disk is a block device that is hardware.
type Disk struct {
	Name      string `json:"name"` // sda, nvme0n1
	Model     string `json:"model,omitempty"`
	Serial    string `json:"serial,omitempty"`
	WWN       string `json:"wwn,omitempty"`
	Bytes     int64  `json:"bytes"`
	Transport string `json:"transport,omitempty"` // sata, sas, nvme, usb
	Rotating  bool   `json:"rotating"`
	Firmware  string `json:"firmware,omitempty"`
	Bus       string `json:"bus,omitempty"`    // PCI address, of NVMe
	Health    string `json:"health,omitempty"` // ok, warning or failed; "" where nobody knows
	// Complaints say why Health isn't ok.
	Complaints []string `json:"complaints,omitempty"`
}

// NIC is a network card's port.
type NIC struct {
	Name     string `json:"name"`
	MAC      string `json:"mac"`           // the card's own, whatever bond it is in
	Bus      string `json:"bus,omitempty"` // PCI address
	Driver   string `json:"driver,omitempty"`
	Firmware string `json:"firmware,omitempty"`
	Link     bool   `json:"link"`
	Mbit     int    `json:"mbit,omitempty"` // of the link
}

// PCI is one function of a PCI device.
type PCI struct {
	Address string `json:"address"` // 0000:3b:00.0
	Slot    string `json:"slot,omitempty"`
	Class   string `json:"class"` // 0200
	ID      string `json:"id"`    // vendor, device and subsystem: 8086:159b/8086:0003
	Name    string `json:"name,omitempty"`
	Width   int    `json:"width,omitempty"` // lanes of its link
	Speed   string `json:"speed,omitempty"` // "16.0 GT/s"
}

// Part is what a BMC says of a piece of hardware.
type Part struct {
	Kind     string `json:"kind"`
	Slot     string `json:"slot"`
	Model    string `json:"model,omitempty"`
	Serial   string `json:"serial,omitempty"`
	Health   string `json:"health,omitempty"`
	Firmware string `json:"firmware,omitempty"`
}
