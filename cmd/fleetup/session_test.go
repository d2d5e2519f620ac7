package main

import (
	"errors"
	"fmt"
	"net/url"
	"testing"
)

func TestHopName(t *testing.T) {
	for hop, want := range map[string]string{
		"bastion": "bastion", "ops@bastion": "bastion", "ops@bastion:2222": "bastion", " bastion:22 ": "bastion",
		"10.0.0.1:22": "10.0.0.1", "[fd00::1]:22": "fd00::1", "ops@[fd00::1]": "fd00::1", "": "",
	} {
		if got := hopName(hop); got != want {
			t.Errorf("hopName(%q) = %q, want %q", hop, got, want)
		}
	}
}

func TestShortURL(t *testing.T) {
	long := fmt.Errorf("list nodes: %w", &url.Error{Op: "Get", URL: "https://10.0.0.1/api/v1/nodes?limit=500", Err: errors.New("connection refused")})
	if got := shortURL(long).Error(); got != "list nodes: connection refused" {
		t.Error(got)
	}
	if other := errors.New("other"); !errors.Is(shortURL(other), other) {
		t.Error("another error was changed")
	}
}
