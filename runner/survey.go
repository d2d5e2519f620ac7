package runner

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/fleetup/fleetup/playbooks"
)

// Surveyed is what a look at one node found, before anything is touched.
type Surveyed struct {
	Work     Work
	Err      error         // the machine could not be asked; all else is then empty
	Items    []Item        // every step's status
	Offset   time.Duration // the machine's clock less ours
	Problems []string      // what would make the node fail; the run is refused for them
	Warnings []string
}

// Survey looks at every node at once, read-only, at most width at a time, and returns what it found by node name.
// look, where not nil, is called after each one.
func Survey(ctx context.Context, work map[string]Work, width int, look func(done, total int)) map[string]*Surveyed {
	found := make(map[string]*Surveyed, len(work))
	var mu sync.Mutex
	var wg sync.WaitGroup
	room := make(chan struct{}, max(width, 1))
	for _, w := range work {
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			s := survey(ctx, w)
			mu.Lock()
			defer mu.Unlock()
			found[w.Node] = s
			if look != nil {
				look(len(found), len(work))
			}
		})
	}
	wg.Wait()
	return found
}

// surveyTimeout bounds the look at one machine: a host that answers nothing for so long is unreachable.
const surveyTimeout = 2 * time.Minute

func survey(ctx context.Context, w Work) *Surveyed {
	ctx, cancel := context.WithTimeout(ctx, surveyTimeout)
	defer cancel()
	s := &Surveyed{Work: w}
	if w.Hold != "" { // it is off as a rule, and nobody is to touch it
		s.Err = errors.New(w.Hold)
		return s
	}
	if s.Err = reach(ctx, w.Machine); s.Err != nil {
		return s
	}
	asked := time.Now()
	os, err := playbooks.Preflight(ctx, w.Machine, w.Wanted)
	if err != nil {
		s.Problems = append(s.Problems, err.Error())
		return s
	}
	if !os.Time.IsZero() {
		s.Offset = os.Time.Sub(asked.Add(time.Since(asked) / 2))
	}
	s.Problems, s.Warnings = append(s.Problems, os.Problems...), append(s.Warnings, os.Warnings...)
	if s.Items, err = Look(ctx, w); err != nil {
		s.Problems = append(s.Problems, err.Error())
	}
	for _, i := range s.Items {
		for _, n := range i.Status.Notes {
			s.Warnings = append(s.Warnings, fmt.Sprintf("step %q: %s", i.Step.Name(), n))
		}
		for _, p := range i.Status.Problems {
			s.Problems = append(s.Problems, fmt.Sprintf("step %q: %s", i.Step.Name(), p))
		}
	}
	return s
}

// reach makes sure of a login and of root, once; what can be tried again is tried again by the machine itself.
func reach(ctx context.Context, m Machine) error {
	_, err := m.BootID(ctx)
	return err
}

// NothingToDo reports whether the node is as wanted.
func (s *Surveyed) NothingToDo() bool {
	return s.Err == nil && len(s.Problems) == 0 && s.Work.AllClean(s.Items)
}

// SortedNames returns the keys of a survey in order.
func SortedNames(found map[string]*Surveyed) []string {
	names := make([]string, 0, len(found))
	for n := range found {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}
