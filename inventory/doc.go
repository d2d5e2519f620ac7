// Package inventory reads the one TOML file that says what machines there are, what they shall run, and how to get
// there, and makes of it a Fleet in which nothing is left to interpret.
//
//	fleet, err := inventory.Load("prod.toml", "drain.grace_period=60s")
//	var problems inventory.Problems
//	switch {
//	case errors.As(err, &problems): // the file is wrong: every problem, each with its line; exit 65
//	case err != nil:                // no such file (fs.ErrNotExist), or a --set that isn't KEY=VALUE; exit 64
//	}
//	hosts, err := fleet.Select("@workers,!node[001-003]") // --limit; exit 64 on an error
//
// What Load has done when it returns a Fleet:
//
//   - Ranges are expanded: "node[001-120]" with address "10.0.1.[1-120]" is 120 hosts, zero padding kept.
//   - Settings are folded into each host: defaults, then [ssh], [drain] and so on, then the host's groups, then the
//     host's own keys; the last one wins. Two groups that disagree about a key of one host are an error, never a race.
//   - Strings that could be taken for an option, a shell expansion or a second line are refused (OpenSSH's own rules).
//   - A key that fleetup doesn't know, or doesn't know yet, is refused by name. No key is ever ignored.
//
// Load reports all problems of a file at once. It reads that file and nothing else: secrets are only named (Secret),
// kubeconfigs and key files are only resolved to absolute paths.
//
// Whoever reads a Fleet later and finds something wrong in it, such as a playbook's parameter, reports it in the same
// form with Fleet.Problem and a dotted key, for example the Key of a Use.
//
// Inside: locate.go finds the line of every key, since the TOML decoder doesn't tell; table.go reads typed values out
// of decoded tables and complains; sections.go is the list of settings that a fleet, a group and a host share, each a
// layer (layer.go); hosts.go expands and folds. A new setting is one line in sections.go.
package inventory
