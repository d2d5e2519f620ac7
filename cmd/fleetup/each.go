package main

import (
	"fmt"
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

// looking is the line of progress while machines are looked at; nil without a terminal. It is gone with the last machine.
func (a *app) looking() func(done, total int) {
	if !a.terminal() {
		return nil
	}
	return func(done, total int) {
		fmt.Fprintf(a.err, "\rlooking at the machines: %d of %d ", done, total)
		if done == total {
			fmt.Fprint(a.err, "\r\033[K")
		}
	}
}

// eachShown is eachOf with that line: one machine that doesn't answer holds all up.
func (a *app) eachShown(hosts []inventory.Host, atOnce int, do func(i int, h inventory.Host)) {
	show, done := a.looking(), 0
	var line sync.Mutex
	eachOf(hosts, atOnce, func(i int, h inventory.Host) {
		do(i, h)
		if show != nil {
			line.Lock()
			defer line.Unlock()
			done++
			show(done, len(hosts))
		}
	})
}
