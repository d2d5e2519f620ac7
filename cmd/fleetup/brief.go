package main

import (
	"regexp"
	"strings"
)

// Words that chains of errors say once more than a reader needs.
var (
	deadline = strings.NewReplacer("context deadline exceeded: ", "", ": context deadline exceeded", "")
	inner    = regexp.MustCompile(`(step "[^"]+": )(?:[^:"\n]+: )*step "[^"]+": `)
	dialled  = regexp.MustCompile(`(connect to \S+?): dial tcp \S+: `)
	address  = regexp.MustCompile(`connect to \S+: (?:connect: )?`)
	ends     = regexp.MustCompile(`\b(?:read|write) tcp \S+: (?:(?:read|write): )?`) // of a connection: our port is another each time
	said     = regexp.MustCompile(`:: [^\n]*(\n|$)`)                                 // what a script told people, who have read it
	twice    = regexp.MustCompile(`wait for [^:]+: (waited for )`)
)

// brief words an error for a line that begins with the node's name: the node isn't named again, nor is what an outer
// error has said already.
func brief(node, text string) string {
	text = strings.NewReplacer("host "+node+": ", "", "node "+node+": ", "").Replace(text)
	text = said.ReplaceAllString(inner.ReplaceAllString(text, "$1"), "")
	text = dialled.ReplaceAllString(text, "$1: ")
	text = twice.ReplaceAllString(deadline.Replace(text), "$1")
	return strings.TrimPrefix(text, "preflight: ")
}

// unaddressed leaves out the address that was dialled, so that hosts which fail alike are told together.
func unaddressed(text string) string {
	return ends.ReplaceAllString(address.ReplaceAllString(text, "connect: "), "")
}

// without takes the reasons that have been told out of a text: "halted: node n1 failed: WHY; …" is then
// "halted: node n1 failed; …".
func without(text string, told ...string) string {
	for _, why := range told {
		if why != "" {
			text = strings.ReplaceAll(text, ": "+why, "")
		}
	}
	return text
}
