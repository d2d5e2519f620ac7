package inventory

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMistakesAreListedAtOnce(t *testing.T) {
	_, err := Load("testdata/mistakes.toml", "drain.on_blocked=requeu", "strategy.max_surge=2", "name.x=1")
	problems := problemsOf(t, err)
	got := problems.Error() + "\n"
	if *update {
		if err := os.WriteFile("testdata/mistakes.golden", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/mistakes.golden")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if len(problems) < 40 {
		t.Errorf("%d problems, the file holds at least 40", len(problems))
	}
}

func TestUnreadableFileIsNoProblem(t *testing.T) {
	var problems Problems
	if _, err := Load(filepath.Join(t.TempDir(), "none.toml")); !errors.Is(err, fs.ErrNotExist) || errors.As(err, &problems) {
		t.Errorf("missing file: got %v, want fs.ErrNotExist", err)
	}
	if _, err := Load(t.TempDir()); err == nil || errors.As(err, &problems) {
		t.Errorf("folder: got %v, want an error that is no Problems", err)
	}
}

func TestSyntaxErrors(t *testing.T) {
	for _, tc := range []struct{ name, src, want string }{
		{"no value", "[hosts]\nn1 =\n", `fleet.toml:2: hosts.n1: not TOML: expected value but found '\n' instead`},
		{"open string", "name = \"x\n", "fleet.toml:1: name: not TOML: strings cannot contain newlines"},
		{"open table", "[hosts]\nn1 = { address = \"a\"\n", "fleet.toml:2: hosts.n1.address: not TOML"},
		{"not UTF-8", "name = \"\xff\"\n", "fleet.toml:1: name: not TOML: invalid UTF-8 byte: 0xff"},
		{"NUL", "name = \"a\x00\"\n", "fleet.toml:1: "},
		{"secret in a message", "[ssh]\nsudo_password = 2006-hunter2\n", "fleet.toml:2: ssh.sudo_password: not TOML: no TOML value"},
		{"value and table", "[drain]\nforce = true\n[drain.force]\nx = 1\n", "fleet.toml:3: drain.force: is already defined on line 2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := parse("fleet.toml", []byte(tc.src), nil)
			problems := problemsOf(t, err)
			if len(problems) != 1 || !strings.HasPrefix(problems.Error(), tc.want) {
				t.Errorf("got  %v\nwant %s", problems, tc.want)
			}
		})
	}
}

