package lab_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/testdata/lab"
)

const randomKills = 20

// TestFault01RandomKills kills runs of three machines at random moments, twenty in all, loses every third journal, and
// lets the next process go on at once. Each end is that of a run that nobody disturbed. FLEETUP_SEED repeats one.
func TestFault01RandomKills(t *testing.T) {
	t.Parallel()
	seed := time.Now().UnixNano()
	if s, err := strconv.ParseInt(os.Getenv("FLEETUP_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("FLEETUP_SEED=%d repeats it", seed)
	dice := rand.New(rand.NewPCG(uint64(seed), 1))
	l := lab.Start(t, lab.Options{Machines: 3})
	l.Apply(web)
	settled(l)
	inventory := l.WriteInventory(l.Hosts("ops") + kubeletRebooted)
	round := func(disturb func() (kills int)) (stands map[string]string, kills int) {
		for _, m := range l.Machines {
			m.Must(": >/var/log/dpkg.log")
		}
		nodes, boots := getNodes(t, l), map[string]int{}
		for _, m := range l.Machines {
			boots[m.Name] = m.Boots()
		}
		kills = disturb()
		stands = map[string]string{}
		for _, m := range l.Machines {
			after := getNode(t, l, m.Name)
			isReady(t, after, "v1.37.2")
			asBefore(t, nodes[m.Name], after)
			stands[m.Name] = fmt.Sprintf("kubelet %s, installed %s times, booted %d times, held %s, left in /run: %s", m.Must("dpkg-query -W -f '${Version}' kubelet"),
				installs(m), m.Boots()-boots[m.Name], m.Must("apt-mark showhold | xargs"), m.Must("ls /run/systemd/system | xargs"))
		}
		stands["then"] = fleetup(t, l, 0, "run", "--yes", inventory)
		goBack(t, l, l.Machines...)
		return stands, kills
	}
	undisturbed, _ := round(func() int {
		cmd, heard := begin(t, l, "started", "run", "--yes", inventory)
		says(t, exit(t, cmd, heard, 0), "3 nodes done")
		return 0
	})
	if t.Failed() {
		t.FailNow()
	}
	killed, n := 0, 1
	for ; killed < randomKills && !t.Failed(); n++ {
		stands, kills := round(func() int { return killedRun(t, l, dice, inventory) })
		killed += kills
		t.Logf("round %d: killed %d times, %d in all", n, kills, killed)
		if d := cmp.Diff(undisturbed, stands); d != "" {
			t.Errorf("after %d kills: -undisturbed +killed:\n%s", kills, d)
		}
	}
	if t.Failed() {
		return
	}
	t.Logf("shown: %d random kills in %d runs, every end that of an undisturbed one", killed, n-1)
}

// killedRun runs until it is through, and kills it again and again on the way.
func killedRun(t *testing.T, l *lab.Lab, dice *rand.Rand, inventory string) (kills int) {
	t.Helper()
	for tries := 0; tries < 40; tries++ {
		heard := &said{}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		cmd := l.FleetupCommand(ctx, "run", "--yes", inventory)
		cmd.Stdout, cmd.Stderr = heard, heard
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Each one longer: whoever is killed within seconds, again and again, never sees the kubelet's next sign of life.
		most := 3*time.Second + time.Duration(tries)*700*time.Millisecond
		at := time.AfterFunc(200*time.Millisecond+time.Duration(dice.Int64N(int64(most))), func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		at.Stop()
		cancel()
		switch code := cmd.ProcessState.ExitCode(); code {
		case 0:
			return kills
		case -1:
			kills++
		default:
			t.Errorf("exit %d after %d kills:\n%s", code, kills, heard)
			return kills
		}
		if kills%3 == 0 {
			_ = os.RemoveAll(filepath.Join(l.Dir, "state"))
		}
	}
	t.Errorf("still not through after %d kills", kills)
	return kills
}
