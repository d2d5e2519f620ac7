package gate

import (
	"testing"
	"time"
)

func number64(v float64) *float64 { return &v }

// TestJudge: what is asked, the reading, the baseline, and why it is bad; "" good.
func TestJudge(t *testing.T) {
	most, least := Spec{Query: "q", Max: number64(0.01)}, Spec{Query: "q", Min: number64(3)}
	increase := Spec{Query: "q", MaxIncrease: number64(0.2)}
	both := Spec{Query: "q", Max: number64(100), MaxIncrease: number64(0.5)}
	health := Spec{Object: Object{Resource: "cephclusters.ceph.rook.io"}, Equals: []string{"HEALTH_OK"}}
	page := Spec{URL: "http://a/", Status: 200, MaxLatency: time.Second}
	command := Spec{Command: []string{"x"}}
	for _, tc := range []struct {
		name              string
		spec              Spec
		reading, baseline string
		want              string
	}{
		{"at max", most, "0.01", "", ""},
		{"over max", most, "0.011", "", "0.011 is more than max = 0.01"},
		{"at min", least, "3", "", ""},
		{"under min", least, "2", "", "2 is less than min = 3"},
		{"several objects, one over", Spec{Max: number64(2)}, "1 3 2", "", "3 is more than max = 2"},
		{"several objects, one under", Spec{Min: number64(2)}, "4 1 2", "", "1 is less than min = 2"},
		{"within the increase", increase, "12", "10", ""},
		{"over the increase", increase, "12.1", "10", `12.1 is more than 12, which is max_increase = "20%" over the 10 of before the run`},
		{"less than before", increase, "0", "10", ""},
		{"below zero, within", increase, "-8", "-10", ""},
		{"below zero, over", increase, "-7", "-10", `-7 is more than -8, which is max_increase = "20%" over the -10 of before the run`},
		{"from zero, still", increase, "0", "0", ""},
		{"from zero, something", increase, "0.001", "0", `0.001 is more than 0, which is max_increase = "20%" over the 0 of before the run`},
		{"no baseline", increase, "12", "", "no value of before the run to compare with: there is no value"},
		{"both, the increase", both, "90", "50", `90 is more than 75, which is max_increase = "50%" over the 50 of before the run`},
		{"both, max", both, "101", "90", "101 is more than max = 100"},
		{"empty", most, "", "", "there is no value"},
		{"NaN", most, "NaN", "", "NaN is no value"},
		{"infinite", least, "+Inf", "", "+Inf is no value"},
		{"words", most, "none", "", `"none" is not a number`},
		{"healthy", health, "HEALTH_OK", "", ""},
		{"unhealthy", health, "HEALTH_WARN (rook-ceph/b)", "", "it is HEALTH_WARN (rook-ceph/b), and has to be HEALTH_OK"},
		{"a page", page, "200 in 1s", "", ""},
		{"another status", page, "503 in 2ms", "", "status 503, and status = 200 is wanted"},
		{"a slow page", page, "200 in 1.001s", "", `it answered in 1.001s, and max_latency = "1s"`},
		{"no page", page, "", "", `"" is no answer of a URL`},
		{"a command", command, "exit 0", "", ""},
		{"a command that says no", command, "x: exit status 1: degraded", "", "x: exit status 1: degraded"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := ""
			if err := New(tc.spec, World{}).Judge(tc.reading, tc.baseline); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

// TestReadingIsExact: a reading is held against the bounds as it was answered, not as people are shown it, and what looks the
// same is told apart.
func TestReadingIsExact(t *testing.T) {
	for _, tc := range []struct {
		value    string
		min, max float64
		why      string
	}{
		{"1234567.8", 0, 1234569, ""},
		{"1234569.5", 0, 1234569, "1234569.5 is more than max = 1234569"},
		{"0.9999996", 0.9999999, 1, "0.9999996 is less than min = 0.9999999"},
		{"0.016666666666666666", 0.5, 1, "0.0166667 is less than min = 0.5"},
	} {
		reading, err := sample([]byte(`{"status":"success","data":{"resultType":"scalar","result":[1700000000,"` + tc.value + `"]}}`))
		if err != nil {
			t.Fatal(err)
		}
		why := ""
		if err := (Spec{Min: &tc.min, Max: &tc.max}).judgeNumbers(reading, ""); err != nil {
			why = err.Error()
		}
		if why != tc.why {
			t.Errorf("%s is read as %s: %q, want %q", tc.value, reading, why, tc.why)
		}
	}
}
