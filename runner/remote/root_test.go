package remote

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeSudo behaves as sudo does with -n and -S -p, asks up to three times, and counts what it is given in $COUNT.
const fakeSudo = `
if [ "$1" = -n ]; then
	shift
	[ -n "$NOPASSWD" ] && exec env FAKE_ROOT=1 "$@"
	echo "sudo: a password is required" >&2
	exit 1
fi
[ "$1" = -S ] && [ "$2" = -p ] || exit 9
prompt=$3
shift 3
[ -n "$MUTE" ] && { printf 'One-time code: ' >&2; read x; exit 1; }
for i in 1 2 3; do
	printf %s "$prompt" >&2
	IFS= read -r got || { echo "sudo: no password was provided" >&2; exit 1; }
	echo "$got" >>"$COUNT"
	[ "$got" = "$WANT" ] && exec env FAKE_ROOT=1 "$@"
	sleep 0.1
	echo "Sorry, try again." >&2
done
echo "sudo: 3 incorrect password attempts" >&2
exit 1
`

func (b *bench) sudoMachine(env string) (*server, string) {
	s := b.machine("n1:22")
	count := b.home + "/count"
	s.program("sudo", "COUNT="+count+"\n"+env+fakeSudo)
	s.program("id", "echo 1000")
	return s, count
}

func password(p string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return p, nil }
}

func TestSudoWithoutPassword(t *testing.T) {
	b := newBench(t)
	s, _ := b.sudoMachine("NOPASSWD=1")
	h := b.host(Login{Name: "n1", User: "ops"})
	for range 3 {
		out, err := h.Run(t.Context(), "echo $FAKE_ROOT; cat")
		if err != nil || out != "1\n" {
			t.Fatalf("%q %v", out, err)
		}
	}
	if n := strings.Count(s.said(), "id -u"); n != 1 {
		t.Errorf("asked %d times how to become root", n)
	}
}

