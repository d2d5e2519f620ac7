package remotetest

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
	"github.com/fleetup/fleetup/runner/remote/remotetest/vfs"
)

// filePrograms are the programs of coreutils that change files.
func filePrograms() map[string]shell.Program {
	return map[string]shell.Program{
		"mkdir": mkdir, "rm": rm, "rmdir": rmdir, "mv": mv, "cp": cp, "ln": ln, "ls": ls, "stat": stat, "touch": touch, "chmod": chmod,
		"chown": chown, "mktemp": mktemp, "readlink": readlink, "realpath": readlink, "basename": basename, "dirname": dirname,
		"sha256sum": sha256sum, "base64": base64Program, "sync": syncFiles, "install": installFile, "truncate": truncate, "find": find, "du": du,
	}
}

// each runs do on every path and reports what fails as "NAME: cannot VERB 'PATH': why".
func each(p *shell.Proc, verb string, paths []string, do func(string) error) int {
	status := 0
	for _, name := range paths {
		if err := do(p.Abs(name)); err != nil {
			status = p.Fail(1, "cannot %s '%s': %s", verb, name, shell.Text(err))
		}
	}
	return status
}

func mode(text string, absent fs.FileMode) fs.FileMode {
	n, err := strconv.ParseUint(text, 8, 32)
	if err != nil {
		return absent
	}
	m := fs.FileMode(n & 0o777)
	if n&0o1000 != 0 {
		m |= fs.ModeSticky
	}
	return m
}

func mkdir(p *shell.Proc) int {
	opts, paths := options(p.Args[1:], "m mode")
	perm := mode(opts["m"]+opts["mode"], 0o755)
	return each(p, "create directory", paths, func(name string) error {
		if has(opts, "p", "parents") {
			if _, err := p.Sys.FS.Stat(p.Cred, name); err == nil {
				return p.Sys.FS.MkdirAll(p.Cred, name, perm)
			}
			if err := p.Sys.FS.MkdirAll(p.Cred, path.Dir(name), 0o755); err != nil {
				return err
			}
		}
		return p.Sys.FS.Mkdir(p.Cred, name, perm)
	})
}

func rm(p *shell.Proc) int {
	opts, paths := options(p.Args[1:], "")
	force, deep := has(opts, "f", "force"), has(opts, "r", "R", "recursive")
	return each(p, "remove", paths, func(name string) error {
		info, err := p.Sys.FS.Lstat(p.Cred, name)
		switch {
		case vfs.IsNotExist(err) && force:
			return nil
		case err != nil:
			return err
		case info.IsDir() && !deep:
			return fmt.Errorf("Is a directory")
		case info.IsDir():
			return p.Sys.FS.RemoveAll(p.Cred, name)
		}
		return p.Sys.FS.Remove(p.Cred, name)
	})
}

func rmdir(p *shell.Proc) int {
	_, paths := options(p.Args[1:], "")
	return each(p, "remove", paths, func(name string) error { return p.Sys.FS.Remove(p.Cred, name) })
}

// destinations pairs sources with where they go: into a directory under their own names, or to the one name given.
func destinations(p *shell.Proc, args []string, opts map[string]string) (from, to []string) {
	dir := opts["t"]
	if dir == "" && len(args) > 1 {
		dir, args = args[len(args)-1], args[:len(args)-1]
	}
	info, err := p.Sys.FS.Stat(p.Cred, p.Abs(dir))
	into := err == nil && info.IsDir() && !has(opts, "T")
	for _, a := range args {
		from = append(from, a)
		if into {
			to = append(to, path.Join(p.Abs(dir), path.Base(a)))
			continue
		}
		to = append(to, p.Abs(dir))
	}
	return from, to
}

