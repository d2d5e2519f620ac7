package remote

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// canary is this process's own: the watch sees every process of the machine, those of another run of these tests too.
var canary = "canary-" + rand.Text()

// watchProcesses looks at the argument list and the environment of every process there is, again and again, until
// stop, which returns how often it looked and where the canary was. await is for scripts: it waits until all processes
// there are at that moment have been looked at.
func watchProcesses(t *testing.T) (await string, stop func() (looks int, found []string)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "looks")
	log, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	await = fmt.Sprintf(`looks=$(wc -c <%[1]s); until [ $(wc -c <%[1]s) -gt $((looks + 1)) ]; do sleep 0.02; done`, file)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	looks, found := 0, map[string]bool{}
	wg.Go(func() {
		defer log.Close()
		for ctx.Err() == nil {
			files, _ := filepath.Glob("/proc/[0-9]*/[ce][mn][dv][li][ir]*") // cmdline and environ
			for _, f := range files {
				if text, err := os.ReadFile(f); err == nil && bytes.Contains(text, []byte(canary)) {
					found[filepath.Base(f)+" "+string(text)] = true
				}
			}
			looks++
			_, _ = log.WriteString("x")
		}
	})
	return await, func() (int, []string) {
		cancel()
		wg.Wait()
		var list []string
		for f := range found {
			list = append(list, f)
		}
		return looks, list
	}
}

func TestSecretWatchSeesOne(t *testing.T) {
	b := newBench(t)
	b.machine("n1:22")
	await, stop := watchProcesses(t)
	h := b.host(Login{Name: "n1"})
	for _, script := range []string{"sh -c '" + await + "' " + canary, "X=" + canary + " sh -c '" + await + "'"} {
		if _, err := h.Run(t.Context(), script); err != nil {
			t.Fatal(err)
		}
	}
	_, found := stop()
	text := strings.Join(found, "\n")
	if !strings.Contains(text, "cmdline") || !strings.Contains(text, "environ") {
		t.Errorf("the watch saw only %q", found)
	}
}

// TestSecretStaysOnStandardInput: a sudo password, in all that a Host does, those that fail and those that are cut off
// too, is in no argument list, no environment, no log, no error, no output and no file, here or there.
func TestSecretStaysOnStandardInput(t *testing.T) {
	needs(t, "flock", "setsid")
	for _, want := range []string{canary, "another"} {
		var mu sync.Mutex
		var said []string
		keep := func(what string, v any) {
			mu.Lock()
			defer mu.Unlock()
			said = append(said, fmt.Sprintf("%s: %v", what, v))
		}
		b := newBench(t, func(o *Options) { o.Log = func(s string) { keep("log", s) } })
		await, stop := watchProcesses(t)
		s, given := b.sudoMachine(await + "\nWANT=" + want)
		h := b.host(Login{Name: "n1", User: "ops", SudoPassword: password(canary)}, Fence{Run: "run-1", Epoch: 1})
		out, err := h.Run(t.Context(), await+"; env; set; cat; echo to stderr >&2; exit 3")
		keep("run", out)
		keep("run", err)
		out, err = h.Do(t.Context(), "step", await+"; env; set; cat /proc/$$/environ /proc/$PPID/environ | tr '\\0' '\\n'; exit 4", func(l string) { keep("line", l) })
		keep("do", out)
		keep("do", err)
		keep("upload", h.Upload(t.Context(), b.known, filepath.Join(s.home, "f"), 0o600))
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		_, err = h.Run(ctx, "sleep 5")
		cancel()
		keep("cut off", err)
		looks, found := stop()
		if looks < 2 || found != nil {
			t.Errorf("looked %d times, and saw it in %q", looks, found)
		}
		for _, text := range append(said, s.said()) {
			if strings.Contains(text, canary) {
				t.Errorf("it is in %q", text)
			}
		}
		if text, _ := os.ReadFile(given); !strings.Contains(string(text), canary) {
			t.Error("it was never used: the test shows nothing")
		}
		for _, dir := range []string{b.base, s.home, filepath.Dir(b.known)} {
			noCanary(t, dir)
		}
	}
}

func noCanary(t *testing.T, dir string) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		if text, err := os.ReadFile(name); err == nil && bytes.Contains(text, []byte(canary)) {
			t.Errorf("it is in the file %s", name)
		}
		return nil
	})
}
