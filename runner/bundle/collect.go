package bundle

import (
	"bufio"
	"context"
	"crypto/rand"
	_ "embed" // the script
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"

	"github.com/fleetup/fleetup/runner/parts"
)

//go:embed collect.sh
var collectScript string

// collectTime bounds what one machine is asked.
const collectTime = 5 * time.Minute

// Host is a machine: Run runs a script there as root, Download fetches a file over SFTP.
type Host interface {
	Run(ctx context.Context, script string) (string, error)
	Download(ctx context.Context, from, to string) error
}

// mostPart is as much as is kept of one output: it is held while the secrets in it are looked for.
const mostPart = 16 << 20

// Collect asks a machine for all its raw outputs and hands one after the other to add, by its name. They lie in a file in /var/tmp
// there until they are fetched into dir, a folder of ours; a machine with no room for that tells them over its shell instead. Of
// outputs that are cut off, what came is handed over before the error.
func Collect(ctx context.Context, h Host, dir string, add func(name, text string) error) error {
	ctx, cancel := context.WithTimeout(ctx, collectTime)
	defer cancel()
	local := filepath.Join(dir, "raw-"+rand.Text())
	defer os.Remove(local) //nolint:errcheck // it may not be there
	if err := fetch(ctx, h, local); err == nil {
		f, err := os.Open(local)
		if err != nil {
			return fmt.Errorf("bundle: %w", err)
		}
		defer f.Close()
		return handOver(f, add)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("bundle: %w", context.Cause(ctx))
	}
	text, err := h.Run(ctx, parts.Script(collectScript))
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	return handOver(strings.NewReader(text), add)
}

// handOver cuts outputs into their parts as they are read.
func handOver(from io.Reader, add func(name, text string) error) error {
	var name string
	var body strings.Builder
	more := 0 // bytes that are left out
	give := func() error {
		if name == "" {
			return nil
		}
		text := strings.TrimSuffix(body.String(), "\n") // that stands before the next part
		if more > 0 {
			text += fmt.Sprintf("fleetup: %d bytes more were left out\n", more)
		}
		return add(name+".txt", text)
	}
	for lines := bufio.NewReader(from); ; {
		line, err := lines.ReadString('\n')
		next, begins := strings.CutPrefix(line, parts.Mark)
		switch {
		case begins:
			if err := give(); err != nil {
				return err
			}
			if name = strings.TrimSpace(next); name == "end" {
				return nil
			}
			body.Reset()
			more = 0
		case body.Len()+len(line) > mostPart:
			more += len(line)
		default:
			body.WriteString(line)
		}
		if err != nil {
			return errors.Join(give(), fmt.Errorf("bundle: %w", parts.ErrCutOff))
		}
	}
}

// fetch has the machine write its outputs to a file, and fetches it to local.
func fetch(ctx context.Context, h Host, local string) error {
	out, err := h.Run(ctx, "umask 077\nd=$(mktemp -d /var/tmp/fleetup-XXXXXXXX) || exit 1\n( "+parts.Script(collectScript)+") >\"$d/all\" && echo \"$d\" || { rm -rf \"$d\"; exit 1; }\n")
	if err != nil {
		return err
	}
	there := strings.TrimSpace(out)
	if !strings.HasPrefix(there, "/var/tmp/fleetup-") {
		return fmt.Errorf("it made no folder: %q", there)
	}
	defer func() { // also where our own time is up
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_, _ = h.Run(ctx, "rm -rf "+shellescape.Quote(there)) // /var/tmp is swept by the machine
	}()
	return h.Download(ctx, there+"/all", local)
}
