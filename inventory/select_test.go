package inventory

import (
	"strings"
	"testing"
)

const selectable = `[hosts]
cp1 = { groups = ["control-plane"] }
"node[01-06]" = { address = "10.0.1.[1-6]", groups = ["workers"] }
gpu7 = { groups = ["workers", "gpu"], node = "worker-7" }
`

func TestSelect(t *testing.T) {
	fleet := mustParse(t, selectable)
	for _, tc := range []struct {
		expr string
		want string // "error: " and a part of the message
	}{
		{"", "cp1 node01 node02 node03 node04 node05 node06 gpu7"},
		{"  ", "cp1 node01 node02 node03 node04 node05 node06 gpu7"},
		{"cp1", "cp1"},
		{"gpu7,cp1", "cp1 gpu7"},
		{" gpu7 , cp1 ", "cp1 gpu7"},
		{"cp1,cp1", "cp1"},
		{"worker-7", "gpu7"},
		{"node[02-04]", "node02 node03 node04"},
		{"node[01-02,05],cp1", "cp1 node01 node02 node05"},
		{"@workers", "node01 node02 node03 node04 node05 node06 gpu7"},
		{"@gpu,cp1", "cp1 gpu7"},
		{"!@workers", "cp1"},
		{"!node[01-05]", "cp1 node06 gpu7"},
		{"@workers,!@gpu,!node[01-04]", "node05 node06"},
		{"!@gpu,@workers", "node01 node02 node03 node04 node05 node06"},
		{"! cp1 , ! @workers", `error: --limit "! cp1 , ! @workers" selects no host of the 8 in fleet.toml`},
		{"cp1,!cp1", "error: selects no host"},
		{"node07", `error: no host "node07" in fleet.toml; did you mean "node0`},
		{"node[1-3]", `error: no host "node1" in fleet.toml; did you mean "node01"?`},
		{"cp2", `error: no host "cp2" in fleet.toml; did you mean "cp1"?`},
		{"zzzzzzzz", `error: no host "zzzzzzzz" in fleet.toml; known are cp1, `},
		{"@worker", `error: no host of fleet.toml is in a group "worker"; did you mean "workers"?`},
		{"!@worker", "error: no host of fleet.toml is in a group"},
		{"@", "error: in a group"},
		{"!", "error: an empty part"},
		{"cp1,", "error: an empty part"},
		{",", "error: an empty part"},
		{"node[5-1]", "error: runs backwards"},
		{"node[1-3", "error: has a [ without a ]"},
		{"node*", `error: no host "node*"`},
	} {
		hosts, err := fleet.Select(tc.expr)
		if want, isError := strings.CutPrefix(tc.want, "error: "); isError {
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--limit") || hosts != nil {
				t.Errorf("Select(%q) = %v, %v; want the error %q", tc.expr, hosts, err, want)
			}
			continue
		}
		var names []string
		for _, h := range hosts {
			names = append(names, h.Name)
		}
		if got := strings.Join(names, " "); err != nil || got != tc.want {
			t.Errorf("Select(%q) = %s, %v; want %s", tc.expr, got, err, tc.want)
		}
	}
}

func TestSelectGivesACopy(t *testing.T) {
	fleet := mustParse(t, selectable)
	hosts, err := fleet.Select("")
	if err != nil {
		t.Fatal(err)
	}
	hosts[0], hosts[1] = hosts[1], hosts[0]
	if fleet.Hosts[0].Name != "cp1" {
		t.Error("reordering a selection reorders the fleet")
	}
}
