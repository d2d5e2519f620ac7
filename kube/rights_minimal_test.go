package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
	"github.com/fleetup/fleetup/kube/simulate"
)

// permits reports whether rules grant a request. Reviews of one's own rights are granted to everybody, by the cluster.
func permits(rules []Rule, verb, group, resource, namespace, name string) bool {
	return resource == "selfsubjectaccessreviews" || slices.ContainsFunc(rules, func(r Rule) bool {
		return r.Group == group && r.Resource == resource && slices.Contains(r.Verbs, verb) &&
			(r.Namespace == "" || r.Namespace == namespace) && (r.Name == "" || r.Name == name)
	})
}

// without returns the rules with some verbs of one of them left out.
func without(rules []Rule, i int, verbs []string) []Rule {
	out := slices.Clone(rules)
	out[i].Verbs = slices.DeleteFunc(slices.Clone(out[i].Verbs), func(v string) bool { return slices.Contains(verbs, v) })
	return out
}

// parts are the verbs of a rule to leave out, one by one; list and watch together: a server that streams lists needs
// watch alone, an older one both, and with list alone what is followed is polled, slowly, so nothing breaks at once.
func parts(r Rule) [][]string {
	var out [][]string
	for _, v := range r.Verbs {
		switch v {
		case "list":
		case "watch":
			out = append(out, []string{"list", "watch"})
		default:
			out = append(out, []string{v})
		}
	}
	return out
}

// aLife is all that a run does in the API for one node, from the lease to its end. It returns the first that failed.
func aLife(ctx context.Context, w *world, c *Cluster) error {
	if err := c.Start(ctx); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	if _, err := c.UID(ctx); err != nil {
		return fmt.Errorf("uid: %w", err)
	}
	lease, err := c.Acquire(ctx, alice, nil)
	if err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	c.Guard(lease.Held)
	c.Proof().Draining("n1", true)
	o, _ := careful(LastSurge)
	o.Timeout = 2 * time.Minute
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"dry run", func() error { return c.TryDrain(ctx, "n1", o, nil) }},
		{"kured", func() error { return holdsKured(ctx, w, c) }},
		{"claim", func() error { _, err := c.Claim(ctx, "n1", "run-1", nil); return err }},
		{"event", func() error { c.Event(ctx, "n1", "run-1", "Cordoned", "for an upgrade", false); return nil }},
		{"drain", func() error { return c.Drain(ctx, "n1", o, nil) }},
		{"ready", func() error { // soon: a Node's own status is as old as five minutes
			ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
			defer cancel()
			return c.AwaitReady(ctx, "n1", "", time.Now(), nil)
		}},
		{"whole", func() error { return c.AwaitWhole(ctx, "n1", nil, nil) }},
		{"note", func() error { return c.Note(ctx, "n1", "run-1", map[string]string{"x": "y"}) }},
		{"release", func() error { return c.Release(ctx, "n1", "run-1", nil) }},
		{"halt", func() error { return lease.Halt(ctx, "for a look") }},
		{"end", func() error { return lease.Release(ctx) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	time.Sleep(5 * time.Second)
	for _, e := range kubetest.List[*corev1.Event](w.Server, "default") {
		if e.Source.Component == "fleetup" && strings.Contains(e.Message, "for an upgrade") {
			return nil
		}
	}
	return errors.New("event: it isn't there")
}

// holdsKured takes kured's lock, which nobody is told of who may not.
func holdsKured(ctx context.Context, w *world, c *Cluster) error {
	if err := c.HoldKured(ctx, "n1", "run-1", nil); err != nil {
		return err
	}
	if w.kuredsLock() == "" {
		return errors.New("its lock isn't held")
	}
	return nil
}

// aLook is what a check does in the API: it follows, and plays ahead what it sees.
func aLook(ctx context.Context, _ *world, c *Cluster) error {
	if err := c.Start(ctx); err != nil {
		return err
	}
	if unread := c.LookAhead(ctx); len(unread) > 0 {
		return errors.New(strings.Join(unread, "\n"))
	}
	for _, hand := range c.OtherHands(ctx) {
		if strings.Contains(hand, "may not") {
			return errors.New(hand)
		}
	}
	ahead := simulate.Run(c.World(func(string) DrainOptions { return ownPods() }), []simulate.Turn{{Node: "n1", Takes: time.Minute}})
	if len(ahead) != 1 || ahead[0].Fails() {
		return fmt.Errorf("played ahead: %+v", ahead)
	}
	return nil
}

// surging is what most runs need, where kured is.
var surging = Needs{Surge: true, Kured: "kube-system/kured"}

// live runs aLife, or aLook, with rules alone, and returns what failed and what Missing says of it.
func live(t *testing.T, rules []Rule, config Config, do func(context.Context, *world, *Cluster) error) (missing []string, failed error) {
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New(context.Background(), kubetest.Config{Seed: 1})
		defer s.Close()
		w := &world{T: t, Server: s}
		w.must(s.AddNode("n1", nil))
		served(1)(w)
		time.Sleep(5 * time.Second)
		w.must(s.AddNode("n2", nil))
		w.must(w.AddDeployment("shop", "api", 3, nil))
		w.must(w.AddPDB("shop", "api", "api", "2", ""))
		w.must(w.AddDaemonSet("kube-system", "kured", nil))
		time.Sleep(5 * time.Second)
		s.Authorize(func(_, verb, group, resource, namespace, name string) bool {
			return permits(rules, verb, group, resource, namespace, name)
		})
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		c := w.openConfig(config)
		var err error
		if missing, err = c.Missing(ctx, config.Extra...); err != nil {
			t.Error(err)
		}
		failed = do(ctx, w, c)
		cancel()
		c.Wait()
		c.Close()
	})
	return missing, failed
}

// TestRulesAreMinimal: with exactly these rules a whole life works, and without any of their verbs something
// fails, which Missing names before anything is touched.
func TestRulesAreMinimal(t *testing.T) {
	minimal(t, append(Rules(""), Extra(surging)...), Config{Extra: Extra(surging)}, aLife)
}

// TestLookRulesAreMinimal: so it is with what a check needs, which is nothing but to read.
func TestLookRulesAreMinimal(t *testing.T) {
	rules := LookRules("check")
	for _, r := range rules {
		if slices.ContainsFunc(r.Verbs, func(v string) bool { return v != "list" && v != "watch" }) {
			t.Errorf("%s: %s", r.Resource, r.Verbs)
		}
	}
	minimal(t, rules, Config{Looks: true}, aLook)
}

func minimal(t *testing.T, rules []Rule, config Config, do func(context.Context, *world, *Cluster) error) {
	if missing, failed := live(t, rules, config, do); failed != nil || missing != nil {
		t.Fatalf("with all of them: %v, missing %q", failed, missing)
	}
	for i, r := range rules {
		for _, verbs := range parts(r) {
			t.Run(fmt.Sprintf("%s %s %s", verbs, r.Resource, r.Namespace), func(t *testing.T) {
				missing, failed := live(t, without(rules, i, verbs), config, do)
				if failed == nil {
					t.Errorf("%s: it works without", r.Why)
				}
				if len(missing) != 1 || !strings.Contains(missing[0], "may not "+strings.Join(verbs, ", ")+" "+r.Resource) || !strings.Contains(missing[0], r.Why) {
					t.Errorf("missing: %q", missing)
				}
			})
		}
	}
}
