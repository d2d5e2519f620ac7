package inventory

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
)

// TestLocate has on each line a comment with the keys that begin there.
func TestLocate(t *testing.T) {
	for name, src := range map[string]string{
		"tables":            "a = 1 # a\n[b] # b\nc = 2 # b.c\n[b.d] # b.d\n  e = 3 # b.d.e\n",
		"dotted":            "a.b.c = 1 # a a.b a.b.c\na.b.d = 2 # a.b.d\na . e = 3 # a.e\n",
		"quoted":            "[hosts] # hosts\n\"n[1-2]\" = {} # hosts.\"n[1-2]\"\n'a.b' = {} # hosts.\"a.b\"\n\"\\u0061\" = 1 # hosts.a\n",
		"inline":            "a = { b = 1, c = { d = 2 } } # a a.b a.c a.c.d\n",
		"inline, lines":     "a = { b = 1, # a a.b\n  c = { d = 2, # a.c a.c.d\n  }, # \n} # \ne = 1 # e\n",
		"arrays":            "a = [ # a\n 1, # a[0]\n { b = 2 }, # a[1] a[1].b\n [3, 4], # a[2] a[2][0] a[2][1]\n] # \nc = 1 # c\n",
		"array tables":      "[[a]] # a a[0]\nb = 1 # a[0].b\n[[a]] # a[1]\nb = 2 # a[1].b\n[a.c] # a[1].c\nd = 3 # a[1].c.d\n[[a.e]] # a[1].e a[1].e[0]\n",
		"strings":           "a = \"x # y\" # a\nb = '[c]' # b\nc = \"\\\"\" # c\nd = \"\"\"x\n[e]\nf = 1\\\"\"\"\" # d@\ng = 1 # g\n",
		"quotes at the end": "a = \"\"\"x\"\"\"\"\" # a\nb = '''y'''' # b\nc = 1 # c\n",
		"literal, lines":    "a = '''\n[b] = \"\n''' # a@\nc = 1 # c\n",
		"no end of line":    "a = 1 # a\nb = { c = 'd' } # b b.c",
		"windows":           "a = 1 # a\r\n[b] # b\r\nc = 2 # b.c\r\n",
		"values":            "a = 2026-01-01 07:32:00Z # a\nb = -1.5e3 # b\nc = [1,2] # c c[0] c[1]\n",
		"comments":          "# x = 1\n\n\n   #[y]\na = 1 # a\n",
	} {
		t.Run(name, func(t *testing.T) {
			var decoded map[string]any
			if _, err := toml.Decode(src, &decoded); err != nil {
				t.Fatalf("the test's text is no TOML: %v", err)
			}
			want := map[string]int{}
			for i, line := range strings.Split(src, "\n") {
				at := strings.LastIndex(line, " # ")
				if at < 0 {
					continue
				}
				for key := range strings.FieldsSeq(line[at+3:]) {
					if begun, isEnd := strings.CutSuffix(key, "@"); isEnd { // the key began lines before
						want[begun] = strings.Count(src[:strings.Index(src, begun+" =")], "\n") + 1
						continue
					}
					want[key] = i + 1
				}
			}
			got := map[string]int{}
			found := locate(src)
			for key, at := range found.at {
				got[key] = at.line
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\n(-want +got):\n%s", src, diff)
			}
			if len(found.dups) > 0 {
				t.Errorf("duplicates %+v", found.dups)
			}
		})
	}
}

func TestLocateKeepsOrder(t *testing.T) {
	found := locate("[z]\nc = 1\na = 2\n[y]\nb = { e = 1, d = 2 }\n")
	got := slices.SortedFunc(maps.Keys(found.at), func(a, b string) int { return found.at[a].seq - found.at[b].seq })
	if want := []string{"z", "z.c", "z.a", "y", "y.b", "y.b.e", "y.b.d"}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}

// TestLocateEnds: text that isn't TOML must not keep the locator busy, nor make it panic.
func TestLocateEnds(t *testing.T) {
	for _, src := range []string{
		"", "=", "a", "a =", "a = {", "a = [", "a = [[", "a = {b", "a = {b=", "a = {=}", "a = [=]", "a = [}]", "a = {]}", "[", "[[", "[a", "[[a", "]", "}",
		",", ".", "a.", "a..b = 1", ".a = 1", "\"", "'", "\"\"\"", "'''", "a = \"", "a = \"\\", "a = '''x", "\"a", "#", "\r", "\\", "a = {b = 1 c = 2}",
		"a = [1 2]", "[a]b = 1", strings.Repeat("a = [", 1000), strings.Repeat("{", 1000),
	} {
		if found := locate(src); found.pos != len(src) {
			t.Errorf("%q: stopped at %d", src, found.pos)
		}
	}
}
