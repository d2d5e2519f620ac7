package shell

import (
	"io/fs"
	"os"
	"strconv"

	"github.com/fleetup/fleetup/runner/remote/remotetest/vfs"
)

// Test is test(1) and [: status 0 for true, 1 for false, 2 for nonsense.
func Test(p *Proc, args []string) int {
	words := args[1:]
	if args[0] == "[" {
		if len(words) == 0 || words[len(words)-1] != "]" {
			return p.Fail(2, "[: missing ]")
		}
		words = words[:len(words)-1]
	}
	t := &tester{p: p, words: words}
	ok := len(words) > 0 && t.or()
	if t.bad || len(t.words) > 0 {
		return p.Fail(2, "%s: unexpected operator", args[0])
	}
	return btoi(!ok)
}

type tester struct {
	p     *Proc
	words []string
	bad   bool
}

func (t *tester) next() string {
	if len(t.words) == 0 {
		t.bad = true
		return ""
	}
	w := t.words[0]
	t.words = t.words[1:]
	return w
}

func (t *tester) sees(w string) bool { return len(t.words) > 0 && t.words[0] == w }

func (t *tester) or() bool {
	ok := t.and()
	for t.sees("-o") {
		t.next()
		right := t.and()
		ok = ok || right
	}
	return ok
}

func (t *tester) and() bool {
	ok := t.not()
	for t.sees("-a") {
		t.next()
		right := t.not()
		ok = ok && right
	}
	return ok
}

func (t *tester) not() bool {
	if t.sees("!") && len(t.words) > 1 && !(len(t.words) > 2 && binaryTests[t.words[1]] != nil) {
		t.next()
		return !t.not()
	}
	return t.primary()
}

func (t *tester) primary() bool {
	if len(t.words) > 2 && binaryTests[t.words[1]] != nil {
		x, op, y := t.next(), t.next(), t.next()
		return binaryTests[op](t, x, y)
	}
	if len(t.words) > 1 && t.sees("(") {
		t.next()
		ok := t.or()
		if t.next() != ")" {
			t.bad = true
		}
		return ok
	}
	w := t.next()
	if len(t.words) > 0 && len(w) == 2 && w[0] == '-' && !t.sees("-a") && !t.sees("-o") {
		return t.unary(w[1], t.next())
	}
	return w != ""
}

var binaryTests = map[string]func(t *tester, x, y string) bool{
	"=":   func(_ *tester, x, y string) bool { return x == y },
	"!=":  func(_ *tester, x, y string) bool { return x != y },
	"<":   func(_ *tester, x, y string) bool { return x < y },
	">":   func(_ *tester, x, y string) bool { return x > y },
	"-eq": numbers(func(x, y int) bool { return x == y }),
	"-ne": numbers(func(x, y int) bool { return x != y }),
	"-lt": numbers(func(x, y int) bool { return x < y }),
	"-le": numbers(func(x, y int) bool { return x <= y }),
	"-gt": numbers(func(x, y int) bool { return x > y }),
	"-ge": numbers(func(x, y int) bool { return x >= y }),
	"-nt": func(t *tester, x, y string) bool { return newer(t.stat(x), t.stat(y)) },
	"-ot": func(t *tester, x, y string) bool { return newer(t.stat(y), t.stat(x)) },
	"-ef": func(t *tester, x, y string) bool {
		a, b := t.stat(x), t.stat(y)
		return a != nil && b != nil && a.Sys().(*vfs.Info).Ino == b.Sys().(*vfs.Info).Ino
	},
}

func numbers(f func(x, y int) bool) func(*tester, string, string) bool {
	return func(t *tester, x, y string) bool {
		a, err1 := strconv.Atoi(x)
		b, err2 := strconv.Atoi(y)
		if err1 != nil || err2 != nil {
			t.bad = true
		}
		return f(a, b)
	}
}

func newer(a, b fs.FileInfo) bool { return a != nil && (b == nil || a.ModTime().After(b.ModTime())) }

func (t *tester) stat(name string) fs.FileInfo {
	info, err := t.p.Sys.FS.Stat(t.p.Cred, t.p.Abs(name))
	if err != nil {
		return nil
	}
	return info
}

func (t *tester) unary(op byte, x string) bool {
	switch op {
	case 'n':
		return x != ""
	case 'z':
		return x == ""
	case 't':
		return false
	case 'r':
		return t.p.Sys.FS.Access(t.p.Cred, t.p.Abs(x), 4) == nil
	case 'w':
		return t.p.Sys.FS.Access(t.p.Cred, t.p.Abs(x), 2) == nil
	case 'x':
		return t.p.Sys.FS.Access(t.p.Cred, t.p.Abs(x), 1) == nil
	case 'h', 'L':
		info, err := t.p.Sys.FS.Lstat(t.p.Cred, t.p.Abs(x))
		return err == nil && info.Mode()&fs.ModeSymlink != 0
	}
	return t.is(op, t.stat(x))
}

func (t *tester) is(op byte, info fs.FileInfo) bool {
	if info == nil {
		return false
	}
	switch op {
	case 'e':
		return true
	case 'f':
		return info.Mode().IsRegular()
	case 'd':
		return info.IsDir()
	case 's':
		return info.Size() > 0
	case 'b':
		return info.Mode()&os.ModeDevice != 0 && info.Mode()&os.ModeCharDevice == 0
	case 'c':
		return info.Mode()&os.ModeCharDevice != 0
	case 'p', 'S', 'g', 'u', 'k':
		return false
	}
	t.bad = true
	return false
}
