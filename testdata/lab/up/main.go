// Command up brings up the lab, says how to use it, and takes it down at Ctrl-C. It needs root and Debian; the first
// start on a machine compiles a control plane.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/fleetup/fleetup/testdata/lab"
)

const upgrade = `[upgrade]
kubelet = "1.37.2"
containerd = "2.1.4"
os-patches = {}
reboot = "always"
`

func main() {
	log.SetFlags(0)
	var options lab.Options
	flag.IntVar(&options.Machines, "machines", 4, "nodes with apt: n1, n2, …")
	flag.IntVar(&options.DNF, "dnf", 0, "nodes with dnf: d1, d2, …")
	flag.IntVar(&options.Kubelets, "kubelets", 0, "nodes with apt and a real kubelet: k1, k2, …")
	flag.IntVar(&options.Bastions, "bastions", 0, "machines with sshd alone: b1, b2, …")
	flag.Parse()
	if err := run(options); err != nil {
		log.Fatal(err)
	}
}

func run(options lab.Options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := lab.Up(ctx, options, log.Fatalf)
	if err != nil {
		return err
	}
	inventory := l.WriteInventory(l.Hosts("ops") + upgrade)
	fmt.Print(l.Usage())
	fmt.Printf("an upgrade:\n  nsenter --net=/run/netns/%s -- fleetup run %s\nCtrl-C ends the lab.\n", l.Namespace, inventory)
	<-ctx.Done()
	return l.Down()
}
