package parts

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// here runs a script on this very machine.
func here(ctx context.Context, script string) (string, error) {
	out, err := exec.CommandContext(ctx, "sh", "-c", script).Output()
	return string(out), err
}

// What a shell prints is read as it was meant: a tool that is missing or hangs says so, and a file that isn't there says nothing.
func TestAsk(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a file")
	if err := os.WriteFile(file, []byte("first\nsecond\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := Ask(t.Context(), here, time.Minute, `ask said 5 printf 'a: 1\nb: 2\n'
ask missing 5 no-such-tool -x
ask hangs 0.1 sleep 60
show whole "`+file+`"
show nothing "`+file+`x"
values firsts "`+file+`" "`+file+`x"
part 'of n1' # a comment
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []Part{
		{"said", "", "a: 1\nb: 2\n"}, {"missing", "", "!no-such-tool isn't installed\n"}, {"hangs", "", "!sleep took longer than 0.1 s\n"},
		{"whole", "", "first\nsecond\n"}, {"nothing", "", ""}, {"firsts", "", file + ": first\n"}, {"of", "n1", ""}, {"end", "", ""},
	}
	got := Split(out)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if why := got[1].Why(); why != "no-such-tool isn't installed" || got[0].Why() != "" {
		t.Errorf("why: %q, %q", why, got[0].Why())
	}
	if f := Fields(got[0].Text, ":"); f["a"] != "1" || f["b"] != "2" {
		t.Errorf("fields: %v", f)
	}
}

// An answer that is cut off is no answer, and one that takes too long is given up.
func TestAskCutOff(t *testing.T) {
	if out, err := Ask(t.Context(), here, time.Minute, "part clock\nexit 0\n"); !errors.Is(err, ErrCutOff) || !strings.Contains(out, "clock") {
		t.Errorf("%q, %v", out, err)
	}
	slow := func(ctx context.Context, _ string) (string, error) { <-ctx.Done(); return "", ctx.Err() }
	if _, err := Ask(t.Context(), slow, time.Millisecond, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// TestPlain: nothing that a machine prints does anything to a terminal, and what it says is still there.
func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"nothing to hide\n\tat all, é → ✓":                     "nothing to hide\n\tat all, é → ✓",
		"\x1b[1;31mERROR\x1b[0m disk":                          "ERROR disk",
		"\x1b[2J\x1b[H\x1b[?25lgone":                           "gone",
		"\u009b2Jthe second kind\u0085":                        "the second kind",
		"\x1b]0;root@prod\x07title":                            "title",
		"\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\":          "link",
		"\x1b]0;without an end\nnext line":                     "\nnext line",
		"\x1bcreset \x1b(Bset \x1b":                            "reset set ",
		"flashing   1 %\rflashing  50 %\rflashing 100 %\r\nok": "flashing 100 %\nok",
		"dos\r\nlines\r\n":                                     "dos\nlines\n",
		"n1 \u202eylno\u202c is \u2066well\u2069":              "n1 ylno is well",
		"bell\a back\b null\x00 delete\x7f":                    "bell back null delete",
	} {
		if got := Plain(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
	for _, p := range Split(Mark + "top\n1 \x1b[2Jevil\n" + Mark + "end\n") {
		if strings.Contains(p.Text, "\x1b") {
			t.Errorf("%+v", p)
		}
	}
}
