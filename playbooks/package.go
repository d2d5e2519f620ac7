package playbooks

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

var _ = register("package", stepType{
	keys: map[string]kind{
		"names": aList, "one_of": aList, "optional": aList, "version": aString, "hold": aBool, "repository": aString, "starts": aString, "keep": aList, "files": aList,
		"upgrade": aString, "security_only": aBool, "exclude": aList, "never": aList,
	},
	defaults: Traits{Disruptive: true, Repeatable: true, Timeout: 30 * time.Minute},
	build:    buildPackage,
})

// packageName is what names of packages look like; upgrade's exclude and never may have * and ? besides.
var (
	packageName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9+._-]*$`)
	packagePattern = regexp.MustCompile(`^[A-Za-z0-9*?][A-Za-z0-9+._*?-]*$`)
)

// pkg installs packages at one version, and holds them there.
type pkg struct {
	base
	names      []string // installed where they aren't
	oneOf      []string // the one of these that is installed; none is a problem
	optional   []string // touched only where they are installed
	version    string
	hold       bool
	repository string   // the minor that sources with a minor in their URL are switched to
	starts     string   // a service that must run afterwards
	alsoKept   []string // what else is kept while the repository still has it: a later step replaces it
	files      []string // configuration that goes back with the packages
}

func buildPackage(b *binding) Step {
	if b.has("upgrade") {
		return buildPatches(b)
	}
	s := &pkg{
		base: b.base(), names: b.list("names"), oneOf: b.list("one_of"), optional: b.list("optional"),
		version: b.version("version"), hold: b.flag("hold", false), repository: b.str("repository"), starts: b.str("starts"), alsoKept: b.list("keep"),
		files: b.list("files"),
	}
	for _, key := range []string{"security_only", "exclude", "never"} {
		if b.has(key) {
			b.fail(key, "goes with upgrade = \"all\" only")
		}
	}
	if len(s.all()) == 0 {
		b.fail("names", "is missing: names, one_of or optional")
	}
	for _, name := range s.asked() {
		if !packageName.MatchString(name) {
			b.fail("names", "%q is no name of a package", name)
		}
	}
	for _, path := range s.files {
		if !strings.HasPrefix(path, "/") {
			b.fail("files", "%q must be the full path of a file", path)
		}
	}
	if s.starts != "" && !unitName.MatchString(s.starts) {
		b.fail("starts", "%q is no name of a unit", s.starts)
	}
	return s
}

func (s *pkg) all() []string { return slices.Concat(s.names, s.oneOf, s.optional) }

// asked are all that the machine is asked about.
func (s *pkg) asked() []string { return append(s.all(), s.alsoKept...) }

// state is one package as it is on the machine.
type state struct {
	version, arch string
	held          bool
	broken        string // dpkg's word for it where it isn't wholly installed
}

// found is what the machine said of all packages of the step.
type found struct {
	apt      bool
	packages map[string]state
	lockless bool // dnf without the versionlock plugin: nothing can be held
	targets  []string
	problems []string
}

// look asks for the packages and settles which of them are meant.
func (s *pkg) look(ctx context.Context, h Host) (found, error) {
	out, err := h.Run(ctx, withTool("echo \"tool $(tool)\"\ninstalled "+words(s.asked()...)+"\n"))
	if err != nil {
		return found{}, err
	}
	return s.settle(parseInstalled(out)), nil
}

// parseInstalled reads what the shell function installed prints.
func parseInstalled(output string) found {
	f := found{packages: map[string]state{}}
	for _, line := range lines(output) {
		switch columns := strings.Split(line, "\t"); {
		case line == "tool apt":
			f.apt = true
		case line == "no versionlock":
			f.lockless = true
		case len(columns) == 5 && columns[1] != "" && columns[4] != "config-files" && columns[4] != "not-installed":
			st := state{version: columns[1], arch: columns[2], held: columns[3] == "hold"}
			if columns[4] != "installed" {
				st.broken = columns[4]
			}
			f.packages[columns[0]] = st
		}
	}
	return f
}

// settle picks the packages that are meant on this machine.
func (s *pkg) settle(f found) found {
	f.targets = slices.Clone(s.names)
	var chosen []string
	for _, name := range s.oneOf {
		if _, ok := f.packages[name]; ok {
			chosen = append(chosen, name)
		}
	}
	switch {
	case len(s.oneOf) > 0 && len(chosen) == 0:
		f.problems = append(f.problems, "none of "+strings.Join(s.oneOf, ", ")+" is installed as a package: this playbook replaces one, it doesn't choose one")
	case len(chosen) > 1:
		f.problems = append(f.problems, strings.Join(chosen, " and ")+" are installed: only one of them can be meant")
	}
	f.targets = append(f.targets, chosen...)
	for _, name := range s.optional {
		if _, ok := f.packages[name]; ok && !slices.Contains(f.targets, name) {
			f.targets = append(f.targets, name)
		}
	}
	if s.hold && f.lockless {
		f.problems = append(f.problems, "packages can't be held: dnf install python3-dnf-plugin-versionlock")
	}
	return f
}

// outdated are the targets that don't have the wanted version.
func (s *pkg) outdated(f found) []string {
	var names []string
	for _, name := range f.targets {
		if st, ok := f.packages[name]; !ok || st.broken != "" || !matches(st.version, s.version) {
			names = append(names, name)
		}
	}
	return names
}

// unheld are the targets that ought to be held and aren't.
func (s *pkg) unheld(f found) []string {
	var names []string
	for _, name := range f.targets {
		if s.hold && !f.packages[name].held {
			names = append(names, name)
		}
	}
	return names
}

// Check compares what is installed; only where it differs is the package index read, still without refreshing it.
func (s *pkg) Check(ctx context.Context, h Host) (Status, error) {
	f, err := s.look(ctx, h)
	if err != nil {
		return Status{}, s.failed("check", err)
	}
	outdated, unheld := s.outdated(f), s.unheld(f)
	status := Status{Problems: f.problems}
	if len(outdated) == 0 {
		if len(unheld) > 0 {
			status.Changes = []string{"hold " + strings.Join(unheld, ", ")}
			status.Commands = []string{holdCommand(f.apt, unheld)}
		}
		status.Clean = len(unheld) == 0 && len(f.problems) == 0
		return status, nil
	}
	plan, err := s.plan(ctx, h, f, outdated)
	if err != nil {
		return Status{}, s.failed("check", err)
	}
	plan.describe(s, f, outdated, &status)
	return status, nil
}

func holdCommand(apt bool, names []string) string {
	if apt {
		return "apt-mark hold " + words(names...)
	}
	return "dnf versionlock add " + words(names...)
}

// Apply installs. It is one detached script, so that a lost connection leaves nothing undone.
func (s *pkg) Apply(ctx context.Context, h Host, say func(string)) error {
	ctx, cancel := context.WithTimeout(ctx, s.traits.Timeout)
	defer cancel()
	f, err := s.look(ctx, h)
	if err != nil {
		return s.failed("look", err)
	}
	if len(f.problems) > 0 {
		return fmt.Errorf("%s: %s", s.name, strings.Join(f.problems, "; "))
	}
	script := "set -e\nprepare 600\nmkdir -p \"$kept\"\n"
	outdated := s.outdated(f)
	if len(outdated) > 0 {
		plan, err := s.plan(ctx, h, f, outdated)
		if err != nil {
			return s.failed("look", err)
		}
		back := plan.anyBack(f, outdated)
		script += s.keep(f, outdated, back) + plan.prepare() + s.install(f, outdated, back)
	}
	if held := s.holdAfter(f); len(held) > 0 {
		script += "hold " + words(held...) + "\n"
	}
	if s.starts != "" {
		script += "begin_service " + words(s.starts) + "\n"
	}
	if _, err := h.Do(ctx, s.script("install"), withTool(script), said(say)); err != nil {
		return s.failed("install", err)
	}
	return nil
}

// holdAfter are the packages that must be held when the step has ended, well or badly.
func (s *pkg) holdAfter(f found) []string {
	if s.hold {
		return f.targets
	}
	return s.held(f)
}

func (s *pkg) held(f found) []string {
	var names []string
	for _, name := range f.targets {
		if f.packages[name].held {
			names = append(names, name)
		}
	}
	return names
}

// keep is the part of the script that keeps the archives of what is installed now, and notes what they were for the next Check. It comes
// before the sources are switched: the next minor's repository doesn't have them. A version that is taken back is no
// place to go back to: the note stays as it is.
func (s *pkg) keep(f found, outdated []string, back bool) string {
	list := func(names []string) (lines string) {
		for _, name := range names {
			if st, ok := f.packages[name]; ok && st.broken == "" {
				lines += name + " " + st.version + " " + st.arch + "\n"
			}
		}
		return lines
	}
	script := ""
	if before := list(outdated); before != "" && !back {
		script = fmt.Sprintf("printf %%s %s >\"$kept/%s.before\"\n", words(before), s.id)
	}
	if all := list(slices.Concat(outdated, s.alsoKept)); all != "" {
		script += "printf %s " + words(all) + " >\"$kept/.keep\"\nkeep \"$kept/.keep\"\n"
	}
	return script
}

// install is the part of the script that lifts the holds, installs, and holds again even where that fails.
func (s *pkg) install(f found, outdated []string, back bool) string {
	how := map[bool]string{false: "install_fresh", true: "downgrade"}[back]
	var b strings.Builder
	fmt.Fprintf(&b, "pick %s %s\nset -- $picked\n", words(s.version), words(outdated...))
	if after := s.holdAfter(f); len(after) > 0 {
		fmt.Fprintf(&b, "trap 'hold %s' EXIT\n", strings.Join(after, " "))
	}
	if held := s.held(f); len(held) > 0 {
		fmt.Fprintf(&b, "unhold %s\n", words(held...))
	}
	b.WriteString("say \"installing $*\"\n" + how + " \"$@\"\ntrap - EXIT\n")
	return b.String()
}

// Verify asks whether the service of the new package runs.
func (s *pkg) Verify(ctx context.Context, h Host) error {
	if s.starts == "" {
		return nil
	}
	return s.verifyActive(ctx, h, s.starts)
}