func mv(p *shell.Proc) int {
	opts, args := options(p.Args[1:], "t")
	from, to := destinations(p, args, opts)
	status := 0
	for i := range from {
		if err := p.Sys.FS.Rename(p.Cred, p.Abs(from[i]), to[i]); err != nil {
			status = p.Fail(1, "cannot move '%s' to '%s': %s", from[i], to[i], shell.Text(err))
		}
	}
	return status
}

func cp(p *shell.Proc) int {
	opts, args := options(p.Args[1:], "t")
	from, to := destinations(p, args, opts)
	status := 0
	for i := range from {
		if err := copyTree(p, p.Abs(from[i]), to[i], opts); err != nil {
			status = p.Fail(1, "cannot copy '%s' to '%s': %s", from[i], to[i], shell.Text(err))
		}
	}
	return status
}

func copyTree(p *shell.Proc, from, to string, opts map[string]string) error {
	info, err := p.Sys.FS.Stat(p.Cred, from)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return copyFile(p, from, to, info, has(opts, "p", "a", "preserve"))
	}
	if !has(opts, "r", "R", "a", "recursive") {
		return fmt.Errorf("omitting directory")
	}
	if err := p.Sys.FS.MkdirAll(p.Cred, to, info.Mode().Perm()); err != nil {
		return err
	}
	list, err := p.Sys.FS.ReadDir(p.Cred, from)
	for _, child := range list {
		if err := copyTree(p, path.Join(from, child.Name()), path.Join(to, child.Name()), opts); err != nil {
			return err
		}
	}
	return err
}

func copyFile(p *shell.Proc, from, to string, info fs.FileInfo, keep bool) error {
	data, err := p.Sys.FS.ReadFile(p.Cred, from)
	if err != nil {
		return err
	}
	if err := p.Sys.FS.WriteFile(p.Cred, to, data, info.Mode().Perm()); err != nil || !keep {
		return err
	}
	if err := p.Sys.FS.Chmod(p.Cred, to, info.Mode()); err != nil {
		return err
	}
	return p.Sys.FS.Chtimes(p.Cred, to, info.ModTime())
}

func ln(p *shell.Proc) int {
	opts, args := options(p.Args[1:], "t")
	from, to := destinations(p, args, opts)
	status := 0
	for i := range from {
		if has(opts, "f") {
			p.Sys.FS.Remove(p.Cred, to[i])
		}
		var err error
		if has(opts, "s") {
			err = p.Sys.FS.Symlink(p.Cred, from[i], to[i])
		} else {
			err = p.Sys.FS.Link(p.Cred, p.Abs(from[i]), to[i])
		}
		if err != nil {
			status = p.Fail(1, "failed to create link '%s': %s", to[i], shell.Text(err))
		}
	}
	return status
}

func mktemp(p *shell.Proc) int {
	opts, args := options(p.Args[1:], "p tmpdir suffix")
	template := "tmp.XXXXXXXXXX"
	dir := "/tmp"
	if len(args) > 0 {
		template, dir = args[0], p.Dir
	}
	if has(opts, "p", "tmpdir") {
		dir = opts["p"] + opts["tmpdir"]
	}
	at := strings.LastIndex(template, "X")
	begin := at
	for begin > 0 && template[begin-1] == 'X' {
		begin--
	}
	if at-begin < 2 {
		return p.Fail(1, "too few X's in template '%s'", template)
	}
	random := fmt.Sprintf("%0*x", at-begin+1, rand.Uint64())[:at-begin+1]
	name := template[:begin] + random + template[at+1:]
	if !path.IsAbs(name) {
		name = path.Join(dir, name)
	}
	var err error
	if has(opts, "d") {
		err = p.Sys.FS.Mkdir(p.Cred, name, 0o700)
	} else {
		err = p.Sys.FS.WriteFile(p.Cred, name, nil, 0o600)
	}
	if err != nil {
		return p.Fail(1, "failed to create via template '%s': %s", template, shell.Text(err))
	}
	p.Printf("%s\n", name)
	return 0
}

