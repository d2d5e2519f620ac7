package playbooks

import (
	"context"
	"fmt"
	"strings"
)

// Undoable: what is replaced is kept on the machine first. What couldn't be is in Status.Stays.
func (s *pkg) Undoable() string { return "" }

// Before notes which versions are installed, which of them are held, the URLs of the sources that may be switched, and
// keeps the files that go back with the packages.
func (s *pkg) Before(ctx context.Context, h Host) (string, error) {
	out, err := h.Run(ctx, withTool("echo \"tool $(tool)\"\ninstalled "+words(s.all()...)+"\ncandidates "+words(s.all()...)+"\n"+filesShell.sent()+keepFiles(s.files)))
	if err != nil {
		return "", s.failed("look", err)
	}
	return s.record(s.settle(parseInstalled(out)), out), nil
}

// record is Before's: "NAME VERSION ARCH hold|free" of each package, "NAME - - -" of one that is to be installed anew,
// "source URL FILE", and what is said of files.
func (s *pkg) record(f found, output string) string {
	var b strings.Builder
	for _, name := range f.targets {
		st, ok := f.packages[name]
		switch {
		case !ok:
			fmt.Fprintf(&b, "%s - - -\n", name)
		default:
			fmt.Fprintf(&b, "%s %s %s %s\n", name, st.version, st.arch, map[bool]string{true: "hold", false: "free"}[st.held])
		}
	}
	if s.repository != "" {
		for _, src := range parseIndex(output, f.apt).ofMinors() {
			fmt.Fprintf(&b, "source %s %s\n", src.uri, src.file)
		}
	}
	for _, line := range lines(output) {
		if _, ok := parseFile(line); ok {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// packagesWere is a record that was read.
type packagesWere struct {
	names    []string
	packages map[string]state // without a version: it wasn't installed
	sources  []source
	files    []keptFile
}

func parseRecord(record string) packagesWere {
	was := packagesWere{packages: map[string]state{}, files: parseFiles(record)}
	for _, line := range lines(record) {
		fields := strings.SplitN(line, " ", 4)
		switch {
		case len(fields) == 3 && fields[0] == "source":
			was.sources = append(was.sources, source{uri: fields[1], file: fields[2]})
		case len(fields) == 4 && (fields[3] == "hold" || fields[3] == "free" || fields[3] == "-"):
			st := state{version: fields[1], arch: fields[2], held: fields[3] == "hold"}
			if st.version == "-" {
				st = state{}
			}
			was.names = append(was.names, fields[0])
			was.packages[fields[0]] = st
		}
	}
	return was
}

// Undo installs what was there from the archives that were kept, holds it again, and switches the sources back.
func (s *pkg) Undo(record string) Step {
	back := &packagesBack{inverse: s.inverse(), starts: s.starts, was: parseRecord(record)}
	for _, name := range back.was.names {
		if back.was.packages[name].version == "" { // it came with the package, and goes with it
			back.starts = ""
		}
	}
	return back
}

// packagesBack takes packages back to a record.
type packagesBack struct {
	inverse
	starts string
	was    packagesWere
}

// wayBack is what differs from the record now.
type wayBack struct {
	apt      bool
	packages map[string]state
	outdated []string // another version than then, or broken
	surplus  []string // weren't there
	hold     []string // ought to be held and aren't
	unhold   []string
	changes  []change
	files    []keptFile
	archives map[string]string // by package: the file that was kept
	problems []string
}

func (s *packagesBack) look(ctx context.Context, h Host) (wayBack, error) {
	names := words(s.was.names...)
	script := "echo \"tool $(tool)\"\ninstalled " + names + "\ncandidates " + names + "\n"
	for _, name := range s.was.names {
		if st := s.was.packages[name]; st.version != "" {
			script += "kept_archive " + words(name, st.version, st.arch) + "\n"
		}
	}
	out, err := h.Run(ctx, withTool(script+filesShell.sent()+lookAtFiles(s.was.files)))
	if err != nil {
		return wayBack{}, err
	}
	return s.was.compare(out), nil
}

// compare says what differs by what the machine printed.
func (was packagesWere) compare(output string) wayBack {
	f := parseInstalled(output)
	w := wayBack{apt: f.apt, packages: f.packages, archives: map[string]string{}}
	lacks := map[string]string{}
	for _, line := range lines(output) {
		switch fields := strings.Fields(line); {
		case len(fields) == 3 && fields[0] == "archive":
			w.archives[fields[1]] = fields[2]
		case len(fields) == 3 && fields[0] == "lacks":
			lacks[fields[1]] = fields[2]
		}
	}
	for _, name := range was.names {
		w.comparePackage(name, was.packages[name], lacks[name])
	}
	ix := parseIndex(output, f.apt)
	for _, src := range was.sources {
		if c, ok := ix.switchBack(src); ok {
			w.changes = append(w.changes, c)
		}
	}
	var gone []string
	w.files, gone = differing(was.files, output)
	w.problems = append(w.problems, gone...)
	return w
}

func (w *wayBack) comparePackage(name string, then state, lacks string) {
	now, there := w.packages[name]
	switch {
	case then.version == "" && there:
		w.surplus = append(w.surplus, name)
	case then.version != "" && (now.version != then.version || now.broken != ""):
		w.outdated = append(w.outdated, name)
		if lacks != "" {
			w.problems = append(w.problems, fmt.Sprintf("%s %s wasn't kept on the machine: put its archive there as %s, or leave the node out", name, then.version, lacks))
		}
	}
	switch {
	case then.held && !now.held:
		w.hold = append(w.hold, name)
	case then.version != "" && now.held && !then.held:
		w.unhold = append(w.unhold, name)
	}
}

// Check compares versions, holds, sources and files with the record.
func (s *packagesBack) Check(ctx context.Context, h Host) (Status, error) {
	w, err := s.look(ctx, h)
	if err != nil {
		return Status{}, s.failed("check", err)
	}
	return w.status(s.was), nil
}

func (w wayBack) status(was packagesWere) Status {
	var changes, commands, archives []string
	for _, name := range w.outdated {
		changes = append(changes, fmt.Sprintf("%s %s → %s", name, w.packages[name].version, was.packages[name].version))
		archives = append(archives, w.archives[name])
	}
	for _, name := range w.surplus {
		changes = append(changes, name+" "+w.packages[name].version+": removed, as it wasn't there")
	}
	if len(w.hold) > 0 {
		changes = append(changes, "hold "+strings.Join(w.hold, ", "))
	}
	if len(w.unhold) > 0 {
		changes = append(changes, "unhold "+strings.Join(w.unhold, ", "))
	}
	for _, c := range w.changes {
		changes = append(changes, c.describe())
	}
	if len(archives) > 0 {
		commands = append(commands, map[bool]string{true: "apt-get install ", false: "dnf downgrade "}[w.apt]+strings.Join(archives, " "))
	}
	status := backTo(append(changes, changesOf(w.files)...), w.problems)
	status.Commands = commands
	return status
}

// Apply is one detached script. What was held is held again however it ends.
func (s *packagesBack) Apply(ctx context.Context, h Host, say func(string)) error {
	ctx, cancel := context.WithTimeout(ctx, s.traits.Timeout)
	defer cancel()
	w, err := s.look(ctx, h)
	if err != nil {
		return s.failed("look", err)
	}
	if len(w.problems) > 0 {
		return fmt.Errorf("%s: %s", s.name, strings.Join(w.problems, "; "))
	}
	script := "set -e\nmend 600\n" + w.packagesScript(s.was)
	for _, c := range w.changes {
		script += c.script()
	}
	script += filesShell.sent() + restore(w.files)
	if s.starts != "" {
		script += "begin_service " + words(s.starts) + "\n"
	}
	if _, err := h.Do(ctx, s.script("install"), withTool(script), said(say)); err != nil {
		return s.failed("go back", err)
	}
	return nil
}

// packagesScript is the part that installs, removes and holds.
func (w wayBack) packagesScript(was packagesWere) string {
	var b strings.Builder
	var held, there []string
	for _, name := range was.names {
		if was.packages[name].held {
			held = append(held, name)
		}
		if _, ok := w.packages[name]; ok {
			there = append(there, name)
		}
	}
	touched := len(w.outdated)+len(w.surplus) > 0
	if len(held) > 0 && touched {
		fmt.Fprintf(&b, "trap 'hold %s' EXIT\n", strings.Join(held, " "))
	}
	if touched { // whatever they were when we looked: what we waited for may have held them since
		w.unhold = there
	}
	if len(w.unhold) > 0 {
		fmt.Fprintf(&b, "unhold %s\n", words(w.unhold...))
	}
	if len(w.outdated) > 0 {
		var list []string
		for _, name := range w.outdated {
			st := was.packages[name]
			list = append(list, name, st.version, st.arch)
		}
		fmt.Fprintf(&b, "go_back %s\n", words(list...))
	}
	if len(w.surplus) > 0 {
		fmt.Fprintf(&b, "remove_packages %s\n", words(w.surplus...))
	}
	if touched || len(w.hold) > 0 {
		b.WriteString("trap - EXIT\n")
		if len(held) > 0 {
			fmt.Fprintf(&b, "hold %s\n", words(held...))
		}
	}
	return b.String()
}

// Verify asks whether the service of the package runs.
func (s *packagesBack) Verify(ctx context.Context, h Host) error {
	if s.starts == "" {
		return nil
	}
	return s.verifyActive(ctx, h, s.starts)
}
