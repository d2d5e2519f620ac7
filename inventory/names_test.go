package inventory

import (
	"fmt"
	"strings"
	"testing"
)

// hostile are strings that would do something of their own as a part of a command.
var hostile = []string{
	"$(reboot)", "`reboot`", "a;reboot", "a|b", "a&b", "a>b", "a<b", `a"b`, "a'b", "a$HOME", "a\nb", "a\rb", "a\x00b", "a\tb",
	"a b", "a\x1b[31m", "a\u0085b", "-oProxyCommand=x", "-", "--", `a\`, "a(b", "a{b}", "a\u2028b",
}

func TestUnsafeStrings(t *testing.T) {
	for _, s := range hostile {
		if err := unsafe(s); err == nil || !strings.Contains(err.Error(), "unsafe string") {
			t.Errorf("unsafe(%q) = %v", s, err)
		}
		if err := unsafe(s); err != nil && strings.ContainsAny(err.Error(), "\n\r\x00\x1b") {
			t.Errorf("the message about %q holds its control characters", s)
		}
	}
	for _, s := range []string{"", "ops", "ops.user-1", `CORP\ops`, "größe", "10.0.0.1", "fe80::1%eth0", "2.1.4-1~deb12u1+b2", "1:2.3"} {
		if err := unsafe(s); err != nil {
			t.Errorf("unsafe(%q) = %v", s, err)
		}
	}
}

// TestFault38HostileStrings puts each hostile string where a name, user, address or jump may stand.
func TestFault38HostileStrings(t *testing.T) {
	for _, place := range []string{
		"[hosts]\n%s = {}\n",
		"[hosts]\nn1 = { address = %s }\n",
		"[hosts]\nn1 = { node = %s }\n",
		"[hosts]\nn1 = { user = %s }\n",
		"[hosts]\nn1 = { ssh = { user = %s } }\n",
		"[hosts]\nn1 = { jump = [\"good\", %s] }\n",
		"[hosts]\nn1 = { groups = [%s] }\n",
		"[hosts]\nn1 = { labels = { rack = %s } }\n",
		"[hosts]\nn1 = { labels = { %s = \"r1\" } }\n",
		"name = %s\n" + oneHost,
		"[ssh]\nuser = %s\n" + oneHost,
		"[ssh]\njump = [%s]\n" + oneHost,
		"[ssh]\nsudo = %s\n" + oneHost,
		"[ssh]\nsudo_password = { command = [%s] }\n" + oneHost,
		"[ssh]\nsudo_password = { env = %s }\n" + oneHost,
		"[cluster]\ncontext = %s\n" + oneHost,
		"[cluster]\nnamespace = %s\n" + oneHost,
		"[groups.%s]\nmax_unavailable = 1\n" + oneHost,
		"[upgrade]\n%s = \"1.2\"\n" + oneHost,
		"[upgrade]\nkubelet = %s\n" + oneHost,
		"[upgrade]\nkubelet = { version = %s }\n" + oneHost,
		"[upgrade]\nnic = { after = %s }\n" + oneHost,
		"[strategy]\nkind = %s\n" + oneHost,
		"[strategy]\nspread = { %s = 1 }\n" + oneHost,
		"[strategy]\nmax_unavailable = %s\n" + oneHost,
		"[drain]\ngrace_period = %s\n" + oneHost,
		"[verify]\nhttp = [{ url = %s }]\n" + oneHost,
		"[verify]\nhttp = [{ service = %s }]\n" + oneHost,
		"%s = 1\n" + oneHost,
	} {
		for _, s := range hostile {
			src := fmt.Sprintf(place, tomlString(s))
			_, err := parse("fleet.toml", []byte(src), nil)
			for _, p := range problemsOf(t, err) {
				if p.Line == 0 || strings.ContainsAny(p.Error(), "\n\r\x00\x1b") {
					t.Errorf("%s: problem %q has no line, or control characters", src, p.Error())
				}
			}
		}
	}
}

// tomlString quotes s as TOML does; Go's quoting knows escapes that TOML doesn't.
func tomlString(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < ' ' || r == '"' || r == '\\' || r > 126 {
			fmt.Fprintf(&b, `\u%04X`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}

func TestRules(t *testing.T) {
	for _, tc := range []struct {
		what string
		rule func(string) error
		good []string
		bad  []string
	}{
		{"node", checkNode, []string{"a", "n1.example.com", "1a", "a-b"}, []string{"", "A", "a_b", "-a", "a-", "a..b", ".a", strings.Repeat("a", 254)}},
		{"word", checkWord, []string{"gpu", "GPU_7", "a.b-c", "1"}, []string{"", ".a", "_a", "a b", "a,b", "@a", "!a", "a[1]", "../x", "a/b"}},
		{"address", checkAddress,
			[]string{"10.0.0.1", "fd00::1", "fe80::1%eth0", "host", "n1.example.com", "my_host", "3com"},
			[]string{"", "10.0.0.1:22", "host:22", "10.0.0", "10.0.1.300", "1.2.3.4.5", "a..b", "a/c", "a.-b", "a b", "[::1]", "user@host"}},
		{"user", checkUser, []string{"ops", `CORP\ops`, "a.b"}, []string{"", "a@b", "a:b", "a/b", "a,b"}},
		{"jump", checkJump,
			[]string{"a", "ops@a", "ops@a:22,b", "10.0.0.1", "fd00::1", "[fd00::1]:22", "u@[fd00::1]"},
			[]string{"", "a,", ",a", "a:0", "a:65536", "a:x", "a:", "@a", "[fd00::1", "[fd00::1]22", "u@", "a b", "u@-a", "-u@a", "a,,b"}},
		{"label key", checkLabelKey, []string{"rack", "topology.kubernetes.io/zone", "A_b.c"}, []string{"", "/x", "a/", "A/x", "a/b/c", "-a"}},
		{"label", checkLabel, []string{"", "r1", "A_b.c-d"}, []string{"-a", "a-", "a b", strings.Repeat("a", 64)}},
		{"url", checkURL, []string{"http://a/", "https://a.b:8443/x?y=z", "http://[fd00::1]/"}, []string{"", "a", "ftp://a/", "https://", "https://u@a/", "https://u:p@a/", "http://a b/", "http://$(x)/"}},
		{"service", checkService, []string{"shop/web:http", "a/b:80"}, []string{"", "web", "shop/web", "web:80", "/web:80", "shop/:80", "shop/web:", "A/b:80", "a/b:80/x"}},
		{"path", checkPath, []string{"/", "/healthz?x=1"}, []string{"", "healthz", "/a b", "/a\n"}},
		{"port", checkPort, []string{"1", "65535"}, []string{"", "0", "65536", "-1", "x"}},
	} {
		for _, s := range tc.good {
			if err := check(s, tc.rule); err != nil {
				t.Errorf("%s: %q is refused: %v", tc.what, s, err)
			}
		}
		for _, s := range tc.bad {
			if err := check(s, tc.rule); err == nil {
				t.Errorf("%s: %q is accepted", tc.what, s)
			}
		}
	}
	if err := checkAddress("host:2222"); !strings.Contains(err.Error(), `write address = "host", port = 2222`) {
		t.Errorf("no way out for an address with a port: %v", err)
	}
}
