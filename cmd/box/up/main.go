// Command up brings up a box, simulated machines and the simulated cluster that they are the nodes of, says how to use it
// with a fleetup of another process, and takes it down at Ctrl-C.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/fleetup/fleetup/cmd/box"
)

// upgrade is what the inventory wants of machines that run kubelet 1.36.4 and containerd 2.1.3.
const upgrade = `[upgrade]
containerd = "2.1.4"
kubelet    = "1.37.2"
reboot     = "always"

[strategy]
max_unavailable = 2
spread          = { rack = 1 }

[verify]
http = [{ service = "shop/web:http", path = "/healthz" }]
`

func main() {
	log.SetFlags(0)
	machines := flag.Int("machines", 6, "nodes: n1, n2, …, three to a rack")
	dir := flag.String("dir", "box", "where the inventory, the kubeconfig, the key and known_hosts are put")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := up(ctx, *dir, *machines); err != nil {
		log.Fatal(err)
	}
}

// up keeps a box until ctx ends.
func up(ctx context.Context, dir string, machines int) error {
	b, err := box.New(ctx, dir, box.Options{
		Nodes: box.Workers(machines), BMC: true, Doors: true,
		InstallTime: 2 * time.Second, RebootTime: 10 * time.Second, // long enough for a second command or Ctrl-C to come in between
	})
	if err != nil {
		return err
	}
	defer b.Close()
	if err := b.Shop(ctx); err != nil {
		return err
	}
	inventory, err := b.Inventory(upgrade)
	if err != nil {
		return err
	}
	fmt.Printf(`%d simulated machines and their cluster, until Ctrl-C. From another terminal:

  ./fleetup check  %[2]s
  ./fleetup plan   %[2]s
  ./fleetup run    %[2]s
  ./fleetup status %[2]s
  ./fleetup power status %[2]s n1
`, machines, inventory)
	<-ctx.Done()
	return nil
}