func TestSudoWithPassword(t *testing.T) {
	b := newBench(t)
	const secret = `pa ss"'$(x)\`
	s, count := b.sudoMachine("WANT='pa ss\"'\\''$(x)\\'")
	h := b.host(Login{Name: "n1", User: "ops", SudoPassword: password(secret)})
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			out, err := h.Run(t.Context(), "echo $FAKE_ROOT; cat; echo low >&2; exit 5")
			var exit *ExitError
			if !errors.As(err, &exit) || exit.Status != 5 || out != "1\n" || strings.TrimSpace(exit.Stderr) != "low" {
				t.Errorf("%q %v", out, err)
			}
		})
	}
	wg.Wait()
	if strings.Contains(s.said(), "pa ss") {
		t.Error("the password is on an argument list")
	}
	if text, _ := os.ReadFile(count); strings.Count(string(text), "\n") != strings.Count(string(text), secret+"\n") {
		t.Errorf("something else was given as a password: %q", text)
	}
}

func TestFault33WrongSudoPassword(t *testing.T) {
	b := newBench(t)
	_, count := b.sudoMachine("WANT=right")
	h := b.host(Login{Name: "n1", User: "ops", SudoPassword: password("wrong")})
	begin := time.Now()
	errs := make(chan error)
	for range 4 {
		go func() {
			_, err := h.Run(t.Context(), "true")
			errs <- err
		}()
	}
	for range 4 {
		err := <-errs
		var denied interface{ SudoDenied() bool }
		if !errors.As(err, &denied) || !denied.SudoDenied() {
			t.Fatal(err)
		}
		mustContain(t, err.Error(), "host n1", "ops", "wrong sudo password")
		if strings.Contains(err.Error(), "wrong\n") {
			t.Error("the password is in the error")
		}
	}
	if text, _ := os.ReadFile(count); string(text) != "wrong\n" || time.Since(begin) > promptTimeout/2 {
		t.Errorf("tried %q in %s: accounts lock", text, time.Since(begin))
	}
}

func TestSudoWantsAPasswordAndThereIsNone(t *testing.T) {
	b := newBench(t)
	b.sudoMachine("WANT=x")
	_, err := b.host(Login{Name: "n1", User: "ops"}).Run(t.Context(), "true")
	var denied *SudoError
	if !errors.As(err, &denied) {
		t.Fatal(err)
	}
	mustContain(t, err.Error(), "a password is required", "sudo_password", "NOPASSWD")
}

// TestSudoRefuses: what sudo says where no password helps is told as it says it, with who was refused where; a password that can't be
// fetched is no wrong one, so that the next attempt may still do.
func TestSudoRefuses(t *testing.T) {
	b := newBench(t)
	s := b.machine("n1:22")
	s.program("id", "echo 1000")
	s.program("sudo", `[ "$1" = -n ] && { echo "sudo: a password is required" >&2; exit 1; }; printf %s "$3" >&2; read x; echo "ops is not in the sudoers file." >&2; exit 1`)
	_, err := b.host(Login{Name: "n1", User: "ops", SudoPassword: password("right")}).Run(t.Context(), "true")
	var denied *SudoError
	if !errors.As(err, &denied) {
		t.Fatal(err)
	}
	mustContain(t, err.Error(), "host n1: sudo as ops: ", "ops is not in the sudoers file.")
	if strings.Contains(err.Error(), "right") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("the password is in it, or is called wrong: %v", err)
	}

	b = newBench(t)
	_, count := b.sudoMachine("WANT=right")
	sealed := true
	h := b.host(Login{Name: "n1", User: "ops", SudoPassword: func(context.Context) (string, error) {
		if sealed {
			return "", errors.New("the vault is sealed")
		}
		return "right\n", nil // as a file ends
	}})
	_, err = h.Run(t.Context(), "true")
	if errors.As(err, &denied) || err == nil {
		t.Fatalf("a vault that is sealed: %v", err)
	}
	mustContain(t, err.Error(), "sudo password: the vault is sealed")
	if text, _ := os.ReadFile(count); len(text) > 0 {
		t.Errorf("sudo was given %q", text)
	}
	sealed = false
	if out, err := h.Run(t.Context(), "echo $FAKE_ROOT"); err != nil || out != "1\n" {
		t.Errorf("once it is open: %q, %v", out, err)
	}
}

func TestSudoNeverAndAlways(t *testing.T) {
	b := newBench(t)
	s, _ := b.sudoMachine("NOPASSWD=1")
	out, err := b.host(Login{Name: "n1", User: "ops", Sudo: "never"}).Run(t.Context(), "echo ${FAKE_ROOT:-no}")
	if err != nil || out != "no\n" || strings.Contains(s.said(), "sudo") {
		t.Errorf("never: %q %v", out, err)
	}
	b.net.peers = map[string]*peer{}
	out, err = b.host(Login{Name: "n1", User: "root", Sudo: "always"}).Run(t.Context(), "echo ${FAKE_ROOT:-no}")
	if err != nil || out != "1\n" {
		t.Errorf("always: %q %v", out, err)
	}
}

func TestMarkWatch(t *testing.T) {
	var out strings.Builder
	asked := 0
	p := &markWatch{marker: "MARK", w: &out, met: func(int) { asked++ }}
	for _, s := range []string{"a", "M", "ARx", "MA", "RK", "bMARKMARKc", "MAR"} {
		io.WriteString(p, s)
	}
	if asked != 3 || out.String() != "aMARxbc" {
		t.Errorf("%d %q", asked, out.String())
	}
}

// Startup files that print without end don't fill the memory, and the marker is found behind whatever they printed.
func TestStartupFilesThatPrintForEver(t *testing.T) {
	var out strings.Builder
	a := &afterMarker{marker: "MARK", w: &out}
	junk := []byte(strings.Repeat("welcome\n", 4096))
	for range 2000 {
		if _, err := a.Write(junk); err != nil {
			t.Fatal(err)
		}
	}
	if cap(a.held) > 1<<20 || !strings.HasSuffix(a.junk(), "welcome\n") {
		t.Errorf("%d bytes are kept", cap(a.held))
	}
	for _, part := range []string{"MA", "RK\nhello", " there"} {
		_, _ = io.WriteString(a, part)
	}
	if out.String() != "hello there" {
		t.Errorf("%q", out.String())
	}
}
