package inventory

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMistakesAreListedAtOnce(t *testing.T) {
	_, err := Load("testdata/mistakes.toml", "drain.on_blocked=requeu", "strategy.max_surge=2", "hosts", "name.x=1")
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
