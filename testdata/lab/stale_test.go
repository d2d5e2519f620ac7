package lab_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/testdata/lab"
)

// TestKilled starts a lab in another process and kills that: the next start removes what it left, and nothing of a lab
// that is alive beside it.
func TestKilled(t *testing.T) {
	if os.Getenv("LAB_VICTIM") != "" {
		l := lab.Start(t, lab.Options{Machines: 1})
		_, _ = os.Stdout.WriteString("\nvictim " + l.Namespace + "\n")
		<-t.Context().Done()
	}
	neighbour := lab.Start(t, lab.Options{Machines: 1})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	victim := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilled$")
	victim.Env = append(os.Environ(), "LAB_VICTIM=1")
	stdout, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	name := ""
	for lines := bufio.NewScanner(stdout); name == "" && lines.Scan(); {
		name, _ = strings.CutPrefix(lines.Text(), "victim ")
		if !strings.HasPrefix(lines.Text(), "victim ") {
			name = ""
		}
	}
	_ = victim.Process.Kill()
	_ = victim.Wait()
	inside := func() string {
		out, _ := exec.Command("ip", "netns", "pids", name).Output()
		return string(out)
	}
	if name == "" || inside() == "" {
		t.Fatalf("the killed lab %q should have left processes", name)
	}

	lab.Start(t, lab.Options{})
	if left := inside(); left != "" {
		t.Errorf("processes of %s still run: %s", name, left)
	}
	if out, _ := exec.Command("ip", "netns").Output(); strings.Contains(string(out), name) {
		t.Errorf("namespace %s is still there", name)
	}
	if out, _ := exec.Command("grep", "-c", "/"+strings.TrimPrefix(name, "flab-")+"/", "/proc/self/mountinfo").Output(); strings.TrimSpace(string(out)) != "0" {
		t.Errorf("mounts of %s remain: %s", name, out)
	}
	ssh(t, neighbour.Machines[0], "true")
}
