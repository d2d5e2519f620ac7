package box

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
)

// doors lead from ports of 127.0.0.1 to addresses of the box, so that other processes reach what is simulated in this one.
type doors struct {
	ports   map[string]net.Listener // by the address that is behind it
	cancel  context.CancelFunc
	serving sync.WaitGroup
}

// open makes a door to each of the addresses, which dial reaches.
func (d *doors) open(dial func(ctx context.Context, network, addr string) (net.Conn, error), addresses ...string) error {
	ctx, cancel := context.WithCancel(context.Background())
	d.ports, d.cancel = map[string]net.Listener{}, cancel
	for _, to := range addresses {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("a port for %s: %w", to, err)
		}
		d.ports[to] = l
		d.serving.Go(func() {
			for {
				outside, err := l.Accept()
				if err != nil {
					return
				}
				d.serving.Go(func() { through(ctx, outside, func() (net.Conn, error) { return dial(ctx, "tcp", to) }) })
			}
		})
	}
	return nil
}

// through carries bytes both ways until either side ends, or the box does. Where nobody is at home the door is closed again.
func through(ctx context.Context, outside net.Conn, dial func() (net.Conn, error)) {
	defer outside.Close()
	inside, err := dial()
	if err != nil {
		return
	}
	defer inside.Close()
	ctx, done := context.WithCancel(ctx)
	defer done()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{inside, outside}, {outside, inside}} {
		both.Go(func() {
			defer done()
			_, _ = io.Copy(way[0], way[1])
		})
	}
	<-ctx.Done()
	_, _ = inside.Close(), outside.Close()
	both.Wait()
}

// at is where an address of the box is reached: at its door, or where there is none, in memory under its own name.
func (d *doors) at(address string) string {
	if l := d.ports[address]; l != nil {
		return l.Addr().String()
	}
	return address
}

func (d *doors) close() {
	if d.cancel == nil {
		return
	}
	d.cancel()
	for _, l := range d.ports {
		_ = l.Close()
	}
	d.serving.Wait()
}
