package inventory

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// hostKeys are all keys that a fleet, a group and a host can set, each with a value that is no default and with what it
// does to a host.
var hostKeys = []struct {
	key, value string
	apply      func(*Host)
}{
	{"ssh.user", `"ann"`, func(h *Host) { h.SSH.User = "ann" }},
	{"ssh.port", `2222`, func(h *Host) { h.SSH.Port = 2222 }},
	{"ssh.identity_files", `["/a", "/b"]`, func(h *Host) { h.SSH.IdentityFiles = []string{"/a", "/b"} }},
	{"ssh.known_hosts", `["/k"]`, func(h *Host) { h.SSH.KnownHosts = []string{"/k"} }},
	{"ssh.jump", `["ann@a:22,b"]`, func(h *Host) { h.SSH.Jump = []string{"ann@a:22,b"} }},
	{"ssh.sudo", `"always"`, func(h *Host) { h.SSH.Sudo = "always" }},
	{"ssh.sudo", `"never"`, func(h *Host) { h.SSH.Sudo = "never" }},
	{"ssh.sudo_password", `{ env = "X" }`, func(h *Host) { h.SSH.SudoPassword.Env = "X" }},
	{"ssh.legacy_algorithms", `["hmac-sha1", "ssh-rsa"]`, func(h *Host) { h.SSH.Legacy = []string{"hmac-sha1", "ssh-rsa"} }},
	{"ssh.connect_timeout", `"1m"`, func(h *Host) { h.SSH.ConnectTimeout = time.Minute }},
	{"drain.ignore_daemonsets", `false`, func(h *Host) { h.Drain.IgnoreDaemonSets = false }},
	{"drain.delete_emptydir_data", `false`, func(h *Host) { h.Drain.DeleteEmptyDirData = false }},
	{"drain.force", `true`, func(h *Host) { h.Drain.Force = true }},
	{"drain.grace_period", `"0s"`, func(h *Host) { h.Drain.GracePeriod = 0 }},
	{"drain.grace_period", `"90s"`, func(h *Host) { h.Drain.GracePeriod = 90 * time.Second }},
	{"drain.timeout", `"1h"`, func(h *Host) { h.Drain.Timeout = time.Hour }},
	{"drain.on_blocked", `"fail"`, func(h *Host) { h.Drain.OnBlocked = "fail" }},
	{"drain.lb_settle", `"0s"`, func(h *Host) { h.Drain.LBSettle = 0 }},
	{"drain.last_endpoint", `"block"`, func(h *Host) { h.Drain.LastEndpoint = "block" }},
	{"drain.last_endpoint", `"allow"`, func(h *Host) { h.Drain.LastEndpoint = "allow" }},
	{"drain.accept_downtime", `["shop/db", "crm/sql.main"]`, func(h *Host) { h.Drain.AcceptDowntime = []string{"shop/db", "crm/sql.main"} }},
	{"reboot.timeout", `"1h"`, func(h *Host) { h.Reboot.Timeout = time.Hour }},
	{"verify.timeout", `"1h"`, func(h *Host) { h.Verify.Timeout = time.Hour }},
	{"verify.probe", `{ image = "tools:1", command = ["sh", "-c", "true"], namespace = "ops", timeout = "1m", storage_classes = ["fast"], resources = { "nvidia.com/gpu" = 1, memory = "2Gi" } }`, func(h *Host) {
		h.Verify.Probe = Probe{
			Image: "tools:1", Command: []string{"sh", "-c", "true"}, Namespace: "ops", Timeout: time.Minute,
			StorageClasses: []string{"fast"}, Resources: map[string]string{"nvidia.com/gpu": "1", "memory": "2Gi"},
		}
	}},
	{"verify.probe", `{ image = "tools:1" }`, func(h *Host) {
		h.Verify.Probe = Probe{Image: "tools:1", Namespace: "default", Timeout: 5 * time.Minute}
	}},
	{"verify.probe", `{}`, func(*Host) {}},
	{"upgrade.reboot", `"always"`, func(h *Host) { h.Reboot.Policy = "always" }},
	{"upgrade.reboot", `"never"`, func(h *Host) { h.Reboot.Policy = "never" }},
}

