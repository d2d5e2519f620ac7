package inventory

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	for _, tc := range []struct {
		pattern string
		want    string // names, separated by spaces; "error: " and a part of the message
	}{
		{"node", "node"},
		{"", ""},
		{"node[1-3]", "node1 node2 node3"},
		{"node[001-003]", "node001 node002 node003"},
		{"node[098-102]", "node098 node099 node100 node101 node102"},
		{"node[8-11]", "node8 node9 node10 node11"},
		{"node[0-2]", "node0 node1 node2"},
		{"node[00-02]", "node00 node01 node02"},
		{"node[7]", "node7"},
		{"node[07]", "node07"},
		{"node[1-3,7]", "node1 node2 node3 node7"},
		{"node[1-2, 5-6]", "node1 node2 node5 node6"},
		{"10.0.1.[9-11]", "10.0.1.9 10.0.1.10 10.0.1.11"},
		{"fd00::[1-2]", "fd00::1 fd00::2"},
		{"r[1-2]n[01-02].lan", "r1n01.lan r1n02.lan r2n01.lan r2n02.lan"},
		{"[3-4]", "3 4"},
		{"node[5-1]", "error: runs backwards; write [1-5]"},
		{"node[01-120]", "error: differ in length; write [001-120]"},
		{"node[1-09]", "error: differ in length"},
		{"node[0-10]", "node0 node1 node2 node3 node4 node5 node6 node7 node8 node9 node10"},
		{"node[a-c]", "error: no range"},
		{"node[1-2-3]", "error: no range"},
		{"node[]", "error: no range"},
		{"node[1-]", "error: no range"},
		{"node[-3]", "error: no range"},
		{"node[+1-3]", "error: no range"},
		{"node[1,,2]", "error: no range"},
		{"node[1-3", "error: has a [ without a ]"},
		{"node1-3]", "error: has a ] without a ["},
		{"node[[1-3]]", "error: no range"},
		{"node[1-99999999]", "error: more than 20000"},
		{"n[1-9999999999]", "error: no range"},
		{"a[1-150]b[1-150]", "error: more than 20000"},
	} {
		names, err := expand(tc.pattern)
		if want, isError := strings.CutPrefix(tc.want, "error: "); isError {
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "[") {
				t.Errorf("expand(%q) = %v, %v; want the error %q", tc.pattern, names, err, want)
			}
			continue
		}
		if got := strings.Join(names, " "); err != nil || got != tc.want {
			t.Errorf("expand(%q) = %q, %v; want %q", tc.pattern, got, err, tc.want)
		}
	}
}

// TestExpandProperties: whatever the range, it makes as many names as it holds numbers, all different, in order, each
// as wide as it was written, and a name range goes with an address range of the same length.
func TestExpandProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		from, count := random.IntN(2000), 1+random.IntN(300)
		to, width := from+count-1, 0
		if random.IntN(2) == 0 {
			width = len(strconv.Itoa(to)) + random.IntN(3)
		}
		pattern := fmt.Sprintf("n[%0*d-%0*d]x", width, from, width, to)
		names, err := expand(pattern)
		if err != nil || len(names) != count {
			t.Fatalf("%s makes %d names, %v; want %d", pattern, len(names), err, count)
		}
		for i, name := range names {
			number := strings.TrimSuffix(strings.TrimPrefix(name, "n"), "x")
			if n, err := strconv.Atoi(number); err != nil || n != from+i {
				t.Fatalf("%s: name %d is %s", pattern, i, name)
			}
			if padded := number[0] == '0' && len(number) > 1; padded && width == 0 || len(number) < width {
				t.Fatalf("%s: %s has the wrong width", pattern, name)
			}
		}
		if sorted := slices.Clone(names); len(slices.Compact(slices.Sorted(slices.Values(sorted)))) != count {
			t.Fatalf("%s: names come twice", pattern)
		}
		src := fmt.Sprintf("[hosts]\n%q = { address = \"x[%d-%d]\" }\n", pattern, from+7, to+7)
		if fleet := mustParse(t, src); len(fleet.Hosts) != count || fleet.Hosts[count-1].Address != fmt.Sprintf("x%d", to+7) {
			t.Fatalf("%s: %d hosts, the last at %s", pattern, len(fleet.Hosts), fleet.Hosts[len(fleet.Hosts)-1].Address)
		}
		short := fmt.Sprintf("[hosts]\n%q = { address = \"x[%d-%d]\" }\n", pattern, from, to+1)
		if _, err := parse("fleet.toml", []byte(short), nil); err == nil || !strings.Contains(err.Error(), "equal length") {
			t.Fatalf("%s: %v", short, err)
		}
	}
}
