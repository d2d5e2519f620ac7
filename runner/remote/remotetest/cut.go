package remotetest

import (
	"io"
	"strconv"
	"strings"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
)

// cut knows -d, -f and -c with lists and ranges, and -s.
func cut(p *shell.Proc) int {
	opts, names := options(p.Args[1:], "d f c b delimiter fields")
	delim := opts["d"] + opts["delimiter"]
	if delim == "" {
		delim = "\t"
	}
	list := opts["f"] + opts["fields"]
	return inputs(p, names, func(_ string, data []byte) {
		for _, line := range lines(data) {
			if list == "" {
				p.Printf("%s\n", strings.Join(pick(strings.Split(line, ""), opts["c"]+opts["b"]), ""))
				continue
			}
			if !strings.Contains(line, delim) {
				if !has(opts, "s") {
					p.Printf("%s\n", line)
				}
				continue
			}
			p.Printf("%s\n", strings.Join(pick(strings.Split(line, delim), list), delim))
		}
	})
}

// pick takes the elements that a list like "1,3-5,7-" names.
func pick(parts []string, list string) []string {
	var out []string
	for i, part := range parts {
		for _, r := range strings.Split(list, ",") {
			from, to, ranged := strings.Cut(r, "-")
			lo, err := strconv.Atoi(from)
			if err != nil {
				lo = 1
			}
			hi, err := strconv.Atoi(to)
			switch {
			case !ranged:
				hi = lo
			case err != nil:
				hi = len(parts)
			}
			if i+1 >= lo && i+1 <= hi {
				out = append(out, part)
				break
			}
		}
	}
	return out
}

// tr knows -d, -s, -c, ranges, classes and escapes.
func tr(p *shell.Proc) int {
	opts, sets := options(p.Args[1:], "")
	data, err := io.ReadAll(p.Stdin())
	if err != nil || len(sets) == 0 {
		return p.Fail(1, "missing operand")
	}
	from := trSet(sets[0])
	if has(opts, "c", "C") {
		from = complement(from)
	}
	var to []byte
	if len(sets) > 1 {
		to = trSet(sets[1])
	}
	var out []byte
	for _, b := range data {
		i := strings.IndexByte(string(from), b)
		switch {
		case i < 0:
		case has(opts, "d"):
			continue
		case len(to) > 0:
			b = to[min(i, len(to)-1)]
		}
		squeeze := from
		if len(to) > 0 {
			squeeze = to
		}
		if has(opts, "s") && len(out) > 0 && out[len(out)-1] == b && strings.IndexByte(string(squeeze), b) >= 0 {
			continue
		}
		out = append(out, b)
	}
	p.Stdout().Write(out)
	return 0
}

func trSet(text string) []byte {
	for class, set := range map[string]string{"[:space:]": " \t\n\v\f\r", "[:digit:]": "0-9", "[:lower:]": "a-z", "[:upper:]": "A-Z", "[:alpha:]": "A-Za-z", "[:alnum:]": "A-Za-z0-9", "[:cntrl:]": "\x01-\x1f\x7f"} {
		text = strings.ReplaceAll(text, class, set)
	}
	text = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\0`, "\x00", `\\`, `\`, `\000`, "\x00").Replace(text)
	var out []byte
	for i := 0; i < len(text); i++ {
		if i+2 < len(text) && text[i+1] == '-' {
			for c := int(text[i]); c <= int(text[i+2]); c++ {
				out = append(out, byte(c))
			}
			i += 2
			continue
		}
		out = append(out, text[i])
	}
	return out
}

func complement(set []byte) []byte {
	var out []byte
	for c := 0; c < 256; c++ {
		if strings.IndexByte(string(set), byte(c)) < 0 {
			out = append(out, byte(c))
		}
	}
	return out
}
