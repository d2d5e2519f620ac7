package diagnose

import (
	"time"

	"github.com/fleetup/fleetup/runner/hardware"
)

// Holder is a fleetup run that holds a node, by its claim; or who keeps a spare closed until a run lends it.
type Holder struct {
	Run    string `json:"run"`
	Failed string `json:"failed,omitempty"` // why it failed there; "" while it works there
	Work   string `json:"work,omitempty"`   // the hardware work that the node is held for: by whom, since when, why; "" it isn't
	Off    bool   `json:"off,omitempty"`    // it was turned off for that
	Spare  bool   `json:"spare,omitempty"`  // the inventory does, as a spare, which may be off; there is no run
}

// Look is what one look into a machine saw. What isn't known is zero; where zero has a meaning of its own, a pointer is nil.
type Look struct {
	Uptime      time.Duration `json:"uptime_ns"`
	Cores       int           `json:"cores"`
	Load        [3]float64    `json:"load"`        // over 1, 5 and 15 minutes
	Busy        float64       `json:"cpu_percent"` // of all cores, in the sample
	Steal       float64       `json:"steal_percent"`
	IOWait      float64       `json:"iowait_percent"`
	CPU         *Pressure     `json:"cpu_pressure,omitempty"`
	Memory      Memory        `json:"memory"`
	IO          *Pressure     `json:"io_pressure,omitempty"`
	FileSystems []FileSystem  `json:"file_systems"`
	Disks       []Disk        `json:"disks"`
	Links       []Link        `json:"links"`
	TCP         TCP           `json:"tcp"`
	Peers       []Peer        `json:"peers,omitempty"`
	Top         []Process     `json:"top"`             // by CPU in the sample
	Largest     []Process     `json:"largest"`         // by memory
	Stuck       []Process     `json:"stuck,omitempty"` // in uninterruptible sleep at both ends of the sample
	Files       Files         `json:"files"`
	Threads     Share         `json:"threads"`
	Conntrack   Share         `json:"conntrack"`
	Clock       Clock         `json:"clock"`
	API         API           `json:"api"`
	DNS         DNS           `json:"dns"`
	Units       []Unit        `json:"units"`
	FailedUnits []string      `json:"failed_units,omitempty"`
	// Certificates are those of the kubelet and of kubeadm.
	Certificates []Certificate `json:"certificates,omitempty"`
	// Logs are errors since the boot, or since Questions.Since, by their shapes: the most frequent first.
	Logs []Shape `json:"logs,omitempty"`
	// PodLogs are the pods, NAMESPACE/POD, whose containers' logs are among them.
	PodLogs []string `json:"pod_logs,omitempty"`
	// OOMs are processes that the kernel killed for want of memory.
	OOMs []OOM `json:"oom_kills,omitempty"`
	// Hardware is what the disks and the memory say of their health.
	Hardware hardware.Document `json:"-"`
	Health   []string          `json:"health_problems,omitempty"`
	// Holder is the run that holds the node, where the API tells of one: it may have stopped services there. Parse doesn't know it.
	Holder *Holder `json:"held_by,omitempty"`
	// Gaps names what could not be asked, and why.
	Gaps []string `json:"gaps,omitempty"`
}

// Pressure is a resource's stall time in percent, as /proc/pressure has it: Some is the share of time in which at least
// one task waited for it, Full that in which all did.
type Pressure struct {
	Some10  float64 `json:"some_avg10"`
	Some60  float64 `json:"some_avg60"`
	Some300 float64 `json:"some_avg300"`
	Full10  float64 `json:"full_avg10"`
	Full60  float64 `json:"full_avg60"`
	Full300 float64 `json:"full_avg300"`
}

// Memory is in bytes.
type Memory struct {
	Total     int64     `json:"total"`
	Available int64     `json:"available"`
	SwapTotal int64     `json:"swap_total"`
	SwapFree  int64     `json:"swap_free"`
	OOMKills  int64     `json:"oom_kills"` // since the boot, containers' own limits among them
	Pressure  *Pressure `json:"pressure,omitempty"`
}

// FileSystem is a local one that stands on a device or holds what a node needs.
type FileSystem struct {
	Mount    string  `json:"mount"`
	Device   string  `json:"device"`
	Type     string  `json:"type"`
	Size     int64   `json:"size"` // bytes
	Free     int64   `json:"free"` // bytes that ordinary users may still fill
	Used     float64 `json:"used_percent"`
	Inodes   float64 `json:"inodes_percent"` // used
	ReadOnly bool    `json:"read_only,omitempty"`
	Forced   bool    `json:"forced_read_only,omitempty"` // it was mounted to be written to, and the kernel took that away
	Intended bool    `json:"-"`                          // /etc/fstab says ro, or it is a pod's own volume, or a snapshot
}

// Disk is a block device's work in the sample.
type Disk struct {
	Name  string  `json:"name"`
	Util  float64 `json:"util_percent"`
	Await float64 `json:"await_ms"` // for each request
	Read  float64 `json:"read_bytes_per_second"`
	Write float64 `json:"write_bytes_per_second"`
}