// TestEveryKeyOnEveryLayer: a key does what it says and nothing else, wherever it stands.
func TestEveryKeyOnEveryLayer(t *testing.T) {
	for _, tc := range hostKeys {
		_, flat, _ := strings.Cut(tc.key, ".")
		sources := map[string]string{
			"fleet":  fmt.Sprintf("%s = %s\n[hosts.n1]\ngroups = [\"g\"]\n", tc.key, tc.value),
			"group":  fmt.Sprintf("groups.g.%s = %s\n[hosts.n1]\ngroups = [\"g\"]\n", tc.key, tc.value),
			"host":   fmt.Sprintf("[hosts.n1]\n%s = %s\ngroups = [\"g\"]\n", tc.key, tc.value),
			"inline": fmt.Sprintf("[hosts]\nn1 = { groups = [\"g\"], %s = %s }\n", tc.key, tc.value),
		}
		if strings.HasPrefix(tc.key, "ssh.") {
			sources["flat"] = fmt.Sprintf("[hosts.n1]\n%s = %s\ngroups = [\"g\"]\n", flat, tc.value)
		}
		for layer, src := range sources {
			got := mustParse(t, src).Hosts[0]
			want := fresh()
			want.Name, want.Node, want.Address, want.Groups = "n1", "n1", "n1", []string{"g"}
			want.Key, want.Line = "hosts.n1", got.Line
			tc.apply(&want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s = %s, %s (-want +got):\n%s", tc.key, tc.value, layer, diff)
			}
		}
		other := fmt.Sprintf("groups.g.%s = %s\n[hosts.n1]\ngroups = [\"h\"]\n", tc.key, tc.value)
		got, plain := mustParse(t, other).Hosts[0], mustParse(t, "[hosts.n1]\ngroups = [\"h\"]\n").Hosts[0]
		got.Line = plain.Line
		if diff := cmp.Diff(plain, got); diff != "" {
			t.Errorf("groups.g.%s reaches a host of another group:\n%s", tc.key, diff)
		}
	}
}

// TestEveryKeyRefusesOtherTypes: no value of a wrong type is taken for something else, or passed over.
func TestEveryKeyRefusesOtherTypes(t *testing.T) {
	keys := []string{
		"name", "cluster.kubeconfig", "cluster.context", "cluster.namespace", "ssh.fan_out", "verify.http",
		"strategy.kind", "strategy.max_unavailable", "strategy.spread", "strategy.domains", "strategy.on_failure",
		"strategy.max_failures", "strategy.cordoned", "strategy.unreachable", "strategy.max_surge", "strategy.min_pods",
		"strategy.waves", "strategy.pools", "strategy.soak",
		"groups.g.max_unavailable", "groups.g", "hosts.n2.address", "hosts.n2.node", "hosts.n2.groups", "hosts.n2.labels",
		"hosts.n2.spare", "hosts.n2", "cluster", "ssh", "upgrade", "strategy", "drain", "reboot", "verify", "groups",
	}
	for _, k := range hostKeys {
		keys = append(keys, k.key, "groups.g."+k.key, "hosts.n2."+k.key)
	}
	for _, key := range keys {
		for _, value := range []string{"1.5", "2026-01-01", "[[1]]"} {
			src := "hosts.n1.address = \"10.0.0.1\"\n" + key + " = " + value + "\n"
			_, err := parse("fleet.toml", []byte(src), nil)
			for _, p := range problemsOf(t, err) {
				if p.Line != 2 || p.Key != key {
					t.Errorf("%s = %s: %v", key, value, p)
				}
			}
		}
	}
}

func TestStrategy(t *testing.T) {
	standard := Strategy{
		Kind: "rolling", MaxUnavailable: Amount{N: 1}, OnFailure: "stop", MaxFailures: Amount{N: 1},
		Cordoned: "skip", Unreachable: "fail",
	}
	for _, tc := range []struct {
		line  string
		apply func(*Strategy)
	}{
		{``, func(*Strategy) {}},
		{`kind = "rolling"`, func(*Strategy) {}},
		{`max_surge = 0`, func(*Strategy) {}},
		{"kind = \"canary\"\nwaves = [\"1\", \"10%\", \"100%\"]\nsoak = \"10m\"\nmin_pods = 3", func(s *Strategy) {
			s.Kind, s.Waves = "canary", []Amount{{N: 1}, {10, true}, {100, true}}
			s.Soak, s.MinPods = 10*time.Minute, 3
		}},
		{"kind = \"canary\"\nwaves = [\"100%\"]", func(s *Strategy) { s.Kind, s.Waves = "canary", []Amount{{100, true}} }},
		{`max_unavailable = "25%"`, func(s *Strategy) { s.MaxUnavailable = Amount{25, true} }},
		{`max_unavailable = 5`, func(s *Strategy) { s.MaxUnavailable = Amount{5, false} }},
		{`max_failures = "5%"`, func(s *Strategy) { s.MaxFailures = Amount{5, true} }},
		{`on_failure = "stop"`, func(s *Strategy) { s.OnFailure = "stop" }},
		{`on_failure = "quarantine"`, func(s *Strategy) { s.OnFailure = "quarantine" }},
		{`cordoned = "upgrade"`, func(s *Strategy) { s.Cordoned = "upgrade" }},
		{`unreachable = "skip"`, func(s *Strategy) { s.Unreachable = "skip" }},
		{`spread = { rack = 2, "topology.kubernetes.io/zone" = 1 }`, func(s *Strategy) {
			s.Spread = map[string]int{"rack": 2, "topology.kubernetes.io/zone": 1}
		}},
		{`domains.rack = 3`, func(s *Strategy) { s.Domains = map[string]int{"rack": 3} }},
	} {
		want := standard
		tc.apply(&want)
		got := mustParse(t, "[strategy]\n"+tc.line+"\n"+oneHost).Strategy
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.line, diff)
		}
	}
}

