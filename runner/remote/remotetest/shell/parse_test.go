package shell

import (
	"io"
	"strings"
	"testing"
)

// A text is read once, and gives the same statements to whoever runs it next; one with an error is read as it comes, so
// that what stands before the error runs; one that comes from a pipe isn't waited for.
func TestStatements(t *testing.T) {
	first := func(src io.Reader) (st any, n int, last error) {
		for s, err := range statements(src) {
			if err != nil {
				return st, n, err
			}
			if n++; n == 1 {
				st = s
			}
		}
		return st, n, nil
	}
	const good = "echo statements-1\nf() { echo $1; }\nf 2\n"
	a, n, err := first(strings.NewReader(good))
	b, m, _ := first(strings.NewReader(good))
	if n != 3 || m != 3 || err != nil || a != b {
		t.Errorf("%d and %d statements, %v, the same: %v", n, m, err, a == b)
	}
	if _, n, err := first(strings.NewReader("echo statements-2\nif ; then\n")); n != 1 || err == nil {
		t.Errorf("before an error: %d statements, %v", n, err)
	}
	r, w := io.Pipe()
	go func() { _, _ = io.WriteString(w, "echo 1\necho 2\n") }() // and stays open
	for range statements(r) {
		break
	}
	_ = r.Close()
}
