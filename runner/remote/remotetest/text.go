package remotetest

import (
	"bytes"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/benhoyt/goawk/interp"
	"github.com/benhoyt/goawk/parser"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
)

// textPrograms read and write lines.
func textPrograms() map[string]shell.Program {
	return map[string]shell.Program{
		"cat": cat, "head": head, "tail": tail, "grep": grep, "egrep": grep, "fgrep": grep, "sed": sed, "awk": awk, "mawk": awk, "cut": cut,
		"sort": sortLines, "uniq": uniq, "tr": tr, "wc": wc, "tee": tee, "seq": seq, "comm": comm, "cmp": cmp, "diff": cmp,
	}
}

// inputs reads each named file, or standard input, and hands it to do.
func inputs(p *shell.Proc, names []string, do func(name string, data []byte)) int {
	if len(names) == 0 {
		names = []string{"-"}
	}
	status := 0
	for _, name := range names {
		data, err := p.ReadFile(name)
		if err != nil {
			status = p.Fail(1, "%s: %s", name, shell.Text(err))
			continue
		}
		do(name, data)
	}
	return status
}

// lines splits text; the last line need not end in a newline.
func lines(data []byte) []string {
	if len(data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

func cat(p *shell.Proc) int {
	opts, names := options(p.Args[1:], "")
	if len(names) == 0 {
		names = []string{"-"}
	}
	status, n := 0, 0
	for _, name := range names {
		var in io.Reader = p.Stdin()
		if name != "-" {
			f, err := p.Open(name, os.O_RDONLY, 0)
			if err != nil {
				status = p.Fail(1, "%s: %s", name, shell.Text(err))
				continue
			}
			defer f.Close()
			in = f
		}
		if has(opts, "n") {
			data, _ := io.ReadAll(in)
			for _, line := range lines(data) {
				n++
				p.Printf("%6d\t%s\n", n, line)
			}
			continue
		}
		if _, err := io.Copy(p.Stdout(), in); err != nil {
			status = p.Fail(1, "%s: %s", name, shell.Text(err))
		}
	}
	return status
}

// count takes -5 for -n 5.
func count(args []string) []string {
	out := append([]string{}, args...)
	for i, a := range out {
		if len(a) > 1 && a[0] == '-' && a[1] >= '0' && a[1] <= '9' {
			out[i] = "-n" + a[1:]
		}
	}
	return out
}

func head(p *shell.Proc) int {
	opts, names := options(count(p.Args[1:]), "n c lines bytes")
	return inputs(p, names, func(_ string, data []byte) {
		if c := opts["c"] + opts["bytes"]; c != "" {
			n, _ := strconv.Atoi(c)
			p.Stdout().Write(data[:min(n, len(data))])
			return
		}
		n, err := strconv.Atoi(opts["n"] + opts["lines"])
		if err != nil {
			n = 10
		}
		list := lines(data)
		if n < 0 {
			n = max(len(list)+n, 0)
		}
		for _, line := range list[:min(n, len(list))] {
			p.Printf("%s\n", line)
		}
	})
}

// tail knows -n [+]N, -c [+]N, -f, -F and --pid.
func tail(p *shell.Proc) int {
	opts, names := options(count(p.Args[1:]), "n c lines bytes pid s sleep-interval")
	status := inputs(p, names, func(_ string, data []byte) { p.Stdout().Write(tailOf(data, opts)) })
	if !has(opts, "f", "F", "follow") || len(names) == 0 {
		return status
	}
	return follow(p, names[0], opts)
}

func tailOf(data []byte, opts map[string]string) []byte {
	if c := opts["c"] + opts["bytes"]; c != "" {
		n, _ := strconv.Atoi(strings.TrimPrefix(c, "+"))
		if c[0] == '+' {
			return data[min(max(n-1, 0), len(data)):]
		}
		return data[max(len(data)-n, 0):]
	}
	text := opts["n"] + opts["lines"]
	n, err := strconv.Atoi(strings.TrimPrefix(text, "+"))
	if err != nil {
		n = 10
	}
	list := bytes.SplitAfter(data, []byte("\n"))
	if len(list) > 0 && len(list[len(list)-1]) == 0 {
		list = list[:len(list)-1]
	}
	if strings.HasPrefix(text, "+") {
		return bytes.Join(list[min(max(n-1, 0), len(list)):], nil)
	}
	return bytes.Join(list[max(len(list)-n, 0):], nil)
}

const followEvery = 100 * time.Millisecond

// follow prints what is added to a file until it is killed, or until the process of --pid is gone.
func follow(p *shell.Proc, name string, opts map[string]string) int {
	data, err := p.ReadFile(name)
	seen := len(data)
	if err != nil && !has(opts, "F") {
		return 1
	}
	pid, _ := strconv.Atoi(opts["pid"])
	for {
		gone := pid != 0 && !p.Sys.Kill(pid, 0)
		data, err := p.ReadFile(name)
		if err == nil && len(data) < seen {
			seen = 0
		}
		if err == nil && len(data) > seen {
			if _, err := p.Stdout().Write(data[seen:]); err != nil {
				return 1
			}
			seen = len(data)
		}
		if gone || !p.Sleep(followEvery) {
			return 0
		}
	}
}

// awk is goawk, without its ways to the real system: no files, no commands, no environment but the process's.
func awk(p *shell.Proc) int {
	opts, args := leading(p.Args[1:], "F v f")
	source := opts["f"]
	if source != "" {
		data, err := p.ReadFile(source)
		if err != nil {
			return p.Fail(2, "can't open file %s", source)
		}
		source = string(data)
	} else if len(args) > 0 {
		source, args = args[0], args[1:]
	}
	prog, err := parser.ParseProgram([]byte(source), nil)
	if err != nil {
		return p.Fail(2, "%v", err)
	}
	conf := &interp.Config{
		Argv0: "awk", Output: p.Stdout(), Error: p.Stderr(), NoArgVars: true, NoExec: true, NoFileWrites: true, NoFileReads: true,
		Environ: []string{}, Vars: awkVars(opts),
	}
	var in bytes.Buffer
	conf.Stdin = p.Stdin()
	if len(args) > 0 {
		if inputs(p, args, func(_ string, data []byte) { in.Write(data) }) != 0 {
			return 2
		}
		conf.Stdin = &in
	}
	status, err := interp.ExecProgram(prog, conf)
	if err != nil {
		return p.Fail(2, "%v", err)
	}
	return status
}

func awkVars(opts map[string]string) []string {
	var vars []string
	if has(opts, "F") {
		vars = append(vars, "FS", strings.ReplaceAll(opts["F"], `\t`, "\t"))
	}
	for _, v := range strings.Split(opts["v"], "\n") {
		if name, value, ok := strings.Cut(v, "="); ok {
			vars = append(vars, name, value)
		}
	}
	return vars
}

func tee(p *shell.Proc) int {
	opts, names := options(p.Args[1:], "")
	flag := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if has(opts, "a") {
		flag = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	}
	to := []io.Writer{p.Stdout()}
	for _, name := range names {
		f, err := p.Open(name, flag, 0o644)
		if err != nil {
			return p.Fail(1, "%s: %s", name, shell.Text(err))
		}
		defer f.Close()
		to = append(to, f)
	}
	if _, err := io.Copy(io.MultiWriter(to...), p.Stdin()); err != nil {
		return 1
	}
	return 0
}

func sortLines(p *shell.Proc) int {
	opts, names := options(p.Args[1:], "k t o")
	var all []string
	status := inputs(p, names, func(_ string, data []byte) { all = append(all, lines(data)...) })
	key := sortKey(opts)
	less := func(a, b string) bool { return key(a) < key(b) || key(a) == key(b) && a < b }
	switch {
	case has(opts, "V") || strings.Contains(opts["k"], "V"):
		less = func(a, b string) bool { return compareVersions(key(a), key(b)) < 0 }
	case has(opts, "n") || strings.Contains(opts["k"], "n"):
		less = func(a, b string) bool { return number(key(a)) < number(key(b)) }
	}
	sort.SliceStable(all, func(i, j int) bool {
		if has(opts, "r") {
			return less(all[j], all[i])
		}
		return less(all[i], all[j])
	})
	last := "\x00"
	for _, line := range all {
		if !has(opts, "u") || line != last {
			p.Printf("%s\n", line)
		}
		last = line
	}
	return status
}

func number(text string) float64 {
	f, _ := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return f
}

// sortKey is the field that -k names, or the line.
func sortKey(opts map[string]string) func(string) string {
	field, _, _ := strings.Cut(opts["k"], ",")
	n, err := strconv.Atoi(strings.TrimRight(field, "nrV"))
	if err != nil || n < 1 {
		return func(s string) string { return s }
	}
	return func(s string) string {
		parts := strings.Fields(s)
		if t := opts["t"]; t != "" {
			parts = strings.Split(s, t)
		}
		if n > len(parts) {
			return ""
		}
		return parts[n-1]
	}
}

func uniq(p *shell.Proc) int {
	opts, names := options(p.Args[1:], "")
	return inputs(p, names, func(_ string, data []byte) {
		list := lines(data)
		for i := 0; i < len(list); {
			k := i
			for k < len(list) && list[k] == list[i] {
				k++
			}
			switch {
			case has(opts, "c"):
				p.Printf("%7d %s\n", k-i, list[i])
			case has(opts, "d") && k-i == 1:
			default:
				p.Printf("%s\n", list[i])
			}
			i = k
		}
	})
}

func wc(p *shell.Proc) int {
	opts, names := options(p.Args[1:], "")
	all := !has(opts, "l", "w", "c", "m")
	return inputs(p, names, func(name string, data []byte) {
		var cells []string
		for _, c := range []struct {
			flag string
			n    int
		}{{"l", bytes.Count(data, []byte("\n"))}, {"w", len(bytes.Fields(data))}, {"c", len(data)}} {
			if all || has(opts, c.flag) {
				cells = append(cells, strconv.Itoa(c.n))
			}
		}
		if name != "-" {
			cells = append(cells, name)
		}
		p.Printf("%s\n", strings.Join(cells, " "))
	})
}

func seq(p *shell.Proc) int {
	_, args := options(p.Args[1:], "s")
	from, to := 1, 0
	if len(args) > 1 {
		from, _ = strconv.Atoi(args[0])
	}
	if len(args) > 0 {
		to, _ = strconv.Atoi(args[len(args)-1])
	}
	for i := from; i <= to; i++ {
		if _, err := io.WriteString(p.Stdout(), strconv.Itoa(i)+"\n"); err != nil {
			return 1
		}
	}
	return 0
}
