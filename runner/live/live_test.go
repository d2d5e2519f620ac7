package live

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fleetup/fleetup/runner"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// night is a run with everything that a metric is made of.
func night() []runner.Event {
	began := time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)
	data := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	at := func(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }
	events := []runner.Event{
		{Event: runner.EventStarted, Time: at(0), Data: data("inventory", "/srv/prod.toml", "version", "v1.2.0")},
		{Event: runner.EventForeseen, Time: at(0), Data: data("total_seconds", "160.0", "ends", "true", "nodes", `{"n3":{"takes":80}}`)},
		{Event: runner.EventEndpoints, Time: at(0), Data: data("shop/web", "4")},
		{Event: runner.EventGate, Time: at(1), Data: data("gate", "error rate", "verdict", "bad", "reading", "0.2")},
		{Event: runner.EventOrder, Time: at(1), Node: "n1", Order: "upgrade"},
		{Event: runner.EventPhase, Time: at(1), Node: "n1", Phase: "drain"},
		{Event: runner.EventEndpoints, Time: at(10), Data: data("shop/web", "3")},
		{Event: runner.EventEndpoints, Time: at(20), Data: data("shop/web", "4")},
		{Event: runner.EventPhase, Time: at(24), Node: "n1", Phase: "apply"},
		{Event: runner.EventDone, Time: at(90), Node: "n1", Message: "kubelet 1.36.4 → 1.37.2"},
		{Event: runner.EventOrder, Time: at(91), Node: "n2", Order: "upgrade"},
		{Event: runner.EventPhase, Time: at(91), Node: "n2", Phase: "drain"},
		{Event: runner.EventWaiting, Time: at(92), Node: "n2", Phase: "drain", Message: "pod shop/web-2: budget"},
	}
	for i := range events {
		events[i].Version, events[i].Seq, events[i].Run = 1, i+1, "20261121-010000-7f3a"
	}
	return events
}

// served is a server that listens, with what has happened so far, and its address.
func served(t *testing.T, events []runner.Event) (*Server, string) {
	t.Helper()
	s := New()
	for _, e := range events {
		s.Event(e)
	}
	l, err := Listen(t.Context(), "127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return s, "http://" + l.Addr().String()
}

func get(t *testing.T, url string) (status int, header http.Header, body string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(b)
}

func TestMetrics(t *testing.T) {
	_, at := served(t, night())
	_, _, got := get(t, at+"/metrics")
	for _, line := range []string{
		`fleetup_run_info{inventory="/srv/prod.toml",run="20261121-010000-7f3a",version="v1.2.0"} 1`,
		`fleetup_run_state{state="unfinished"} 1`, `fleetup_run_state{state="finished"} 0`,
		`fleetup_run_foreseen_seconds 160`, `fleetup_run_start_timestamp_seconds 1.7952228e+09`,
		`fleetup_nodes{state="done"} 1`, `fleetup_nodes{state="running"} 1`, `fleetup_nodes{state="waiting"} 1`, `fleetup_nodes{state="failed"} 0`,
		`fleetup_nodes_waiting 1`, `fleetup_orders_total{end="done",order="upgrade"} 1`,
		`fleetup_node_seconds_sum 89`, `fleetup_phase_seconds_sum{phase="drain"} 23`, `fleetup_phase_seconds_bucket{phase="drain",le="30"} 1`,
		`fleetup_service_ready_endpoints{service="shop/web"} 4`, `fleetup_service_least_ready_endpoints{service="shop/web"} 3`,
		`fleetup_gate_good{gate="error rate"} 0`,
	} {
		if !strings.Contains(got, "\n"+line+"\n") {
			t.Errorf("not among the metrics: %s", line)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
}

// TestGrafana: each metric that the dashboard names is one that a run has, and each that a run has is on it.
func TestGrafana(t *testing.T) {
	if !json.Valid(Grafana) {
		t.Fatal("the dashboard is no JSON")
	}
	_, at := served(t, night())
	_, _, metrics := get(t, at+"/metrics")
	name := regexp.MustCompile(`fleetup_[a-z_]+`)
	there, shown := map[string]bool{}, map[string]bool{}
	for _, line := range strings.Split(metrics, "\n") {
		if !strings.HasPrefix(line, "#") {
			there[name.FindString(line)] = true
		}
	}
	for _, n := range name.FindAllString(string(Grafana), -1) {
		shown[n] = true
		if !there[n] {
			t.Errorf("the dashboard asks for %s, which a run doesn't have", n)
		}
	}
	base := strings.NewReplacer("_bucket", "", "_sum", "", "_count", "")
	for n := range shown {
		shown[base.Replace(n)] = true
	}
	for n := range there {
		if n != "" && !shown[base.Replace(n)] {
			t.Errorf("%s isn't on the dashboard", n)
		}
	}
}

func TestPage(t *testing.T) {
	s, at := served(t, nil)
	if status, _, page := get(t, at+"/"); status != 200 || !strings.Contains(page, "No node was begun") {
		t.Errorf("before the run: %d\n%s", status, page)
	}
	for _, e := range night() {
		s.Event(e)
	}
	status, header, page := get(t, at+"/")
	if status != 200 || !strings.Contains(page, `aria-label="n1: drain 23s, apply 1m6s"`) || !strings.Contains(page, `<p id="live" role="status">`) {
		t.Errorf("%d\n%s", status, page)
	}
	if header.Get("Cache-Control") != "no-store" || header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("%v", header)
	}
	if status, _, text := get(t, at+"/healthz"); status != 200 || text != "ok\n" {
		t.Errorf("/healthz: %d %q", status, text)
	}
	if status, _, text := get(t, at+"/report.json"); status != 200 || !json.Valid([]byte(text)) {
		t.Errorf("/report.json: %d %q", status, text)
	}
}

// TestReadOnly: nothing can be sent here, and no page of somebody else's can read it by a name of its own for this address.
func TestReadOnly(t *testing.T) {
	_, at := served(t, night())
	for _, path := range []string{"/", "/metrics", "/healthz", "/events"} {
		response, err := http.Post(at+path, "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %s", path, response.Status)
		}
	}
	if status, _, _ := get(t, at+"/journal"); status != http.StatusNotFound {
		t.Errorf("/journal: %d", status)
	}
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, at+"/", nil)
	request.Host = "evil.example.com:8080"
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("by another name: %s", response.Status)
	}
}