func TestCluster(t *testing.T) {
	t.Setenv("HOME", "/home/ann")
	for _, tc := range []struct {
		lines string
		want  Cluster
	}{
		{"", Cluster{Namespace: "kube-system", HasSection: true}},
		{`kubeconfig = "/etc/kube"`, Cluster{Kubeconfig: "/etc/kube", Namespace: "kube-system", HasSection: true}},
		{`kubeconfig = "~/.kube/prod"`, Cluster{Kubeconfig: "/home/ann/.kube/prod", Namespace: "kube-system", HasSection: true}},
		{`kubeconfig = "sub/kube"`, Cluster{Kubeconfig: "/srv/fleet/sub/kube", Namespace: "kube-system", HasSection: true}},
		{`context = "admin@prod"`, Cluster{Context: "admin@prod", Namespace: "kube-system", HasSection: true}},
		{`context = "arn:aws:eks:x:1:cluster/prod"`, Cluster{Context: "arn:aws:eks:x:1:cluster/prod", Namespace: "kube-system", HasSection: true}},
		{`namespace = "fleetup"`, Cluster{Namespace: "fleetup", HasSection: true}},
	} {
		fleet, err := parse("/srv/fleet/prod.toml", []byte("[cluster]\n"+tc.lines+"\n"+oneHost), nil)
		if err != nil {
			t.Errorf("%s: %v", tc.lines, err)
			continue
		}
		if diff := cmp.Diff(tc.want, fleet.Cluster); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.lines, diff)
		}
	}
	for _, line := range []string{`context = ""`, `namespace = ""`, `namespace = "a.b"`, `namespace = "A"`} {
		if _, err := parse("fleet.toml", []byte("[cluster]\n"+line+"\n"+oneHost), nil); err == nil {
			t.Errorf("%s is accepted", line)
		}
	}
}

func TestFanOut(t *testing.T) {
	if got := mustParse(t, "[ssh]\nfan_out = 8\n"+oneHost).FanOut; got != 8 {
		t.Errorf("fan_out = 8 is %d", got)
	}
	for _, value := range []string{"0", "-1", "100000"} {
		if _, err := parse("fleet.toml", []byte("[ssh]\nfan_out = "+value+"\n"+oneHost), nil); err == nil {
			t.Errorf("fan_out = %s is accepted", value)
		}
	}
}

func TestHTTPChecks(t *testing.T) {
	for _, tc := range []struct {
		src  string
		want []HTTPCheck
	}{
		{"", nil},
		{"[verify]\nhttp = []\n", nil},
		{"[verify]\nhttp = [{ url = \"https://a/x?y=1\" }]\n", []HTTPCheck{{URL: "https://a/x?y=1", Status: 200}}},
		{"[verify]\nhttp = [{ url = \"http://10.0.0.1:8080\", status = 204 }]\n", []HTTPCheck{{URL: "http://10.0.0.1:8080", Status: 204}}},
		{"[verify]\nhttp = [{ service = \"a/b:80\" }]\n", []HTTPCheck{{Service: "a/b:80", Path: "/", Status: 200}}},
		{"[[verify.http]]\nservice = \"a/b:web\"\npath = \"/z\"\n[[verify.http]]\nurl = \"http://a/\"\n", []HTTPCheck{
			{Service: "a/b:web", Path: "/z", Status: 200}, {URL: "http://a/", Status: 200},
		}},
	} {
		got := mustParse(t, tc.src+oneHost).HTTP
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.src, diff)
		}
	}
	for _, target := range []string{
		`{}`, `{ url = "http://a/", service = "a/b:80" }`, `{ url = "a" }`, `{ url = 1 }`, `{ url = "http://a/", status = 99 }`,
		`{ url = "http://a/", status = 600 }`, `{ url = "http://a/", status = "200" }`, `{ service = "b:80" }`,
		`{ service = "a/b:80", path = "z" }`, `{ url = "http://a/", expect = 1 }`, `{ path = "/" }`,
	} {
		_, err := parse("fleet.toml", []byte("[verify]\nhttp = [\n"+target+"]\n"+oneHost), nil)
		for _, p := range problemsOf(t, err) {
			if p.Line != 3 || !strings.HasPrefix(p.Key, "verify.http[0]") {
				t.Errorf("%s: %v", target, p)
			}
		}
	}
}
