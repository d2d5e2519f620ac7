package playbooks

import (
	"strings"
	"testing"
)

// A script that prints its progress without end is followed without writing all of it down.
func TestCommandOfManyLines(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "apt")
	s := own(t, "[[steps]]\nname = \"flash\"\ncheck = \"test -e /etc/flashed\"\napply = \"i=0; while [ $i -lt 100000 ]; do i=$((i+1)); echo $i; done; touch /etc/flashed\"\n", nil)[0]
	said := strings.Split(apply(t, s, m), "\n")
	if len(said) != mostLines+1 || said[0] != "1" || said[mostLines-1] != "500" {
		t.Errorf("%d lines, from %q to %q", len(said), said[0], said[len(said)-1])
	}
	if last := said[len(said)-1]; !strings.Contains(last, "99500 more lines") || !strings.HasSuffix(last, "the last: 100000") {
		t.Errorf("said %q", last)
	}
}
