package gate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// Prometheus says where queries are asked: its HTTP API, or any that speaks it (Thanos, Mimir, VictoriaMetrics).
type Prometheus struct {
	URL      string
	Bearer   Secret // nil: none
	User     string
	Password Secret // of User; nil: none
	CAFile   string // of who signed its certificate; "": those of the system
}

// Source: https://prometheus.io/docs/prometheus/latest/querying/api/
type answer struct {
	Status   string   `json:"status"`
	Error    string   `json:"error"`
	Warnings []string `json:"warnings"`
	Data     struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	} `json:"data"`
}

// askPrometheus asks for one sample.
func (w World) askPrometheus(s Spec) func(context.Context, []string, []string) (string, error) {
	return func(ctx context.Context, upgraded, others []string) (string, error) {
		p := w.Prometheus
		client, err := w.client(p.CAFile)
		if err != nil {
			return "", err
		}
		defer client.CloseIdleConnections()
		body, err := p.post(ctx, client, w.filled(s.Query, upgraded, others))
		if err != nil {
			return "", err
		}
		return sample(body)
	}
}

// post sends a query. The nodes of a large fleet make it longer than a URL may be.
func (p Prometheus) post(ctx context.Context, client *http.Client, query string) ([]byte, error) {
	form := url.Values{"query": {query}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(p.URL, "/")+"/api/v1/query", strings.NewReader(form))
	if err != nil {
		return nil, bare(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	secret, err := p.authorize(ctx, req)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, bare(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, bare(err)
	}
	if err := refused(res, body); err != nil {
		return nil, withheld(err, secret)
	}
	return body, nil
}

// authorize sets the Authorization header and returns the secret in it.
func (p Prometheus) authorize(ctx context.Context, req *http.Request) (string, error) {
	switch {
	case p.Bearer != nil:
		token, err := p.Bearer(ctx)
		if err == nil {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		return token, err
	case p.Password != nil:
		password, err := p.Password(ctx)
		if err == nil {
			req.SetBasicAuth(p.User, password)
		}
		return password, err
	}
	return "", nil
}

// refused explains an answer that isn't one.
func refused(res *http.Response, body []byte) error {
	if res.StatusCode == http.StatusOK {
		return nil
	}
	var a answer
	switch {
	case json.Unmarshal(body, &a) == nil && a.Error != "":
		return fmt.Errorf("status %d: %s", res.StatusCode, cut(a.Error))
	case res.StatusCode/100 == 3:
		return fmt.Errorf("status %d, a redirect to %s, which isn't followed: write the address that answers itself", res.StatusCode, hostOf(res.Header.Get("Location")))
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return fmt.Errorf("status %d: see bearer, or user and password, under [prometheus]", res.StatusCode)
	}
	return fmt.Errorf("status %d", res.StatusCode)
}

// sample reads the one sample of an answer. Anything else is no reading.
func sample(body []byte) (string, error) {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return "", errors.New("it didn't answer as Prometheus does: see url under [prometheus]")
	}
	if a.Status != "success" {
		return "", fmt.Errorf("it answered %q: %s", a.Status, cut(a.Error))
	}
	for _, warning := range a.Warnings {
		if !strings.HasPrefix(warning, "PromQL") { // which tell of the query; others that data is missing
			return "", fmt.Errorf("it answered with a warning: %s", cut(warning))
		}
	}
	pair, err := a.pair()
	if err != nil {
		return "", err
	}
	var text string
	if len(pair) != 2 || json.Unmarshal(pair[1], &text) != nil {
		return "", errors.New("the sample has no value; a histogram is none")
	}
	v, err := number(text)
	if err != nil {
		return "", err
	}
	return written(v), nil
}

// pair is the time and value of the one sample.
func (a answer) pair() ([]json.RawMessage, error) {
	switch a.Data.ResultType {
	case "scalar":
		var pair []json.RawMessage
		err := json.Unmarshal(a.Data.Result, &pair)
		return pair, err
	case "vector":
		var vector []struct{ Value []json.RawMessage }
		if err := json.Unmarshal(a.Data.Result, &vector); err != nil {
			return nil, err
		}
		if len(vector) == 0 {
			return nil, errors.New("no sample: nothing matches the query, or it has no data now")
		}
		if len(vector) > 1 {
			return nil, fmt.Errorf("%d samples, and a gate is one: wrap the query in max(…), min(…) or sum(…)", len(vector))
		}
		return vector[0].Value, nil
	}
	return nil, fmt.Errorf("the query makes a %s, and a gate is one sample: an instant vector or a scalar", a.Data.ResultType)
}

// client is one for a single question. Redirects aren't followed: they would take the credentials along.
func (w World) client(caFile string) (*http.Client, error) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: w.Dial, DisableKeepAlives: true}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM", caFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// bare leaves the URL out of an error: it is long, and its query may hold what isn't for a log.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func hostOf(location string) string {
	if u, err := url.Parse(location); err == nil && u.Host != "" {
		return u.Scheme + "://" + u.Host
	}
	return "elsewhere"
}

// withheld keeps a secret that was echoed out of an error.
func withheld(err error, secret string) error {
	if secret == "" || !strings.Contains(err.Error(), secret) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), secret, "[withheld]"))
}
