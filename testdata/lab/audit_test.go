package lab

import (
	"testing"
	"time"
)

func TestParseAudit(t *testing.T) {
	line := `{"verb":"create","requestURI":"/api/v1/namespaces/shop/pods/web-1/eviction?dryRun=All","userAgent":"fleetup/1",
		"user":{"username":"fleetup"},"objectRef":{"resource":"pods","subresource":"eviction","namespace":"shop","name":"web-1"},
		"responseStatus":{"code":429},"requestReceivedTimestamp":"2026-01-02T03:04:05.000006Z"}`
	got, err := parseAudit([]byte(line))
	want := Request{
		Verb: "create", Resource: "pods/eviction", Namespace: "shop", Name: "web-1", Query: "dryRun=All",
		User: "fleetup", UserAgent: "fleetup/1", Code: 429, Received: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
	}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := parseAudit([]byte(`{"verb":`)); err == nil {
		t.Error("half a line is taken for a request")
	}
}

func TestCount(t *testing.T) {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	all := Requests{
		{Verb: "get", Resource: "pods", UserAgent: "kubectl/v1", Received: noon},
		{Verb: "create", Resource: "pods/eviction", UserAgent: "kubectl/v1", Received: noon.Add(time.Second)},
		{Verb: "create", Resource: "pods/eviction", UserAgent: "fleetup/1", Received: noon.Add(2 * time.Second)},
		{Verb: "get", Resource: "", UserAgent: "fleetup/1", Received: noon.Add(3 * time.Second)},
	}
	for _, test := range []struct {
		what           string
		of             Requests
		verb, resource string
		want           int
	}{
		{"everything", all, "", "", 4},
		{"verb", all, "get", "", 2},
		{"resource", all, "", "pods/eviction", 2},
		{"no subresource", all, "", "pods", 1},
		{"agent", all.Of("kubectl"), "", "", 2},
		{"since, inclusive", all.Since(noon.Add(time.Second)), "", "", 3},
		{"since and agent", all.Since(noon.Add(time.Second)).Of("kubectl"), "create", "pods/eviction", 1},
		{"nothing", all, "watch", "", 0},
	} {
		if got := test.of.Count(test.verb, test.resource); got != test.want {
			t.Errorf("%s: got %d, want %d", test.what, got, test.want)
		}
	}
}
