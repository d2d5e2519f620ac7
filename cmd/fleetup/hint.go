package main

import (
	"encoding/json"
	"io"
	"regexp"
	"strings"

	"al.essio.dev/pkg/shellescape"
)

// Commands that a text proposes can be copied and run. Whoever writes such a text, be it in a package that knows no
// inventory's file, writes `fleetup resume INVENTORY`; here, where all of them come through, the word becomes the file.

// proposal is a command of fleetup's own with the place of its inventory.
var proposal = regexp.MustCompile(`\b(fleetup(?: [a-z]+){1,2}) INVENTORY\b`)

// hint is a text with the inventory that was named on the command line in all that it proposes.
func (a *app) hint(text string) string {
	if a.inventory == "" || !strings.Contains(text, "INVENTORY") {
		return text
	}
	words := shellescape.Quote(a.inventory)
	if a.flags.stateDir != "" {
		words += " --state-dir " + shellescape.Quote(a.flags.stateDir)
	}
	return proposal.ReplaceAllString(text, "${1} "+strings.ReplaceAll(words, "$", "$$"))
}

// hinting is where an app writes. Each write is a whole text.
type hinting struct {
	io.Writer
	app *app
}

func (h hinting) Write(p []byte) (int, error) {
	text := string(p)
	if told := h.app.hint(text); told != text {
		if h.app.json() { // what is put in stands within a string
			told = proposal.ReplaceAllStringFunc(text, func(s string) string { return within(h.app.hint(s)) })
		}
		if _, err := io.WriteString(h.Writer, told); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	return h.Writer.Write(p)
}

// within is a text as it stands within a JSON string.
func within(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil { // a string always is
		return text
	}
	return string(quoted[1 : len(quoted)-1])
}

// plainly is the writer beneath: a terminal is asked for its width there.
func plainly(w io.Writer) io.Writer {
	if h, is := w.(hinting); is {
		return h.Writer
	}
	return w
}
