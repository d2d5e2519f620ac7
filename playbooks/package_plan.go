package playbooks

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// plan is how the outdated packages of a step get to their version.
type plan struct {
	index    index
	apt      bool
	versions map[string]string // by package: what would be installed; "" where unknown
	changes  []change          // sources that are switched first
	refresh  []source          // sources whose lists have to be fetched first
	looked   bool              // the lists that would be fetched were looked into
	seen     map[string][]string
	before   map[string]string // by package: what there was before this step was applied here last
	keepable map[string]bool   // packages whose archive is there, whatever the repositories have
}

// plan finds the versions: in the index that the machine has, and else, read-only, in the lists that Apply would
// fetch.
func (s *pkg) plan(ctx context.Context, h Host, f found, outdated []string) (plan, error) {
	script := "candidates " + words(outdated...) + "\nbefore " + s.id + "\n"
	for _, name := range outdated {
		if st, ok := f.packages[name]; ok {
			script += "if keepable " + words(name, st.version, st.arch) + "; then echo " + words("keepable "+name) + "; fi\n"
		}
	}
	out, err := h.Run(ctx, withTool(script))
	if err != nil {
		return plan{}, err
	}
	p := plan{index: parseIndex(out, f.apt), apt: f.apt, versions: map[string]string{}, seen: map[string][]string{}, before: parseBefore(out), keepable: parseKeepable(out)}
	missing := ""
	for _, name := range outdated {
		p.versions[name] = newest(p.index.versions[name], s.version)
		if p.versions[name] == "" && missing == "" {
			missing = name
		}
	}
	if missing == "" {
		return p, nil
	}
	p.changes = p.index.switches(s.repository)
	for _, c := range p.changes {
		p.refresh = append(p.refresh, c.source)
	}
	if len(p.changes) == 0 {
		p.refresh = slices.DeleteFunc(slices.Clone(p.index.sources), func(s source) bool { return !p.index.serves(s) })
	}
	return p, p.peek(ctx, h, s.version, outdated)
}

// peek looks for the packages in the lists that aren't on the machine yet.
func (p *plan) peek(ctx context.Context, h Host, wanted string, names []string) error {
	var urls []string
	for _, s := range p.refresh {
		uri := s.uri
		for _, c := range p.changes {
			if c.uri == s.uri {
				uri = c.url()
			}
		}
		urls = append(urls, s.urls(uri)...)
	}
	if len(urls) == 0 {
		return nil
	}
	script := ""
	for _, name := range names {
		script += "peek " + words(append([]string{name}, urls...)...) + "\n"
	}
	out, err := h.Run(ctx, withTool(script))
	if err != nil {
		return err
	}
	looked := 0
	for _, line := range lines(out) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 2 && fields[0] == "looked":
			looked++
		case len(fields) == 3 && fields[0] == "found":
			p.seen[fields[1]] = append(p.seen[fields[1]], fields[2])
		}
	}
	p.looked = looked == len(urls)*len(names)
	for _, name := range names {
		if p.versions[name] == "" {
			p.versions[name] = newest(p.seen[name], wanted)
		}
	}
	return nil
}

// prepare is the part of Apply's script that makes the versions known to the package tool.
func (p plan) prepare() string {
	script := ""
	for _, c := range p.changes {
		script += c.script()
	}
	if len(p.refresh) > 0 {
		var what []string
		for _, s := range p.refresh {
			what = append(what, s.refresh())
		}
		slices.Sort(what)
		script += "refresh " + words(slices.Compact(what)...) + "\n"
	}
	return script
}

