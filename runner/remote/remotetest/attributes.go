package remotetest

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
	"github.com/fleetup/fleetup/runner/remote/remotetest/vfs"
)

func ls(p *shell.Proc) int {
	opts, paths := options(p.Args[1:], "")
	if len(paths) == 0 {
		paths = []string{"."}
	}
	for _, named := range paths { // files are shown as they were named
		if status := listPath(p, named, opts); status != 0 {
			return status
		}
	}
	return 0
}

func listPath(p *shell.Proc, named string, opts map[string]string) int {
	return each(p, "access", []string{named}, func(name string) error {
		info, err := p.Sys.FS.Stat(p.Cred, name)
		if err != nil {
			return err
		}
		first, list := info, []fs.FileInfo{info}
		if info.IsDir() && !has(opts, "d") {
			if list, err = p.Sys.FS.ReadDir(p.Cred, name); err != nil {
				return err
			}
		}
		for _, info := range list {
			if strings.HasPrefix(info.Name(), ".") && !has(opts, "a", "A") {
				continue
			}
			shown := info.Name()
			if len(list) == 1 && info == first {
				shown = named
			}
			if has(opts, "l") {
				sys := info.Sys().(*vfs.Info)
				p.Printf("%s %d %d %d %d %s ", info.Mode(), sys.Nlink, sys.UID, sys.GID, info.Size(), info.ModTime().Format("Jan _2 15:04"))
			}
			p.Printf("%s\n", shown)
		}
		return nil
	})
}

func stat(p *shell.Proc) int {
	opts, paths := options(p.Args[1:], "c format printf")
	format, end := opts["c"]+opts["format"], "\n"
	if has(opts, "printf") {
		format, end = opts["printf"], ""
	}
	look := p.Sys.FS.Lstat
	if has(opts, "L", "dereference") {
		look = p.Sys.FS.Stat
	}
	return each(p, "statx", paths, func(name string) error {
		info, err := look(p.Cred, name)
		if err != nil {
			return err
		}
		p.Printf("%s%s", statFormat(name, info, format, has(opts, "f")), end)
		return nil
	})
}

func statFormat(name string, info fs.FileInfo, format string, system bool) string {
	sys := info.Sys().(*vfs.Info)
	user := func(id int) string {
		if id == 0 {
			return "root"
		}
		return strconv.Itoa(id)
	}
	kind := "regular file"
	if info.IsDir() {
		kind = "directory"
	}
	if system {
		kind = fileSystem(name)
	}
	perm := fmt.Sprintf("%o", info.Mode().Perm())
	if info.Mode()&fs.ModeSticky != 0 {
		perm = "1" + perm
	}
	return strings.NewReplacer("%Y", strconv.FormatInt(info.ModTime().Unix(), 10), "%s", strconv.FormatInt(info.Size(), 10),
		"%a", perm, "%u", strconv.Itoa(sys.UID), "%g", strconv.Itoa(sys.GID), "%U", user(sys.UID), "%G", user(sys.GID),
		"%i", strconv.FormatUint(sys.Ino, 10), "%h", strconv.Itoa(sys.Nlink), "%n", name, "%F", kind, "%T", kind, "%%", "%",
		"%d", "2049", "\\n", "\n").Replace(format)
}

// fileSystem is the type of the file system that holds name, as stat -f says it.
func fileSystem(name string) string {
	switch {
	case strings.HasPrefix(name, "/sys/fs/cgroup"):
		return "cgroup2fs"
	case strings.HasPrefix(name, "/run"):
		return "tmpfs"
	}
	return "ext2/ext3"
}

func touch(p *shell.Proc) int {
	opts, paths := options(p.Args[1:], "d r t")
	return each(p, "touch", paths, func(name string) error {
		if _, err := p.Sys.FS.Stat(p.Cred, name); err == nil {
			return p.Sys.FS.Chtimes(p.Cred, name, touchTime(opts["d"]))
		}
		if has(opts, "c") {
			return nil
		}
		return p.Sys.FS.WriteFile(p.Cred, name, nil, 0o644)
	})
}

func touchTime(text string) time.Time {
	if n, err := strconv.ParseInt(strings.TrimPrefix(text, "@"), 10, 64); err == nil {
		return time.Unix(n, 0)
	}
	return time.Now()
}

func chmod(p *shell.Proc) int {
	opts, args := options(p.Args[1:], "")
	if len(args) < 2 {
		args = append([]string{"+x"}, args...)
		_ = opts
	}
	return each(p, "access", args[1:], func(name string) error {
		info, err := p.Sys.FS.Stat(p.Cred, name)
		if err != nil {
			return err
		}
		return p.Sys.FS.Chmod(p.Cred, name, symbolic(args[0], info.Mode()))
	})
}

// symbolic knows octal modes and [ugoa]*[+-=][rwx]*.
func symbolic(text string, old fs.FileMode) fs.FileMode {
	if m := mode(text, 1<<31); m != 1<<31 {
		return m
	}
	for _, part := range strings.Split(text, ",") {
		i := strings.IndexAny(part, "+-=")
		if i < 0 {
			continue
		}
		var who, bits fs.FileMode
		for _, c := range part[:i] {
			who |= map[rune]fs.FileMode{'u': 0o700, 'g': 0o070, 'o': 0o007, 'a': 0o777}[c]
		}
		if i == 0 {
			who = 0o777
		}
		for _, c := range part[i+1:] {
			bits |= map[rune]fs.FileMode{'r': 0o444, 'w': 0o222, 'x': 0o111}[c]
		}
		switch part[i] {
		case '+':
			old |= bits & who
		case '-':
			old &^= bits & who
		default:
			old = old&^who | bits&who
		}
	}
	return old
}

func chown(p *shell.Proc) int {
	_, args := options(p.Args[1:], "")
	if len(args) < 2 {
		return p.Fail(1, "missing operand")
	}
	name, _, _ := strings.Cut(args[0], ":")
	uid, err := strconv.Atoi(name)
	if err != nil && name != "root" {
		return p.Fail(1, "invalid user: '%s'", args[0])
	}
	return each(p, "change ownership of", args[1:], func(file string) error {
		return p.Sys.FS.Chown(p.Cred, file, vfs.Cred{UID: uid, GID: uid})
	})
}
