package lab_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fleetup/fleetup/testdata/lab"
)

// shop serves one metric inside the lab's network: the share of requests that fail, in percent. bad makes it half of them.
func shop(t *testing.T, l *lab.Lab) (address string, bad *atomic.Bool) {
	t.Helper()
	bad = &atomic.Bool{}
	address = "10.213.0.250:8080"
	listener, err := l.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		share := 0.1
		if bad.Load() {
			share = 50
		}
		fmt.Fprintf(w, "shop_failed_percent %v\n", share)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	return address, bad
}

const gatedShop = `
[upgrade]
kubelet = "1.37.2"
[prometheus]
url = "http://10.213.0.1:9090"
[[gate]]
name     = "shop"
query    = "max(shop_failed_percent)"
max      = 1
deadline = "5s"
timeout  = "2s"
`

// Gates ask a real Prometheus. One that answers nothing, and none at all, never count as good; one that goes bad halts the
// run after the node that was under way.
func TestGate(t *testing.T) {
	l := lab.Start(t, lab.Options{Machines: 2})
	address, bad := shop(t, l)
	inventory := l.WriteInventory(l.Hosts("root") + gatedShop)
	n1, n2 := l.Machines[0], l.Machines[1]
	before, boot := getNodes(t, l), boots(l)
	still := func(machines ...*lab.Machine) {
		t.Helper()
		for _, m := range machines {
			untouched(t, l, m, before[m.Name], boot[m.Name])
		}
	}

	t.Run("unreachable", func(t *testing.T) {
		says(t, fleetup(t, l, 1, "check", inventory), `refused  gate: "shop" can't be judged: `, "connection refused")
		says(t, fleetup(t, l, 3, "run", "--yes", inventory), `halted: gate "shop" can't be judged`, "connection refused")
		still(n1, n2)
	})
	_, stop := l.Prometheus(address)
	t.Run("empty answer", func(t *testing.T) {
		said := fleetup(t, l, 3, "run", "--yes", inventory, "--set", `gate=[{ name = "none", query = "max(no_such_metric)", max = 1, deadline = "3s" }]`)
		says(t, said, `halted: gate "none" can't be judged: no sample: nothing matches the query`)
		still(n1, n2)
	})
	t.Run("not a number", func(t *testing.T) {
		reads(t, l, inventory, "0.1")
		said := fleetup(t, l, 3, "run", "--yes", inventory, "--set", `gate=[{ name = "nan", query = "0 * max(shop_failed_percent) / 0", max = 1, deadline = "3s" }]`)
		says(t, said, `halted: gate "nan" can't be judged: NaN is no value`)
		still(n1, n2)
	})
	t.Run("goes bad", func(t *testing.T) {
		reads(t, l, inventory, "0.1")
		go func() { // once the first node is under way, half of the shop's requests fail; Prometheus knows before it is done
			for t.Context().Err() == nil && l.Kubectl("get", "node", "n1", "-o", "jsonpath={.spec.unschedulable}") != "true" {
				time.Sleep(200 * time.Millisecond)
			}
			bad.Store(true)
		}()
		says(t, fleetup(t, l, 3, "run", "--yes", inventory), "n1", `halted: gate "shop" is bad: 50 is more than max = 1`)
		isReady(t, getNode(t, l, "n1"), "v1.37.2")
		equal(t, "n1 cordoned", getNode(t, l, "n1").Spec.Unschedulable, false)
		still(n2)
	})
	t.Run("good again", func(t *testing.T) {
		bad.Store(false)
		reads(t, l, inventory, "0.1")
		says(t, fleetup(t, l, 0, "run", "--yes", inventory), "zero downtime: yes")
		isReady(t, getNode(t, l, "n2"), "v1.37.2")
	})
	stop()
	t.Run("gone away", func(t *testing.T) {
		says(t, fleetup(t, l, 1, "check", inventory), `gate: "shop" can't be judged`)
	})
}

// reads waits until the gate reads a value: Prometheus has to scrape first.
func reads(t *testing.T, l *lab.Lab, inventory, value string) {
	t.Helper()
	said := ""
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		said, _, _ = l.Fleetup("check", inventory)
		if strings.Contains(said, `gate: "shop" reads `+value) {
			return
		}
	}
	t.Fatalf("the gate doesn't read %s:\n%s", value, said)
}
