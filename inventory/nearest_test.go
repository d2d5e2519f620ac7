package inventory

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	valid := []string{"max_unavailable", "spread", "domains", "grace_period", "kind", "ssh"}
	for name, want := range map[string]string{
		"max_unavailble": "max_unavailable", "maxUnavailable": "max_unavailable", "MAX_UNAVAILABLE": "max_unavailable", "max-unavailable": "max_unavailable",
		"spred": "spread", "sperad": "spread", "domain": "domains", "knid": "kind", "shs": "ssh", "grace_perod": "grace_period",
		"zzz": "", "": "", "unavailable": "", "x": "", "drain": "",
	} {
		if got := nearest(name, valid); got != want {
			t.Errorf("nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestSlip(t *testing.T) {
	valid := []string{"gpu", "workers", "rack-a", "rack1", "db"}
	for name, want := range map[string]string{
		"gpus": "gpu", "gup": "gpu", "GPU": "gpu", "worker": "workers", "wokrers": "workers", "rack_a": "rack-a",
		"rack-b": "", "rack2": "", "rack11": "", "rack": "", "da": "", "d": "", "gpx": "", "storage": "",
	} {
		if got := slip(name, valid); got != want {
			t.Errorf("slip(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "a", 0}, {"a", "", 1}, {"", "abc", 3}, {"abc", "acb", 1}, {"kitten", "sitting", 3}, {"abcd", "badc", 2}, {"ca", "abc", 3},
	} {
		if got := distance(tc.a, tc.b, 9); got != tc.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.want)
		}
		if got := distance(tc.b, tc.a, 9); got != tc.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tc.b, tc.a, got, tc.want)
		}
	}
	if got := distance("a", strings.Repeat("b", 1<<20), 3); got != 3 {
		t.Errorf("beyond the limit: %d", got)
	}
}

// TestHints: what is suggested must be accepted where it is suggested.
func TestHints(t *testing.T) {
	for key, section := range homes {
		_, err := parse("fleet.toml", []byte("["+section+"]\n"+key+" = []\n"+oneHost), nil)
		if err != nil && strings.Contains(err.Error(), "unknown key") {
			t.Errorf("[%s] %s: %v", section, key, err)
		}
	}
	if got := didYouMean("zzz", nil); got != "" {
		t.Errorf("nothing is valid, and yet %q", got)
	}
	ssh := &table{known: map[string]bool{"user": true, "jump": true}, path: "ssh"}
	for name, want := range map[string]string{
		"bastion":      `; here it is called "jump"`,
		"username":     `; here it is called "user"`,
		"policy":       `; here that is [upgrade] reboot = "if-required"`,
		"grace_period": "; it belongs in [drain]",
		"usr":          `; did you mean "user"?`,
		"ip":           "; known are jump, user", // an old name, but of another table's key
	} {
		if got := ssh.hint(name); got != want {
			t.Errorf("hint(%s) = %s, want %s", name, got, want)
		}
	}
}
