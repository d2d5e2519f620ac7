package shell

import (
	"io"
	"iter"
	"strings"
	"sync"
	"sync/atomic"

	"mvdan.cc/sh/v3/syntax"
)

// Every machine is sent the same few scripts over and over, and to read one takes longer than to run it: what was read
// once, whole and without an error, is kept. Nothing changes a statement while it runs, so shells may share it.
var (
	parsed sync.Map // text → []*syntax.Stmt
	count  atomic.Int64
	most   = int64(1000) // texts that differ each time, as with a time in them, are not kept for ever
)

// statements are those of a script: of a text that is all there as they were read before, else one by one as they come.
func statements(src io.Reader) iter.Seq2[*syntax.Stmt, error] {
	text, whole := src.(*strings.Reader)
	if !whole {
		return newParser().StmtsSeq(src)
	}
	var b strings.Builder
	_, _ = text.WriteTo(&b)
	known, ok := parsed.Load(b.String())
	if !ok {
		file, err := newParser().Parse(strings.NewReader(b.String()), "")
		if err != nil { // what comes before the error is still run
			return newParser().StmtsSeq(strings.NewReader(b.String()))
		}
		known = file.Stmts
		if count.Add(1) <= most {
			parsed.Store(b.String(), known)
		}
	}
	return func(yield func(*syntax.Stmt, error) bool) {
		for _, st := range known.([]*syntax.Stmt) {
			if !yield(st, nil) {
				return
			}
		}
	}
}

func newParser() *syntax.Parser { return syntax.NewParser(syntax.Variant(syntax.LangPOSIX)) }
