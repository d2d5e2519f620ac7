package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner/bmc"
)

// powerQuestion is what `fleetup power` may ask a BMC beside whether the machine is on.
type powerQuestion struct {
	name, short string
	none        string // what is said of a machine without any
	can         func(bmc.Starter) bool
	// ask returns what --output json shows, and its lines for people, of three cells.
	ask func(ctx context.Context, b bmc.Starter, last int) (list any, rows [][]string, err error)
}

var powerQuestions = []powerQuestion{
	{
		"sensors", "Show what machines' BMCs measure: temperatures, fans, voltages, power", "no sensor has a reading",
		func(b bmc.Starter) bool { _, can := b.(bmc.Sensors); return can }, readSensors,
	},
	{
		"events", "Show the last entries of the event logs that machines' BMCs keep", "the event log is empty",
		func(b bmc.Starter) bool { _, can := b.(bmc.Log); return can }, readEvents,
	},
}

func (a *app) powerQuestionCommand(q powerQuestion) *cobra.Command {
	last := 20
	c := &cobra.Command{
		Use: q.name + " INVENTORY NODE...", Short: q.short, Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if last < 1 {
				return usage("--last: %d entries show nothing", last)
			}
			return a.askPower(c.Context(), q, args[0], args[1:], last)
		},
	}
	if q.name == "events" {
		c.Flags().IntVar(&last, "last", last, "show the last `N` entries of each log")
	}
	return c
}

func (a *app) askPower(ctx context.Context, q powerQuestion, path string, nodes []string, last int) error {
	ctx, release := a.interruptible(ctx)
	defer release()
	_, hosts, bmcs, err := a.switches(path, nodes, func(h inventory.Host, b bmc.Starter) error {
		if !q.can(b) {
			return fmt.Errorf("%s: only a BMC of type redfish or ipmi tells its %s, and this one is of type %s", h.Name, q.name, h.BMC.Type)
		}
		return nil
	})
	if err != nil {
		return err
	}
	answers := make([]told, len(hosts))
	eachOf(hosts, atOnce, func(i int, h inventory.Host) { answers[i] = q.askOne(ctx, h, bmcs[i], last) })
	failed := 0
	var all []map[string]any
	var rows [][]string
	for _, r := range answers {
		if r.failed && ctx.Err() == nil {
			failed++
		}
		all, rows = append(all, r.document), append(rows, r.rows...)
	}
	if err := a.showHosts(len(hosts), all, rows, failed); ctx.Err() == nil {
		return err
	}
	return silent(exitInterrupted)
}

// told is what one machine's BMC told.
type told struct {
	document map[string]any
	rows     [][]string
	failed   bool
}

func (q powerQuestion) askOne(ctx context.Context, h inventory.Host, b bmc.Starter, last int) told {
	r := told{document: map[string]any{"host": h.Name, "node": h.Node}}
	list, rows, err := q.ask(ctx, b, last)
	switch {
	case err != nil:
		why := complaint(ctx, err)
		r.failed, r.document["error"] = true, why
		rows = [][]string{{"", "", why}}
	case len(rows) == 0:
		rows = [][]string{{"", "", q.none}}
	}
	if err == nil {
		r.document[q.name] = list
	}
	for _, row := range rows {
		r.rows = append(r.rows, append([]string{h.Name}, row...))
	}
	return r
}

func readSensors(ctx context.Context, b bmc.Starter, _ int) (any, [][]string, error) {
	found, err := b.(bmc.Sensors).Sensors(ctx) // can has seen to it
	var rows [][]string
	for _, s := range found {
		rows = append(rows, []string{strconv.FormatFloat(s.Value, 'f', -1, 64) + " " + s.Unit, s.Health, s.Name})
	}
	return append([]bmc.Sensor{}, found...), rows, err
}

func readEvents(ctx context.Context, b bmc.Starter, last int) (any, [][]string, error) {
	found, err := b.(bmc.Log).Log(ctx, last) // can has seen to it
	var rows [][]string
	for _, e := range found {
		when := "without a time"
		if !e.Time.IsZero() {
			when = e.Time.UTC().Format(time.DateTime) + " UTC"
		}
		rows = append(rows, []string{when, e.Severity, e.Text})
	}
	return append([]bmc.Entry{}, found...), rows, err
}
