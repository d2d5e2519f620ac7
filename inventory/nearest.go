package inventory

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// oldNames are keys of other tools and of older kubectl, with what they are called here. The value is a key of the same
// table or, where it holds a space, a hint at what does that here.
var oldNames = map[string]string{
	"delete_local_data":    "delete_emptydir_data",
	"ignore_daemon_sets":   "ignore_daemonsets",
	"disable_eviction":     `"--past-budget NS/PDB" on the command line`,
	"serial":               "max_unavailable",
	"batch_size":           "max_unavailable",
	"concurrency":          "max_unavailable",
	"parallelism":          "max_unavailable",
	"forks":                "fan_out",
	"max_fail_percentage":  "max_failures",
	"max_fail_count":       "max_failures",
	"host":                 "address",
	"hostname":             "address",
	"ip":                   "address",
	"ansible_host":         "address",
	"ansible_user":         "user",
	"ansible_port":         "port",
	"ssh_user":             "user",
	"ssh_port":             "port",
	"ssh_key":              "identity_files",
	"role":                 "groups",
	"roles":                "groups",
	"node_name":            "node",
	"username":             "user",
	"key":                  "identity_files",
	"keys":                 "identity_files",
	"key_path":             "identity_files",
	"private_key":          "identity_files",
	"user_known_hosts":     "known_hosts",
	"user_known_host_file": "known_hosts",
	"bastion":              "jump",
	"proxy_jump":           "jump",
	"become":               "sudo",
	"become_password":      "sudo_password",
	"kex_algorithms":       "legacy_algorithms",
	"ciphers":              "legacy_algorithms",
	"macs":                 "legacy_algorithms",
	"host_key_algorithms":  "legacy_algorithms",
	"policy":               `[upgrade] reboot = "if-required"`,
	"patches":              "os-patches",
}

// homes are the sections of keys that people write above the first table, or below the wrong one: TOML gives a key to
// the table before it, however far up that is.
var homes = map[string]string{
	"kubeconfig": "cluster", "context": "cluster", "namespace": "cluster",
	"user": "ssh", "port": "ssh", "identity_files": "ssh", "known_hosts": "ssh", "jump": "ssh", "sudo": "ssh",
	"sudo_password": "ssh", "connect_timeout": "ssh", "fan_out": "ssh", "legacy_algorithms": "ssh",
	"kind": "strategy", "max_unavailable": "strategy", "spread": "strategy", "domains": "strategy",
	"on_failure": "strategy", "max_failures": "strategy", "cordoned": "strategy", "unreachable": "strategy",
	"max_surge": "strategy", "waves": "strategy", "pools": "strategy", "soak": "strategy", "min_pods": "strategy",
	"ignore_daemonsets": "drain", "delete_emptydir_data": "drain", "force": "drain", "grace_period": "drain",
	"on_blocked": "drain", "lb_settle": "drain", "last_endpoint": "drain", "accept_downtime": "drain",
	"bearer": "prometheus", "ca_file": "prometheus",
	"http": "verify", "probe": "verify", "kubelet": "upgrade", "containerd": "upgrade", "kernel": "upgrade", "reboot": "upgrade",
}

// hint is the end of an "unknown key" message: what the key is called here, a near one of this table, or the table that
// it belongs in.
func (t *table) hint(name string) string {
	known := slices.Sorted(maps.Keys(t.known))
	section, old := homes[snake(name)], oldNames[snake(name)]
	switch {
	case t.known[old]:
		return fmt.Sprintf("; here it is called %q", old)
	case strings.Contains(old, " "):
		return "; here that is " + old
	case section == "" || section == t.path || nearest(name, known) != "":
		return didYouMean(name, known)
	}
	return fmt.Sprintf("; it belongs in [%s]", section)
}

// didYouMean is the end of an "unknown" message: the nearest of valid, or all of them if none is near and they are few.
func didYouMean(name string, valid []string) string {
	if near := nearest(name, valid); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	if n := len(valid); n > 0 && n <= 12 {
		return "; known are " + strings.Join(valid, ", ")
	}
	return ""
}

// nearest returns the one of valid that name was most likely meant to be, or "".
func nearest(name string, valid []string) string {
	best, least := "", 1+allowance(name)
	for _, v := range valid {
		if snake(v) == snake(name) {
			return v
		}
		if d := distance(name, v, least); d < least {
			best, least = v, d
		}
	}
	return best
}

// slip returns the one of valid that differs from name by a letter too many, too few or in the wrong place, or "". Names
// that differ in one letter or number for another, such as rack-a and rack-b, are rather two names.
func slip(name string, valid []string) string {
	for _, v := range valid {
		letters := strings.Map(noDigit, v) != strings.Map(noDigit, name)
		swapped := len(v) == len(name) && slices.Equal(slices.Sorted(bytesOf(v)), slices.Sorted(bytesOf(name)))
		if snake(v) == snake(name) || letters && allowance(name) > 0 && distance(name, v, 2) == 1 && (swapped || len(v) != len(name)) {
			return v
		}
	}
	return ""
}

func noDigit(r rune) rune {
	if r >= '0' && r <= '9' {
		return -1
	}
	return r
}

func bytesOf(s string) iter.Seq[byte] { return slices.Values([]byte(s)) }

// allowance is how many slips a name of this length may hold and still be recognised.
func allowance(name string) int {
	switch n := len(name); {
	case n <= 2: // any name of two letters is one slip away from many
		return 0
	case n <= 4:
		return 1
	case n <= 8:
		return 2
	default:
		return 3
	}
}

// snake turns maxUnavailable and Max-Unavailable into max_unavailable.
func snake(name string) string {
	var b strings.Builder
	lower := false
	for _, r := range name {
		switch {
		case r >= 'A' && r <= 'Z':
			if lower {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
			lower = false
		case r == '-' || r == ' ':
			r = '_'
			lower = false
		default:
			lower = r != '_'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// distance counts insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
// It may stop at limit, since nobody asks how much farther.
func distance(a, b string, limit int) int {
	if diff := len(a) - len(b); diff >= limit || -diff >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
