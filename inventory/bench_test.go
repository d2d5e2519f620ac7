package inventory

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// singly lists hosts one by one, as an export from an asset database does.
func singly(hosts int) string {
	var src strings.Builder
	src.WriteString("[upgrade]\nkubelet = \"1.37.2\"\nkernel = \"latest\"\n[groups.workers.drain]\ntimeout = \"20m\"\n[hosts]\n")
	for i := range hosts {
		fmt.Fprintf(&src, "n%d = { address = \"10.%d.%d.%d\", groups = [\"workers\"], labels = { rack = \"r%d\" } }\n", i, i>>16, i>>8&255, i&255, i%40)
	}
	return src.String()
}

func BenchmarkLoad5000(b *testing.B) {
	src := []byte(singly(5000))
	for b.Loop() {
		if fleet, err := parse("fleet.toml", src, nil); err != nil || len(fleet.Hosts) != 5000 {
			b.Fatal(err)
		}
	}
}

// TestLoadIsLinear: 5,000 hosts are the contract's largest fleet; a quadratic pass would take many times this.
func TestLoadIsLinear(t *testing.T) {
	begin := time.Now()
	mustParse(t, singly(5000))
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("5,000 hosts took %s to load", took)
	}
}
