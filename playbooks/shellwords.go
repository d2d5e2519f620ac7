package playbooks

import (
	"errors"
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// shellWords says what is wrong with a script: that it is none, or that a parameter doesn't stand as a word of its
// own. Only there does a quoted value stay what it is. Inside double quotes or $(( )) a quoted value's $(…) would be
// run, inside backquotes or a here-document its quotes would be taken apart; a shell parser rather than a look at the
// neighbouring characters tells these apart.
func shellWords(script string) string {
	var names []string
	stand := placeholder.ReplaceAllStringFunc(script, func(m string) string {
		names = append(names, m)
		return standIn(len(names) - 1)
	})
	file, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(stand), "")
	asBash, err2 := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(stand), "")
	if err = errors.Join(err, err2); err != nil {
		for i := len(names) - 1; i >= 0; i-- {
			err = fmt.Errorf("%s", strings.ReplaceAll(err.Error(), standIn(i), names[i]))
		}
		return "is no script for /bin/sh: " + err.Error()
	}
	whole, wholeInBash := wholeWords(file), wholeWords(asBash) // Red Hat's /bin/sh is bash, which knows (( )) besides
	for i, name := range names {
		if !whole[standIn(i)] || !wholeInBash[standIn(i)] {
			return name + " must stand as a word of its own, outside of quotes: fleetup quotes it. Elsewhere, take it by way of  set -- " + name + "  and \"$1\""
		}
	}
	return ""
}

// standIn is what takes a parameter's place while the script is parsed.
func standIn(i int) string { return fmt.Sprintf("fleetup_parameter_%d_", i) }

// wholeWords returns the words of the script that consist of one bare literal, where a quoted value is safe.
func wholeWords(file *syntax.File) map[string]bool {
	whole := map[string]bool{}
	var parents []syntax.Node
	syntax.Walk(file, func(node syntax.Node) bool {
		if node == nil {
			parents = parents[:len(parents)-1]
			return true
		}
		if word, ok := node.(*syntax.Word); ok && !takenApart(word, parents) {
			whole[word.Lit()] = true
		}
		parents = append(parents, node)
		return true
	})
	return whole
}

// takenApart reports whether the shell reads more than words where the word stands.
func takenApart(word *syntax.Word, parents []syntax.Node) bool {
	for i, parent := range parents {
		switch parent := parent.(type) {
		case *syntax.ArithmExp, *syntax.ArithmCmd, *syntax.LetClause, *syntax.TestClause, *syntax.DeclClause, *syntax.ParamExp:
			return true
		case *syntax.CmdSubst:
			if parent.Backquotes {
				return true
			}
		case *syntax.Redirect:
			if parent.Hdoc != nil && i == len(parents)-1 || parent.Hdoc == word {
				return true
			}
		case *syntax.Assign:
			if i == len(parents)-1 {
				return true // name={{.x}}: one word together with the name
			}
		}
	}
	return false
}
