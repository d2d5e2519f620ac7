package remotetest

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
)

// processPrograms are the shell, and what starts, lists and ends processes.
func processPrograms() map[string]shell.Program {
	with := func(f func(*shell.Proc, []string) int) shell.Program {
		return func(p *shell.Proc) int { return f(p, p.Args) }
	}
	return map[string]shell.Program{
		"sh": shell.Main, "echo": with(shell.Echo), "printf": with(shell.Printf), "test": with(shell.Test), "[": with(shell.Test),
		"kill": with(shell.Kill), "true": func(*shell.Proc) int { return 0 }, "false": func(*shell.Proc) int { return 1 },
		"sleep": sleep, "flock": flock, "setsid": setsid, "nohup": nohup, "env": env, "nice": prefix("n"), "ionice": prefix("c n"),
		"stdbuf": prefix("i o e"), "timeout": timeout, "ps": ps, "xargs": xargs,
	}
}

func sleep(p *shell.Proc) int {
	total := time.Duration(0)
	for _, a := range p.Args[1:] {
		d, err := seconds(a)
		if err != nil {
			return p.Fail(1, "invalid time interval '%s'", a)
		}
		total += d
	}
	p.Sleep(total)
	return 0
}

// seconds knows 1.5, 5s, 2m, 3h, 1d.
func seconds(text string) (time.Duration, error) {
	unit := time.Second
	if n := len(text); n > 0 {
		if u, ok := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}[text[n-1]]; ok {
			text, unit = text[:n-1], u
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	return time.Duration(f * float64(unit)), err
}

// flock is util-linux's: flock [-n] [-w SECONDS] [-o] [-E CODE] FILE COMMAND… | FILE -c SCRIPT | FD.
func flock(p *shell.Proc) int {
	opts, args := flockOptions(p.Args[1:])
	if len(args) == 0 {
		return p.Fail(64, "requires file descriptor, file or directory")
	}
	var d *shell.Desc
	if n, err := strconv.Atoi(args[0]); err == nil && len(args) == 1 {
		if d = p.File(n); d == nil {
			return p.Fail(65, "%d: Bad file descriptor", n)
		}
	} else {
		d, err = p.OpenFile(args[0], os.O_RDONLY|os.O_CREATE, 0o644)
		if err != nil {
			return p.Fail(66, "cannot open lock file %s: %s", args[0], shell.Text(err))
		}
		defer d.Release()
	}
	if has(opts, "u") {
		d.Locked().Unlock()
		return 0
	}
	if !takeLock(p, d, opts) {
		code, err := strconv.Atoi(opts["E"])
		if err != nil {
			code = 1
		}
		return code
	}
	return underLock(p, d, args[1:])
}

func flockOptions(args []string) (map[string]string, []string) {
	opts := map[string]string{}
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		name := strings.TrimLeft(args[0], "-")
		long := map[string]string{"nonblock": "n", "nb": "n", "exclusive": "x", "timeout": "w", "wait": "w", "unlock": "u", "close": "o", "shared": "s"}
		if short, ok := long[name]; ok {
			name = short
		}
		if name == "w" || name == "E" {
			opts[name] = args[1]
			args = args[1:]
		} else {
			for _, c := range name {
				opts[string(c)] = ""
			}
		}
		args = args[1:]
	}
	return opts, args
}

func takeLock(p *shell.Proc, d *shell.Desc, opts map[string]string) bool {
	file := d.Locked()
	if file == nil {
		return false
	}
	if has(opts, "n") {
		return file.TryLock()
	}
	if !has(opts, "w") {
		return file.Lock(p.Ctx) == nil
	}
	wait, _ := seconds(opts["w"])
	ctx, cancel := context.WithTimeout(p.Ctx, wait)
	defer cancel()
	return file.Lock(ctx) == nil
}

func underLock(p *shell.Proc, d *shell.Desc, command []string) int {
	switch {
	case len(command) == 0:
		return 0
	case command[0] == "-c" && len(command) == 2:
		command = []string{"sh", "-c", command[1]}
	}
	return p.Run(command...)
}

func setsid(p *shell.Proc) int {
	opts, rest := leading(p.Args[1:], "")
	if len(rest) == 0 {
		return p.Fail(1, "no command specified")
	}
	child := p.Spawn(shell.Spec{Args: rest, Session: true})
	switch {
	case child == nil:
		return 127
	case has(opts, "f", "fork") && !has(opts, "w", "wait"):
		return 0
	}
	return child.Wait(p.Ctx)
}

func nohup(p *shell.Proc) int {
	child := p.Spawn(shell.Spec{Args: p.Args[1:], Ignore: []int{shell.SIGHUP}})
	if child == nil {
		return 127
	}
	return child.Wait(p.Ctx)
}

