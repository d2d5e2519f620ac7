package inventory

import (
	"errors"
	"testing"
)

// oneHost is the least that a valid inventory holds.
const oneHost = "[hosts]\nn1 = { address = \"10.0.0.1\" }\n"

func problemsOf(t *testing.T, err error) Problems {
	t.Helper()
	var problems Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("got the error %v (%T), want Problems", err, err)
	}
	return problems
}

func mustParse(t *testing.T, src string, set ...string) *Fleet {
	t.Helper()
	fleet, err := parse("fleet.toml", []byte(src), set)
	if err != nil {
		t.Fatalf("%s:\n%v", src, err)
	}
	return fleet
}
