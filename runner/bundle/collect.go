package bundle

import (
	"context"
	_ "embed" // the script
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"
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

// Collect asks a machine for all its raw outputs and hands each to add, by its name. They lie in a file in /var/tmp there until
// they are fetched into dir, a folder of ours; a machine with no room for that tells them over its shell instead.
func Collect(ctx context.Context, h Host, dir string, add func(name, text string) error) error {
	ctx, cancel := context.WithTimeout(ctx, collectTime)
	defer cancel()
	text, err := fetch(ctx, h, dir)
	if err != nil && ctx.Err() == nil {
		text, err = h.Run(ctx, collectScript)
	}
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	if !strings.Contains(text, mark+"end\n") {
		return errors.New("bundle: what the machine told is cut off")
	}
	for _, piece := range strings.Split("\n"+text, "\n"+mark)[1:] {
		name, body, _ := strings.Cut(piece, "\n")
		if name == "end" {
			continue
		}
		if err := add(name+".txt", body); err != nil {
			return err
		}
	}
	return nil
}

// mark begins the line before each part.
const mark = "#fleetup "

func fetch(ctx context.Context, h Host, dir string) (string, error) {
	out, err := h.Run(ctx, "umask 077\nd=$(mktemp -d /var/tmp/fleetup-XXXXXXXX) || exit 1\n( "+collectScript+") >\"$d/all\" && echo \"$d\" || { rm -rf \"$d\"; exit 1; }\n")
	if err != nil {
		return "", err
	}
	there := strings.TrimSpace(out)
	if !strings.HasPrefix(there, "/var/tmp/fleetup-") {
		return "", fmt.Errorf("it made no folder: %q", there)
	}
	defer func() { // also where our own time is up
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_, _ = h.Run(ctx, "rm -rf "+shellescape.Quote(there)) // /var/tmp is swept by the machine
	}()
	local, err := os.CreateTemp(dir, "raw-")
	if err != nil {
		return "", err
	}
	defer os.Remove(local.Name()) //nolint:errcheck // dir goes with it
	local.Close()
	if err := h.Download(ctx, there+"/all", local.Name()); err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Clean(local.Name()))
	return string(text), err
}
