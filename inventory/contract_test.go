package inventory

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var exported = cmpopts.IgnoreUnexported(Fleet{})

// TestContractExample loads the design's example, but for what isn't in this version, and looks at every field.
func TestContractExample(t *testing.T) {
	t.Setenv("HOME", "/home/ann")
	folder, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Load("testdata/design.toml")
	if err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile("testdata/design.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := &Fleet{
		Name: "prod-east", Path: "testdata/design.toml", Digest: digest(src, nil),
		Cluster: Cluster{Kubeconfig: folder + "/admin.kubeconfig", Context: "prod", Namespace: "kube-system", HasSection: true},
		Strategy: Strategy{
			Kind: "rolling", MaxUnavailable: Amount{N: 1}, Spread: map[string]int{"rack": 1}, Domains: map[string]int{"rack": 1},
			OnFailure: "stop", MaxFailures: Amount{N: 3}, Cordoned: "skip", Unreachable: "fail",
		},
		GroupLimits: map[string]Amount{"gpu": {N: 1}},
		FanOut:      64,
		HTTP: []HTTPCheck{
			{URL: "https://shop.example.com/healthz", Status: 200},
			{Service: "shop/web:http", Path: "/healthz", Status: 200},
		},
		Prometheus: Prometheus{URL: "http://prometheus:9090"},
		Gates: []Gate{{
			Name:  "error rate",
			Query: "(sum(rate(http_requests_total{code=~'5..'}[2m])) or vector(0)) / sum(rate(http_requests_total[2m]))",
			Max:   pointer(0.01), Status: 200, Timeout: 10 * time.Second, Deadline: time.Minute, Key: "gate[0]",
		}},
		Notify: []Notify{{URL: Secret{Env: "SLACK_URL"}, Events: []string{"started", "halted", "failed", "finished"}, Key: "notify[0]"}},
	}
	add := func(h Host, line int, key string) {
		h.Line, h.Key = line, key
		want.Hosts = append(want.Hosts, h)
	}
	add(contractHost("cp1", "10.0.0.1", "control-plane"), 20, "hosts.cp1")
	for i := 1; i <= 120; i++ {
		h := contractHost(fmt.Sprintf("node%03d", i), fmt.Sprintf("10.0.1.%d", i), "workers")
		h.Labels = map[string]string{"rack": "r1"}
		add(h, 21, `hosts."node[001-120]"`)
	}
	add(contractHost("spare1", "10.0.9.1", "workers"), 22, "hosts.spare1")
	gpu := contractHost("gpu7", "10.0.2.7", "workers", "gpu")
	gpu.SSH.Sudo = "never"
	gpu.MAC = "52:54:00:ab:cd:ef"
	gpu.BMC = BMC{Type: "redfish", Address: "10.1.2.7:443", User: "admin", Password: Secret{Env: "BMC"}}
	add(gpu, 23, "hosts.gpu7")
	for i := range min(len(want.Hosts), len(got.Hosts)) {
		if diff := cmp.Diff(want.Hosts[i], got.Hosts[i]); diff != "" {
			t.Fatalf("host %d (-want +got):\n%s", i, diff)
		}
	}
	if diff := cmp.Diff(want, got, exported); diff != "" {
		t.Errorf("fleet (-want +got):\n%s", diff)
	}
}

func contractHost(name, address string, groups ...string) Host {
	return Host{
		Name: name, Node: name, Address: address, Groups: groups,
		SSH: SSH{
			User: "ops", Port: 22, IdentityFiles: []string{"/home/ann/.ssh/id_ed25519"},
			KnownHosts: []string{"/home/ann/.ssh/known_hosts"}, Jump: []string{"bastion-a", "bastion-b"},
			Sudo: "auto", SudoPassword: Secret{Env: "FLEET_SUDO"}, ConnectTimeout: 10 * time.Second,
		},
		Upgrade: []Use{
			use("os-patches", 30),
			use("containerd", 31, "version", "2.1.4"),
			use("kubelet", 32, "version", "1.37.2"),
			use("kernel", 33, "version", "6.1.0-56-amd64"),
			{
				Playbook: "restart", Params: map[string]any{"max_uptime": "30d"}, Line: 34,
				Key: "upgrade.restart", ParamKeys: map[string]string{"max_uptime": "upgrade.restart.max_uptime"},
			},
		},
		Reboot: Reboot{Policy: "if-required", Timeout: 30 * time.Minute},
		Drain: Drain{
			IgnoreDaemonSets: true, DeleteEmptyDirData: true, GracePeriod: time.Minute, Timeout: 15 * time.Minute,
			OnBlocked: "requeue", LBSettle: 15 * time.Second, LastEndpoint: "surge", AcceptDowntime: []string{"shop/db"},
		},
		Verify: Verify{Timeout: 15 * time.Minute},
	}
}

