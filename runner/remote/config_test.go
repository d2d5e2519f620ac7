package remote

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
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

// TestSystemConfig: what the user's config leaves open, the one for all users says.
func TestSystemConfig(t *testing.T) {
	b := newBench(t)
	etc := b.net.o.SystemDir
	write(t, filepath.Join(b.home, ".ssh", "config"), "Host n1\n\tPort 2200\n\tIdentityFile ~/mine\n", 0o600)
	write(t, filepath.Join(etc, "ssh_config"), "Include=conf.d/*\nHost *\n\tPort 99\n\tUser everybody\n\tIdentityFile ~/all\n\tGlobalKnownHostsFile /a ~/b\n", 0o644)
	write(t, filepath.Join(etc, "conf.d", "x"), "Host n2\n\tUser included\n\tHostKeyAlias rack7\n", 0o644)
	for name, want := range map[string]string{
		"n1": "everybody@n1:2200 n1 [~/mine ~/all] [/a ~/b]",
		"n2": "included@n2:99 rack7 [~/all] [/a ~/b]",
	} {
		e, _, err := b.net.resolve(fill(Login{Name: name}))
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprintf("%s@%s %s %v %v", e.user, e.addr(), e.principal(), e.idents, e.system)
		if got = strings.ReplaceAll(got, b.home, "~"); got != want {
			t.Errorf("%s\n%s, want", got, want)
		}
	}
}

func TestSystemConfigThatIsNotUnderstood(t *testing.T) {
	var said []string
	b := newBench(t, func(o *Options) { o.Log = func(s string) { said = append(said, s) } })
	file := filepath.Join(b.net.o.SystemDir, "ssh_config")
	write(t, file, "Match final all\n\tCiphers aes256-ctr\nHost *\n\tPort 99\n", 0o644)
	e, _, err := b.net.resolve(fill(Login{Name: "n1", User: "ops"}))
	if err != nil || e.port != 22 {
		t.Errorf("%v %v", e, err)
	}
	if !slices.ContainsFunc(said, func(s string) bool {
		return strings.Contains(s, file+" isn't used") && strings.Contains(s, ":1: Match")
	}) {
		t.Errorf("said %q", said)
	}
}

func TestSystemKnownHosts(t *testing.T) {
	b := newBench(t)
	s := b.network.server(t, "n1:22")
	s.users["root"] = []ssh.PublicKey{b.user.PublicKey()}
	write(t, filepath.Join(b.net.o.SystemDir, "ssh_known_hosts"), "n1 "+line(s)+"\n", 0o644)
	if err := b.ok(Login{Name: "n1"}); err != nil {
		t.Error(err)
	}
	write(t, filepath.Join(b.net.o.SystemDir, "ssh_known_hosts2"), "@revoked * "+line(s)+"\n", 0o644)
	if err := b.ok(Login{Name: "n1", ConnectTimeout: time.Minute}); err != nil {
		t.Error("the same connection:", err)
	}
	_, files, err := b.net.KnownAs(Login{Name: "n1"})
	if err != nil || slices.Contains(files, b.net.o.SystemDir+"/ssh_known_hosts") {
		t.Errorf("what may be written holds the system's file: %q %v", files, err)
	}
}

func TestCertificateFile(t *testing.T) {
	b := newBench(t)
	s := b.machine("n1:22")
	ca, _ := newKey(t)
	s.users, s.ca = nil, ca.PublicKey()
	file := filepath.Join(b.home, "elsewhere", "cert")
	write(t, file, string(ssh.MarshalAuthorizedKey(certify(t, ca, b.user.PublicKey(), ssh.UserCert, "root"))), 0o600)
	write(t, filepath.Join(b.home, ".ssh", "config"), "CertificateFile ~/absent\nCertificateFile ~/elsewhere/cert\n", 0o600)
	if err := b.ok(Login{Name: "n1"}); err != nil {
		t.Error(err)
	}
	err := b.ok(Login{Name: "n1", User: "ops"})
	mustContain(t, fmt.Sprint(err), "login as ops", file, "absent: no such file")
}
