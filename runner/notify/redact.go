package notify

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const withheld = "[withheld]"

// anyURL finds addresses in an error: services name the one that they posted to, which they made of the receiver's tokens.
var anyURL = regexp.MustCompile(`[a-z][a-z0-9+.-]*://[^\s"'<>]+`)

// redacted is text without anything of the receiver's URL, and without any other address.
func redacted(text, raw string) string {
	text = strings.ReplaceAll(text, raw, withheld)
	text = anyURL.ReplaceAllString(text, withheld)
	parts := parts(raw)
	slices.SortFunc(parts, func(a, b string) int { return len(b) - len(a) }) // or a part of a token would leave the rest
	for _, part := range parts {
		text = strings.ReplaceAll(text, part, withheld)
	}
	return strings.Join(strings.Fields(text), " ")
}

// parts are the pieces of a URL that may be secrets, as written and decoded: all but its scheme, and words too short to be one.
func parts(raw string) []string {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil {
		return nil
	}
	all := []string{u.Host, u.Path, u.EscapedPath(), u.RawQuery, u.Fragment, u.EscapedFragment(), u.User.Username()}
	if password, ok := u.User.Password(); ok {
		all = append(all, password)
	}
	for _, values := range u.Query() {
		all = append(all, values...)
	}
	whole := strings.Join([]string{u.Host, u.Path, u.EscapedPath(), u.User.String(), u.RawQuery}, "/")
	all = append(all, strings.FieldsFunc(whole, func(r rune) bool { return strings.ContainsRune("/:@&=", r) })...)
	return slices.DeleteFunc(all, func(s string) bool { return len(s) < 5 })
}
