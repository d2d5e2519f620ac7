package main

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain gives every test a home of its own: no test reads the keys, the configuration or the agent of whoever runs
// it, and none may leave a goroutine behind.
func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "fleetup-home")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Setenv("HOME", home)
	for _, v := range []string{"SSH_AUTH_SOCK", "KUBECONFIG", "NO_COLOR", "XDG_STATE_HOME", "KUBERNETES_SERVICE_HOST"} {
		os.Unsetenv(v)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(home)
		os.Exit(code)
	}))
}
