package bmc_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/runner/bmc"
	"github.com/fleetup/fleetup/runner/bmc/bmctest"
)

var quiet = log.New(io.Discard, "", 0)

func password(p string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return p, nil }
}

func open(t *testing.T, c bmc.Config) bmc.Starter {
	t.Helper()
	b, err := bmc.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func at(s string) time.Time {
	v, _ := time.Parse(time.RFC3339, s)
	return v
}

// same compares what was read, times by what they mean.
func same(t *testing.T, what string, want, got any, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func wantError(t *testing.T, what string, err error, parts []string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%s: %q isn't in %q", what, p, err)
		}
	}
}

// TestOpenRefuses: a Config that can't work is noticed before anything is asked.
func TestOpenRefuses(t *testing.T) {
	for _, tc := range []struct {
		c    bmc.Config
		want string
	}{
		{bmc.Config{Type: "ilo"}, `unknown type "ilo"`},
		{bmc.Config{Type: bmc.Redfish}, "needs an address"},
		{bmc.Config{Type: bmc.IPMI}, "needs an address"},
		{bmc.Config{Type: bmc.IPMI, Address: "10.0.0.1:ipmi"}, "is no port"},
		{bmc.Config{Type: bmc.Wake}, "MAC address"},
		{bmc.Config{Type: bmc.Wake, MAC: "52:54:00:12:34:56:78:9a"}, "MAC address"},
		{bmc.Config{Type: bmc.Command, Programs: bmc.Programs{On: []string{"x"}, Off: []string{"x"}}}, "status, on and off"},
	} {
		_, err := bmc.Open(tc.c)
		wantError(t, tc.c.Type, err, []string{tc.want})
	}
}

// socket is a switched socket with the operator's scripts: the machine is a file.
func socket(t *testing.T) (bmc.Programs, *fileMachine) {
	t.Helper()
	dir := t.TempDir()
	script := filepath.Join(dir, "socket")
	state, cuts := filepath.Join(dir, "state"), filepath.Join(dir, "cuts")
	if err := os.WriteFile(script, []byte(`#!/bin/sh
case "$1" in
status) echo "outlet 3 is: $(cat '`+state+`')" ;;
on) echo ON >'`+state+`' ;;
off) grep -q ON '`+state+`' && echo x >>'`+cuts+`'; echo OFF >'`+state+`' ;;
mumble) echo "no idea" ;;
fail) echo "outlet 3: overload" >&2; exit 3 ;;
hang) sleep 60 ;;
esac
`), 0o700); err != nil { //nolint:gosec // a test's own program
		t.Fatal(err)
	}
	m := &fileMachine{t, state, cuts}
	m.SetPower(true)
	return bmc.Programs{Status: []string{script, "status"}, On: []string{script, "on"}, Off: []string{script, "off"}}, m
}

type fileMachine struct {
	t           *testing.T
	state, cuts string
}

func (m *fileMachine) Powered() bool {
	b, err := os.ReadFile(m.state)
	if err != nil {
		m.t.Fatal(err)
	}
	return strings.TrimSpace(string(b)) == "ON"
}

