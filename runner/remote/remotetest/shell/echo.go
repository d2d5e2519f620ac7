package shell

import (
	"io"
	"strings"

	"mvdan.cc/sh/v3/expand"
)

// Echo is dash's echo: it knows -n, and interprets backslashes always.
func Echo(p *Proc, args []string) int {
	args = args[1:]
	end := "\n"
	if len(args) > 0 && args[0] == "-n" {
		args, end = args[1:], ""
	}
	text := strings.Join(args, " ")
	if before, _, cut := strings.Cut(text, `\c`); cut {
		text, end = before, ""
	}
	if _, err := io.WriteString(p.Stdout(), unescape(text)+end); err != nil {
		return p.Fail(1, "echo: I/O error")
	}
	return 0
}

var escapes = map[byte]byte{'a': 7, 'b': 8, 'f': 12, 'n': '\n', 'r': '\r', 't': '\t', 'v': 11, '\\': '\\'}

func unescape(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			out.WriteByte(text[i])
			continue
		}
		i++
		if text[i] == '0' {
			n := 0
			for k := 0; k < 3 && i+1 < len(text) && text[i+1] >= '0' && text[i+1] <= '7'; k++ {
				i++
				n = n*8 + int(text[i]-'0')
			}
			out.WriteByte(byte(n))
			continue
		}
		if c, ok := escapes[text[i]]; ok {
			out.WriteByte(c)
			continue
		}
		out.WriteString(`\` + text[i:i+1])
	}
	return out.String()
}

// Printf formats as printf(1) does, going over the format again while arguments are left.
func Printf(p *Proc, args []string) int {
	args = args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return p.Fail(2, "printf: usage: printf format [arg ...]")
	}
	format, args := args[0], args[1:]
	for {
		text, used, err := expand.Format(&expand.Config{}, format, args)
		if err != nil {
			return p.Fail(1, "printf: %v", err)
		}
		if _, err := io.WriteString(p.Stdout(), text); err != nil {
			return p.Fail(1, "printf: I/O error")
		}
		args = args[min(used, len(args)):]
		if used == 0 || len(args) == 0 {
			return 0
		}
	}
}
