package gate

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const vector = `{"status":"success","data":{"resultType":"vector","result":[%s]}}`

func one(value string) string {
	return fmt.Sprintf(vector, `{"metric":{"a":"b"},"value":[1700000000.1,"`+value+`"]}`)
}

// ask asks a server that answers with status and body.
func ask(t *testing.T, status int, body string) (string, error) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/prom/api/v1/query" || r.PostFormValue("query") != `up{n=~"(?:n1)"}` {
			t.Errorf("%s %s %q", r.Method, r.URL, r.PostFormValue("query"))
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	defer s.Close()
	w := World{Prometheus: Prometheus{URL: s.URL + "/prom/"}}
	return New(Spec{Query: `up{n=~"{{.Upgraded}}"}`, Max: number64(1), Timeout: 10 * time.Second}, w).Measure(t.Context(), []string{"n1"}, nil)
}

// TestPrometheusAnswers: only one sample with a value is a reading; all else is an error and never good.
func TestPrometheusAnswers(t *testing.T) {
	for _, tc := range []struct {
		name       string
		status     int
		body       string
		want, fail string
	}{
		{"one sample", 200, one("0.5"), "0.5", ""},
		{"a large one", 200, one("8350000001"), "8350000001", ""},
		{"a scalar", 200, `{"status":"success","data":{"resultType":"scalar","result":[1,"3"]}}`, "3", ""},
		{"a note on the query", 200, `{"status":"success","warnings":["PromQL info: metric might not be a counter"],"data":{"resultType":"scalar","result":[1,"3"]}}`, "3", ""},
		{"none", 200, fmt.Sprintf(vector, ""), "", "no sample: nothing matches the query, or it has no data now"},
		{"several", 200, fmt.Sprintf(vector, `{"value":[1,"1"]},{"value":[1,"1"]}`), "", "2 samples, and a gate is one: wrap the query in max(…), min(…) or sum(…)"},
		{"NaN", 200, one("NaN"), "", "NaN is no value"},
		{"infinite", 200, one("+Inf"), "", "+Inf is no value"},
		{"infinitely little", 200, one("-Inf"), "", "-Inf is no value"},
		{"no number", 200, one("x"), "", `"x" is not a number`},
		{"a histogram", 200, fmt.Sprintf(vector, `{"metric":{},"histogram":[1,{}]}`), "", "the sample has no value; a histogram is none"},
		{"a range", 200, `{"status":"success","data":{"resultType":"matrix","result":[]}}`, "", "the query makes a matrix, and a gate is one sample: an instant vector or a scalar"},
		{"a string", 200, `{"status":"success","data":{"resultType":"string","result":[1,"a"]}}`, "", "the query makes a string, and a gate is one sample: an instant vector or a scalar"},
		{"data is missing", 200, `{"status":"success","warnings":["store b: unavailable"],"data":{"resultType":"scalar","result":[1,"3"]}}`, "", "it answered with a warning: store b: unavailable"},
		{"an error with 200", 200, `{"status":"error","error":"boom"}`, "", `it answered "error": boom`},
		{"a wrong query", 400, `{"status":"error","errorType":"bad_data","error":"parse error: unexpected )"}`, "", "status 400: parse error: unexpected )"},
		{"overloaded", 503, `no`, "", "status 503"},
		{"another server", 200, `<html>`, "", "it didn't answer as Prometheus does: see url under [prometheus]"},
		{"nothing", 200, ``, "", "it didn't answer as Prometheus does: see url under [prometheus]"},
		{"empty object", 200, `{}`, "", `it answered "": `},
		{"not allowed", 403, `Forbidden`, "", "status 403: see bearer, or user and password, under [prometheus]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ask(t, tc.status, tc.body)
			if got != tc.want || (err != nil) != (tc.fail != "") || err != nil && err.Error() != tc.fail {
				t.Errorf("%q, %v; want %q, %q", got, err, tc.want, tc.fail)
			}
		})
	}
}

func fixed(secret string) Secret { return func(context.Context) (string, error) { return secret, nil } }

// TestPrometheusCredentials: they are sent as asked for, never to where a redirect points, and no error shows them.
func TestPrometheusCredentials(t *testing.T) {
	var elsewhere string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { elsewhere = r.URL.Path }))
	defer other.Close()
	var got string
	mode := "answer"
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		switch mode {
		case "redirect":
			http.Redirect(w, r, other.URL+"/steal", http.StatusTemporaryRedirect)
		case "echo":
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"status":"error","error":"token %s is no good"}`, strings.TrimPrefix(got, "Bearer "))
		default:
			fmt.Fprint(w, one("1"))
		}
	}))
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	measure := func(p Prometheus) (string, error) {
		got, p.URL = "", s.URL
		return New(Spec{Query: "up", Max: number64(1), Timeout: 10 * time.Second}, World{Prometheus: p}).Measure(t.Context(), nil, nil)
	}
	if reading, err := measure(Prometheus{CAFile: ca, Bearer: fixed("s3cret")}); reading != "1" || err != nil || got != "Bearer s3cret" {
		t.Errorf("%q %v, sent %q", reading, err, got)
	}
	if reading, err := measure(Prometheus{CAFile: ca, User: "ann", Password: fixed("pw")}); reading != "1" || err != nil || got != "Basic YW5uOnB3" {
		t.Errorf("%q %v, sent %q", reading, err, got)
	}
	mode = "redirect"
	if _, err := measure(Prometheus{CAFile: ca, Bearer: fixed("s3cret")}); err == nil || elsewhere != "" || !strings.Contains(err.Error(), "isn't followed") {
		t.Errorf("%v, went to %q", err, elsewhere)
	}
	mode = "echo"
	if _, err := measure(Prometheus{CAFile: ca, Bearer: fixed("s3cret")}); err == nil || err.Error() != "status 400: token [withheld] is no good" {
		t.Error(err)
	}
	if _, err := measure(Prometheus{}); err == nil || got != "" || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate was taken: %v", err)
	}
	if _, err := measure(Prometheus{CAFile: filepath.Join(t.TempDir(), "none")}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	empty := func(context.Context) (string, error) { return "", errors.New("prometheus.bearer: no such file") }
	if _, err := measure(Prometheus{CAFile: ca, Bearer: empty}); err == nil || got != "" {
		t.Errorf("asked without its credentials: %v", err)
	}
}

// TestPrometheusAway: nobody listens, and nobody answers in time.
func TestPrometheusAway(t *testing.T) {
	stuck := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stuck }))
	g := New(Spec{Query: "up", Max: number64(1), Timeout: 50 * time.Millisecond}, World{Prometheus: Prometheus{URL: s.URL}})
	if reading, err := g.Measure(t.Context(), nil, nil); reading != "" || err == nil || err.Error() != "no answer within 50ms" {
		t.Errorf("%q %v", reading, err)
	}
	close(stuck)
	s.Close()
	g = New(Spec{Query: "up", Max: number64(1), Timeout: 10 * time.Second}, World{Prometheus: Prometheus{URL: s.URL}})
	if reading, err := g.Measure(t.Context(), nil, nil); reading != "" || err == nil || !strings.Contains(err.Error(), "refused") || strings.Contains(err.Error(), "api/v1") {
		t.Errorf("%q %v", reading, err)
	}
}
