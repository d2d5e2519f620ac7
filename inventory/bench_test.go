package inventory

import (
	"fmt"
	"strings"
	"testing"
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

// BenchmarkLoad5000 loads the largest fleet that the design speaks of; half of the time is the TOML decoder's.
func BenchmarkLoad5000(b *testing.B) {
	src := []byte(singly(5000))
	for b.Loop() {
		if fleet, err := parse("fleet.toml", src, nil); err != nil || len(fleet.Hosts) != 5000 {
			b.Fatal(err)
		}
	}
}
