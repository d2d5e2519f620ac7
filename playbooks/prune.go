package playbooks

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// pruneSlack is how much longer than the run itself an archive is left alone: clocks differ, and nobody misses a day's room.
const pruneSlack = 24 * time.Hour

// Prune removes archives of replaced packages that no way back needs any more, and returns their names. What the record
// names (as Keep returned it) stays, what each step replaced when it was last applied, and what was kept within age. Without
// apt and dnf it does nothing. Safe to repeat.
func Prune(ctx context.Context, h Host, record map[string]string, age time.Duration) (gone []string, err error) {
	script := "prune " + strconv.Itoa(int((age+pruneSlack)/time.Minute))
	for _, id := range slices.Sorted(maps.Keys(record)) {
		was := parseRecord(record[id])
		for _, name := range was.names {
			if st := was.packages[name]; st.version != "" {
				script += " " + words(name, st.version, st.arch)
			}
		}
	}
	out, err := h.Run(ctx, lib(pruneShell)+chooseTool("exit 0")+script+"\n")
	if err != nil {
		return nil, fmt.Errorf("remove archives that no way back needs: %w", err)
	}
	for _, line := range lines(out) {
		if name, ok := strings.CutPrefix(line, "gone "); ok {
			gone = append(gone, name)
		}
	}
	return gone, nil
}
