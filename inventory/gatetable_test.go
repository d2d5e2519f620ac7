package inventory

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// readAround reads [prometheus], [[gate]], [[hook]] and [[notify]] alone.
func readAround(t *testing.T, src string) (*Fleet, Problems) {
	t.Helper()
	root, places, problems := decode("fleet.toml", src)
	if problems != nil {
		t.Fatal(problems)
	}
	r := &reader{places: places, folder: "/etc/fleetup"}
	f, top := &Fleet{}, &table{reader: r, m: root}
	f.Prometheus = r.prometheus(top)
	f.Gates = r.gates(top, f.Prometheus)
	f.Hooks, f.Notify = r.hooks(top), r.notifies(top)
	return f, r.problems
}

func pointer(v float64) *float64 { return &v }

func TestReadGates(t *testing.T) {
	f, problems := readAround(t, `
[prometheus]
url = "https://prometheus:9090"
bearer = { file = "token" }
ca_file = "ca.pem"
[[gate]]
name = "errors"
query = "sum(rate(x{node=~'{{.Upgraded}}'}[2m]))"
max = 0.01
max_increase = "20%"
deadline = "5m"
[[gate]]
name = "page"
url = "https://shop.example.com/healthz"
max_latency = "500ms"
timeout = "3s"
[[gate]]
name = "storage"
command = ["./storage.sh", "-q"]
[[gate]]
name = "ceph"
resource = "cephclusters.ceph.rook.io"
namespace = "rook-ceph"
object = "a"
jsonpath = "{.status.ceph.health}"
equals = ["HEALTH_OK", "HEALTH_WARN"]
[[gate]]
use = "etcd"
[[gate]]
use = "response-time"
name = "slow pages"
max = 2
`)
	if problems != nil {
		t.Fatal(problems)
	}
	gate := func(n string, g Gate) Gate {
		g.Key = "gate[" + n + "]"
		g.Status = 200
		if g.Timeout == 0 {
			g.Timeout = 10 * time.Second
		}
		if g.Deadline == 0 {
			g.Deadline = time.Minute
		}
		return g
	}
	want := []Gate{
		gate("0", Gate{Name: "errors", Query: "sum(rate(x{node=~'{{.Upgraded}}'}[2m]))", Max: pointer(0.01), MaxIncrease: pointer(0.2), Deadline: 5 * time.Minute}),
		gate("1", Gate{Name: "page", URL: "https://shop.example.com/healthz", MaxLatency: 500 * time.Millisecond, Timeout: 3 * time.Second}),
		gate("2", Gate{Name: "storage", Command: []string{"/etc/fleetup/storage.sh", "-q"}}),
		gate("3", Gate{Name: "ceph", Resource: "cephclusters.ceph.rook.io", Namespace: "rook-ceph", Object: "a", JSONPath: "{.status.ceph.health}", Equals: []string{"HEALTH_OK", "HEALTH_WARN"}}),
		gate("4", Gate{Name: "etcd", Query: "min(etcd_server_has_leader)", Min: pointer(1)}),
		gate("5", Gate{Name: "slow pages", Query: "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[2m])))", Max: pointer(2)}),
	}
	if diff := cmp.Diff(want, f.Gates); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wantP := Prometheus{URL: "https://prometheus:9090", Bearer: Secret{File: "/etc/fleetup/token"}, CAFile: "/etc/fleetup/ca.pem"}
	if diff := cmp.Diff(wantP, f.Prometheus); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestReadyGates: each ready gate is a gate by itself, is named as its file, says what it asks in its first line, and can be used.
func TestReadyGates(t *testing.T) {
	names := ReadyGates()
	if len(names) < 7 {
		t.Errorf("only %q", names)
	}
	for _, name := range names {
		text, err := ReadyGate(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(text, "# ") || !strings.Contains(text, "\n[[gate]]\n") {
			t.Errorf("%s begins with %q", name, text[:20])
		}
		for _, side := range []string{"{{.Upgraded}}", "{{.Others}}"} {
			if strings.HasSuffix(name, "-others") && !strings.Contains(text, side) {
				t.Errorf("%s doesn't say %s", name, side)
			}
		}
		for _, src := range []string{text, "[[gate]]\nuse = \"" + name + "\"\n"} {
			f, problems := readAround(t, "[prometheus]\nurl = \"http://p:9090\"\n"+src)
			if problems != nil || len(f.Gates) != 1 || f.Gates[0].Name != name {
				t.Errorf("%s: %v %v", src, problems, f.Gates)
			}
		}
	}
	for _, name := range []string{"../gates/etcd", "etc", ""} {
		if _, err := ReadyGate(name); err == nil {
			t.Errorf("%q is a ready gate", name)
		}
	}
}

// TestRefusedAround holds one mistake a row, each in the table of line 1 or the key of the line that is named.
func TestRefusedAround(t *testing.T) {
	const kinds = `needs exactly one of query, url, command and resource, or use = "NAME" of "fleetup gates"`
	const secret = `a secret never stands in the inventory, which ends up in version control; name where it comes from`
	for _, tc := range []struct{ src, want string }{
		{"[prometheus]\n", `:1: prometheus: needs url = "http://prometheus:9090"`},
		{"[prometheus]\nurl = \"prometheus:9090\"\n", `:2: prometheus.url: is not a URL`},
		{"[prometheus]\nurl = \"http://ann:pw@p:9090\"\n", `:2: prometheus.url: holds a user or a password: a secret never stands in the inventory`},
		{"[prometheus]\nurl = \"http://p\"\nbearer = \"t0k3n\"\n", `:3: prometheus.bearer: ` + secret},
		{"[prometheus]\nurl = \"http://p\"\nuser = \"ann\"\n", `:1: prometheus: user and password go together`},
		{"[prometheus]\nurl = \"http://p\"\nuser = \"ann\"\npassword = { env = \"P\" }\nbearer = { env = \"B\" }\n", `:1: prometheus: either bearer, or user and password`},
		{"[prometheus]\nurl = \"http://p\"\ncafile = \"a\"\n", `:3: prometheus.cafile: unknown key; did you mean "ca_file"?`},
		{"[[gate]]\nurl = \"http://a/\"\n", `:1: gate[0]: needs name = "error rate"`},
		{"[[gate]]\nname = \"\"\nurl = \"http://a/\"\n", `:2: gate[0].name: "" is not a name of 1 to 63 characters on one line`},
		{"[[gate]]\nname = \"a\"\n", `:1: gate[0]: ` + kinds},
		{"[[gate]]\nname = \"a\"\nurl = \"http://a/\"\ncommand = [\"true\"]\n", `:1: gate[0]: ` + kinds},
		{"[[gate]]\nname = \"a\"\nurl = \"http://a/\"\n[[gate]]\nname = \"a\"\nurl = \"http://b/\"\n", `:4: gate[1]: the gate on line 1 has the name "a" too: give one of them another`},
		{"[[gate]]\nname = \"a\"\nquery = \"up\"\nmax = 1\n", `:3: gate[0].query: needs [prometheus] with url = "http://prometheus:9090"`},
		{prom + "name = \"a\"\nquery = \"up\"\n", `:3: gate[0]: needs min, max or max_increase: without one nothing is ever bad`},
		{prom + "name = \"a\"\nquery = \" \"\nmax = 1\n", `:5: gate[0].query: an empty query`},
		{prom + "name = \"a\"\nquery = \"up{n='{{.Nodes}}'}\"\nmax = 1\n", `:5: gate[0].query: {{.Nodes}}: known are {{.Upgraded}} and {{.Others}}`},
		{prom + "name = \"a\"\nquery = \"up\"\nmax = \"1\"\n", `:6: gate[0].max: must be a number, not a string`},
		{prom + "name = \"a\"\nquery = \"up\"\nmax = inf\n", `:6: gate[0].max: +Inf bounds nothing`},
		{prom + "name = \"a\"\nquery = \"up\"\nmin = nan\n", `:6: gate[0].min: NaN bounds nothing`},
		{prom + "name = \"a\"\nquery = \"up\"\nmin = 2\nmax = 1\n", `:6: gate[0].min: is more than max: nothing would ever be good`},
		{prom + "name = \"a\"\nquery = \"up\"\nmax_increase = \"twice\"\n", `:6: gate[0].max_increase: "twice" is not a percent such as "20%"`},
		{prom + "name = \"a\"\nquery = \"up\"\nmax_increase = 0.2\n", `:6: gate[0].max_increase: must be a string, not a decimal number`},
		{prom + "name = \"a\"\nquery = \"up\"\nmax = 1\nstatus = 200\n", `:7: gate[0].status: goes with url alone`},
		{prom + "name = \"a\"\nquery = \"up\"\nmax = 1\nequals = \"x\"\n", `:7: gate[0].equals: goes with resource alone`},
		{"[[gate]]\nname = \"a\"\nurl = \"http://a/\"\nmax = 1\n", `:1: gate[0]: min, max and max_increase don't go with url; status and max_latency do`},
		{"[[gate]]\nname = \"a\"\nurl = \"http://a/\"\nstatus = 99\n", `:4: gate[0].status: 99 is not between 100 and 599`},
		{"[[gate]]\nname = \"a\"\nurl = \"http://a/\"\nmax_latency = \"0s\"\n", `:4: gate[0].max_latency: "0s" is too short: the least is 1ms`},
		{"[[gate]]\nname = \"a\"\ncommand = []\n", `:3: gate[0].command: names no program`},
		{"[[gate]]\nname = \"a\"\nresource = \"nodes\"\njsonpath = \"{.a}\"\n", `:1: gate[0]: needs either equals, or one of min, max and max_increase`},
		{"[[gate]]\nname = \"a\"\nresource = \"nodes\"\njsonpath = \"{.a}\"\nequals = \"x\"\nmax = 1\n", `:1: gate[0]: needs either equals, or one of min, max and max_increase`},
		{"[[gate]]\nname = \"a\"\nresource = \"nodes\"\nequals = \"x\"\n", `:1: gate[0]: needs jsonpath = "{.status.phase}"`},
		{"[[gate]]\nname = \"a\"\nresource = \"nodes\"\nequals = \"\"\njsonpath = \"{.a}\"\n", `:4: gate[0].equals: an empty field never passes`},
		{"[[gate]]\nname = \"a\"\nresource = \"Nodes!\"\nequals = \"x\"\njsonpath = \"{.a}\"\n", `:3: gate[0].resource: `},
		{"[[gate]]\nname = \"a\"\nresource = \"nodes\"\nequals = \"x\"\njsonpath = \"\"\n", `:5: gate[0].jsonpath: names no field; write one such as {.status.phase}`},
		{"[[gate]]\nuse = \"node-cpuu\"\nurl = \"http://a/\"\nname = \"a\"\n", `:2: gate[0].use: there is no ready gate "node-cpuu"; did you mean "node-cpu"?`},
		{"[[gate]]\nuse = \"ceph\"\nurl = \"http://a/\"\n", `:1: gate[0]: ` + kinds},
		{"[[gate]]\nname = \"a\"\nurl = \"http://a/\"\nthreshold = 1\n", `:4: gate[0].threshold: unknown key`},
		{"[[gate]]\nname = \"a\"\nurl = \"http://a/\"\ndeadline = \"0s\"\n", `:4: gate[0].deadline: "0s" is too short: the least is 1s`},
		{"[[hook]]\ncommand = [\"true\"]\n", `:1: hook[0]: needs at = "before-drain"`},
		{"[[hook]]\nat = \"before-drain\"\n", `:1: hook[0]: needs command = ["./silence.sh"]`},
		{"[[hook]]\nat = \"before-dran\"\ncommand = [\"true\"]\n", `:2: hook[0].at: unknown value "before-dran"; did you mean "before-drain"?`},
		{"[[hook]]\nat = \"failed\"\ncommand = \"true\"\n", `:3: hook[0].command: must be a list of strings such as ["a", "b"], not a string`},
		{"[[hook]]\nat = \"failed\"\ncommand = [\"true\"]\non_failure = \"stop\"\n", `:4: hook[0].on_failure: unknown value "stop"; known are fail, ignore`},
		{"[[hook]]\nat = \"failed\"\ncommand = [\"true\"]\nwhen = \"x\"\n", `:4: hook[0].when: unknown key; known are at, command, on_failure, timeout`},
		{"[[notify]]\nevents = [\"halted\"]\n", `:1: notify[0]: needs url = { env = "SLACK_URL" }`},
		{"[[notify]]\nurl = \"slack://token@channel\"\n", `:2: notify[0].url: ` + secret},
		{"[[notify]]\nurl = { env = \"S\" }\nevents = [\"haltet\"]\n", `:3: notify[0].events: unknown value "haltet"; did you mean "halted"?`},
		{"[[notify]]\nurl = { env = \"S\" }\nevents = []\n", `:3: notify[0].events: names no event; leave it out for all of them`},
	} {
		_, problems := readAround(t, tc.src)
		if len(problems) != 1 || !strings.HasPrefix(problems.Error(), "fleet.toml"+tc.want) {
			t.Errorf("%s\n got %v\nwant %s", tc.src, problems, tc.want)
		}
		if strings.Contains(problems.Error(), "t0k3n") || strings.Contains(problems.Error(), "token@") {
			t.Errorf("shows a secret: %v", problems)
		}
	}
}

// prom begins a file with [prometheus] on lines 1 and 2 and a gate on 3.
const prom = "[prometheus]\nurl = \"http://p:9090\"\n[[gate]]\n"

func TestReadHooksAndNotify(t *testing.T) {
	f, problems := readAround(t, `
[[hook]]
at = "before-drain"
command = ["./silence.sh", "2h"]
timeout = "30s"
on_failure = "ignore"
[[hook]]
at = "finished"
command = ["ceph", "osd", "unset", "noout"]
[[notify]]
url = { env = "SLACK_URL" }
events = ["halted", "failed"]
[[notify]]
url = { file = "ntfy" }
`)
	want := &Fleet{
		Hooks: []Hook{
			{At: HookBeforeDrain, Command: []string{"/etc/fleetup/silence.sh", "2h"}, Timeout: 30 * time.Second, OnFailure: "ignore", Key: "hook[0]"},
			{At: HookFinished, Command: []string{"ceph", "osd", "unset", "noout"}, Timeout: time.Minute, OnFailure: "fail", Key: "hook[1]"},
		},
		Notify: []Notify{
			{URL: Secret{Env: "SLACK_URL"}, Events: []string{"halted", "failed"}, Key: "notify[0]"},
			{URL: Secret{File: filepath.Join("/etc/fleetup", "ntfy")}, Events: []string{"started", "halted", "failed", "finished"}, Key: "notify[1]"},
		},
	}
	if diff := cmp.Diff(want, f, exported); diff != "" || problems != nil {
		t.Errorf("%v (-want +got):\n%s", problems, diff)
	}
}
