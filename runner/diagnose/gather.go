package diagnose

import (
	"context"
	_ "embed" // the scripts
	"fmt"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"

	"github.com/fleetup/fleetup/runner/parts"
)

//go:embed gather.sh
var gatherScript string

//go:embed podlogs.sh
var podLogScript string

// gatherTime bounds the whole of it: what hangs on a machine is given up one by one, and is told.
const gatherTime = 90 * time.Second

// Questions are what is asked beside the usual.
type Questions struct {
	Peers []string      // addresses to reach from the machine
	Since time.Time     // of the logs; zero: since the boot
	Pause time.Duration // between the two samples; 0: a second
}

// script is what is asked on the machine.
func (q Questions) script() string {
	since := ""
	if !q.Since.IsZero() {
		since = fmt.Sprint(q.Since.Unix())
	}
	pause := q.Pause
	if pause <= 0 {
		pause = time.Second
	}
	return fmt.Sprintf("peers=%s\nsince=%s\npause=%g\n", shellescape.Quote(strings.Join(q.Peers, " ")), since, pause.Seconds()) + gatherScript + "pods=\n" + podLogScript
}

// Raw is what a machine printed, and when it was asked by our clock.
type Raw struct {
	Text       string
	Asked, Got time.Time
}

// Ask runs the script. run runs one as root and returns what it printed. It changes nothing there.
func Ask(ctx context.Context, run func(ctx context.Context, script string) (string, error), q Questions) (Raw, error) {
	raw := Raw{Asked: time.Now()}
	out, err := parts.Ask(ctx, run, gatherTime, q.script())
	raw.Text, raw.Got = out, time.Now()
	if err != nil {
		return raw, fmt.Errorf("diagnose: %w", err)
	}
	return raw, nil
}

// podLogTime bounds how long a machine looks through logs of pods.
const podLogTime = 30 * time.Second

// AskPods asks a machine what containers of some of its pods, NAMESPACE/POD, logged as errors since then, by what they say; the zero
// time asks for all that is kept. It is for pods that Ask doesn't know to be node-critical, as the API alone does. It changes nothing there.
func AskPods(ctx context.Context, run func(ctx context.Context, script string) (string, error), pods []string, since time.Time) ([]Shape, error) {
	out, err := parts.Ask(ctx, run, podLogTime, fmt.Sprintf("pods=%s\n", shellescape.Quote(strings.Join(pods, " ")))+podLogScript)
	if err != nil {
		return nil, fmt.Errorf("diagnose: logs of pods: %w", err)
	}
	return Parse(Raw{Text: out}, since).Logs, nil
}
