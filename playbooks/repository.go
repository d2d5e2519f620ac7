package playbooks

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// source is one entry of apt's or dnf's sources.
type source struct {
	file string
	id   string // dnf: the repository's id
	uri  string
	// apt: where its package lists are, relative to uri.
	indexes []string
}

// change is a source that is switched to another minor.
type change struct {
	source
	from, to string // the part of the URL up to and with the minor
}

// url is the source's URL after the change.
func (c change) url() string { return strings.Replace(c.uri, c.from, c.to, 1) }

// describe says what changes, "kubernetes.list: v1.36 → v1.37"; the step's output has the whole URL.
func (c change) describe() string {
	return path.Base(c.file) + ": " + path.Base(c.from) + " → " + path.Base(c.to)
}

// index is what a machine's package tool knows without asking the network.
type index struct {
	versions map[string][]string // by package
	serving  []string            // URLs (apt) or ids (dnf) of the sources that serve the packages asked for
	sources  []source
}

// parseIndex reads what the shell function candidates prints.
func parseIndex(output string, apt bool) index {
	ix := index{versions: map[string][]string{}}
	var entries []string
	arch := ""
	for _, line := range lines(output) {
		what, rest, _ := strings.Cut(line, " ")
		switch what {
		case "madison":
			ix.addVersion(rest)
		case "source":
			entries = append(entries, rest)
		case "arch":
			arch = rest
		}
	}
	if apt {
		ix.sources = aptSources(entries, arch)
	} else {
		ix.sources = dnfSources(entries)
	}
	return ix
}

// addVersion reads "kubelet | 1.37.2-1.1 | https://… Packages"; dnf's third column is the repository's id.
func (ix *index) addVersion(line string) {
	columns := strings.Split(line, "|")
	if len(columns) < 3 {
		return
	}
	name, version := strings.TrimSpace(columns[0]), strings.TrimSpace(columns[1])
	ix.versions[name] = append(ix.versions[name], version)
	if from := strings.Fields(columns[2]); len(from) > 0 {
		ix.serving = append(ix.serving, strings.TrimRight(from[0], "/"))
	}
}

// serves reports whether the source is one that the packages asked for come from.
func (ix index) serves(s source) bool {
	return slices.Contains(ix.serving, strings.TrimRight(s.uri, "/")) || s.id != "" && slices.Contains(ix.serving, s.id)
}

// aptSources reads lines "FILE:LINE" of sources.list files, one-line ones and deb822 ones.
func aptSources(entries []string, arch string) []source {
	var all []source
	stanza := map[string][]string{}
	file := ""
	flush := func() {
		for _, uri := range stanza["URIs"] {
			all = append(all, aptSource(file, uri, stanza["Suites"], stanza["Components"], arch))
		}
		stanza = map[string][]string{}
	}
	for _, entry := range entries {
		name, line, _ := strings.Cut(entry, ":")
		if name != file || strings.TrimSpace(line) == "" {
			flush()
		}
		file = name
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case fields[0] == "deb":
			if fields = withoutOptions(fields[1:]); len(fields) >= 2 {
				all = append(all, aptSource(file, fields[0], fields[1:2], fields[2:], arch))
			}
		case strings.HasSuffix(fields[0], ":"):
			stanza[strings.TrimSuffix(fields[0], ":")] = fields[1:]
		}
	}
	flush()
	return all
}

// withoutOptions drops "[signed-by=… arch=…]" from a one-line source.
func withoutOptions(fields []string) []string {
	if len(fields) == 0 || !strings.HasPrefix(fields[0], "[") {
		return fields
	}
	for i, f := range fields {
		if strings.HasSuffix(f, "]") {
			return fields[i+1:]
		}
	}
	return nil
}

func aptSource(file, uri string, suites, components []string, arch string) source {
	s := source{file: file, uri: uri}
	for _, suite := range suites {
		if strings.HasSuffix(suite, "/") { // a flat repository
			s.indexes = append(s.indexes, strings.TrimPrefix(strings.TrimPrefix(suite, "."), "/")+"Packages")
			continue
		}
		for _, c := range components {
			s.indexes = append(s.indexes, "dists/"+suite+"/"+c+"/binary-"+arch+"/Packages")
		}
	}
	return s
}