// describe puts the plan into a Status.
func (p plan) describe(s *pkg, f found, outdated []string, status *Status) {
	for _, c := range p.changes {
		status.Changes = append(status.Changes, c.describe())
	}
	var specs []string
	for _, name := range outdated {
		status.Changes = append(status.Changes, p.changeOf(name, s.version, f.packages[name]))
		if problem := p.problemOf(name, s.version, f.packages[name]); problem != "" {
			status.Problems = append(status.Problems, problem)
		}
		version := p.versions[name]
		if version == "" {
			version = s.version
		}
		if p.lost(name, f.packages[name]) {
			status.Stays = append(status.Stays, fmt.Sprintf("%s couldn't go back to %s: no repository of the machine has that any more, so it can't be kept", name, f.packages[name].version))
		}
		specs = append(specs, name+map[bool]string{true: "=", false: "-"}[p.apt]+version)
	}
	tool := map[bool]string{true: "apt-get install ", false: "dnf install "}[p.apt]
	status.Commands = append(status.Commands, tool+strings.Join(specs, " "))
	if s.hold {
		status.Commands = append(status.Commands, holdCommand(p.apt, f.targets))
	}
}

func (p plan) changeOf(name, wanted string, st state) string {
	to := p.versions[name]
	if to == "" {
		to = wanted // its full version is known once the package lists are fetched
	}
	switch {
	case st.broken != "":
		return fmt.Sprintf("%s %s (%s) → %s", name, st.version, st.broken, to)
	case st.version == "":
		return fmt.Sprintf("%s → %s", name, to)
	}
	return fmt.Sprintf("%s %s → %s", name, st.version, to)
}

// problemOf says what would make the installation fail, as far as it can be known without changing anything.
func (p plan) problemOf(name, wanted string, st state) string {
	to := p.versions[name]
	switch {
	case p.goesBack(name, st):
		return ""
	case to != "" && st.version != "" && compareVersions(st.version, to) > 0:
		return fmt.Sprintf("%s %s is newer than %s: fleetup goes back only where it came from (rollback)", name, st.version, to)
	case to != "":
		return ""
	case st.version != "" && compareVersions(withoutEpoch(st.version), wanted) > 0:
		return fmt.Sprintf("%s %s is newer than %s: fleetup goes back only where it came from (rollback)", name, st.version, wanted)
	case len(p.refresh) == 0:
		return fmt.Sprintf("no repository of this machine has %s %s%s", name, wanted, known(p.index.versions[name]))
	case p.looked:
		return fmt.Sprintf("no repository has %s %s%s", name, wanted, known(slices.Concat(p.index.versions[name], p.seen[name])))
	}
	return ""
}

// parseBefore reads what the shell function before prints.
func parseBefore(output string) map[string]string {
	before := map[string]string{}
	for _, line := range lines(output) {
		if fields := strings.Fields(line); len(fields) == 4 && fields[0] == "before" {
			before[fields[1]] = fields[2]
		}
	}
	return before
}

// parseKeepable reads which archives are there.
func parseKeepable(output string) map[string]bool {
	there := map[string]bool{}
	for _, line := range lines(output) {
		if name, ok := strings.CutPrefix(line, "keepable "); ok {
			there[name] = true
		}
	}
	return there
}

// lost says that the archive of what is installed is nowhere to be had, so that Undo won't have it.
func (p plan) lost(name string, st state) bool {
	return st.version != "" && !p.keepable[name] && !slices.Contains(p.index.versions[name], st.version)
}

// goesBack says that the package is newer than wanted because this very step made it so, and stays at or above what there
// was before: a version that proved bad is corrected by wanting another one. Any other older version is refused.
func (p plan) goesBack(name string, st state) bool {
	to, before := p.versions[name], p.before[name]
	return to != "" && before != "" && st.version != "" && compareVersions(st.version, to) > 0 && compareVersions(before, to) <= 0
}

// anyBack says that one of the packages goes back.
func (p plan) anyBack(f found, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return p.goesBack(name, f.packages[name]) })
}

// known names the newest version that there is, as the end of a message.
func known(versions []string) string {
	if len(versions) == 0 {
		return ", nor any other version of it"
	}
	return "; the newest there is " + slices.MaxFunc(versions, compareVersions)
}

func withoutEpoch(version string) string {
	_, rest := splitEpoch(version)
	return rest
}
