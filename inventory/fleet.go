package inventory

import (
	"time"
)

// Fleet is a validated inventory: every range expanded, every default and group setting folded into its hosts.
type Fleet struct {
	Name   string // [a-z0-9.-]{1,40}; the file's name without .toml where the file gives none
	Path   string // as given to Load
	Digest string // "sha256:…" of the file's bytes and the --set values

	Cluster  Cluster
	Hosts    []Host // in the inventory's order
	Strategy Strategy

	// GroupLimits holds each group's own max_unavailable; groups without one are absent.
	GroupLimits map[string]Amount
	// FanOut is how many SSH handshakes may be under way at once (ssh.fan_out).
	FanOut int
	// Windows are the times in which a run may start work on nodes ([[window]]).
	Windows Windows
	// Prometheus is where the queries of Gates are asked; Hooks and Notify are what happens around a run.
	Prometheus Prometheus
	Gates      []Gate
	Hooks      []Hook
	Notify     []Notify
	// HTTP are the URLs and Services asked all through a run ([verify] http).
	HTTP []HTTPCheck

	// places finds the line of a key, for problems that only a later reader of the fleet can see.
	places *places
}

// Cluster says which API server to talk to. HasSection is false where the inventory has no [cluster] table.
type Cluster struct {
	Kubeconfig string // absolute or ""; relative paths were resolved against the inventory's folder
	Context    string
	Namespace  string // where the Lease lives; default kube-system
	HasSection bool
}

// Host is one machine, with everything that applies to it resolved.
type Host struct {
	Name    string // key in [hosts]
	Node    string // the Node object's name; Name unless node = "…" is set
	Address string // IP or name to dial; Name where none is given
	Groups  []string
	Labels  map[string]string
	Spare   bool // serves only while a run lasts that asks for it (strategy.max_surge)

	MAC string // of the card that Wake-on-LAN wakes, in lower case with colons; "" where none is named
	BMC BMC

	SSH     SSH
	Upgrade []Use // in the file's order; playbooks decide the order of execution
	Reboot  Reboot
	Drain   Drain
	Verify  Verify

	Line int    // in the inventory
	Key  string // in the inventory, ranges as written: hosts."node[001-120]"
}

// InGroup reports whether the host is a member of group.
func (h Host) InGroup(group string) bool {
	for _, g := range h.Groups {
		if g == group {
			return true
		}
	}
	return false
}

// ControlPlane reports whether the inventory counts the host among the control plane.
func (h Host) ControlPlane() bool { return h.InGroup("control-plane") }

// Use is one key of [upgrade]: a playbook and its parameters.
type Use struct {
	Playbook string
	Params   map[string]any // string, bool, int64, float64 or []any of these; a bare string is {"version": string}
	After    string         // own playbooks: the playbook that they follow; "" = after the built-in ones
	Line     int

	// Key is where the inventory names the playbook, dotted: upgrade.kubelet, or groups.gpu.upgrade.kubelet where the
	// host's group says it. ParamKeys holds the same for each parameter, because a group may set only some of them.
	Key       string
	ParamKeys map[string]string
}

// SSH says how to log in to a host and how to become root there.
type SSH struct {
	User           string   // "" where the inventory names none: ~/.ssh/config or the local user decides
	Port           int      // 0 where the inventory names none
	IdentityFiles  []string // absolute; empty: the agent, then ~/.ssh/config, then the usual names
	KnownHosts     []string // absolute; empty: ~/.ssh/config, then ~/.ssh/known_hosts
	Jump           []string // alternatives, the first that answers; each a chain "user@a:22,b"
	Sudo           string   // auto, always or never
	SudoPassword   Secret
	ConnectTimeout time.Duration
	Legacy         []string // algorithms allowed although they are no longer safe (ssh.legacy_algorithms)
}

// Secret names where a secret comes from; never the secret itself. At most one field is set; none means no secret.
type Secret struct {
	Env     string
	File    string // absolute
	Command []string
}

// IsZero reports whether no source is named.
func (s Secret) IsZero() bool { return s.Env == "" && s.File == "" && len(s.Command) == 0 }

// Amount is a count or a percent.
type Amount struct {
	N       int
	Percent bool
}

// Of returns the amount of total: percents are rounded down, and never less than 1.
func (a Amount) Of(total int) int {
	n := a.N
	if a.Percent {
		n = total * a.N / 100
	}
	return max(n, 1)
}

// Strategy says in which order and how many at a time.
type Strategy struct {
	Kind           string // rolling, canary or blue-green
	MaxUnavailable Amount
	Spread         map[string]int // label → at most so many down at once that share its value
	Domains        map[string]int // label → at most so many of its values being worked on at once
	MaxSurge       int            // so many spares are brought into service for the run
	Waves          []Amount       // canary: cumulative; the last is 100%
	Pools          []string       // blue-green: two groups; the first serves while the second is upgraded
	Soak           time.Duration  // after each wave, after the switch
	MinPods        int            // so many pods each changed node of a wave but the last carries before a soak tells anything; 0: any number
	OnFailure      string         // stop, quarantine or rollback
	MaxFailures    Amount
	Cordoned       string // skip or upgrade
	Unreachable    string // fail or skip
}

// Reboot policy and timeout of a host.
type Reboot struct {
	Policy  string // if-required, always or never ([upgrade] reboot)
	Timeout time.Duration
}

// Drain holds kubectl drain's settings by kubectl's names.
type Drain struct {
	IgnoreDaemonSets   bool
	DeleteEmptyDirData bool
	Force              bool
	GracePeriod        time.Duration // -1s: the pod's own
	Timeout            time.Duration // 0: 15 minutes, or the node's longest grace and two minutes if that is more
	OnBlocked          string        // requeue or fail
	LBSettle           time.Duration // -1s: 15 s where a LoadBalancer Service has an endpoint on the node, else 0
	LastEndpoint       string        // of a Service: surge, block or allow
	AcceptDowntime     []string      // Services or workloads, "namespace/name", that may have no endpoint for a while
}

// Verify says how long a node may take to be whole again.
type Verify struct {
	Timeout time.Duration
	Probe   Probe
}

// Probe is a pod that runs on the node before it is opened. Without an Image there is none.
type Probe struct {
	Image          string
	Command        []string // empty: the image's own
	Namespace      string
	Timeout        time.Duration
	StorageClasses []string          // a volume of each, mounted at /probe/CLASS
	Resources      map[string]string // "nvidia.com/gpu": "1"
}

// HTTPCheck is one target of [verify] http: a URL, or a Service asked through the API server's proxy.
type HTTPCheck struct {
	URL     string
	Service string // "namespace/name:port"
	Path    string // with Service
	Status  int    // default 200
}