// dnfSources reads lines "FILE:LINE" of .repo files.
func dnfSources(entries []string) []source {
	var all []source
	id := ""
	for _, entry := range entries {
		file, line, _ := strings.Cut(entry, ":")
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			id = strings.Trim(line, "[] ")
			continue
		}
		if key, value, ok := strings.Cut(line, "="); ok && strings.TrimSpace(key) == "baseurl" {
			all = append(all, source{file: file, id: id, uri: strings.TrimSpace(value), indexes: []string{""}})
		}
	}
	return all
}

// urls are where the source's package lists would be under another URL.
func (s source) urls(uri string) []string {
	list := make([]string, len(s.indexes))
	for i, index := range s.indexes {
		list[i] = strings.TrimRight(uri, "/") + "/" + index
	}
	return list
}

// inURL finds the minor in a repository's URL: …/v1.36/…
var inURL = regexp.MustCompile(`^(.*/v)(\d+\.\d+)/`)

// kubernetesURL tells Kubernetes repositories from others where the index says nothing of who serves what.
var kubernetesURL = regexp.MustCompile(`kubernetes|k8s|core:/stable:`)

// switches says which sources have to be changed so that they serve another minor. wanted is "1.37", or a URL that
// holds it, and then only sources that become that URL are changed.
func (ix index) switches(wanted string) []change {
	var all []change
	url := ""
	if strings.Contains(wanted, "://") || strings.HasPrefix(wanted, "file:") {
		m := inURL.FindStringSubmatch(strings.TrimRight(wanted, "/") + "/")
		if m == nil {
			return nil
		}
		url, wanted = wanted, m[2]
	}
	for _, s := range ix.sources {
		m := inURL.FindStringSubmatch(strings.TrimRight(s.uri, "/") + "/")
		if m == nil || m[2] == wanted || wanted == "" {
			continue
		}
		c := change{source: s, from: m[1] + m[2], to: m[1] + wanted}
		if ix.meant(s) && (url == "" || strings.TrimRight(c.url(), "/") == strings.TrimRight(url, "/")) {
			all = append(all, c)
		}
	}
	return all
}

// meant reports whether a source with a minor in its URL is about the packages asked for.
func (ix index) meant(s source) bool {
	return ix.serves(s) || len(ix.serving) == 0 && kubernetesURL.MatchString(s.uri)
}

// ofMinors are the sources that may be switched to another minor.
func (ix index) ofMinors() (sources []source) {
	for _, s := range ix.sources {
		if inURL.MatchString(strings.TrimRight(s.uri, "/")+"/") && ix.meant(s) {
			sources = append(sources, s)
		}
	}
	return sources
}

// switchBack says how a source becomes what it was: the same file's source that differs from it by the minor alone. A
// source that somebody has changed otherwise since is theirs, and stays.
func (ix index) switchBack(was source) (change, bool) {
	old := inURL.FindStringSubmatch(strings.TrimRight(was.uri, "/") + "/")
	for _, s := range ix.sources {
		m := inURL.FindStringSubmatch(strings.TrimRight(s.uri, "/") + "/")
		if old == nil || m == nil || s.file != was.file || m[2] == old[2] {
			continue
		}
		if c := (change{source: s, from: m[1] + m[2], to: m[1] + old[2]}); c.url() == was.uri {
			return c, true
		}
	}
	return change{}, false
}

var sedPattern = strings.NewReplacer(`\`, `\\`, `.`, `\.`, `*`, `\*`, `[`, `\[`, `]`, `\]`, `^`, `\^`, `$`, `\$`, `#`, `\#`)
var sedReplacement = strings.NewReplacer(`\`, `\\`, `&`, `\&`, `#`, `\#`)

// script is the call of the shell function that makes the change.
func (c change) script() string {
	return "switch_source " + words(c.file, sedPattern.Replace(c.from+"/"), sedReplacement.Replace(c.to+"/"), c.url()) + "\n"
}

// refresh is what the shell function refresh takes for this source.
func (s source) refresh() string {
	if s.id != "" {
		return s.id
	}
	return s.file
}
