package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner/remote"
)

func (a *app) execCommand() *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use: "exec INVENTORY [flags] -- COMMAND",
		Example: `  fleetup exec prod.toml -- uname -r
  fleetup exec prod.toml --limit @gpu -- 'systemctl is-active kubelet | sort'`,
		Short: "Run one command on many hosts, equal answers folded together",
		Long: `Run one command on many hosts, as the login user. Hosts that answered alike are shown together. The exit code is 1
when a host failed or couldn't be reached. Several words are joined with spaces, as ssh does.`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if timeout == 0 {
				return usage("--timeout 0s: no host answers at once; give them some time, such as 5m")
			}
			return a.exec(c.Context(), args[0], strings.Join(args[1:], " "), timeout)
		},
	}
	durationVar(c.Flags(), &timeout, "timeout", 5*time.Minute, "`TIME` for all hosts together")
	return c
}

// answer is what one host said.
type answer struct {
	Host   string `json:"host"`
	Exit   int    `json:"exit"` // -1: no exit status
	Stdout string `json:"stdout,omitempty"`
	Stderr string `json:"stderr,omitempty"`
	Error  string `json:"error,omitempty"`
}

func (a *app) exec(ctx context.Context, path, command string, timeout time.Duration) error {
	f, hosts, err := a.load(path, needs{})
	if err != nil {
		return err
	}
	ctx, release := a.interruptible(ctx)
	defer release()
	n := a.network(f)
	defer n.Close()
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answers := make([]answer, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() { answers[i] = a.execOn(within, n, h, command).within(timeout) })
	}
	wg.Wait()
	err = a.showAnswers(answers)
	if ctx.Err() != nil {
		return silent(exitInterrupted)
	}
	return err
}

// within words that the time was up.
func (r answer) within(timeout time.Duration) answer {
	if strings.HasSuffix(r.Error, context.DeadlineExceeded.Error()) {
		r.Error = fmt.Sprintf("no answer within %s: --timeout gives it more", short(timeout))
	}
	return r
}

func (a *app) execOn(ctx context.Context, n *remote.Net, h inventory.Host, command string) answer {
	m := n.Host(a.login(h), remote.Fence{})
	defer m.Close() //nolint:errcheck // nothing to lose
	var out, errs bytes.Buffer
	err := m.Exec(ctx, command, nil, &out, &errs)
	r := answer{Host: h.Name, Stdout: out.String(), Stderr: errs.String()}
	var status interface{ ExitStatus() int }
	switch {
	case errors.As(err, &status):
		r.Exit = status.ExitStatus()
	case err != nil:
		r.Exit, r.Error = -1, err.Error()
	}
	return r
}

// showAnswers prints the answers, and is an error where a host failed.
func (a *app) showAnswers(answers []answer) error {
	failed := 0
	for _, r := range answers {
		if r.Exit != 0 {
			failed++
		}
	}
	if a.json() {
		if err := json.NewEncoder(a.out).Encode(map[string]any{"version": 1, "hosts": answers}); err != nil {
			return err
		}
	} else {
		a.foldAnswers(answers)
	}
	if failed > 0 {
		fmt.Fprintf(paper(a.err), "%d of %s failed\n", failed, plural(len(answers), "host"))
		return silent(exitFailed)
	}
	return nil
}

func (a *app) foldAnswers(answers []answer) {
	var good outputs
	whole := map[string]string{}
	for _, r := range answers {
		alike := r.text()
		if r.Error != "" {
			alike = unaddressed(alike)
		}
		whole[alike] = r.text()
		good.add(r.Host, alike)
	}
	for _, text := range good.sorted() {
		names := good.hosts[text]
		if len(names) == 1 {
			text = whole[text]
		}
		fmt.Fprintf(a.out, "--- %s (%d)\n%s", fold(names), len(names), text)
	}
}

// text is the answer as it is compared and shown.
func (r answer) text() string {
	text := r.Stdout
	if r.Stderr != "" {
		text += line(text) + r.Stderr
	}
	switch {
	case r.Error != "":
		text += line(text) + brief(r.Host, r.Error) + "\n"
	case r.Exit != 0:
		text += line(text) + fmt.Sprintf("exit %d\n", r.Exit)
	}
	return text + line(text)
}

// line is the newline that text lacks at its end.
func line(text string) string {
	if text == "" || strings.HasSuffix(text, "\n") {
		return ""
	}
	return "\n"
}

func (a *app) sshCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "ssh INVENTORY NODE",
		Example: "  fleetup ssh prod.toml node007",
		Short:   "Open a shell on one host, with the inventory's keys and jumps",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			f, host, err := a.loadOne(args[0], args[1])
			if err != nil {
				return err
			}
			out, ok := plainly(a.out).(*os.File)
			if !ok {
				return usage("ssh needs a terminal")
			}
			n := a.network(f)
			defer n.Close()
			m := n.Host(a.login(host), remote.Fence{})
			err = m.Shell(c.Context(), a.in, out, a.err)
			var status interface{ ExitStatus() int }
			if errors.As(err, &status) {
				return silent(status.ExitStatus())
			}
			return err
		},
	}
}

// selectNamed selects the nodes that are arguments. What is wrong with one is said without "--limit", which nobody wrote.
func selectNamed(f *inventory.Fleet, nodes ...string) ([]inventory.Host, error) {
	hosts, err := f.Select(strings.Join(nodes, ","))
	if err != nil {
		return nil, exitWith(exitUsage, cmp.Or(errors.Unwrap(err), err))
	}
	return hosts, nil
}

// loadOne reads the inventory and finds one host of it by its name.
func (a *app) loadOne(path, name string) (*inventory.Fleet, inventory.Host, error) {
	f, _, err := a.load(path, needs{})
	if err != nil {
		return nil, inventory.Host{}, err
	}
	hosts, err := selectNamed(f, name)
	if err != nil {
		return nil, inventory.Host{}, err
	}
	if len(hosts) != 1 {
		return nil, inventory.Host{}, usage("%q is %d hosts; name one", name, len(hosts))
	}
	return f, hosts[0], nil
}
