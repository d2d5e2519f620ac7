package playbooks

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/syntax"
)

// TestLibraryIsPOSIX: the library, and what the built-in playbooks bring, is read by dash as by bash.
func TestLibraryIsPOSIX(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("sh/*.sh")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(string(text)), file); err != nil {
			t.Error(err)
		}
	}
	cmd := exec.Command("/bin/sh", "-n")
	cmd.Stdin = strings.NewReader(lib(serviceShell, preflightShell, automaticShell) + withTool("true\n"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestSameFunctions: apt.sh and dnf.sh can stand for one another.
func TestSameFunctions(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"holder", "installed", "candidates", "peek", "prepare", "refresh", "fetch_archives", "hold", "unhold", "install",
		"downgrade", "newest", "spec", "archive", "pending", "index_age", "upgrade_only", "kernels", "kernel_candidates", "kernel_packages", "reboot_required"} {
		for tool, part := range map[string]shellPart{"apt": aptShell, "dnf": dnfShell} {
			if !strings.Contains("\n"+part.sent(), "\n"+name+"() {") {
				t.Errorf("%s.sh has no %s", tool, name)
			}
		}
	}
}
