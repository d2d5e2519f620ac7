package gate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestURL(t *testing.T) {
	status := 200
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	g := New(Spec{URL: s.URL + "/healthz?key=s3cret", Status: 200, Timeout: 10 * time.Second}, World{})
	for _, status = range []int{200, 302, 503} {
		reading, err := g.Measure(t.Context(), nil, nil)
		if err != nil || !strings.HasPrefix(reading, fmt.Sprintf("%d in ", status)) || (g.Judge(reading, "") == nil) != (status == 200) {
			t.Errorf("%d: %q %v", status, reading, err)
		}
	}
	s.Close()
	if reading, err := g.Measure(t.Context(), nil, nil); reading != "" || err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("away: %q %v", reading, err)
	}
}

func TestCommand(t *testing.T) {
	bound := number64(1)
	for _, tc := range []struct {
		name, script  string
		max           *float64
		reading, fail string
		bad           string
	}{
		{"says yes", "exit 0", nil, "exit 0", "", ""},
		{"says no", "echo degraded >&2; exit 2", nil, "sh: exit status 2: degraded", "", "sh: exit status 2: degraded"},
		{"killed", "kill -9 $$", nil, "", "sh: signal: killed", ""},
		{"a number", "echo 0.5", bound, "0.5", "", ""},
		{"a number that is bad", "echo 2", bound, "2", "", "2 is more than max = 1"},
		{"no number", "echo ok", bound, "", `its output: "ok" is not a number`, ""},
		{"nothing", "true", bound, "", `its output: "" is not a number`, ""},
		{"two numbers", "echo 1 2", bound, "", `its output: "1 2" is not a number`, ""},
		{"a number, and fails", "echo 0.5; exit 1", bound, "", "sh: exit status 1", ""},
		{"too slow", "sleep 5", nil, "", "no answer within 500ms", ""},
		{"sees the nodes", `test "$FLEETUP_UPGRADED/$FLEETUP_OTHERS/$A" = "n1 n2/n3/1"`, nil, "exit 0", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			timeout := 20 * time.Second
			if tc.name == "too slow" {
				timeout = 500 * time.Millisecond
			}
			g := New(Spec{Command: []string{"sh", "-c", tc.script}, Max: tc.max, Timeout: timeout}, World{Environ: []string{"A=1", "PATH=/usr/bin:/bin"}})
			reading, err := g.Measure(t.Context(), []string{"n1", "n2"}, []string{"n3"})
			if reading != tc.reading || said(err) != tc.fail {
				t.Errorf("%q, %v; want %q, %q", reading, err, tc.reading, tc.fail)
			}
			if err == nil && said(g.Judge(reading, "")) != tc.bad {
				t.Error(g.Judge(reading, ""))
			}
		})
	}
}

func said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func object(namespace, name string, status map[string]any) map[string]any {
	return map[string]any{"metadata": map[string]any{"name": name, "namespace": namespace}, "status": status}
}

func TestObjects(t *testing.T) {
	ok := object("rook-ceph", "a", map[string]any{"health": "HEALTH_OK", "osds": float64(3), "big": float64(12345678)})
	warn := object("rook-ceph", "b", map[string]any{"health": "HEALTH_WARN", "osds": int64(2)})
	ready := object("", "n1", map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "True"}, map[string]any{"type": "Disk", "status": "False"}}})
	odd := object("", "x", map[string]any{"null": nil, "empty": "", "list": []any{"a"}})
	for _, tc := range []struct {
		name, path, equals string // equals: words
		min                *float64
		objects            []map[string]any
		reading, fail, bad string
	}{
		{"all equal", "{.status.health}", "HEALTH_OK", nil, []map[string]any{ok, ok}, "HEALTH_OK", "", ""},
		{"either of two", "{.status.health}", "HEALTH_WARN HEALTH_OK", nil, []map[string]any{ok, warn}, "HEALTH_OK", "", ""},
		{"without braces", "status.health", "HEALTH_OK", nil, []map[string]any{ok}, "HEALTH_OK", "", ""},
		{"one differs", ".status.health", "HEALTH_OK", nil, []map[string]any{ok, warn}, "HEALTH_WARN (rook-ceph/b)", "", "it is HEALTH_WARN (rook-ceph/b), and has to be HEALTH_OK"},
		{"numbers", "{.status.osds}", "", number64(2), []map[string]any{ok, warn}, "3 2", "", ""},
		{"a number under min", "{.status.osds}", "", number64(3), []map[string]any{ok, warn}, "3 2", "", "2 is less than min = 3"},
		{"large numbers whole", "{.status.big}", "12345678", nil, []map[string]any{ok}, "12345678", "", ""},
		{"a filter", `{.status.conditions[?(@.type=="Ready")].status}`, "True", nil, []map[string]any{ready}, "True", "", ""},
		{"several values", `{.status.conditions[*].status}`, "True", nil, []map[string]any{ready}, "", "n1: {.status.conditions[*].status} finds 2 values, and one is wanted", ""},
		{"nothing matches the filter", `{.status.conditions[?(@.type=="Gone")].status}`, "True", nil, []map[string]any{ready}, "", `n1: {.status.conditions[?(@.type=="Gone")].status} finds 0 values, and one is wanted`, ""},
		{"no such field", "{.status.phase}", "Ready", nil, []map[string]any{ok}, "", "rook-ceph/a: phase is not found", ""},
		{"null", "{.status.null}", "x", nil, []map[string]any{odd}, "", "x: the field is null", ""},
		{"empty", "{.status.empty}", "x", nil, []map[string]any{odd}, "", "x: the field is empty", ""},
		{"a list", "{.status.list}", "x", nil, []map[string]any{odd}, "", "x: the field is no single value", ""},
		{"no number", "{.status.health}", "", number64(1), []map[string]any{ok}, "", `rook-ceph/a: "HEALTH_OK" is not a number`, ""},
		{"no objects", "{.status.health}", "HEALTH_OK", nil, nil, "", "there is no cephclusters.ceph.rook.io in namespace rook-ceph", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			asked := Object{Resource: "cephclusters.ceph.rook.io", Namespace: "rook-ceph", JSONPath: tc.path}
			w := World{Objects: func(_ context.Context, o Object) ([]map[string]any, error) {
				if o != asked {
					t.Errorf("asked for %v", o)
				}
				return tc.objects, nil
			}}
			g := New(Spec{Object: asked, Equals: strings.Fields(tc.equals), Min: tc.min, Timeout: time.Second}, w)
			reading, err := g.Measure(t.Context(), nil, nil)
			if reading != tc.reading || said(err) != tc.fail {
				t.Errorf("%q, %v; want %q, %q", reading, err, tc.reading, tc.fail)
			}
			if err == nil && said(g.Judge(reading, "")) != tc.bad {
				t.Error(g.Judge(reading, ""))
			}
		})
	}
	away := World{Objects: func(context.Context, Object) ([]map[string]any, error) { return nil, errors.New("forbidden") }}
	if _, err := New(Spec{Object: Object{Resource: "nodes"}, Equals: []string{"x"}, Timeout: time.Second}, away).Measure(t.Context(), nil, nil); said(err) != "forbidden" {
		t.Error(err)
	}
}

func TestCheckJSONPath(t *testing.T) {
	for path, good := range map[string]bool{"{.a.b}": true, ".a.b": true, "a.b": true, "{.a[?(@.b==1)].c}": true, "{.a": false, "{.a[}": false} {
		if err := CheckJSONPath(path); (err == nil) != good {
			t.Errorf("%s: %v", path, err)
		}
	}
}
