// Package page tests the report in a real Chromium, headless: that its timeline is drawn, nothing complains, nothing is
// fetched, a phone's width is enough, the dark is dark, whoever listens instead of looking hears names, a thousand nodes
// are quick, and that the live page follows a run to its end.
//
// `make page-test` runs it, by the build tag page, and installs Chromium where it is missing. Without one the tests fail. What the
// pages look like is kept under testdata; `go test -tags page ./runner/live/page -update` takes the pictures anew: look at them.
package page
