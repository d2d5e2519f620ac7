package notify

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func fixed(url string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return url, nil }
}

// heard collects what a notifier says.
type heard struct {
	mu    sync.Mutex
	lines []string
}

func (h *heard) say(line string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, line)
}

// TestWebhook: a real server gets the messages of the events that it wants, in their order, with its headers.
func TestWebhook(t *testing.T) {
	var got []string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m map[string]string
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		got = append(got, fmt.Sprintf("%s %s %s %s|%s|%s|%s", r.Method, r.URL, r.Header.Get("X-Key"), r.Header.Get("Content-Type"), m["event"], m["title"], m["message"]))
	}))
	defer s.Close()
	for _, url := range []string{"generic+" + s.URL + "/hook?a=b&@X-Key=k1", "generic://" + strings.TrimPrefix(s.URL, "http://") + "/hook?disabletls=yes&@x-key=k1&a=b", s.URL + "/hook?a=b&@x-key=k1"} {
		got = nil
		var h heard
		n := Start([]Receiver{{Name: "notify[0]", URL: fixed(url), Events: []string{"started", "halted"}}}, nil, h.say)
		for _, event := range []string{"started", "failed", "halted"} {
			n.Send(Message{Event: event, Title: "fleetup prod: " + event, Text: "20 nodes"})
		}
		n.Close(20 * time.Second)
		want := []string{
			"POST /hook?a=b k1 application/json|started|fleetup prod: started|20 nodes",
			"POST /hook?a=b k1 application/json|halted|fleetup prod: halted|20 nodes",
		}
		if diff := cmp.Diff(want, got); diff != "" || len(h.lines) > 0 {
			t.Errorf("%s: %q (-want +got):\n%s", url, h.lines, diff)
		}
	}
}

// TestShoutrrr: a service of shoutrrr posts to the server of its URL.
func TestShoutrrr(t *testing.T) {
	var body, path string
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := make([]byte, 1000)
		n, _ := r.Body.Read(text)
		body, path = string(text[:n]), r.URL.Path
		fmt.Fprint(w, "{}")
	}))
	defer s.Close()
	plain := httptest.NewServer(s.Config.Handler)
	defer plain.Close()
	err := send(t.Context(), nil, "ntfy://"+strings.TrimPrefix(plain.URL, "http://")+"/runs?scheme=http", Message{Event: "halted", Title: "fleetup prod: halted", Text: "gate"})
	if err != nil || path != "/runs" || body != "fleetup prod: halted\ngate" {
		t.Errorf("%v: %q to %q", err, body, path)
	}
}

// TestTrouble: what can't be sent is said with its event and its cause, and without anything of the URL.
func TestTrouble(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }))
	away := httptest.NewServer(nil)
	away.Close()
	for _, tc := range []struct{ url, want string }{
		{"generic+" + s.URL + "/T0K3NT0K3N?key=S3CRETS3CRET", "it answered 403 Forbidden"},
		{"generic+" + away.URL + "/T0K3NT0K3N?key=S3CRETS3CRET", "refused"},
		{"generic+http://user:S3CRETS3CRET@" + strings.TrimPrefix(s.URL, "http://") + "/T0K3NT0K3N", "it answered 403 Forbidden"},
		{"ntfy://user:S3CRETS3CRET@" + strings.TrimPrefix(s.URL, "http://") + "/T0K3NT0K3N?scheme=http", ""},
		{"slack://T0K3NT0K3N", ""},
		{"S3CRETS3CRET", "it is not a URL"},
		{"pigeon://S3CRETS3CRET@loft", `there is no service "pigeon"; known are generic, bark, `},
		{"http://a b/S3CRETS3CRET", "it is not a URL"},
	} {
		synctestFree(t, tc.url, tc.want)
	}
	s.Close()
}

// synctestFree tries a URL against real servers, without the pause before the second attempt.
func synctestFree(t *testing.T, url, want string) {
	t.Helper()
	w := &worker{Receiver: Receiver{URL: fixed(url)}}
	err := w.attempt(t.Context(), Message{Event: "halted"})
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %s", url, err, want)
		return
	}
	for _, secret := range []string{"S3CRET", "T0K3N", "user:", "127.0.0.1"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s shows %q: %v", url, secret, err)
		}
	}
}

