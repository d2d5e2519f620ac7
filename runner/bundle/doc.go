// Package bundle puts what machines and a cluster told into one file for a colleague or a vendor, with secrets taken out.
//
//	w, err := bundle.Create("case-17.tar.zst", "prod-2026-01-01")
//	defer w.Discard()                             // unless Commit was called
//	err = bundle.Collect(ctx, host, dir, func(name, text string) error { return w.Add("nodes/n1/"+name, text) })
//	err = w.Commit()                              // the file is there whole, readable by its owner alone, or not at all
//
// A machine writes its raw outputs to a file of its own, which comes over SFTP and is removed there. Everything passes
// Redact before it is written here: private keys, tokens, passwords, and what looks like one of them.
package bundle