// TestEvents: a page hears at once how things stand, of each change within a second or so, and of the end.
func TestEvents(t *testing.T) {
	s, at := served(t, nil)
	response, err := http.Get(at + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	next := func() string {
		for lines.Scan() {
			if lines.Text() != "" {
				return lines.Text()
			}
		}
		return ""
	}
	if got := next(); got != "data: changed" {
		t.Errorf("first %q", got)
	}
	begin := time.Now()
	s.Event(night()[0])
	if got := next(); got != "data: changed" || time.Since(begin) > 10*time.Second {
		t.Errorf("then %q, after %s", got, time.Since(begin))
	}
	var closing sync.WaitGroup
	closing.Go(s.Close)
	defer closing.Wait()
	if got := next(); got != "event: over" {
		t.Errorf("at the end %q", got)
	}
}

// page is one that is told of changes; what happens in the run happens while it is told.
type page struct {
	*httptest.ResponseRecorder
	told func()
}

func (p page) Write(b []byte) (int, error) {
	p.told()
	return p.ResponseRecorder.Write(b)
}

// TestChangeWhileAPageIsTold: it may have drawn what was before, so it is told again.
func TestChangeWhileAPageIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New()
		ctx, cancel := context.WithCancel(t.Context())
		var at []time.Duration
		begin := time.Now()
		s.follow(page{httptest.NewRecorder(), func() {
			if at = append(at, time.Since(begin)); len(at) == 1 {
				s.Event(night()[0])
			} else {
				cancel()
			}
		}}, httptest.NewRequest(http.MethodGet, "/events", nil).WithContext(ctx))
		if want := []time.Duration{0, often}; !slices.Equal(at, want) {
			t.Errorf("told at %v, want %v", at, want)
		}
	})
}

func TestListen(t *testing.T) {
	for _, c := range []struct {
		address string
		beyond  bool
		ok      bool
		on      string
	}{
		{":0", false, true, "127.0.0.1"}, {"127.0.0.1:0", false, true, "127.0.0.1"}, {"localhost:0", false, true, ""},
		{"0.0.0.0:0", false, false, ""}, {"10.0.0.1:80", false, false, ""}, {"host.example.com:80", false, false, ""},
		{"127.0.0.2:0", true, true, "127.0.0.2"},
	} {
		l, err := Listen(context.Background(), c.address, c.beyond)
		if (err == nil) != c.ok || !c.ok && !errors.Is(err, ErrBeyond) {
			t.Errorf("%s: %v", c.address, err)
		}
		if err != nil {
			continue
		}
		if host, _, _ := net.SplitHostPort(l.Addr().String()); c.on != "" && host != c.on {
			t.Errorf("%s listens on %s", c.address, host)
		}
		l.Close()
	}
	if _, err := Listen(context.Background(), "8080", false); err == nil || errors.Is(err, ErrBeyond) {
		t.Errorf("a port alone: %v", err)
	}
}
