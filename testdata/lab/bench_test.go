package lab_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The benches are run by `make bench`. Each prints its figures beside their limits and beside those of its peers in the same
// run, and fails where a limit is broken. A figure is the median of five runs that alternate with the peers'.

func benchOnly(t *testing.T) {
	t.Helper()
	if os.Getenv("FLEETUP_BENCH") == "" {
		t.Skip("a bench: make bench")
	}
}

// rounds are five, unless FLEETUP_BENCH_ROUNDS says otherwise to somebody who looks for something else than figures.
func rounds() int {
	if n, err := strconv.Atoi(os.Getenv("FLEETUP_BENCH_ROUNDS")); err == nil {
		return n
	}
	return 5
}

// contender is one of those that are measured side by side. run returns how long it took, as it may have to tidy up.
type contender struct {
	name string
	run  func() time.Duration
}

// alternate lets all have their turn in each round, in one direction and in the other, and returns the medians.
func alternate(t *testing.T, contenders ...contender) map[string]time.Duration {
	t.Helper()
	took := map[string][]time.Duration{}
	for range rounds() {
		for _, c := range contenders {
			took[c.name] = append(took[c.name], c.run())
		}
		slices.Reverse(contenders)
	}
	medians := map[string]time.Duration{}
	for name, all := range took {
		medians[name] = median(all)
		t.Logf("%s: %s", name, strings.Join(texts(all), " "))
	}
	return medians
}

func texts(all []time.Duration) []string {
	list := make([]string, len(all))
	for i, d := range all {
		list[i] = seconds(d)
	}
	return list
}

func median[T int | time.Duration](all []T) T {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// figure prints a figure beside its limit, and fails where it is above it.
func figure(t *testing.T, what, got, limit string, broken bool, peers ...string) {
	t.Helper()
	line := fmt.Sprintf("FIGURE %-58s %10s  limit %10s", what, got, limit)
	if len(peers) > 0 {
		line += "  beside " + strings.Join(peers, ", ")
	}
	t.Log(line)
	if broken {
		t.Errorf("%s: %s is over the limit of %s", what, got, limit)
	}
}

func atMost(t *testing.T, what string, got, limit time.Duration, peers ...string) {
	t.Helper()
	figure(t, what, seconds(got), seconds(limit), got > limit, peers...)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// timed is how long a command takes that must succeed.
func timed(t *testing.T, cmd *exec.Cmd) time.Duration {
	t.Helper()
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(begin)
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(cmd.Args[min(3, len(cmd.Args)-1)]), err, tail(string(out), 2000))
	}
	return took
}

func tail(text string, most int) string { return text[max(0, len(text)-most):] }

func TestBenchBinary(t *testing.T) {
	benchOnly(t)
	path := filepath.Join(t.TempDir(), "fleetup")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "../../cmd/fleetup")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	timed(t, build)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	megabytes := float64(info.Size()) / 1e6
	figure(t, "the binary, stripped", fmt.Sprintf("%.1f MB", megabytes), "45 MB", megabytes > 45)
}
