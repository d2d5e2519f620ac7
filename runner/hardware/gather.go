package hardware

import (
	"context"
	_ "embed" // the script
	"fmt"
	"time"

	"github.com/fleetup/fleetup/runner/parts"
)

//go:embed gather.sh
var gatherScript string

// gatherTime bounds the whole of it: machines with sixty disks take half a minute.
const gatherTime = 2 * time.Minute

// Gather asks a machine what it is made of. run runs a script there as root and returns what it printed. It changes
// nothing there.
func Gather(ctx context.Context, run func(ctx context.Context, script string) (string, error)) (Document, error) {
	out, err := parts.Ask(ctx, run, gatherTime, gatherScript)
	if err != nil {
		return Document{}, fmt.Errorf("hardware: %w", err)
	}
	return Parse(out), nil
}

// fields reads lines of "key: value".
func fields(text string) map[string]string { return parts.Fields(text, ":") }