func (m *fileMachine) SetPower(on bool) {
	if err := os.WriteFile(m.state, []byte(map[bool]string{true: "ON\n", false: "OFF\n"}[on]), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *fileMachine) Shutdown() { m.SetPower(false) }

func (m *fileMachine) Cuts() int {
	b, _ := os.ReadFile(m.cuts)
	return bytes.Count(b, []byte("x"))
}

func TestCommand(t *testing.T) {
	programs, m := socket(t)
	bmctest.Conform(t, bmctest.Subject{Config: bmc.Config{Type: bmc.Command, Programs: programs}, Machine: m, Cuts: m.Cuts})
	programs.Cycle = []string{programs.Status[0], "fail"}
	err := open(t, bmc.Config{Type: bmc.Command, Programs: programs}).(bmc.Power).Cycle(t.Context())
	wantError(t, "a cycle of its own", err, []string{"cycle: exit status 3: outlet 3: overload", "by hand"})
}

func TestCommandErrors(t *testing.T) {
	programs, _ := socket(t)
	for arg, want := range map[string]string{
		"mumble": `status printed "no idea", where the last word has to be on or off`,
		"fail":   "status: exit status 3: outlet 3: overload; try it by hand",
		"hang":   "it took longer than 200ms",
	} {
		programs.Status[1] = arg
		timeout := time.Minute
		if arg == "hang" {
			timeout = 200 * time.Millisecond
		}
		_, err := open(t, bmc.Config{Type: bmc.Command, Programs: programs, Timeout: timeout}).(bmc.Power).State(t.Context())
		wantError(t, arg, err, []string{want})
	}
	programs.Status = []string{"/nonexistent/socket"}
	_, err := open(t, bmc.Config{Type: bmc.Command, Programs: programs}).(bmc.Power).State(t.Context())
	wantError(t, "no program", err, []string{"/nonexistent/socket: status", "no such file"})
}

// TestWake captures the packet: it can turn on, and no more.
func TestWake(t *testing.T) {
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b := open(t, bmc.Config{Type: bmc.Wake, MAC: "52-54-00-ab-cd-ef", Address: l.LocalAddr().String()})
	if _, can := b.(bmc.Power); can {
		t.Error("it claims to be able to turn off")
	}
	if err := b.On(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = l.SetReadDeadline(time.Now().Add(5 * time.Second))
	got := make([]byte, 200)
	n, _, err := l.ReadFrom(got)
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte{0xff}, 6)
	for range 16 {
		want = append(want, 0x52, 0x54, 0x00, 0xab, 0xcd, 0xef)
	}
	if !bytes.Equal(got[:n], want) {
		t.Errorf("the packet is %x, not %x", got[:n], want)
	}
	err = open(t, bmc.Config{Type: bmc.Wake, MAC: "52:54:00:ab:cd:ef", Address: "nowhere.invalid"}).On(t.Context())
	wantError(t, "no such host", err, []string{"wake 52:54:00:ab:cd:ef by nowhere.invalid:9", "is there a way"})
}

// flaky is a switch whose first questions fail.
type flaky struct {
	bmctest.Switch
	fails, asked int
}

func (f *flaky) State(context.Context) (bmc.State, error) {
	if f.asked++; f.asked <= f.fails {
		return "", errors.New("the BMC reboots")
	}
	return map[bool]bmc.State{true: bmc.On, false: bmc.Off}[f.Powered()], nil
}
func (f *flaky) On(context.Context) error    { f.SetPower(true); return nil }
func (f *flaky) Cycle(context.Context) error { return nil }
func (f *flaky) Off(_ context.Context, hard bool) error {
	if hard {
		f.SetPower(false)
	}
	return nil
}

// TestAwait: a BMC that doesn't answer for a moment is asked again; at the end its last reason is told.
func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flaky{fails: 3}
		if err := bmc.Await(t.Context(), f, bmc.Off); err != nil || f.asked != 4 {
			t.Errorf("asked %d times: %v", f.asked, err)
		}
		f = &flaky{fails: 1000}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		wantError(t, "never", bmc.Await(ctx, f, bmc.Off), []string{"isn't off, but unknown", "the BMC reboots"})
		f = &flaky{}
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		wantError(t, "still off", bmc.Await(ctx, f, bmc.On), []string{"isn't on, but off"})
	})
}

// TestTurnOffDeaf: an operating system that doesn't listen has its grace, and no more.
func TestTurnOffDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flaky{}
		f.SetPower(true)
		began := time.Now()
		if err := bmc.TurnOff(t.Context(), f, 2*time.Minute, func(string) {}); err != nil || f.Powered() || f.Cuts() != 1 {
			t.Errorf("powered %v, cuts %d: %v", f.Powered(), f.Cuts(), err)
		}
		if took := time.Since(began); took != 2*time.Minute {
			t.Errorf("the power went after %s, not after the grace", took)
		}
	})
}
