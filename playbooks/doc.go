// Package playbooks reads playbooks and makes steps of them: what is done to a machine while its node is drained.
//
// A playbook is a TOML file: a description, parameters, and steps. The built-in ones are such files themselves
// (Names, Source), so that a user copies one into ./playbooks beside the inventory and changes it; Load prefers that
// copy. Bind checks the parameters that the inventory gives and makes the steps for one node:
//
//	book, err := playbooks.Load("/etc/fleet", "kubelet")
//	steps, err := book.Bind(map[string]any{"version": "1.37.2"}, playbooks.Target{Node: "n1"})
//	for _, step := range steps {
//		status, err := step.Check(ctx, host)            // looks, changes nothing
//		if !status.Clean && !status.Staged {
//			err = step.Apply(ctx, host, say)        // detached: a lost connection doesn't stop it
//		}
//	}
//
// A step knows a Host, never SSH. Its scripts are plain POSIX shell with the tools that every machine has; those that
// have more than a line lie in sh/ to be read. What comes from outside is quoted, as one word: {{.name}} in a
// shell key must stand as a word of its own, and is refused elsewhere when the file is loaded (see shellWords).
//
// What is wrong in a file or in parameters comes as Problems, all at once. What is wrong on a machine comes as
// Status.Problems from Check, before anything was touched.
//
// # A new type of step
//
// One new file: a type with the methods of Step (what it has no own ones for, base answers), and a registration that says which keys it takes:
//
//	var _ = register("firmware", stepType{
//		keys:     map[string]kind{"image": aString},
//		required: []string{"image"},
//		defaults: Traits{Disruptive: true, Timeout: 30 * time.Minute},
//		build:    buildFirmware,
//	})
//
// Check must change nothing and be clean, or staged, after Apply; Apply must be safe to repeat where the traits say
// Repeatable. Every type goes through the table in conformance_test.go.
//
// # Going back
//
//	record, err := playbooks.Keep(ctx, host, steps)       // before the first Apply: how the machine is
//	back, stays := playbooks.Back(steps, record)          // later: the steps that take it back there, and what has no way back
//
// What takes a step back is a step itself: its Check says what differs from the record and what is missing for the way
// back, its Apply needs no mirror. Where a type can't be taken back its Undoable says why, for people to read beforehand.
//
// Under /var/lib/fleetup/kept on a machine lie the archives of replaced packages, files as they were (by their digest),
// package sources as they were before a switch, and the marks of steps whose effect shows later or that were begun. Prune
// removes the archives that only older runs' ways back would have needed.
package playbooks
