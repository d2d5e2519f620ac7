//go:build page

package page

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"image"
	_ "image/png"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

var update = flag.Bool("update", false, "take the pictures anew")

// browser is one page of a headless Chromium, and all that it complained of and asked for.
type browser struct {
	*testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string
	requests   []string
}

// open starts a Chromium for a test. Where there is none the test fails.
func open(t *testing.T) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		t.Fatal("no Chromium here: `make page-test` installs Debian's, or apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.WSURLReadTimeout(2*time.Minute)) // a busy machine
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	b := &browser{T: t}
	b.ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(b.hear))
	t.Cleanup(cancel)
	b.do(enable)
	return b
}

// enable has the browser tell of its log and of what it fetches.
func enable(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
	if _, err = cdp.Call(ctx, t, log.Enable, cdp.Empty{}); err == nil {
		_, err = cdp.Call(ctx, t, network.Enable, network.EnableParams{})
	}
	return none, err
}

// hear keeps what the browser tells by itself.
func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		b.complaints = append(b.complaints, fmt.Sprintf("console.%s: %v", e.Type, e.Args))
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		b.complaints = append(b.complaints, fmt.Sprintf("%s: %s", e.Entry.Level, e.Entry.Text))
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	}
}

// do carries actions out, within two minutes.
func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	run(b, chromedp.Steps(actions...))
}

// run carries one out that answers something.
func run[T any](b *browser, action chromedp.Action[T]) T {
	b.Helper()
	ctx := b.ctx
	if chromedp.FromContext(ctx).Target != nil { // the first one's context is the browser's life
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
	}
	out, err := chromedp.Run(ctx, action)
	if err != nil {
		b.Fatal(err)
	}
	return out
}

// quiet wants no complaint, on the console or elsewhere.
func (b *browser) quiet() {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		b.Errorf("the page complains: %s", c)
	}
}

// asked is how much the page fetched, itself included.
func (b *browser) asked() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.requests
}

// view sets the window's width and whether it is dark.
func (b *browser) view(width int64, dark bool) {
	b.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	b.do(chromedp.EmulateViewport(width, 900), func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, t, emulation.SetEmulatedMedia, media)
		return none, err
	})
}

// eval is what a script says of the page.
func eval[T any](b *browser, script string) (out T) {
	b.Helper()
	return run(b, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
}

// picture takes one of the whole page, keeps it with -update, and wants that something is to be seen.
func (b *browser) picture(name string) {
	b.Helper()
	shot := run(b, chromedp.FullScreenshot(100))
	file := filepath.Join("testdata", name+".png")
	if *update {
		if err := os.WriteFile(file, shot, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := os.Stat(file); err != nil {
		b.Errorf("no picture is kept: %v; take it with -update, and look at it", err)
	}
	img, _, err := image.Decode(bytes.NewReader(shot))
	if err != nil {
		b.Fatal(err)
	}
	colours := map[[3]uint32]bool{}
	for y := 0; y < img.Bounds().Dy(); y += 3 {
		for x := 0; x < img.Bounds().Dx(); x += 3 {
			r, g, bl, _ := img.At(x, y).RGBA()
			colours[[3]uint32{r, g, bl}] = true
		}
	}
	if len(colours) < 20 {
		b.Errorf("%s: a picture of %d colours shows nothing", name, len(colours))
	}
}