// leading takes options up to the first word that isn't one, for programs that run another.
func leading(args []string, with string) (map[string]string, []string) {
	n := 0
	for n < len(args) && len(args[n]) > 1 && args[n][0] == '-' && args[n] != "--" {
		if len(args[n]) == 2 && strings.Contains(with, args[n][1:]) {
			n++
		}
		n++
	}
	n = min(n, len(args))
	opts, _ := options(args[:n], with)
	if n < len(args) && args[n] == "--" {
		n++
	}
	return opts, args[n:]
}

// prefix is a program that changes nothing here but runs the rest of its arguments.
func prefix(with string) shell.Program {
	return func(p *shell.Proc) int {
		_, rest := leading(p.Args[1:], with)
		if len(rest) == 0 {
			return 0
		}
		return p.Run(rest...)
	}
}

func env(p *shell.Proc) int {
	opts, rest := leading(p.Args[1:], "u")
	vars := map[string]string{}
	if !has(opts, "i") {
		for k, v := range p.Env {
			vars[k] = v
		}
	}
	delete(vars, opts["u"])
	for len(rest) > 0 && strings.Contains(rest[0], "=") {
		k, v, _ := strings.Cut(rest[0], "=")
		vars[k] = v
		rest = rest[1:]
	}
	if len(rest) > 0 {
		return p.RunWith(shell.Spec{Args: rest, Env: vars})
	}
	for k, v := range vars {
		p.Printf("%s=%s\n", k, v)
	}
	return 0
}

// timeout ends its command with TERM, and status 124.
func timeout(p *shell.Proc) int {
	opts, rest := leading(p.Args[1:], "k s")
	if len(rest) < 2 {
		return p.Fail(125, "missing operand")
	}
	limit, err := seconds(rest[0])
	if err != nil {
		return p.Fail(125, "invalid time interval '%s'", rest[0])
	}
	child := p.Spawn(shell.Spec{Args: rest[1:]})
	if child == nil {
		return 127
	}
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-child.Done():
		return child.Wait(p.Ctx)
	case <-p.Ctx.Done():
		child.Signal(shell.SIGTERM)
		return 124
	case <-t.C:
	}
	sig, _ := shell.SignalNumber(opts["s"])
	if sig == 0 {
		sig = shell.SIGTERM
	}
	child.Signal(sig)
	child.Wait(p.Ctx)
	return 124
}

// ps knows -e, -A, -p PID and -o with pid, ppid, pgid, comm, args, etimes, stat.
func ps(p *shell.Proc) int {
	opts, _ := options(p.Args[1:], "p o pid format")
	columns := strings.FieldsFunc(opts["o"]+opts["format"], func(r rune) bool { return r == ',' || r == '\n' || r == ' ' })
	heads := true
	if len(columns) == 0 {
		columns = []string{"pid", "args"}
	}
	for i, c := range columns {
		name, head, renamed := strings.Cut(c, "=")
		columns[i] = name
		heads = heads && !(renamed && head == "")
	}
	if heads && !has(opts, "no-headers") {
		p.Printf("%s\n", strings.ToUpper(strings.Join(columns, " ")))
	}
	found := 1
	for _, q := range p.Sys.Procs() {
		if only := opts["p"] + opts["pid"]; only != "" && only != strconv.Itoa(q.PID) {
			continue
		}
		found = 0
		var cells []string
		for _, c := range columns {
			cells = append(cells, cell(q, c))
		}
		p.Printf("%s\n", strings.Join(cells, " "))
	}
	return found
}

func cell(q *shell.Proc, column string) string {
	switch column {
	case "pid":
		return strconv.Itoa(q.PID)
	case "ppid":
		return strconv.Itoa(q.PPID)
	case "pgid", "sid":
		return strconv.Itoa(q.PGID)
	case "comm":
		return path.Base(q.Args[0])
	case "etimes":
		return strconv.Itoa(int(time.Since(q.Began).Seconds()))
	case "stat":
		return "S"
	}
	return q.Command()
}

func xargs(p *shell.Proc) int {
	opts, rest := leading(p.Args[1:], "n I P d L")
	input, err := io.ReadAll(p.Stdin())
	if err != nil && !errors.Is(err, io.EOF) {
		return 1
	}
	items := strings.Fields(string(input))
	if has(opts, "0") {
		items = strings.FieldsFunc(string(input), func(r rune) bool { return r == 0 })
	}
	if len(rest) == 0 {
		rest = []string{"echo"}
	}
	if len(items) == 0 && has(opts, "r", "no-run-if-empty") {
		return 0
	}
	size, err := strconv.Atoi(opts["n"])
	if err != nil {
		size = max(len(items), 1)
	}
	status := 0
	for first := true; first || len(items) > 0; first = false {
		n := min(size, len(items))
		args := append(append([]string{}, rest...), items[:n]...)
		if mark := opts["I"]; mark != "" && len(items) > 0 {
			n, args = 1, nil
			for _, a := range rest {
				args = append(args, strings.ReplaceAll(a, mark, items[0]))
			}
		}
		items = items[n:]
		if p.Run(args...) != 0 {
			status = 123
		}
	}
	return status
}
