package hardware

import (
	"context"
	_ "embed" // the script
	"errors"
	"fmt"
	"strings"
	"time"
)

//go:embed gather.sh
var gatherScript string

// gatherTime bounds the whole of it: machines with sixty disks take half a minute.
const gatherTime = 2 * time.Minute

// Gather asks a machine what it is made of. run runs a script there as root and returns what it printed. It changes
// nothing there.
func Gather(ctx context.Context, run func(ctx context.Context, script string) (string, error)) (Document, error) {
	ctx, cancel := context.WithTimeout(ctx, gatherTime)
	defer cancel()
	out, err := run(ctx, gatherScript)
	if err != nil {
		return Document{}, fmt.Errorf("hardware: %w", err)
	}
	if !strings.Contains(out, mark+"end\n") {
		return Document{}, errors.New("hardware: what the machine told is cut off")
	}
	return Parse(out), nil
}

// mark begins the line before each part of the script's output.
const mark = "#fleetup "

// part is the output of one question.
type part struct{ name, arg, text string }

// split cuts what the script printed into its parts.
func split(out string) []part {
	var parts []part
	for line := range strings.Lines(out) {
		if rest, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), mark); ok {
			name, arg, _ := strings.Cut(rest, " ")
			parts = append(parts, part{name: name, arg: arg})
			continue
		}
		if n := len(parts); n > 0 {
			parts[n-1].text += line
		}
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

// fields reads lines of "key: value".
func fields(text string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, ":"); ok {
			m[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
	}
	return m
}
