package remote

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const sampleConfig = `
Host web
	HostName 10.0.0.%%
	User deploy
	Port 2200
	IdentityFile ~/.ssh/%r_key
	IdentitiesOnly yes
	UserKnownHostsFile ~/a ~/b
	ProxyJump gate
Host gate
	User guard
Host 10.9.*
	ProxyCommand nc %h %p
Host *
	User everybody
Include MORE
`

func TestConfig(t *testing.T) {
	b := newBench(t)
	write(t, filepath.Join(b.home, ".ssh", "config"), strings.ReplaceAll(sampleConfig, "MORE", b.home+"/.ssh/more"), 0o600)
	write(t, filepath.Join(b.home, ".ssh", "more"), "Host inc\n\tPort 99\n", 0o600)
	show := func(l Login) string {
		e, chains, err := b.net.resolve(fill(l))
		if err != nil {
			return err.Error()
		}
		s := fmt.Sprintf("%s@%s %v %v %v", e.user, e.addr(), e.idents, e.only, e.known)
		for _, c := range chains {
			s += " through"
			for _, hop := range c {
				s += fmt.Sprintf(" %s@%s", hop.user, hop.addr())
			}
		}
		return strings.ReplaceAll(s, b.home, "~")
	}
	usual := "[~/.ssh/known_hosts ~/.ssh/known_hosts2]"
	for _, test := range []struct {
		name  string
		login Login
		want  string
	}{
		{"from the file", Login{Name: "web"}, "deploy@10.0.0.%:2200 [~/.ssh/deploy_key] true [~/a ~/b] through guard@gate:22"},
		{"inventory wins", Login{Name: "web", Address: "10.1.1.1", User: "me", Port: 7, IdentityFiles: []string{"/k"}, KnownHosts: []string{"/h"},
			Jump: []string{"u@x:1,gate"}}, "me@10.1.1.1:7 [/k] true [/h] through u@x:1 guard@gate:22"},
		{"defaults", Login{Name: "other"}, "everybody@other:22 [] false " + usual},
		{"included", Login{Name: "inc"}, "everybody@inc:99 [] false " + usual},
		{"a command in between", Login{Name: "10.9.0.1"}, "host 10.9.0.1: ~/.ssh/config sets ProxyCommand"},
		{"a wrong jump", Login{Name: "x", Jump: []string{"a:port"}}, `host x: jump "a:port": "port" is no port`},
	} {
		if got := strings.ReplaceAll(show(test.login), b.home, "~"); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s:\n%s, want\n%s", test.name, got, test.want)
		}
	}
}

func TestMatchExecIsRefused(t *testing.T) {
	for _, test := range []struct{ text, refused string }{
		{"Match exec \"touch MARK\"\n\tUser x\n", "config:1"},
		{"\nMatch host n1 exec \"touch MARK\"\n\tUser x\n", "config:2"},
		{"match user root\n", "config:1"},
		{"Match=exec true\n", "config:1"},
		{"Include sub/*\n", "sub/one:1"},
		{"Match all\n\tUser x\nMatch host a\n\tUser y\n", ""},
	} {
		b := newBench(t)
		write(t, filepath.Join(b.home, ".ssh", "config"), test.text, 0o600)
		write(t, filepath.Join(b.home, ".ssh", "sub", "one"), "Match localuser x\n", 0o600)
		_, _, err := b.net.resolve(Login{Name: "n1", Address: "n1", ConnectTimeout: time.Second})
		switch {
		case test.refused == "" && err != nil:
			t.Errorf("%q: %v", test.text, err)
		case test.refused != "" && err == nil:
			t.Errorf("%q: accepted", test.text)
		case test.refused != "":
			mustContain(t, err.Error(), test.refused, "host n1")
		}
	}
}
