package inventory_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/fleetup/fleetup/inventory"
)

func ExampleLoad() {
	fleet, err := inventory.Load("../testdata/inventories/small.toml", "drain.grace_period=60s", "upgrade.kubelet=1.37.3")
	if err != nil {
		log.Fatal(err)
	}
	for _, host := range fleet.Hosts {
		fmt.Println(host.Node, host.Address, host.SSH.User, host.Drain.GracePeriod, host.Upgrade[0].Params["version"])
	}
	// Output:
	// cp1 192.0.2.1 ops 1m0s 1.37.3
	// node1 198.51.100.1 ops 1m0s 1.37.3
	// node2 198.51.100.2 ops 1m0s 1.37.3
}

func ExampleFleet_Select() {
	fleet, err := inventory.Load("../testdata/inventories/prod.toml")
	if err != nil {
		log.Fatal(err)
	}
	hosts, err := fleet.Select("@workers,!@gpu,!node[003-124]")
	if err != nil {
		log.Fatal(err)
	}
	for _, host := range hosts {
		fmt.Println(host.Name, host.Address)
	}
	_, err = fleet.Select("nod001")
	fmt.Println(err)
	// Output:
	// node001 198.51.100.1
	// node002 198.51.100.2
	// node130 203.0.113.10
	// db1 203.0.113.211
	// db2 203.0.113.212
	// spare1 203.0.113.220
	// old-box legacy.example.com
	// --limit "nod001": no host "nod001" in ../testdata/inventories/prod.toml; did you mean "node001"?
}

func ExampleProblems() {
	_, err := inventory.Load("../testdata/inventories/small.toml", "drain.grace_perod=60s", "strategy.kind=canary")
	var problems inventory.Problems
	if errors.As(err, &problems) {
		fmt.Println(problems)
	}
	// Output:
	// --set drain.grace_perod: unknown key; did you mean "grace_period"?
	// --set strategy.kind: "canary" needs waves = ["1", "10%", "100%"], or others
}

func ExampleFleet_Problem() {
	fleet, err := inventory.Load("../testdata/inventories/small.toml")
	if err != nil {
		log.Fatal(err)
	}
	use := fleet.Hosts[0].Upgrade[0]
	fmt.Println(fleet.Problem(use.ParamKeys["version"], "there is no kubelet "+use.Params["version"].(string)))
	// Output:
	// ../testdata/inventories/small.toml:18: upgrade.kubelet: there is no kubelet 1.37.2
}