func TestDuplicateKeys(t *testing.T) {
	src := `[hosts]
n1 = { address = "10.0.0.1" }
"n1" = { address = "10.0.0.2",
         groups = ["größer"] }
n2 = { address = "10.0.0.3", adress = "x" }
n2 = { address = "10.0.0.4" } # why
[drain]
force = true
force = false
`
	_, err := parse("fleet.toml", []byte(src), nil)
	want := `fleet.toml:3: hosts.n1: is already defined on line 2
fleet.toml:5: hosts.n2.adress: unknown key; did you mean "address"?
fleet.toml:6: hosts.n2: is already defined on line 5
fleet.toml:9: drain.force: is already defined on line 8`
	if diff := cmp.Diff(want, problemsOf(t, err).Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	_, err = parse("fleet.toml", []byte("[hosts.n1]\naddress = \"10.0.0.1\"\n[drain]\n[hosts.n1]\n"), nil)
	if got := problemsOf(t, err).Error(); got != "fleet.toml:4: hosts.n1: is already defined on line 1" {
		t.Errorf("table twice: %s", got)
	}
	_, err = parse("fleet.toml", []byte("[hosts]\nn1 = { port = 22, port = 23 }\n"), nil)
	if got := problemsOf(t, err).Error(); got != "fleet.toml:2: hosts.n1.port: is already defined on line 2" {
		t.Errorf("inline key twice: %s", got)
	}
}

func TestName(t *testing.T) {
	for path, want := range map[string]string{
		"prod.toml": "prod", "/etc/fleet/a.b-1.toml": "a.b-1", "plain": "plain",
		"Prod.toml": "", "..toml": "", "-x.toml": "", strings.Repeat("x", 41) + ".toml": "",
	} {
		fleet, err := parse(path, []byte(oneHost), nil)
		switch {
		case want == "":
			if got := problemsOf(t, err); got[0].Key != "name" || got[0].Line != 0 {
				t.Errorf("%s: %v", path, got)
			}
		case err != nil || fleet.Name != want:
			t.Errorf("%s: got %+v, %v; want the name %q", path, fleet, err, want)
		}
	}
	for _, name := range []string{"", ".", "..", "-a", "a/b", "a b", "A", "a\n", "$(id)", strings.Repeat("x", 41)} {
		_, err := parse("fleet.toml", []byte(fmt.Sprintf("name = %q\n%s", name, oneHost)), nil)
		if got := problemsOf(t, err); got[0].Key != "name" || got[0].Line != 1 {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestDigest(t *testing.T) {
	seen := map[string]string{}
	for _, tc := range []struct {
		src string
		set []string
	}{
		{oneHost, nil},
		{oneHost + "\n", nil},
		{oneHost, []string{"drain.force=true"}},
		{oneHost, []string{"drain.force=true", "drain.grace_period=1s"}},
		{oneHost, []string{"drain.grace_period=1s", "drain.force=true"}},
	} {
		what := fmt.Sprint(tc)
		got := mustParse(t, tc.src, tc.set...).Digest
		if !strings.HasPrefix(got, "sha256:") || len(got) != len("sha256:")+64 || seen[got] != "" {
			t.Errorf("%s: digest %s is not new (%s)", what, got, seen[got])
		}
		if again := mustParse(t, tc.src, tc.set...).Digest; again != got {
			t.Errorf("%s: digest %s, then %s", what, got, again)
		}
		seen[got] = what
	}
}

func TestByteOrderMark(t *testing.T) {
	fleet := mustParse(t, "\ufeffname = \"x\"\n"+oneHost)
	if _, line := fleet.Pos("name"); line != 1 || fleet.Name != "x" {
		t.Errorf("name %q on line %d", fleet.Name, line)
	}
}

// A file in which all hosts stand twice (as after a merge gone wrong) is refused with time and memory that grow as the
// file does: cutting each second one out of a copy of the text once took 15 seconds for 20,000.
func TestDuplicatesAreRefusedInLinearTime(t *testing.T) {
	allocated := func(hosts int) uint64 {
		var half strings.Builder
		for n := range hosts {
			fmt.Fprintf(&half, "n%d = { address = \"10.0.%d.%d\" }\n", n, n/250, n%250)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := parse("fleet.toml", []byte("[hosts]\n"+half.String()+half.String()), nil)
		runtime.ReadMemStats(&after)
		if got := len(problemsOf(t, err)); got != hosts {
			t.Fatalf("%d problems, want one for each of the %d hosts", got, hosts)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	few, many := allocated(500), allocated(4000)
	if many > 12*few {
		t.Errorf("500 duplicates take %d bytes, 4,000 take %d", few, many)
	}
}

// Text that nests without end is refused at once, with its line, whichever way it nests.
func TestNestedTooDeep(t *testing.T) {
	const n = 200_000
	for name, text := range map[string]string{
		"tables":  "[hosts]\nn1 = " + strings.Repeat("{a=", n) + "1" + strings.Repeat("}", n) + "\n",
		"arrays":  "[hosts]\na = " + strings.Repeat("[", n) + strings.Repeat("]", n) + "\n",
		"open":    "[hosts]\na = " + strings.Repeat("[", n),
		"keys":    "[hosts]\n" + strings.Repeat("a.", n) + "a = 1\n",
		"headers": "[hosts]\n[" + strings.Repeat("a.", n) + "a]\n",
	} {
		began := time.Now()
		_, err := parse("fleet.toml", []byte(text), nil)
		if got := problemsOf(t, err); len(got) != 1 || got[0].Line != 2 || !strings.Contains(got[0].Message, "nested more than 32 deep") {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s: refused after %s", name, took)
		}
	}
	fine := "[hosts]\nn1 = {}\n[x]\na = " + strings.Repeat("[", maxDepth-1) + strings.Repeat("]", maxDepth-1) + "\n"
	if _, err := parse("fleet.toml", []byte(fine), nil); strings.Contains(fmt.Sprint(err), "deep") {
		t.Error(err)
	}
}

// A file without an end is refused.
func TestEndlessFile(t *testing.T) {
	if _, err := os.Stat("/dev/zero"); err != nil {
		t.Skip(err)
	}
	if _, err := Load("/dev/zero"); err == nil || !strings.Contains(err.Error(), "/dev/zero: more than 32 MiB") {
		t.Error(err)
	}
}
