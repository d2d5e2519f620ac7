package shell

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/fleetup/fleetup/runner/remote/remotetest/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script runs a script in a system that has sh, cat and block, a program that waits to be killed.
func script(t *testing.T, text string) (string, int) {
	t.Helper()
	files := vfs.New()
	files.MkdirAll(vfs.Cred{}, "/bin", 0o755)
	files.MkdirAll(vfs.Cred{}, "/dev", 0o755)
	files.MkdirAll(vfs.Cred{}, "/tmp", 0o777)
	files.Device("/dev/null", 0o666, func() []byte { return nil })
	programs := map[string]Program{
		"sh": Main,
		"cat": func(p *Proc) int {
			data, err := p.ReadFile(append(p.Args[1:], "-")[0])
			p.Printf("%s", data)
			return btoi(err != nil)
		},
		"block": func(p *Proc) int { p.Printf("up\n"); <-p.Ctx.Done(); return 0 },
	}
	for name := range programs {
		Install(files, "/bin/"+name, name)
	}
	sys := NewSystem(files, programs, nil)
	defer sys.Halt()
	r, w := NewPipe()
	in, inW := NewPipe()
	inW.Release()
	p, err := sys.Start(Spec{Args: []string{"sh", "-c", text}, Env: map[string]string{"PATH": "/bin", "HOME": "/"}, Files: map[int]*Desc{0: in, 1: w, 2: w.hold()}})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	buf := make([]byte, 1024)
	for {
		n, err := r.Read(context.Background(), buf)
		out.Write(buf[:n])
		if err != nil {
			break
		}
	}
	return out.String(), p.Wait(context.Background())
}

func TestScripts(t *testing.T) {
	for _, tt := range []struct {
		text, out string
		status    int
	}{
		{"echo 'a\\tb' \"$((2*3))\"", "a\tb 6\n", 0},
		{"case 1.36.4-1.1 in \"1.36.4\"[-+~]*) echo yes;; esac", "yes\n", 0},
		{"echo '  k | 1-1 | u'| while IFS=' |' read -r a b c; do echo \"<$a><$b><$c>\"; done", "<k><1-1><u>\n", 0},
		{"echo 'a:b: c ' | { IFS=: read -r x y; echo \"<$x><$y>\"; }", "<a><b: c >\n", 0},
		{"[[ a = a ]]", "sh: 1: [[: not found\n", 127},
		{"a=(1 2)", "", 2},
		{"set -u; echo $nope; echo no", "sh: nope: parameter not set\n", 2},
		{"echo ${x:=5} ${x%5}. ${#x}", "5 . 1\n", 0},
		{"set -e; if false; then :; fi; ! true || echo a; (exit 3); echo no", "a\n", 3},
		{"set -e; f() { false; echo in; }; f || echo out", "in\n", 0},
		{"{ echo out; echo err >&2; } 2>/tmp/e; cat /tmp/e", "out\nerr\n", 0},
		{"exec 3>/tmp/f; echo x >&3; exec 3>&-; cat /tmp/f; echo y >&3", "x\nsh: 3: Bad file descriptor\n", 2},
		{"echo hi | (cat; echo there) | cat", "hi\nthere\n", 0},
		{"block >/dev/null & kill $!; wait $!; echo $?", "143\n", 0},
		{"block >/tmp/f & while ! [ -s /tmp/f ]; do :; done; kill $!; wait $!; echo $?", "143\n", 0},
		{"{ exec block; } >/tmp/f & while ! [ -s /tmp/f ]; do :; done; kill $!; wait $!; echo $?", "143\n", 0},
		{"trap 'echo got' TERM; kill -TERM $$; echo after", "got\nafter\n", 0},
		{"trap '' TERM; kill $$; echo still", "still\n", 0},
		{"(trap 'echo end' EXIT; exit 4); echo $?", "end\n4\n", 0},
		{"while :; do while :; do break 2; done; done; echo $?", "0\n", 0},
		{"for i; do echo $i; done; set -- a 'b c'; for i in \"$@\"; do echo \"$i\"; done; shift; echo $# $1", "a\nb c\n1 b c\n", 0},
		{"x=a; (x=b); echo $x; x=c cat /nothere; echo $x", "a\na\n", 0},
		{"export V=1; sh -c 'echo $V$0$1' n arg", "1narg\n", 0},
		{"echo 'exit 7' >/tmp/s; sh /tmp/s; echo $?; . /tmp/s", "7\n", 7},
		{"command -v cat; command -v cd; command -v nope", "/bin/cat\ncd\n", 127},
		{"cat <<-'E'\n\t$x\n\tE\n", "$x\n", 0},
		{"while getopts ab: o -a -b v; do echo $o$OPTARG; done", "a\nbv\n", 0},
		{"test 1 -lt 2 -a ! -e /nope && [ -d /tmp ] && [ \"\" = \"\" ] && echo ok; [ a b ]", "ok\nsh: [: unexpected operator\n", 2},
		{"readonly r=1; r=2; echo no", "sh: r: is read only\n", 2},
		{"printf '%s-%d\\n' a 1 b 2", "a-1\nb-2\n", 0},
		{"exec cat /tmp/nope || echo no", "", 1},
		{"umask 077; echo $(echo $(echo deep))", "deep\n", 0},
		{"false | true; echo $?; true && ! false; echo $?", "0\n0\n", 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			out, status := script(t, tt.text)
			if status != tt.status || tt.out != "" && strings.ReplaceAll(out, "sh: 1: sh: ", "sh: ") != tt.out {
				t.Errorf("%s\n got %q, %d\nwant %q, %d", tt.text, out, status, tt.out, tt.status)
			}
		})
	}
}

func TestBrokenPipeKillsWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, status := script(t, "while :; do echo y; done | { read -r a; echo $a; }")
		if out != "y\n" || status != 0 {
			t.Errorf("%q %d", out, status)
		}
	})
}