func readlink(p *shell.Proc) int {
	opts, args := options(p.Args[1:], "")
	status := 0
	for _, name := range args {
		target, err := p.Sys.FS.Readlink(p.Cred, p.Abs(name))
		if path.Base(p.Args[0]) == "realpath" || has(opts, "f", "e") {
			if target == "" || err != nil {
				target, err = p.Abs(name), nil
			}
			if !path.IsAbs(target) {
				target = path.Join(path.Dir(p.Abs(name)), target)
			}
			if _, e := p.Sys.FS.Stat(p.Cred, target); e != nil && has(opts, "e") {
				err = e
			}
		}
		if err != nil {
			status = 1
			continue
		}
		p.Printf("%s\n", target)
	}
	return status
}

func basename(p *shell.Proc) int {
	_, args := options(p.Args[1:], "s")
	if len(args) == 0 {
		return p.Fail(1, "missing operand")
	}
	name := path.Base(args[0])
	if len(args) > 1 && name != args[1] {
		name = strings.TrimSuffix(name, args[1])
	}
	p.Printf("%s\n", name)
	return 0
}

func dirname(p *shell.Proc) int {
	for _, a := range p.Args[1:] {
		p.Printf("%s\n", path.Dir(a))
	}
	return 0
}

func sha256sum(p *shell.Proc) int {
	_, args := options(p.Args[1:], "")
	if len(args) == 0 {
		args = []string{"-"}
	}
	status := 0
	for _, name := range args {
		data, err := p.ReadFile(name)
		if err != nil {
			status = p.Fail(1, "%s: %s", name, shell.Text(err))
			continue
		}
		p.Printf("%x  %s\n", sha256.Sum256(data), name)
	}
	return status
}

func base64Program(p *shell.Proc) int {
	opts, args := options(p.Args[1:], "w wrap")
	if len(args) == 0 {
		args = []string{"-"}
	}
	data, err := p.ReadFile(args[0])
	if err != nil {
		return p.Fail(1, "%s: %s", args[0], shell.Text(err))
	}
	if has(opts, "d", "decode") {
		plain, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(data)), ""))
		p.Stdout().Write(plain)
		if err != nil {
			return p.Fail(1, "invalid input")
		}
		return 0
	}
	text, width := base64.StdEncoding.EncodeToString(data), 76
	if has(opts, "w", "wrap") {
		width, _ = strconv.Atoi(opts["w"] + opts["wrap"])
	}
	for width > 0 && len(text) > width {
		p.Printf("%s\n", text[:width])
		text = text[width:]
	}
	io.WriteString(p.Stdout(), text)
	if width > 0 {
		p.Printf("\n")
	}
	return 0
}

func syncFiles(p *shell.Proc) int {
	_, args := options(p.Args[1:], "")
	return each(p, "open", args, func(name string) error {
		_, err := p.Sys.FS.Stat(p.Cred, name)
		return err
	})
}

func installFile(p *shell.Proc) int {
	opts, args := options(p.Args[1:], "m o g t mode")
	perm := mode(opts["m"]+opts["mode"], 0o755)
	if has(opts, "d") {
		return each(p, "create directory", args, func(name string) error { return p.Sys.FS.MkdirAll(p.Cred, name, perm) })
	}
	from, to := destinations(p, args, opts)
	for i := range from {
		data, err := p.ReadFile(from[i])
		if err == nil {
			p.Sys.FS.Remove(p.Cred, to[i])
			err = p.Sys.FS.WriteFile(p.Cred, to[i], data, perm)
		}
		if err != nil {
			return p.Fail(1, "cannot install '%s': %s", from[i], shell.Text(err))
		}
	}
	return 0
}

func truncate(p *shell.Proc) int {
	opts, args := options(p.Args[1:], "s size")
	size, _ := strconv.ParseInt(opts["s"]+opts["size"], 10, 64)
	return each(p, "open", args, func(name string) error {
		f, err := p.Open(name, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Truncate(size)
	})
}
