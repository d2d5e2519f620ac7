package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/runner"
	"github.com/fleetup/fleetup/runner/live"
	"github.com/fleetup/fleetup/runner/report"
)

func (a *app) reportCommand() *cobra.Command {
	var file, run string
	var grafana bool
	c := &cobra.Command{
		Use:   "report INVENTORY",
		Short: "One self-contained page of a run, from its journal alone",
		Long: `Write what a run did as one HTML file that needs nothing else: the proof of zero downtime, a timeline of every node, what
changed, what was waited for, what failed and why. It is made from the journal alone: neither cluster nor machines are
asked. With --output json or markdown the same as a document.`,
		Example: `  fleetup report prod.toml                   # the newest run, as NAME-RUN.html
  fleetup report prod.toml -o - --output markdown | xclip
  fleetup report --grafana >dashboard.json   # for the metrics of run --serve`,
		Args: func(c *cobra.Command, args []string) error {
			if grafana {
				return cobra.NoArgs(c, args)
			}
			return cobra.ExactArgs(1)(c, args)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if grafana {
				_, err := a.out.Write(live.Grafana)
				return err
			}
			return a.report(args[0], run, file)
		},
	}
	c.Flags().StringVarP(&file, "file", "o", "", "`FILE` to write; - is stdout (default NAME-RUN.html; stdout for json and markdown)")
	c.Flags().StringVar(&run, "run", "", "`ID` of the run (default: the newest)")
	c.Flags().BoolVar(&grafana, "grafana", false, "print a Grafana dashboard for the metrics of run --serve, to be imported there")
	return c
}

func (a *app) report(inventory, run, file string) error {
	f, _, err := a.load(inventory, needs{})
	if err != nil {
		return err
	}
	path, err := a.journalOf(f.Name, run)
	if err != nil {
		return err
	}
	events, _, note, err := runner.ReadJournal(path)
	if err != nil {
		return err
	}
	if len(events) == 0 {
		return errors.New(path + " holds no whole event: nothing had begun")
	}
	if note != "" {
		fmt.Fprintln(paper(a.err), "note: "+note)
	}
	r := report.From(events)
	write := map[string]func(io.Writer) error{"text": r.HTML, "json": r.JSON, "markdown": r.Markdown}[a.flags.output]
	if file == "" && a.flags.output == "text" {
		file = f.Name + "-" + r.Run + ".html"
	}
	if file == "" || file == "-" {
		return write(plainly(a.out)) // the same bytes as in a file
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	if err := writeFile(file, b.Bytes()); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	fmt.Fprintln(paper(a.out), file)
	return nil
}

// writeFile writes a file whole or not at all, readable by its owner alone as a journal is: whoever made it gives it to others.
func writeFile(path string, text []byte) error {
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return fmt.Errorf("%s: there is no folder %s", path, filepath.Dir(path))
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("%s is a folder: name a file in it", path)
	}
	return renameio.WriteFile(path, text, 0o600)
}

// journalOf is the journal of a run of the fleet: of the newest one where run is "".
func (a *app) journalOf(fleet, run string) (string, error) {
	dir, err := a.stateDir(fleet)
	if err != nil {
		return "", err
	}
	if run != "" {
		run = filepath.Base(run) // a name, not a way to another folder
		if path, ok := runner.JournalPath(dir, run); ok {
			return path, nil
		}
		return "", usage("there is no journal of run %s in %s; it holds%s", run, dir, runsIn(dir))
	}
	if path, ok := runner.Latest(dir); ok {
		return path, nil
	}
	return "", usage("there is no journal in %s: nothing was run yet, the run was on another machine, or --state-dir is another", dir)
}

// runsIn lists the newest runs in a folder of journals.
func runsIn(dir string) string {
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(names) == 0 {
		return " none"
	}
	text := ""
	for _, name := range names[max(0, len(names)-5):] {
		base := filepath.Base(name)
		text += " " + base[:len(base)-len(".jsonl")]
	}
	return text
}
