// Command faults runs the tests of the 40 faults that fleetup has to survive, and prints what became of each: its number,
// the tiers that show it, the result, the time, and last how many of 40 passed.
//
//	go run ./cmd/faults [PACKAGE…]        # default ./..., and the lab where it is prepared and may be used
//
// A fault's tests are called TestFaultNN…, wherever they live. A fault without one is printed as missing; one of which a
// part has no test yet says so. What a test logs behind "shown: " stands below its fault.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	packages := os.Args[1:]
	if len(packages) == 0 {
		packages = append([]string{"./..."}, lab()...)
	}
	c := exec.CommandContext(context.Background(), "go", append([]string{"test", "-json", "-count=1", "-timeout=30m", "-run", "^TestFault[0-9][0-9]"}, packages...)...)
	c.Env = append(os.Environ(), "FLEETUP_FAULTS=all")
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
	seen, broken := collect(out)
	failed := c.Wait() != nil
	passed := show(os.Stdout, seen, broken)
	if failed || passed < len(faults) {
		os.Exit(1)
	}
}

// lab is the tier that needs root and what `make lab-test` prepares; nothing where either is missing.
func lab() []string {
	cache, err := os.UserCacheDir()
	if err != nil || os.Geteuid() != 0 {
		return nil
	}
	if _, err := os.Stat(filepath.Join(cache, "fleetup-lab", "bin")); err != nil {
		return nil
	}
	return []string{"./testdata/lab/..."}
}

// outcome is what the tests of one fault came to.
type outcome struct {
	passed []string
	failed []string
	shown  []string // what its tests say they have shown
	tiers  []string
	took   time.Duration
}

// event is what we read of a line of `go test -json`.
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

var (
	number = regexp.MustCompile(`^TestFault(\d\d)`)
	shown  = regexp.MustCompile(`^ *[a-z0-9_]+_test\.go:\d+: shown: (.*)\n`)
)

// collect reads the events of all tests. broken are packages that ended without one, with what they said.
func collect(r io.Reader) (seen map[int]*outcome, broken []string) {
	seen = map[int]*outcome{}
	said := map[string]string{}
	for d := json.NewDecoder(r); ; {
		var e event
		if err := d.Decode(&e); err != nil {
			return seen, broken
		}
		match := number.FindStringSubmatch(e.Test)
		switch {
		case e.Action == "output":
			said[e.Package+" "+e.Test] += e.Output
			if m := shown.FindStringSubmatch(e.Output); match != nil && m != nil {
				at(seen, match[1]).shown = append(at(seen, match[1]).shown, m[1])
			}
		case e.Test == "" && e.Action == "fail":
			broken = append(broken, e.Package)
		case match != nil && !strings.Contains(e.Test, "/") && (e.Action == "pass" || e.Action == "fail"):
			at(seen, match[1]).add(e)
			if e.Action == "fail" {
				fmt.Fprint(os.Stderr, said[e.Package+" "+e.Test])
			}
		}
	}
}

// at is the outcome of a fault by its number.
func at(seen map[int]*outcome, number string) *outcome {
	n, _ := strconv.Atoi(number)
	if seen[n] == nil {
		seen[n] = &outcome{}
	}
	return seen[n]
}

func (o *outcome) add(e event) {
	o.took += time.Duration(e.Elapsed * float64(time.Second))
	if t := tier(e.Package); !slices.Contains(o.tiers, t) {
		o.tiers = append(o.tiers, t)
	}
	if e.Action == "fail" {
		o.failed = append(o.failed, e.Test)
	} else {
		o.passed = append(o.passed, e.Test)
	}
}

// tier is what is real in the tests of a package.
func tier(pkg string) string {
	switch {
	case strings.HasSuffix(pkg, "/vm"):
		return "vm"
	case strings.Contains(pkg, "/testdata/lab"):
		return "lab"
	case strings.HasSuffix(pkg, "/kube"), strings.HasSuffix(pkg, "/remote"), strings.HasSuffix(pkg, "/cmd/fleetup"):
		return "box"
	}
	return "unit"
}

// show prints the table and returns how many faults passed.
func show(w io.Writer, seen map[int]*outcome, broken []string) (passed int) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "#\ttier\tresult\ttime\tfault")
	partly := 0
	for i, f := range faults {
		o, result := seen[i+1], "missing"
		switch {
		case o == nil || len(o.passed)+len(o.failed) == 0:
			o = &outcome{}
		case len(o.failed) > 0:
			result = "FAILED " + strings.Join(o.failed, ", ")
		default:
			result = "pass"
			passed++
			if f.lacks(o.passed) != nil {
				partly++
			}
		}
		slices.Sort(o.tiers)
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\n", i+1, strings.Join(o.tiers, "+"), result, o.took.Round(10*time.Millisecond), f.text(o.passed))
		for _, line := range o.shown {
			fmt.Fprintf(t, "\t\t\t\t  %s\n", line)
		}
	}
	_ = t.Flush()
	for _, pkg := range broken {
		fmt.Fprintln(w, "failed: "+pkg)
	}
	sum := fmt.Sprintf("%d of %d", passed, len(faults))
	if partly > 0 {
		sum += fmt.Sprintf(", %d of them in part", partly)
	}
	fmt.Fprintln(w, sum)
	return passed
}

// lacks are the parts of a fault that none of the tests that passed has shown.
func (f fault) lacks(passed []string) (missing []string) {
	for _, p := range f.parts {
		if !slices.ContainsFunc(passed, func(test string) bool { return strings.HasPrefix(test, p.test) }) {
			missing = append(missing, p.what)
		}
	}
	return missing
}

func (f fault) text(passed []string) string {
	if missing := f.lacks(passed); missing != nil {
		return f.what + " (not shown yet: " + strings.Join(missing, "; ") + ")"
	}
	return f.what
}
