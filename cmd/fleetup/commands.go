package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/playbooks"
)

// group is commands that belong together.
type group struct {
	title    string
	commands []*cobra.Command
}

// commands are all commands, in the order in which help lists them.
func (a *app) commands() []group {
	return []group{
		{"The main job, in this order:", []*cobra.Command{a.trustCommand(), a.checkCommand(), a.planCommand(), a.runCommand(), a.rollbackCommand()}},
		{"A run, from any machine:", []*cobra.Command{a.statusCommand(), a.pauseCommand(), a.resumeCommand(), a.abortCommand(), a.nodeCommand(), a.reportCommand()}},
		{"Machines:", []*cobra.Command{a.diagnoseCommand(), a.auditCommand(), a.execCommand(), a.sshCommand(), a.swapCommand(), a.powerCommand()}},
		{"More:", []*cobra.Command{a.jobCommand(), a.playbooksCommand(), a.gatesCommand(), a.demoCommand(), a.versionCommand()}},
	}
}

func (a *app) playbooksCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "playbooks [NAME]",
		Short: "List the built-in playbooks, or print one to copy and change",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				text, err := playbooks.Source(args[0])
				if err != nil {
					return usage("%w\n`fleetup playbooks` lists them", err)
				}
				_, err = a.out.Write(text)
				return err
			}
			var rows [][]string
			for _, name := range playbooks.Names() {
				p, err := playbooks.Load("", name)
				if err != nil {
					return err
				}
				rows = append(rows, []string{name, p.Description})
			}
			fmt.Fprint(a.out, table(rows, columns(a.out)))
			return nil
		},
	}
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := map[string]string{"version": version(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
			if b, ok := debug.ReadBuildInfo(); ok && version() == "development" && b.Main.Version != "" && b.Main.Version != "(devel)" {
				v["version"] = b.Main.Version
			}
			if a.json() {
				return json.NewEncoder(a.out).Encode(v)
			}
			fmt.Fprintf(a.out, "fleetup %s (%s, %s)\n", v["version"], v["go"], v["platform"])
			return nil
		},
	}
}
