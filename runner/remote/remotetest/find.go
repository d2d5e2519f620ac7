package remotetest

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
)

// find knows -name, -type, -maxdepth, -mindepth, -mtime, -mmin, -newermt isn't there; -print, -delete and -exec … ; or +.
func find(p *shell.Proc) int {
	args := p.Args[1:]
	var roots []string
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") && args[0] != "!" && args[0] != "(" {
		roots, args = append(roots, args[0]), args[1:]
	}
	if len(roots) == 0 {
		roots = []string{"."}
	}
	f := &finder{p: p, maxDepth: 1 << 20}
	if !f.parse(args) {
		return p.Fail(1, "unknown predicate in %q", args)
	}
	for _, root := range roots {
		f.walk(root, 0)
	}
	if f.plus && len(f.found) > 0 {
		p.Run(append(f.exec, f.found...)...)
	}
	return f.status
}

type finder struct {
	p                  *shell.Proc
	tests              []func(name string, info fs.FileInfo) bool
	maxDepth, minDepth int
	remove, plus       bool
	exec, found        []string
	status             int
}

func (f *finder) parse(args []string) bool {
	not := false
	for i := 0; i < len(args); i++ {
		value := ""
		if i+1 < len(args) {
			value = args[i+1]
		}
		var test func(string, fs.FileInfo) bool
		switch args[i] {
		case "!", "-not":
			not = true
			continue
		case "-print", "-xdev", "-mount":
			continue
		case "-delete":
			f.remove = true
			continue
		case "-exec":
			for i++; i < len(args) && args[i] != ";" && args[i] != "+"; i++ {
				f.exec = append(f.exec, args[i])
			}
			f.plus = i < len(args) && args[i] == "+"
			if f.plus {
				f.exec = f.exec[:len(f.exec)-1]
			}
			continue
		case "-maxdepth":
			f.maxDepth, _ = strconv.Atoi(value)
		case "-mindepth":
			f.minDepth, _ = strconv.Atoi(value)
		case "-name":
			test = func(name string, _ fs.FileInfo) bool { ok, _ := path.Match(value, path.Base(name)); return ok }
		case "-type":
			test = func(_ string, info fs.FileInfo) bool { return kind(info) == value }
		case "-mtime":
			test = age(value, 24*time.Hour)
		case "-mmin":
			test = age(value, time.Minute)
		case "-empty":
			f.tests = append(f.tests, func(_ string, info fs.FileInfo) bool { return !info.IsDir() && info.Size() == 0 })
			continue
		default:
			return false
		}
		i++
		if test != nil {
			negated := not
			f.tests = append(f.tests, func(name string, info fs.FileInfo) bool { return test(name, info) != negated })
		}
		not = false
	}
	return true
}

func kind(info fs.FileInfo) string {
	switch {
	case info.IsDir():
		return "d"
	case info.Mode()&fs.ModeSymlink != 0:
		return "l"
	}
	return "f"
}

func age(text string, unit time.Duration) func(string, fs.FileInfo) bool {
	n, _ := strconv.Atoi(strings.TrimLeft(text, "+-"))
	return func(_ string, info fs.FileInfo) bool {
		units := int(time.Since(info.ModTime()) / unit)
		switch text[0] {
		case '+':
			return units > n
		case '-':
			return units < n
		}
		return units == n
	}
}

func (f *finder) walk(name string, depth int) {
	info, err := f.p.Sys.FS.Lstat(f.p.Cred, f.p.Abs(name))
	if err != nil {
		f.status = f.p.Fail(1, "‘%s’: %s", name, shell.Text(err))
		return
	}
	ok := depth >= f.minDepth
	for _, test := range f.tests {
		ok = ok && test(name, info)
	}
	if ok && !f.remove {
		f.report(name)
	}
	if info.IsDir() && depth < f.maxDepth {
		list, _ := f.p.Sys.FS.ReadDir(f.p.Cred, f.p.Abs(name))
		for _, child := range list {
			f.walk(path.Join(name, child.Name()), depth+1)
		}
	}
	if ok && f.remove {
		f.p.Sys.FS.Remove(f.p.Cred, f.p.Abs(name))
	}
}

func (f *finder) report(name string) {
	switch {
	case f.plus:
		f.found = append(f.found, name)
	case f.exec != nil:
		args := make([]string, len(f.exec))
		for i, a := range f.exec {
			args[i] = strings.ReplaceAll(a, "{}", name)
		}
		f.p.Run(args...)
	default:
		f.p.Printf("%s\n", name)
	}
}

// du sums sizes, in KiB.
func du(p *shell.Proc) int {
	_, paths := options(p.Args[1:], "d B")
	return each(p, "access", paths, func(name string) error {
		size, err := treeSize(p, name)
		if err == nil {
			p.Printf("%d\t%s\n", (size+1023)/1024, name)
		}
		return err
	})
}

func treeSize(p *shell.Proc, name string) (int64, error) {
	info, err := p.Sys.FS.Lstat(p.Cred, name)
	if err != nil || !info.IsDir() {
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}
	list, err := p.Sys.FS.ReadDir(p.Cred, name)
	total := info.Size()
	for _, child := range list {
		size, err := treeSize(p, path.Join(name, child.Name()))
		if err != nil {
			return 0, err
		}
		total += size
	}
	return total, err
}
