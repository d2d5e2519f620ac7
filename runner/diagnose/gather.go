package diagnose

import (
	"context"
	_ "embed" // the script
	"errors"
	"fmt"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"
)

//go:embed gather.sh
var gatherScript string

// gatherTime bounds the whole of it: what hangs on a machine is given up one by one, and is told.
const gatherTime = 90 * time.Second

// Questions are what is asked beside the usual.
type Questions struct {
	Peers []string      // addresses to reach from the machine
	Since time.Time     // of the logs; zero: since the boot
	Pause time.Duration // between the two samples; 0: a second
}

// script is what runs on the machine.
func (q Questions) script() string {
	since := ""
	if !q.Since.IsZero() {
		since = fmt.Sprint(q.Since.Unix())
	}
	pause := q.Pause
	if pause <= 0 {
		pause = time.Second
	}
	return fmt.Sprintf("peers=%s\nsince=%s\npause=%g\n", shellescape.Quote(strings.Join(q.Peers, " ")), since, pause.Seconds()) + gatherScript
}

// Raw is what a machine printed, and when it was asked by our clock.
type Raw struct {
	Text       string
	Asked, Got time.Time
}

// Ask runs the script. run runs one as root and returns what it printed. It changes nothing there.
func Ask(ctx context.Context, run func(ctx context.Context, script string) (string, error), q Questions) (Raw, error) {
	ctx, cancel := context.WithTimeout(ctx, gatherTime)
	defer cancel()
	raw := Raw{Asked: time.Now()}
	out, err := run(ctx, q.script())
	raw.Text, raw.Got = out, time.Now()
	if err != nil {
		return raw, fmt.Errorf("diagnose: %w", err)
	}
	if !strings.Contains(out, mark+"end\n") {
		return raw, errors.New("diagnose: what the machine told is cut off")
	}
	return raw, nil
}

// mark begins the line before each part of the script's output.
const mark = "#fleetup "

// part is the output of one question.
type part struct{ name, of, text string }

// split cuts what the script printed into its parts.
func split(out string) []part {
	var parts []part
	for _, piece := range strings.Split("\n"+out, "\n"+mark)[1:] {
		head, text, _ := strings.Cut(piece, "\n")
		name, of, _ := strings.Cut(strings.TrimRight(head, "\r"), " ")
		parts = append(parts, part{name, of, text})
	}
	return parts
}

// why is why a part has nothing to tell; "" where it has.
func (p part) why() string {
	for line := range strings.Lines(p.text) {
		if why, ok := strings.CutPrefix(line, "!"); ok {
			return strings.TrimSpace(why)
		}
	}
	return ""
}

// fields reads lines of "key: value" or "key=value".
func fields(text, between string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, between); ok {
			m[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
	}
	return m
}
