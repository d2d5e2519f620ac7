package inventory

import (
	"fmt"
	"slices"
	"strconv"
)

// The kinds of strategies.
const (
	rolling   = "rolling"
	canary    = "canary"
	blueGreen = "blue-green"
)

func (r *reader) strategy(root *table) Strategy {
	s := Strategy{
		Kind: rolling, MaxUnavailable: Amount{N: 1}, OnFailure: "stop", MaxFailures: Amount{N: 1},
		Cordoned: "skip", Unreachable: "fail",
	}
	t, _ := root.sub("strategy")
	choose := func(name string, field *string, valid ...string) {
		if v, ok := oneOf(valid)(t, name); ok {
			*field = v
		}
	}
	if _, given := t.get("kind"); given { // one that is unknown contradicts nothing
		s.Kind = ""
	}
	choose("kind", &s.Kind, rolling, canary, blueGreen)
	choose("on_failure", &s.OnFailure, "stop", "quarantine", "rollback")
	choose("cordoned", &s.Cordoned, "skip", "upgrade")
	choose("unreachable", &s.Unreachable, "fail", "skip")
	t.amountOr("max_unavailable", &s.MaxUnavailable)
	t.amountOr("max_failures", &s.MaxFailures)
	s.MaxSurge, _ = intIn(0, most)(t, "max_surge")
	s.MinPods, _ = intIn(0, most)(t, "min_pods")
	s.Spread = t.labelCounts("spread")
	s.Domains = t.labelCounts("domains")
	s.Waves = t.waves("waves")
	s.Pools, _ = t.strings("pools")
	s.Soak, _ = t.duration("soak", 0)
	t.done()
	return s
}

// amountOr leaves the field as it is where the key is absent or wrong.
func (t *table) amountOr(name string, field *Amount) {
	if n, ok := t.amount(name); ok {
		*field = n
	}
}

// waves are counts and percents in quotes, each more than the one before, the last all of them; nil where the key is absent,
// empty where it is wrong.
func (t *table) waves(name string) []Amount {
	list, _ := t.strings(name)
	var waves []Amount
	for _, s := range list {
		wave, err := parseWave(s)
		if err != nil {
			t.bad(name, "%v", err)
			return []Amount{}
		}
		for _, before := range waves {
			if before.Percent == wave.Percent && before.N >= wave.N {
				t.bad(name, "waves are cumulative: %q is no more than a wave before it", s)
				return []Amount{}
			}
		}
		waves = append(waves, wave)
	}
	if n := len(waves); n > 0 && waves[n-1] != (Amount{N: 100, Percent: true}) {
		t.bad(name, `the last wave is "100%%": without it some nodes would never be upgraded`)
	}
	return waves
}

func parseWave(s string) (Amount, error) {
	if match := percent.FindStringSubmatch(s); match != nil {
		if n, _ := strconv.Atoi(match[1]); n >= 1 && n <= 100 {
			return Amount{N: n, Percent: true}, nil
		}
		return Amount{}, fmt.Errorf("%s is not between 1%% and 100%%", s)
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > most {
		return Amount{}, fmt.Errorf(`%q is neither a count such as "2" nor a percent such as "10%%"`, s)
	}
	return Amount{N: n}, nil
}

// contradictions refuses strategies whose keys don't go together, or with the hosts.
func (r *reader) contradictions(s Strategy, hosts []Host) {
	r.kinds(s)
	r.spares(s, hosts)
	if s.Kind == blueGreen {
		r.pools(s.Pools, hosts)
	}
}

// kinds refuses keys that this kind of strategy would leave unread.
func (r *reader) kinds(s Strategy) {
	if s.Kind == "" {
		return
	}
	refuse := func(name string, set bool, format string, args ...any) {
		if set {
			r.problem(child("strategy", name), format, args...)
		}
	}
	refuse("waves", s.Kind != canary && s.Waves != nil, `goes with kind = "canary", not %q`, s.Kind)
	refuse("pools", s.Kind != blueGreen && s.Pools != nil, `goes with kind = "blue-green", not %q`, s.Kind)
	refuse("soak", s.Kind == rolling && s.Soak > 0, `goes with kind = "canary" or "blue-green": a rolling run has nothing to soak after`)
	refuse("min_pods", s.MinPods > 0 && s.Soak == 0, `needs a soak to judge: set soak = "10m" beside it`)
	refuse("kind", s.Kind == canary && s.Waves == nil, `"canary" needs waves = ["1", "10%%", "100%%"], or others`)
	refuse("kind", s.Kind == blueGreen && s.Pools == nil, `"blue-green" needs pools = ["blue", "green"], two groups of hosts; the first serves while the second is upgraded`)
	refuse("max_surge", s.Kind == blueGreen && s.MaxSurge > 0, `doesn't go with kind = "blue-green": the idle pool is the room that spares would make`)
}

// spares refuses a surge that there aren't enough spares for, and a spare that is more than that.
func (r *reader) spares(s Strategy, hosts []Host) {
	n := 0
	for _, h := range hosts {
		if !h.Spare {
			continue
		}
		n++
		if h.ControlPlane() {
			r.problem(child(h.Key, "spare"), "a member of the control plane can't be a spare: etcd counts it all the time")
		}
	}
	if s.MaxSurge > n {
		r.problem("strategy.max_surge", "is more than the %d hosts with spare = true", n)
	}
}

// pools refuses pools that aren't two groups of hosts without a host in common.
func (r *reader) pools(pools []string, hosts []Host) {
	const key = "strategy.pools"
	if pools == nil {
		return
	}
	if len(pools) != 2 || pools[0] == pools[1] {
		r.problem(key, "names two groups, the serving one first")
		return
	}
	var all []string
	for _, h := range hosts {
		all = append(all, h.Groups...)
		if h.InGroup(pools[0]) && h.InGroup(pools[1]) {
			r.problem(h.Key, "host %s is in both pools, %q and %q", h.Name, pools[0], pools[1])
		}
	}
	slices.Sort(all)
	for _, pool := range pools {
		if !slices.Contains(all, pool) {
			r.problem(key, "no host is in the group %q%s", pool, didYouMean(pool, slices.Compact(all)))
		}
	}
}
