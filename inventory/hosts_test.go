package inventory

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDuplicateHosts(t *testing.T) {
	for _, tc := range []struct{ name, hosts, want string }{
		{"ranges overlap", "\"n[1-4]\" = { address = \"10.0.0.[1-4]\" }\n\"n[3-6]\" = { address = \"10.0.1.[3-6]\" }",
			`fleet.toml:3: hosts."n[3-6]": the node n3 (and 1 more) is also that of hosts."n[1-4]" on line 2`},
		{"host in a range", "n2 = {}\n\"n[1-3]\" = { address = \"10.0.0.[1-3]\" }",
			`fleet.toml:3: hosts."n[1-3]": the node n2 is also that of hosts.n2 on line 2`},
		{"one range", "\"n[1-3,2]\" = { address = \"10.0.0.[1-4]\" }", `fleet.toml:2: hosts."n[1-3,2]": the node n2 comes twice in this range`},
		{"name is another's node", "a = { address = \"10.0.0.1\" }\nb = { address = \"10.0.0.2\", node = \"a\" }",
			`fleet.toml:3: hosts.b: the node a is also that of hosts.a on line 2`},
		{"two of one node", "a = { address = \"10.0.0.1\", node = \"x\" }\nb = { address = \"10.0.0.2\", node = \"x\" }",
			`fleet.toml:3: hosts.b: the node x is also that of hosts.a on line 2`},
		{"address", "a = { address = \"10.0.0.1\" }\nb = { address = \"10.0.0.1\" }",
			`fleet.toml:3: hosts.b.address: the address 10.0.0.1 is also that of hosts.a on line 2`},
		{"address in another form", "a = { address = \"10.0.0.1\" }\nb = { address = \"::ffff:10.0.0.1\" }",
			`fleet.toml:3: hosts.b.address: the address ::ffff:10.0.0.1 is also that of hosts.a on line 2`},
		{"address in capitals", "a = { address = \"Host\" }\nhost = {}", `fleet.toml:3: hosts.host.address: the address host is also that of hosts.a on line 2`},
		{"default port", "a = { address = \"h\" }\nb = { address = \"h\", port = 22 }",
			`fleet.toml:3: hosts.b.address: the address h is also that of hosts.a on line 2`},
		{"ports differ", "a = { address = \"h\", port = 2201 }\nb = { address = \"h\", port = 2202 }", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := parse("fleet.toml", []byte("[hosts]\n"+tc.hosts+"\n"), nil)
			if tc.want == "" && err == nil {
				return
			}
			if got := problemsOf(t, err).Error(); got != tc.want {
				t.Errorf("\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestNodesAndAddresses(t *testing.T) {
	fleet := mustParse(t, `[hosts]
"GPU_[07-09]" = { node = "gpu-[7-9].lan", address = "fd00::[1-3]" }
"n.example.com" = {}
plain = { address = "Legacy-Host" }
`)
	var got []string
	for _, h := range fleet.Hosts {
		got = append(got, fmt.Sprint(h.Name, " ", h.Node, " ", h.Address, " ", h.Key, " ", h.Line))
	}
	want := []string{
		`GPU_07 gpu-7.lan fd00::1 hosts."GPU_[07-09]" 2`, `GPU_08 gpu-8.lan fd00::2 hosts."GPU_[07-09]" 2`,
		`GPU_09 gpu-9.lan fd00::3 hosts."GPU_[07-09]" 2`,
		`n.example.com n.example.com n.example.com hosts."n.example.com" 3`, `plain plain Legacy-Host hosts.plain 4`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// layered has one key on each of the layers, so that what wins can be read off.
const layered = `[ssh]
user = "fleet"
port = 1
jump = ["a"]
[drain]
timeout = "1m"
on_blocked = "fail"
[upgrade]
os-patches = { security_only = true }
kubelet = "1.37.2"
reboot = "never"
[groups.gpu]
ssh = { user = "group", port = 2, jump = [] }
upgrade = { kubelet = "1.36.4", kernel = "latest", reboot = "always", os-patches = { exclude = ["x"] } }
drain.timeout = "2m"
reboot.timeout = "2h"
verify.timeout = "3h"
[groups.empty]
[hosts]
bare = { address = "10.0.0.1" }
one = { address = "10.0.0.2", groups = ["gpu", "undeclared", "empty"] }
own = { address = "10.0.0.3", groups = ["gpu"], user = "host", sudo = "always", drain = { timeout = "3m" }, upgrade = { kubelet = { version = "1.35.1", extra = 1 } }, reboot.timeout = "5h", verify.timeout = "6h" }
`

func TestLayers(t *testing.T) {
	fleet := mustParse(t, layered)
	bare, one, own := fleet.Hosts[0], fleet.Hosts[1], fleet.Hosts[2]
	type row struct {
		SSH     SSH
		Drain   time.Duration
		Blocked string
		Reboot  Reboot
		Verify  time.Duration
	}
	rowOf := func(h Host) row { return row{h.SSH, h.Drain.Timeout, h.Drain.OnBlocked, h.Reboot, h.Verify.Timeout} }
	ssh := func(user string, port int, sudo string, jump ...string) SSH {
		return SSH{User: user, Port: port, Sudo: sudo, Jump: jump, ConnectTimeout: 10 * time.Second}
	}
	for _, tc := range []struct {
		host Host
		want row
	}{
		{bare, row{ssh("fleet", 1, "auto", "a"), time.Minute, "fail", Reboot{"never", 30 * time.Minute}, 15 * time.Minute}},
		{one, row{ssh("group", 2, "auto", []string{}...), 2 * time.Minute, "fail", Reboot{"always", 2 * time.Hour}, 3 * time.Hour}},
		{own, row{ssh("host", 2, "always", []string{}...), 3 * time.Minute, "fail", Reboot{"always", 5 * time.Hour}, 6 * time.Hour}},
	} {
		got := rowOf(tc.host)
		if len(got.SSH.Jump) == 0 {
			got.SSH.Jump, tc.want.SSH.Jump = nil, nil
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.host.Name, diff)
		}
	}
}

func TestUpgradesMergeKeyByKey(t *testing.T) {
	fleet := mustParse(t, layered)
	uses := func(h Host) (out []string) {
		for _, u := range h.Upgrade {
			out = append(out, fmt.Sprintf("%s %v %s:%d %v", u.Playbook, u.Params, u.Key, u.Line, u.ParamKeys))
		}
		return out
	}
	for i, want := range [][]string{
		{
			"os-patches map[security_only:true] upgrade.os-patches:9 map[security_only:upgrade.os-patches.security_only]",
			"kubelet map[version:1.37.2] upgrade.kubelet:10 map[version:upgrade.kubelet]",
		},
		{
			"os-patches map[exclude:[x] security_only:true] groups.gpu.upgrade.os-patches:14 " +
				"map[exclude:groups.gpu.upgrade.os-patches.exclude security_only:upgrade.os-patches.security_only]",
			"kubelet map[version:1.36.4] groups.gpu.upgrade.kubelet:14 map[version:groups.gpu.upgrade.kubelet]",
			"kernel map[version:latest] groups.gpu.upgrade.kernel:14 map[version:groups.gpu.upgrade.kernel]",
		},
		{
			"os-patches map[exclude:[x] security_only:true] groups.gpu.upgrade.os-patches:14 " +
				"map[exclude:groups.gpu.upgrade.os-patches.exclude security_only:upgrade.os-patches.security_only]",
			"kubelet map[extra:1 version:1.35.1] hosts.own.upgrade.kubelet:22 " +
				"map[extra:hosts.own.upgrade.kubelet.extra version:hosts.own.upgrade.kubelet.version]",
			"kernel map[version:latest] groups.gpu.upgrade.kernel:14 map[version:groups.gpu.upgrade.kernel]",
		},
	} {
		if diff := cmp.Diff(want, uses(fleet.Hosts[i])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", fleet.Hosts[i].Name, diff)
		}
	}
}

// TestHostsShareNothing: what a later reader does to one host's maps must not show in another.
func TestHostsShareNothing(t *testing.T) {
	fleet := mustParse(t, "[upgrade]\nkubelet = \"1\"\n[hosts]\n\"n[1-2]\" = { address = \"a[1-2]\", groups = [\"g\"], labels = { rack = \"r\" } }\n")
	a, b := fleet.Hosts[0], fleet.Hosts[1]
	a.Upgrade[0].Params["version"], a.Labels["rack"], a.Groups[0] = "2", "s", "h"
	if b.Upgrade[0].Params["version"] != "1" || b.Labels["rack"] != "r" || b.Groups[0] != "g" {
		t.Errorf("n2 changed with n1: %+v", b)
	}
	if !a.InGroup("h") || a.InGroup("g") || a.ControlPlane() || !(Host{Groups: []string{"control-plane"}}).ControlPlane() {
		t.Error("InGroup and ControlPlane don't go by Groups")
	}
}

func TestAfter(t *testing.T) {
	fleet := mustParse(t, "[upgrade]\nnic = { version = \"1\", after = \"containerd\", n = 2, f = 1.5, on = true, list = [\"a\", 1] }\n"+oneHost)
	got := fleet.Hosts[0].Upgrade[0]
	want := map[string]any{"version": "1", "n": int64(2), "f": 1.5, "on": true, "list": []any{"a", int64(1)}}
	if got.After != "containerd" {
		t.Errorf("after %q", got.After)
	}
	if diff := cmp.Diff(want, got.Params); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGroupsThatDisagree(t *testing.T) {
	const head = "[groups.a]\ndrain.timeout = \"1m\"\nupgrade.kubelet = \"1\"\n[groups.b]\ndrain.timeout = \"%s\"\nupgrade.kubelet = { %s }\n[hosts]\n"
	const both = `"n[1-3]" = { address = "x[1-3]", groups = ["a", "b"] }` + "\n"
	for _, tc := range []struct{ name, src, want string }{
		{"same values", fmt.Sprintf(head, "60s", `version = "1"`) + both, ""},
		{"other parameters", fmt.Sprintf(head, "1m", `extra = 1`) + both, ""},
		{"durations differ", fmt.Sprintf(head, "2m", `version = "1"`) + both,
			`fleet.toml:5: groups.b.drain.timeout: host n1 (and 2 more) is in the groups "a" and "b", which set this key differently (groups.a.drain.timeout, line 2); say it in one group or for the host`},
		{"versions differ", fmt.Sprintf(head, "1m", `version = "2"`) + both,
			`fleet.toml:6: groups.b.upgrade.kubelet.version: host n1 (and 2 more) is in the groups "a" and "b", which set this key differently (groups.a.upgrade.kubelet, line 3); say it in one group or for the host`},
		{"host settles it", fmt.Sprintf(head, "2m", `version = "2"`) +
			`n1 = { groups = ["a", "b"], drain.timeout = "9m", upgrade.kubelet = "3" }` + "\n", ""},
		{"no host in both", fmt.Sprintf(head, "2m", `version = "2"`) + "n1 = { groups = [\"a\"] }\nn2 = { groups = [\"b\"] }\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := parse("fleet.toml", []byte(tc.src), nil)
			if tc.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if got := problemsOf(t, err).Error(); got != tc.want {
				t.Errorf("\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestGroupLimits(t *testing.T) {
	fleet := mustParse(t, "[groups.gpu]\nmax_unavailable = 2\n[groups.db]\nmax_unavailable = \"10%\"\n[groups.x]\n"+oneHost)
	want := map[string]Amount{"gpu": {N: 2}, "db": {N: 10, Percent: true}}
	if diff := cmp.Diff(want, fleet.GroupLimits); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFleetIsBounded(t *testing.T) {
	var src strings.Builder
	src.WriteString("[hosts]\n")
	for i := range 4 {
		fmt.Fprintf(&src, "\"n%d-[1-15000]\" = {}\n", i)
	}
	_, err := parse("fleet.toml", []byte(src.String()), nil)
	if got := problemsOf(t, err).Error(); !strings.Contains(got, "fleet.toml:5: hosts.\"n3-[1-15000]\": more than 50000 hosts") {
		t.Error(got)
	}
}
