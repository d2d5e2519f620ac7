package runner

import (
	"context"
	"strconv"
)

// verdict is what one gate answered.
type verdict struct {
	gate, reading, why, verdict string
	baseline                    bool // there was none before: the reading is it
}

// asks puts one question at a time to all gates, and lets the journal know what they say.
type asks struct {
	under  bool       // a question is under way
	answer chan error // its end: nil, or an error of the journal
}

// wait waits for the answer that is under way, and returns its error.
func (a *asks) wait() error {
	if !a.under {
		return nil
	}
	return <-a.answer
}

// ask puts the question to the gates unless one is under way; the answer comes on the channel.
func (r *Runner) ask(ctx context.Context, a *asks, q *Question) {
	if q == nil || a.under {
		return
	}
	a.under = true
	go func() { a.answer <- r.judge(ctx, *q) }()
}

// judge asks all gates at once and journals their answers in their order. An end of the process is no answer.
func (r *Runner) judge(ctx context.Context, q Question) error {
	verdicts := make([]chan verdict, len(r.Gates))
	for i, g := range r.Gates {
		verdicts[i] = make(chan verdict, 1)
		go func() { verdicts[i] <- measure(ctx, g, q, r.baseline(g.Name())) }()
	}
	var err error
	for _, answer := range verdicts {
		v := <-answer
		if ctx.Err() == nil && err == nil {
			err = r.emit(v.event(q))
		}
	}
	return err
}

// baseline is a gate's reading before the run; taken is false where there is none yet.
func (r *Runner) baseline(gate string) (p GateProgress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Progress.Gates[gate]
}

// measure asks one gate, no longer than its deadline. Whatever isn't a reading can't be judged.
func measure(ctx context.Context, g Gate, q Question, before GateProgress) verdict {
	v := verdict{gate: g.Name(), verdict: GateUnknown}
	err := within(ctx, g.Deadline(), "the answer", func(ctx context.Context) (err error) {
		v.reading, err = g.Measure(ctx, q.Upgraded, q.Others)
		return err
	})
	if err == nil && v.reading == "" {
		v.why = "an empty answer"
		return v
	}
	if err != nil {
		v.why = err.Error()
		return v
	}
	if v.baseline = !before.Taken; v.baseline {
		before.Baseline = v.reading
	}
	v.verdict = GateGood
	if err := g.Judge(v.reading, before.Baseline); err != nil {
		v.verdict, v.why = GateBad, err.Error()
	}
	return v
}

// event is the answer as the journal keeps it.
func (v verdict) event(q Question) Event {
	data := map[string]string{dataGate: v.gate, dataVerdict: v.verdict, dataReading: v.reading, dataAsked: strconv.Itoa(q.Asked)}
	if v.baseline {
		data[dataBaseline] = v.reading
	}
	return Event{Event: EventGate, Message: v.why, Data: data}
}

// PlanGates are gates as a plan names them.
func PlanGates(gates []Gate) []PlanGate {
	var plan []PlanGate
	for _, g := range gates {
		plan = append(plan, PlanGate{Name: g.Name(), Deadline: g.Deadline()})
	}
	return plan
}
