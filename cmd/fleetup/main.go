// Command fleetup upgrades fleets of bare-metal Kubernetes nodes over SSH, with zero downtime for what runs on them.
//
// This package is flags, wiring and output: one file a command. What a run does is in the packages runner, playbooks,
// kube and runner/remote, which don't know each other; wire.go joins them.
package main

import (
	"context"
	"os"
	_ "time/tzdata" // windows name time zones, and a container made from scratch has none
)

func main() {
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv}
	os.Exit(a.main(context.Background(), os.Args[1:]))
}
