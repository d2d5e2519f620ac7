package main

import (
	"sync"

	"github.com/fleetup/fleetup/inventory"
)

// eachOf does something for each host, for so many at a time (at least one), and returns when all of it is done.
func eachOf(hosts []inventory.Host, atOnce int, do func(i int, h inventory.Host)) {
	room := make(chan struct{}, max(atOnce, 1))
	var all sync.WaitGroup
	for i, h := range hosts {
		all.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			do(i, h)
		})
	}
	all.Wait()
}
