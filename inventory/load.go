package inventory

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/BurntSushi/toml"
)

// fleetName has no leading dash or dot, so that STATE/NAME is a folder below STATE and no option.
var fleetName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,39}$`)

// Load reads the inventory at path and applies set, each a --set KEY=VALUE: KEY dotted as in TOML, VALUE as in TOML, or
// else taken as a string.
//
// An error is Problems if the inventory is wrong, or with what is set. It is any other error if the command was called
// wrongly: a set isn't KEY=VALUE, or the file can't be read (the error wraps why, such as fs.ErrNotExist).
//
// Beside Problems stands what could be read, unless the text isn't TOML at all: for a later reader to see what else is
// wrong, as in its playbooks, and for nothing else. A host of it whose name or address is wrong has no Name.
func Load(path string, set ...string) (*Fleet, error) {
	src, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("read the inventory: %w", err)
	}
	return parse(path, src, set)
}

// mostBytes is more than an inventory of twenty thousand hosts takes, each with a BMC.
const mostBytes = 32 << 20

// read reads a file that need not be one: a device that never ends fills no memory.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	src, err := io.ReadAll(io.LimitReader(f, mostBytes+1))
	if err == nil && len(src) > mostBytes {
		err = fmt.Errorf("%s: more than %d MiB, which is no inventory", path, mostBytes>>20)
	}
	return src, err
}

// parse is Load without the file. Every error of it is Problems, if each set is KEY=VALUE, and has a fleet beside it if
// the text is TOML.
func parse(path string, src []byte, set []string) (*Fleet, error) {
	assignments, err := cutSets(set)
	if err != nil {
		return nil, err
	}
	root, places, problems := decode(path, strings.TrimPrefix(string(src), "\ufeff"))
	if root == nil {
		return nil, problems.sorted()
	}
	problems = append(problems, applySets(root, places, assignments)...)
	r := &reader{places: places, folder: folderOf(path), problems: problems}
	fleet := &Fleet{Path: path, Digest: digest(src, set), places: places}
	r.fleet(fleet, &table{reader: r, m: root})
	if len(r.problems) > 0 {
		return fleet, r.problems.sorted()
	}
	return fleet, nil
}

// decode makes maps of TOML and finds its keys. Keys that come twice don't hide the other problems of a file: the second
// one is said and left out. The map is nil if the text can't be read at all.
func decode(path, src string) (map[string]any, *places, Problems) {
	var problems Problems
	found := locate(src)
	places := &places{file: path, at: found.at}
	if found.deep > 0 {
		return nil, places, Problems{{File: path, Line: found.deep, Message: fmt.Sprintf("nested more than %d deep, and nothing in an inventory is", maxDepth)}}
	}
	root := map[string]any{}
	_, err := toml.Decode(src, &root)
	if err == nil {
		return root, places, nil
	}
	once := []byte(src)
	for _, dup := range found.dups {
		problems = append(problems, Problem{path, dup.line, dup.key, fmt.Sprintf("is already defined on line %d", dup.first)})
		if dup.statement && dup.end > dup.start {
			blank(once[dup.start:dup.end])
		}
	}
	if len(problems) == 0 {
		return nil, places, Problems{syntaxProblem(path, err)}
	}
	root = map[string]any{}
	if _, err := toml.Decode(string(once), &root); err != nil {
		if strings.Contains(err.Error(), "already") {
			return nil, places, problems
		}
		return nil, places, append(problems, syntaxProblem(path, err))
	}
	return root, places, problems
}

// blank keeps line breaks and length, and with them the places of what follows.
func blank(text []byte) {
	for i, c := range text {
		if c != '\n' {
			text[i] = ' '
		}
	}
}

func syntaxProblem(path string, err error) Problem {
	var syntax toml.ParseError
	if !errors.As(err, &syntax) {
		return Problem{File: path, Message: err.Error()}
	}
	message := syntax.Message
	if strings.Contains(syntax.LastKey, "password") {
		message = "no TOML value" // the decoder's message quotes from the line, which may be a secret
	}
	return Problem{File: path, Line: syntax.Position.Line, Key: syntax.LastKey, Message: "not TOML: " + message}
}

// digest tells a later command whether it works on the same inventory: the bytes of the file and the --set values.
func digest(src []byte, set []string) string {
	hash := sha256.New()
	fmt.Fprintf(hash, "%d\n%s", len(src), src)
	for _, s := range set {
		fmt.Fprintf(hash, "%d\n%s", len(s), s)
	}
	return fmt.Sprintf("sha256:%x", hash.Sum(nil))
}

// folderOf is what relative paths in the inventory are relative to.
func folderOf(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return filepath.Dir(path)
}

// fleet reads the whole file, section by section.
func (r *reader) fleet(f *Fleet, root *table) {
	f.Name = r.name(root, f.Path)
	f.Cluster = r.cluster(root)
	base := r.base(root, f)
	f.Strategy = r.strategy(root)
	groups := r.groups(root, f)
	f.Hosts = r.hosts(root, base, groups)
	f.Prometheus = r.prometheus(root)
	f.Gates = r.gates(root, f.Prometheus)
	f.Hooks, f.Notify = r.hooks(root), r.notifies(root)
	f.Windows = r.windows(root)
	r.contradictions(f.Strategy, f.Hosts)
	root.done()
}

// name is the fleet's: given, or the file's.
func (r *reader) name(root *table, path string) string {
	name, given := root.string("name")
	if given && !fleetName.MatchString(name) {
		root.bad("name", "%q must be 1 to 40 of a-z, 0-9, dot and dash, beginning with a letter or digit", name)
	}
	if _, wrongType := root.m["name"]; given || wrongType {
		return name
	}
	name = strings.TrimSuffix(filepath.Base(path), ".toml")
	if !fleetName.MatchString(name) {
		root.bad("name", `the file's name %q can't serve as the fleet's: add name = "…", 1 to 40 of a-z, 0-9, dot and dash`, name)
	}
	return name
}