// TestNeverBlocks: a receiver that doesn't answer keeps neither the run nor its end, and another one gets all the same.
func TestNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		stuck := func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", errors.New("the safe doesn't open")
		}
		count := 0
		counts := func(context.Context) (string, error) { count++; return "", errors.New("never mind") }
		n := Start([]Receiver{{Name: "notify[0]", URL: stuck, Events: []string{"failed"}}, {Name: "notify[1]", URL: counts, Events: []string{"failed"}}}, nil, h.say)
		begun := time.Now()
		for range 40 {
			n.Send(Message{Event: "failed"})
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("Send took %s", took)
		}
		n.Close(20 * time.Second)
		if took := time.Since(begun); took != 20*time.Second {
			t.Errorf("Close took %s", took)
		}
		if count == 0 || !slices.Contains(h.lines, `notify[0]: "failed" could not be sent: 32 others still wait`) {
			t.Errorf("%d asked; %q", count, h.lines)
		}
		if !slices.ContainsFunc(h.lines, func(l string) bool { return strings.HasSuffix(l, "there was no time left for it") }) {
			t.Errorf("%q", h.lines)
		}
	})
}

// TestSecondAttempt: one failure is tried again after a moment.
func TestSecondAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		w := &worker{Receiver: Receiver{URL: func(context.Context) (string, error) { asked++; return "", errors.New("no") }}}
		begun := time.Now()
		if err := w.deliver(t.Context(), Message{}); err == nil || asked != 2 || time.Since(begun) != retryAfter {
			t.Errorf("%v after %d attempts and %s", err, asked, time.Since(begun))
		}
	})
}

// answering is a network on which each connection is one request, and gets the next of some answers.
func answering(answers ...string) (dial Dialler, got *[]string) {
	got = &[]string{}
	return func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			r, err := http.ReadRequest(bufio.NewReader(there))
			if err != nil {
				return
			}
			*got = append(*got, r.URL.Path)
			fmt.Fprintf(there, "HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n", answers[min(len(*got), len(answers))-1])
		}()
		return here, nil
	}, got
}

// TestAnswers: a message that is taken at the second attempt arrived, and nobody is troubled; a redirect is no way for a token to go,
// so it is an answer as any other that isn't good.
func TestAnswers(t *testing.T) {
	for _, tc := range []struct {
		name    string
		answers []string
		asked   int
		said    string
	}{
		{"taken", []string{"204 No Content"}, 1, ""},
		{"taken at the second attempt", []string{"503 Service Unavailable", "200 OK"}, 2, ""},
		{"never taken", []string{"503 Service Unavailable"}, 2, `notify[0]: "halted" could not be sent: it answered 503 Service Unavailable`},
		{"sent elsewhere", []string{"302 Found\r\nLocation: http://other.example/T0K3N"}, 2, `notify[0]: "halted" could not be sent: it answered 302 Found`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var h heard
				dial, got := answering(tc.answers...)
				n := Start([]Receiver{{Name: "notify[0]", URL: fixed("http://hook.example/T0K3N"), Events: []string{"halted"}}}, dial, h.say)
				n.Send(Message{Event: "halted"})
				n.Close(20 * time.Second)
				if said := strings.Join(h.lines, "\n"); len(*got) != tc.asked || said != tc.said {
					t.Errorf("asked %q, said %q", *got, said)
				}
			})
		})
	}
}

// TestRedacted: whatever a service quotes of its receiver's URL, whole or in part, as written or decoded, nothing of a secret is left.
func TestRedacted(t *testing.T) {
	const raw = "slack://hook:xoxb-S3CRET%2FA@T0K3N-CHANNEL/S3CRET%20PATH?key=S3CRET%2BKEY&n=1#S3CRETFRAGMENT"
	for _, text := range []string{
		raw, "post " + raw + ": no", `Post "https://api.example.com/S3CRET%20PATH": EOF`, "token xoxb-S3CRET/A is no good", "token xoxb-S3CRET%2FA is no good",
		"channel T0K3N-CHANNEL isn't there", "path /S3CRET PATH", "path /S3CRET%20PATH", "key=S3CRET%2BKEY", "key=S3CRET%2BKEY&n=1", "key S3CRET+KEY", "fragment S3CRETFRAGMENT",
		"in\n  many\tlines S3CRET+KEY",
	} {
		got := redacted(text, raw)
		for _, secret := range []string{"S3CRET", "T0K3N", "xoxb"} {
			if strings.Contains(got, secret) {
				t.Errorf("%q\nshows %q: %q", text, secret, got)
			}
		}
		if strings.ContainsAny(got, "\n\t") {
			t.Errorf("more than a line: %q", got)
		}
	}
	if got := redacted("it answered 403 Forbidden", raw); got != "it answered 403 Forbidden" {
		t.Errorf("the cause is gone: %q", got)
	}
}
