package remote

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestJumpChainSharesOneConnectionABastion(t *testing.T) {
	b := newBench(t)
	outer, inner := b.machine("outer:22"), b.machine("inner:2022")
	var wg sync.WaitGroup
	for i := range 20 {
		name := fmt.Sprintf("n%d", i)
		b.machine(name + ":22")
		wg.Go(func() {
			if err := b.ok(Login{Name: name, Jump: []string{"ops@outer:22,inner:2022"}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if outer.logins.Load() != 1 || inner.logins.Load() != 1 {
		t.Errorf("%d and %d logins", outer.logins.Load(), inner.logins.Load())
	}
}

func TestFault36AtMostEightHandshakesThroughOneJumpHost(t *testing.T) {
	b := newBench(t)
	b.machine("bastion:22")
	target := b.machine("n0:22")
	var wg sync.WaitGroup
	for i := range 256 {
		addr := fmt.Sprintf("10.0.%d.%d", i/128, i%128)
		b.set(addr+":22", target)
		b.know(addr + " " + line(target))
		wg.Go(func() {
			if err := b.ok(Login{Name: addr, Jump: []string{"bastion"}, ConnectTimeout: 10 * time.Minute}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if target.most > throughOne {
		t.Errorf("%d handshakes at once", target.most)
	}
}

func TestJumpAlternatives(t *testing.T) {
	b := newBench(t)
	second := b.machine("second:22")
	b.machine("n1:22")
	l := Login{Name: "n1", Jump: []string{"first", "second"}}
	if err := b.ok(l); err != nil || second.logins.Load() != 1 {
		t.Error(err)
	}
	err := b.ok(Login{Name: "n1", Jump: []string{"third", "fourth"}})
	mustContain(t, fmt.Sprint(err), "host n1", "through third or fourth", "third:22", "fourth:22", "refused")
}

func TestJumpHostKeyIsChecked(t *testing.T) {
	b := newBench(t)
	b.network.server(t, "bastion:22")
	b.machine("n1:22")
	err := b.ok(Login{Name: "n1", Jump: []string{"bastion"}})
	var key *HostKeyError
	if !errors.As(err, &key) || key.Host != "bastion" {
		t.Error(err)
	}
}

func TestFault35DyingJumpHost(t *testing.T) {
	b := newBench(t)
	first, second := b.machine("first:22"), b.machine("second:22")
	b.machine("n1:22")
	h := b.host(Login{Name: "n1", Jump: []string{"first", "second"}})
	if _, err := h.Run(t.Context(), "true"); err != nil {
		t.Fatal(err)
	}
	b.set("first:22", nil)
	first.cut()
	if _, err := h.Run(t.Context(), "true"); err != nil || second.logins.Load() != 1 {
		t.Errorf("%v; %d logins on the other", err, second.logins.Load())
	}
}

func TestHops(t *testing.T) {
	b := newBench(t)
	hops, err := b.net.Hops(Login{Name: "n1", User: "root", Jump: []string{"ops@a:2022,b", "c"}})
	if err != nil || len(hops) != 3 {
		t.Fatal(hops, err)
	}
	var got []string
	for _, h := range hops {
		got = append(got, fmt.Sprintf("%s@%s:%d via %v", h.User, h.Address, h.Port, h.Jump))
	}
	want := "ops@a:2022 via [] | root@b:22 via [ops@a:2022] | root@c:22 via []"
	if strings.Join(got, " | ") != want {
		t.Errorf("got %s\nwant %s", strings.Join(got, " | "), want)
	}
}

func TestSplitHop(t *testing.T) {
	for _, test := range []struct{ hop, want string }{
		{"a", " a 0"}, {"u@a", "u a 0"}, {"u@a:22", "u a 22"}, {"u@[::1]:22", "u ::1 22"}, {"fe80::1", " fe80::1 0"}, {"ssh://u@h:3", "u h 3"},
		{"a:0", "error"}, {"a:x", "error"}, {"", "error"}, {"-oProxyCommand=x", "error"}, {"a b", "error"},
	} {
		user, host, port, err := splitHop(test.hop)
		got := fmt.Sprint(user, " ", host, " ", port)
		if err != nil {
			got = "error"
		}
		if got != test.want {
			t.Errorf("%q: %s, want %s", test.hop, got, test.want)
		}
	}
}
