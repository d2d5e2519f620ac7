package inventory

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// Prometheus says where gates ask their queries ([prometheus]). Bearer, or User with Password, or neither.
type Prometheus struct {
	URL      string
	Bearer   Secret
	User     string
	Password Secret
	CAFile   string // absolute
}

// Gate is one question that decides whether a run may go on ([[gate]]). One of Query, URL, Command and Resource is set.
type Gate struct {
	Name string

	Query      string // PromQL; {{.Upgraded}} and {{.Others}} stand for regular expressions of nodes
	URL        string
	Status     int           // URL: default 200
	MaxLatency time.Duration // URL: 0 is none
	Command    []string      // on this machine
	Resource   string        // plural.group
	Namespace  string        // Resource: "" is all
	Object     string        // Resource: its name; "" is all
	JSONPath   string        // Resource
	Equals     []string      // Resource: any of these

	Min, Max    *float64
	MaxIncrease *float64 // 0.2 is "20%"

	Timeout  time.Duration // of one question; default 10s
	Deadline time.Duration // without an answer the run halts after it; default 1m

	Key string // in the inventory: gate[0]
}

// ready are the gates that come with fleetup, each a file that could stand in an inventory as it is.
//
//go:embed gates/*.toml
var ready embed.FS

// ReadyGates are the names of the gates that come with fleetup, for use = "NAME", in alphabetical order.
func ReadyGates() []string {
	entries, _ := ready.ReadDir("gates")
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".toml"))
	}
	slices.Sort(names)
	return names
}

// ReadyGate is the TOML of a gate that comes with fleetup: its first line is a comment that says what it asks.
func ReadyGate(name string) (string, error) {
	text, err := ready.ReadFile(path.Join("gates", name+".toml"))
	if err != nil || !slices.Contains(ReadyGates(), name) {
		return "", fmt.Errorf("there is no ready gate %q%s", name, didYouMean(name, ReadyGates()))
	}
	return string(text), nil
}

// bounds are the keys that judge; an inventory that sets one of its own takes none of the ready gate's.
var bounds = []string{"min", "max", "max_increase", "equals"}

// used puts the keys of the ready gate that t names under t's own.
func (t *table) used() {
	name, ok := t.string("use")
	if !ok {
		return
	}
	text, err := ReadyGate(name)
	if err != nil {
		t.bad("use", "%v", err)
		return
	}
	var file struct{ Gate []map[string]any }
	if _, err := toml.Decode(text, &file); err != nil || len(file.Gate) != 1 {
		t.bad("use", "the ready gate %q can't be read: %v", name, err)
		return
	}
	own := slices.ContainsFunc(bounds, func(b string) bool { _, ok := t.m[b]; return ok })
	merged := file.Gate[0]
	for _, b := range bounds {
		if own {
			delete(merged, b)
		}
	}
	for key, value := range t.m {
		merged[key] = value
	}
	t.m = merged
}
