package playbooks

import (
	"os/exec"
	"strings"
	"testing"
	"testing/quick"
)

func TestShellWords(t *testing.T) {
	tests := []struct {
		script string
		ok     bool
	}{
		{"nicfw version | grep -qx {{.v}}", true},
		{"a {{.v}}; b {{ .v }}\nc {{.v}}", true},
		{"{{.v}} x", true},
		{"x >{{.v}}", true},
		{`x "$(y {{.v}})"`, true},
		{"x $(y {{.v}})", true},
		{"for i in {{.v}}; do x $i; done", true},
		{"case {{.v}} in a) x ;; esac", true},
		{"if test {{.v}}; then x; fi", true},
		{"f() { x {{.v}}; }; f", true},
		{`x "{{.v}}"`, false},
		{`x '{{.v}}'`, false},
		{`x --to={{.v}}`, false},
		{`x {{.v}}.bin`, false},
		{`x {{.v}}{{.v}}`, false},
		{`v={{.v}}`, false},
		{`v={{.v}} x`, false},
		{"x `y {{.v}}`", false},
		{"x $(( {{.v}} + 1 ))", false},
		{"x ${y:-{{.v}}}", false},
		{"(( {{.v}} ))", false},
		{"[[ -v {{.v}} ]]", false},
		{"let {{.v}}", false},
		{"export {{.v}}", false},
		{`x "$(echo " {{.v}} ")"`, false},
		{`x "${y:- {{.v}} }"`, false},
		{"cat <<end\n{{.v}}\nend\n", false},
		{"cat <<{{.v}}\nx\n{{.v}}\n", false},
		{"x # {{.v}}", false},
		{"{{.v}}() { x; }", false},
		{`x \{{.v}}`, false},
		{"x $" + "{{.v}}", false},
		{"x $({{.v}}", false},
		{"if x", false},
		{"x 'y", false},
	}
	for _, tt := range tests {
		if problem := shellWords(tt.script); (problem == "") != tt.ok {
			t.Errorf("shellWords(%q) = %q, want ok %v", tt.script, problem, tt.ok)
		}
	}
}

// TestFault38ParametersStayWords puts every value through a real shell: whatever its bytes, the program that the
// script calls gets exactly that one argument, and nothing else is run.
func TestFault38ParametersStayWords(t *testing.T) {
	places := []string{
		"printf %s {{.v}}",
		`printf %s "$(printf %s. {{.v}})" | sed '$ s/\.$//'`,
		"set -- {{.v}}; printf %s \"$1\"",
		"case {{.v}} in '') ;; *) printf %s {{.v}} ;; esac",
	}
	for _, place := range places {
		if problem := shellWords(place); problem != "" {
			t.Fatalf("%q: %s", place, problem)
		}
	}
	for _, v := range []string{"", "a b", "$(touch /tmp/fleetup-executed)", "`id`", "'", `"`, `\`, "\n", "a\nb", "if", "PATH=/x", "-n", "~", "*", "#", "é\xff", "!", "{}", "&&"} {
		for _, place := range places {
			runShell(t, place, v)
		}
	}
	property := func(raw []byte) bool {
		v := strings.ReplaceAll(string(raw), "\x00", "")
		return runShell(t, places[0], v)
	}
	if err := quick.Check(property, &quick.Config{MaxCount: 100}); err != nil {
		t.Error(err)
	}
}

func runShell(t *testing.T, place, v string) bool {
	t.Helper()
	script := shell(place, map[string]any{"v": v})
	out, err := exec.Command("/bin/sh", "-c", script).CombinedOutput()
	want := v
	if strings.Contains(place, "sed") {
		if strings.HasSuffix(v, "\n") || strings.Contains(v, "\xff") || v == "" {
			return true // sed adds a newline of its own
		}
	}
	if err != nil || strings.TrimSuffix(string(out), "") != want {
		t.Errorf("%q with %q: got %q, %v", place, v, out, err)
		return false
	}
	return true
}

func TestLiteral(t *testing.T) {
	values := map[string]any{"s": "a b", "n": int64(3), "b": true, "l": []string{"x", "y"}, "none": nil}
	got := literal("{{.s}}/{{ .n }}/{{.b}}/{{.l}}/{{.none}}", values)
	if want := "a b/3/true/x,y/"; got != want {
		t.Errorf("literal = %q, want %q", got, want)
	}
	if got := shell("x {{.l}}", values); got != "x 'x' 'y'" {
		t.Errorf("shell of a list = %q", got)
	}
}
