package inventory

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const twoPools = "[hosts]\nb1 = { groups = [\"blue\"] }\ng1 = { groups = [\"green\"] }\n"

// TestContradictions: keys that would be left unread, or that don't fit the hosts, are refused where they stand.
func TestContradictions(t *testing.T) {
	for _, tc := range []struct{ strategy, hosts, want string }{
		{`waves = ["1", "100%"]`, oneHost, `fleet.toml:2: strategy.waves: goes with kind = "canary", not "rolling"`},
		{`pools = ["blue", "green"]`, twoPools, `fleet.toml:2: strategy.pools: goes with kind = "blue-green", not "rolling"`},
		{`soak = "10m"`, oneHost, `fleet.toml:2: strategy.soak: goes with kind = "canary" or "blue-green"`},
		{"kind = \"canari\"\nwaves = [\"1\", \"100%\"]\nsoak = \"1m\"", oneHost, `fleet.toml:2: strategy.kind: unknown value "canari"; did you mean "canary"?`},
		{`kind = "canary"`, oneHost, `fleet.toml:2: strategy.kind: "canary" needs waves`},
		{`kind = "blue-green"`, twoPools, `fleet.toml:2: strategy.kind: "blue-green" needs pools`},
		{"kind = \"canary\"\nwaves = [\"1\", \"100%\"]\nmin_pods = 2", oneHost, `fleet.toml:4: strategy.min_pods: needs a soak`},
		{"kind = \"canary\"\nwaves = [\"1\", \"100%\"]\npools = [\"a\", \"b\"]", oneHost, `fleet.toml:4: strategy.pools: goes with kind = "blue-green", not "canary"`},
		{"kind = \"canary\"\nwaves = [\"1\", \"10%\"]", oneHost, `fleet.toml:3: strategy.waves: the last wave is "100%"`},
		{"kind = \"canary\"\nwaves = [\"20%\", \"10%\", \"100%\"]", oneHost, `fleet.toml:3: strategy.waves: waves are cumulative: "10%" is no more than a wave before it`},
		{"kind = \"canary\"\nwaves = [\"3\", \"10%\", \"2\", \"100%\"]", oneHost, `fleet.toml:3: strategy.waves: waves are cumulative: "2" is no more`},
		{"kind = \"canary\"\nwaves = [\"one\", \"100%\"]", oneHost, `fleet.toml:3: strategy.waves: "one" is neither a count such as "2" nor a percent`},
		{"kind = \"canary\"\nwaves = [\"0%\", \"100%\"]", oneHost, `fleet.toml:3: strategy.waves: 0% is not between 1% and 100%`},
		{"kind = \"blue-green\"\npools = [\"blue\"]", twoPools, `fleet.toml:3: strategy.pools: names two groups`},
		{"kind = \"blue-green\"\npools = [\"blue\", \"blue\"]", twoPools, `fleet.toml:3: strategy.pools: names two groups`},
		{"kind = \"blue-green\"\npools = [\"blue\", \"gren\"]", twoPools, `fleet.toml:3: strategy.pools: no host is in the group "gren"; did you mean "green"?`},
		{"kind = \"blue-green\"\npools = [\"blue\", \"green\"]", twoPools + "x = { groups = [\"green\", \"blue\"] }\n",
			`fleet.toml:7: hosts.x: host x is in both pools, "blue" and "green"`},
		{"max_surge = 2", "[hosts]\nn1 = {}\nn2 = { spare = true }\n", `fleet.toml:2: strategy.max_surge: is more than the 1 hosts with spare = true`},
		{"kind = \"blue-green\"\npools = [\"blue\", \"green\"]\nmax_surge = 1", twoPools + "x = { groups = [\"green\"], spare = true }\n",
			`fleet.toml:4: strategy.max_surge: doesn't go with kind = "blue-green"`},
		{"max_surge = 0", "[hosts]\nn1 = { groups = [\"control-plane\"], spare = true }\n", `fleet.toml:4: hosts.n1.spare: a member of the control plane can't be a spare`},
	} {
		_, err := parse("fleet.toml", []byte("[strategy]\n"+tc.strategy+"\n"+tc.hosts), nil)
		if problems := problemsOf(t, err); len(problems) != 1 || !strings.HasPrefix(problems.Error(), tc.want) {
			t.Errorf("%s\n got %v\nwant %s", tc.strategy, problems, tc.want)
		}
	}
}

func TestPoolsAndSpares(t *testing.T) {
	f := mustParse(t, "[strategy]\nkind = \"blue-green\"\npools = [\"blue\", \"green\"]\nsoak = \"1m\"\n"+twoPools)
	if d := cmp.Diff([]string{"blue", "green"}, f.Strategy.Pools); d != "" {
		t.Error(d)
	}
	f = mustParse(t, "[strategy]\nmax_surge = 1\n[hosts]\nn1 = {}\n\"s[1-2]\" = { spare = true }\n")
	if f.Hosts[0].Spare || !f.Hosts[1].Spare || !f.Hosts[2].Spare || f.Strategy.MaxSurge != 1 {
		t.Errorf("%+v", f.Hosts)
	}
}