// use is a playbook of [upgrade] with parameters that stand on its own line.
func use(playbook string, line int, params ...string) Use {
	u := Use{
		Playbook: playbook, Line: line, Key: "upgrade." + playbook,
		Params: map[string]any{}, ParamKeys: map[string]string{},
	}
	for i := 0; i < len(params); i += 2 {
		u.Params[params[i]], u.ParamKeys[params[i]] = params[i+1], u.Key
	}
	return u
}

// TestDefaults: an inventory of one host has every default of the contract, and nothing else.
func TestDefaults(t *testing.T) {
	got := mustParse(t, oneHost)
	want := &Fleet{
		Name: "fleet", Path: "fleet.toml", Digest: got.Digest, FanOut: 64,
		Cluster:     Cluster{Namespace: "kube-system"},
		GroupLimits: map[string]Amount{},
		Strategy: Strategy{
			Kind: "rolling", MaxUnavailable: Amount{N: 1}, OnFailure: "stop", MaxFailures: Amount{N: 1},
			Cordoned: "skip", Unreachable: "fail",
		},
		Hosts: []Host{{
			Name: "n1", Node: "n1", Address: "10.0.0.1", Line: 2, Key: "hosts.n1",
			SSH:    SSH{Sudo: "auto", ConnectTimeout: 10 * time.Second},
			Reboot: Reboot{Policy: "if-required", Timeout: 30 * time.Minute},
			Drain: Drain{
				IgnoreDaemonSets: true, DeleteEmptyDirData: true, GracePeriod: -time.Second, LBSettle: -time.Second,
				OnBlocked: "requeue", LastEndpoint: "surge",
			},
			Verify: Verify{Timeout: 15 * time.Minute},
		}},
	}
	if diff := cmp.Diff(want, got, exported); diff != "" {
		t.Errorf("fleet (-want +got):\n%s", diff)
	}
}

func TestSamples(t *testing.T) {
	for _, sample := range []struct {
		file              string
		hosts, uses, http int
	}{
		{"small.toml", 3, 2, 0},
		{"prod.toml", 3 + 125 + 5, 7, 2},
	} {
		t.Run(sample.file, func(t *testing.T) {
			fleet, err := Load(filepath.Join("../testdata/inventories", sample.file))
			if err != nil {
				t.Fatal(err)
			}
			if len(fleet.Hosts) != sample.hosts || len(fleet.Hosts[0].Upgrade) != sample.uses || len(fleet.HTTP) != sample.http {
				t.Errorf("%d hosts, %d playbooks, %d http checks; want %+v",
					len(fleet.Hosts), len(fleet.Hosts[0].Upgrade), len(fleet.HTTP), sample)
			}
			if err := fleet.Require(true, true); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestProdSampleSetsEverything keeps the annotated sample complete: no setting in it may be left at its zero value.
func TestProdSampleSetsEverything(t *testing.T) {
	fleet, err := Load("../testdata/inventories/prod.toml")
	if err != nil {
		t.Fatal(err)
	}
	for key, section := range homes {
		if key == "pools" { // which go with another kind than the sample's waves
			continue
		}
		if _, ok := fleet.places.at[section+"."+key]; !ok {
			t.Errorf("prod.toml doesn't show %s.%s", section, key)
		}
	}
	gpu := fleet.Hosts[len(fleet.Hosts)-2]
	if gpu.Drain.GracePeriod != 10*time.Minute || gpu.Reboot.Timeout != time.Hour || gpu.Upgrade[4].Params["version"] != "6.1.0-51-amd64" {
		t.Errorf("gpu7 doesn't have its group's settings: %+v", gpu)
	}
	types := map[string]bool{}
	for _, h := range fleet.Hosts {
		types[h.BMC.Type] = true
	}
	for _, want := range []string{"redfish", "command", "wol"} {
		if !types[want] {
			t.Errorf("prod.toml shows no bmc of type %s", want)
		}
	}
	old := fleet.Hosts[len(fleet.Hosts)-1]
	if old.Node != "worker-legacy" || old.SSH.User != "root" || old.SSH.Port != 2222 || len(old.SSH.Jump) != 0 {
		t.Errorf("old-box doesn't have its own settings: %+v", old)
	}
}