// Link is a network card's port, or a bond of them.
type Link struct {
	Name    string  `json:"name"`
	Up      bool    `json:"up"`
	Mbit    int     `json:"mbit,omitempty"`
	Duplex  string  `json:"duplex,omitempty"`
	MTU     int     `json:"mtu,omitempty"`
	Changes int     `json:"carrier_changes,omitempty"` // since the boot
	Rx      float64 `json:"rx_bytes_per_second"`
	Tx      float64 `json:"tx_bytes_per_second"`
	Use     float64 `json:"use_percent"`       // the busier direction, of the link's speed
	Errors  float64 `json:"errors_per_second"` // both directions
	Drops   float64 `json:"drops_per_second"`  // both directions
	Errored int64   `json:"errors"`            // since the boot
	Packets int64   `json:"packets"`           // since the boot
}

// TCP is how much had to be sent again.
type TCP struct {
	Sent    int64   `json:"sent"` // segments in the sample
	Again   int64   `json:"sent_again"`
	Percent float64 `json:"retransmit_percent"` // of the sample; of the time since the boot where the sample is too small
}

// Peer is another machine, as reached from this one.
type Peer struct {
	Address string  `json:"address"`
	Loss    float64 `json:"loss_percent"`
	RTT     float64 `json:"rtt_ms"`                  // on average
	MTU     int     `json:"mtu"`                     // of the way out
	Whole   *bool   `json:"whole_packets,omitempty"` // packets of that size arrive; nil: not asked, as none arrive
	TCP     *bool   `json:"tcp,omitempty"`           // it answers TCP; nil: not asked, as pings come back
}

// Process is one, with what it used in the sample.
type Process struct {
	PID   int     `json:"pid"`
	Name  string  `json:"name"`
	Cores float64 `json:"cores"`
	RSS   int64   `json:"rss"` // bytes
}

// Files are open files.
type Files struct {
	Share
	Top []FileHolder `json:"top,omitempty"`
}

// FileHolder is a process with many of them. Limit 0 is none.
type FileHolder struct {
	PID   int    `json:"pid"`
	Name  string `json:"name"`
	Open  int    `json:"open"`
	Limit int    `json:"limit"`
}

// Share is a use of something that ends. Max 0: not known.
type Share struct {
	Used int64 `json:"used"`
	Max  int64 `json:"max"`
}

// Percent is 0 where the end isn't known.
func (s Share) Percent() float64 {
	if s.Max <= 0 {
		return 0
	}
	return 100 * float64(s.Used) / float64(s.Max)
}

// Clock is the machine's time against ours. Skew is what remains when the time that the question took is given the
// benefit of the doubt; positive: the machine is ahead.
type Clock struct {
	Skew   time.Duration `json:"skew_ns"`
	Synced *bool         `json:"synchronized,omitempty"`   // by NTP; nil: not known
	Offset float64       `json:"offset_seconds,omitempty"` // as chrony tells it
}

// API is the way from the node to the API server that its kubelet uses.
type API struct {
	Server  string  `json:"server,omitempty"`
	Code    int     `json:"code,omitempty"` // of /livez; 0: no answer
	Seconds float64 `json:"seconds,omitempty"`
	Asked   bool    `json:"asked"`
}

// DNS is whether the node's name servers answer. That there is no such name is an answer; that they won't or can't tell is none.
type DNS struct {
	Name    string       `json:"name,omitempty"`
	Answers bool         `json:"answers"`
	Asked   bool         `json:"asked"`
	Servers []NameServer `json:"servers,omitempty"` // those of /etc/resolv.conf
}

// NameServer is one, and what it said: an answer's name in RFC 1035 and 2136, as NOERROR, NXDOMAIN, SERVFAIL, REFUSED; "": nothing.
type NameServer struct {
	Address string `json:"address"`
	Answer  string `json:"answer,omitempty"`
}

// Unit is a service that a node needs, where it is installed.
type Unit struct {
	Name     string `json:"name"`
	Active   string `json:"active"` // active, activating, failed, inactive
	Sub      string `json:"sub,omitempty"`
	Result   string `json:"result,omitempty"`
	Restarts int    `json:"restarts,omitempty"` // by systemd, since it was loaded
	Enabled  bool   `json:"enabled,omitempty"`  // to be started with the machine
	Masked   bool   `json:"masked,omitempty"`
	Barred   bool   `json:"barred,omitempty"` // from starting, by a drop-in that fleetup's runs write
}

// Certificate is one of the machine.
type Certificate struct {
	File    string    `json:"file"`
	Subject string    `json:"subject"`
	From    time.Time `json:"not_before"`
	Until   time.Time `json:"not_after"`
}

// OOM is a kill by the kernel.
type OOM struct {
	Time    time.Time `json:"time"` // zero: the log has none
	PID     int       `json:"pid"`
	Process string    `json:"process"`
	Cgroup  bool      `json:"cgroup"` // for its container's own limit, not for want of the machine's memory
}
