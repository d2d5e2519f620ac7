package gate

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/fleetup/fleetup/runner/local"
)

// exitedZero is the reading of a command that has no bound: it has said that all is well.
const exitedZero = "exit 0"

// askCommand runs the command. One without a bound is bad where it exits with anything but 0; one with a bound then
// only has no reading.
func (w World) askCommand(s Spec) func(context.Context, []string, []string) (string, error) {
	return func(ctx context.Context, upgraded, others []string) (string, error) {
		c := local.Command{Args: s.Command, Dir: w.Dir, Env: append(slices.Clone(w.Environ),
			"FLEETUP_UPGRADED="+strings.Join(upgraded, " "), "FLEETUP_OTHERS="+strings.Join(others, " "))}
		out, err := c.Output(ctx)
		var exit *exec.ExitError
		switch {
		case err != nil && !s.bounded() && ctx.Err() == nil && errors.As(err, &exit) && exit.Exited():
			return cut(err.Error()), nil
		case err != nil:
			return "", err
		case !s.bounded():
			return exitedZero, nil
		}
		v, err := number(strings.TrimSpace(out))
		if err != nil {
			return "", fmt.Errorf("its output: %w", err)
		}
		return written(v), nil
	}
}
