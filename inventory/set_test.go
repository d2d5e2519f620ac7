package inventory

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// setSrc holds values for --set to override.
const setSrc = `[drain]
grace_period = "10s"
[upgrade]
kubelet = "1.36.4"
[strategy]
spread = { rack = 1, row = 1 }
[groups."a.b".drain]
force = true
[hosts]
"n[1-2]" = { address = "10.0.0.[1-2]", groups = ["a.b"], port = 23 }
`

func TestSet(t *testing.T) {
	for _, tc := range []struct {
		set  []string
		get  func(*Fleet) any
		want any
	}{
		{[]string{"drain.grace_period=60s"}, func(f *Fleet) any { return f.Hosts[0].Drain.GracePeriod }, time.Minute},
		{[]string{`drain.grace_period="60s"`}, func(f *Fleet) any { return f.Hosts[0].Drain.GracePeriod }, time.Minute},
		{[]string{" drain . grace_period = 60s "}, func(f *Fleet) any { return f.Hosts[1].Drain.GracePeriod }, time.Minute},
		{[]string{"drain.grace_period=60s", "drain.grace_period=5s"}, func(f *Fleet) any { return f.Hosts[0].Drain.GracePeriod }, 5 * time.Second},
		{[]string{"strategy.max_unavailable=20%"}, func(f *Fleet) any { return f.Strategy.MaxUnavailable }, Amount{20, true}},
		{[]string{"strategy.max_unavailable=3"}, func(f *Fleet) any { return f.Strategy.MaxUnavailable }, Amount{3, false}},
		{[]string{"upgrade.kubelet=1.37.2"}, func(f *Fleet) any { return f.Hosts[0].Upgrade[0].Params["version"] }, "1.37.2"},
		{[]string{"upgrade.kubelet=1.37"}, func(f *Fleet) any { return f.Hosts[0].Upgrade[0].Params["version"] }, "1.37"},
		{[]string{"upgrade.kubelet=20260101"}, func(f *Fleet) any { return f.Hosts[0].Upgrade[0].Params["version"] }, "20260101"},
		{[]string{"upgrade.kubelet.version=1.40"}, func(f *Fleet) any { return f.Hosts[0].Upgrade[0].Params["version"] }, "1.40"},
		{[]string{"upgrade.kubelet.extra=true"}, func(f *Fleet) any { return fmt.Sprint(f.Hosts[0].Upgrade[0].Params) }, "map[extra:true version:1.36.4]"},
		{[]string{"upgrade.restart.max_uptime=30d"}, func(f *Fleet) any { return f.Hosts[0].Upgrade[1].Params["max_uptime"] }, "30d"},
		{[]string{"upgrade.reboot=always"}, func(f *Fleet) any { return f.Hosts[0].Reboot.Policy }, "always"},
		{[]string{"verify.timeout=1d"}, func(f *Fleet) any { return f.Hosts[0].Verify.Timeout }, 24 * time.Hour},
		{[]string{"name=7"}, func(f *Fleet) any { return f.Name }, "7"},
		{[]string{"strategy.spread={ rack = 3 }"}, func(f *Fleet) any { return fmt.Sprint(f.Strategy.Spread) }, "map[rack:3]"},
		{[]string{"strategy.spread.rack=3"}, func(f *Fleet) any { return fmt.Sprint(f.Strategy.Spread) }, "map[rack:3 row:1]"},
		{[]string{`groups."a.b".drain.force=false`}, func(f *Fleet) any { return f.Hosts[0].Drain.Force }, false},
		{[]string{`groups.'a.b'.drain.force=false`}, func(f *Fleet) any { return f.Hosts[0].Drain.Force }, false},
		{[]string{`hosts."n[1-2]".port=24`}, func(f *Fleet) any { return f.Hosts[1].SSH.Port }, 24},
		{[]string{`hosts.n3={ address = "10.0.0.3" }`}, func(f *Fleet) any { return f.Hosts[2].Address }, "10.0.0.3"},
		{[]string{"ssh.identity_files=[\"/k=1\"]"}, func(f *Fleet) any { return f.Hosts[0].SSH.IdentityFiles[0] }, "/k=1"},
		{[]string{"cluster={}"}, func(f *Fleet) any { return f.Cluster.HasSection }, true},
	} {
		fleet, err := parse("fleet.toml", []byte(setSrc), tc.set)
		if err != nil {
			t.Errorf("%q: %v", tc.set, err)
			continue
		}
		if got := tc.get(fleet); got != tc.want {
			t.Errorf("%q: %v, want %v", tc.set, got, tc.want)
		}
	}
}

func TestSetProblems(t *testing.T) {
	for _, tc := range []struct{ set, want string }{
		{"drain.grace_perod=60s", `--set drain.grace_perod: unknown key; did you mean "grace_period"?`},
		{"drain.grace_period=60", `--set drain.grace_period: must be a duration in quotes such as "90s", "15m" or "30d", not a whole number`},
		{"drain.force=yes", `--set drain.force: must be true or false, not a string`},
		{"strategy.max_unavailable=0%", `--set strategy.max_unavailable: 0% is not between 1% and 100%`},
		{"strategy.spread={ rack = 0 }", `--set strategy.spread.rack: 0 is too few: the least is 1`},
		{"hosts.n1.port=22", `--set hosts.n1: the node n1 is also that of hosts."n[1-2]" on line 10`},
		{"drain.grace_period.x=1", `--set drain.grace_period: is no table, so nothing in it can be set`},
		{"upgrade.kubelet=1.37.2\nforce = true", `--set upgrade.kubelet: unsafe string "1.37.2\nforce = true"`},
		{"drain=", `--set drain: must be a table, not a string`},
	} {
		_, err := parse("fleet.toml", []byte(setSrc), []string{tc.set})
		if got := problemsOf(t, err).Error(); !strings.HasPrefix(got, tc.want) || strings.Contains(got, "\n") {
			t.Errorf("%q\n got %s\nwant %s", tc.set, got, tc.want)
		}
	}
}

// TestSetDoesntInject: a value is one value; it can't bring further keys along.
func TestSetDoesntInject(t *testing.T) {
	if v := setValue("1\nforce = true"); v != "1\nforce = true" {
		t.Errorf("a second line became a second key: %v", v)
	}
	if v := setValue("{ a = 1, b = 2 }"); fmt.Sprint(v) != "map[a:1 b:2]" {
		t.Errorf("inline table: %v", v)
	}
}

// TestSetThatIsNone: a flag without a value is a wrong call (64), not a wrong inventory (65).
func TestSetThatIsNone(t *testing.T) {
	for arg, want := range map[string]string{
		"drain.grace_period":   "--set drain.grace_period: write --set KEY=VALUE",
		"=1":                   "--set : write --set KEY=VALUE",
		"":                     "--set : write --set KEY=VALUE",
		"hosts.n[1-2].port=22": "--set hosts.n: write --set KEY=VALUE",
	} {
		_, err := parse("fleet.toml", []byte(setSrc), []string{arg})
		var problems Problems
		if err == nil || errors.As(err, &problems) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", arg, err, want)
		}
	}
}
