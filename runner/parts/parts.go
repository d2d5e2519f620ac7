// Package parts is what scripts that look into a machine have in common: how they ask, and how what they print is read.
//
//	out, err := parts.Ask(ctx, host.Run, time.Minute, script)   // with the functions of parts.sh before it
//	for _, p := range parts.Split(out) { switch p.Name { … } }
//
// A script is a list of questions. Each prints a part: a line "#fleetup NAME [WHOM]", then what the machine says. What it can't
// tell is a line "!WHY" in its part. A script that was not cut off ends with the part "end", which Ask adds.
package parts

import (
	"context"
	_ "embed" // what all scripts begin with
	"errors"
	"strings"
	"time"
)

//go:embed parts.sh
var beginning string

// Mark begins the line before each part.
const Mark = "#fleetup "

// end is the last part.
const end = "\n" + Mark + "end\n"

// ErrCutOff is the error of an answer that isn't whole.
var ErrCutOff = errors.New("what the machine told is cut off")

// Script is a script whole: with what all begin with, and its end.
func Script(questions string) string { return beginning + questions + "part end\n" }

// Ask runs a script's questions on a machine, for so long at most, and returns what they printed. run runs a script there as root
// and returns what it printed. What was printed is returned with an error too.
func Ask(ctx context.Context, run func(ctx context.Context, script string) (string, error), limit time.Duration, questions string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	out, err := run(ctx, Script(questions))
	if err == nil && !strings.Contains(out, end) {
		err = ErrCutOff
	}
	return out, err
}

// Part is the answer to one question.
type Part struct{ Name, Of, Text string }

// Split cuts what a script printed, or what is left of it, into its parts: plain ones, for a process can call itself anything.
func Split(out string) []Part {
	var all []Part
	for _, piece := range strings.Split("\n"+Plain(out), "\n"+Mark)[1:] {
		head, text, _ := strings.Cut(piece, "\n")
		name, of, _ := strings.Cut(strings.TrimRight(head, "\r"), " ")
		all = append(all, Part{name, of, text})
	}
	return all
}

// Why is why a part has nothing to tell; "" where it has.
func (p Part) Why() string {
	for line := range strings.Lines(p.Text) {
		if why, ok := strings.CutPrefix(line, "!"); ok {
			return strings.TrimSpace(why)
		}
	}
	return ""
}

// Fields reads lines of "key: value" or "key=value", by what stands between the two.
func Fields(text, between string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, between); ok {
			m[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
	}
	return m
}
