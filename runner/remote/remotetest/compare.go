package remotetest

import (
	"bytes"
	"sort"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
)

func comm(p *shell.Proc) int {
	opts, names := options(p.Args[1:], "")
	if len(names) != 2 {
		return p.Fail(1, "missing operand")
	}
	var in [2]map[string]bool
	var all []string
	for i, name := range names {
		data, err := p.ReadFile(name)
		if err != nil {
			return p.Fail(1, "%s: %s", name, shell.Text(err))
		}
		in[i] = map[string]bool{}
		for _, line := range lines(data) {
			if !in[0][line] {
				all = append(all, line)
			}
			in[i][line] = true
		}
	}
	sort.Strings(all)
	for _, line := range all {
		column := "3"
		if !in[1][line] {
			column = "1"
		} else if !in[0][line] {
			column = "2"
		}
		if !has(opts, column) {
			p.Printf("%s\n", line)
		}
	}
	return 0
}

func cmp(p *shell.Proc) int {
	opts, names := options(p.Args[1:], "")
	if len(names) != 2 {
		return p.Fail(2, "missing operand")
	}
	a, err1 := p.ReadFile(names[0])
	b, err2 := p.ReadFile(names[1])
	if err1 != nil || err2 != nil {
		return p.Fail(2, "No such file or directory")
	}
	if bytes.Equal(a, b) {
		return 0
	}
	if !has(opts, "s", "q") {
		p.Printf("%s %s differ\n", names[0], names[1])
	}
	return 1
}
