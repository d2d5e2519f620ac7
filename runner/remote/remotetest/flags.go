package remotetest

import "strings"

// options splits a command's arguments as getopt does: with lists the single letters and long names that take a value.
// Values of repeated options are joined by newlines; a flag without a value is there with "".
func options(args []string, with string) (map[string]string, []string) {
	opts, rest := map[string]string{}, []string{}
	takes := map[string]bool{}
	for _, w := range strings.Fields(with) {
		takes[w] = true
	}
	put := func(name, value string) {
		if old, ok := opts[name]; ok && old != "" {
			value = old + "\n" + value
		}
		opts[name] = value
	}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			return opts, append(rest, args[i+1:]...)
		case strings.HasPrefix(arg, "--"):
			name, value, has := strings.Cut(arg[2:], "=")
			if !has && takes[name] && i+1 < len(args) {
				i++
				value = args[i]
			}
			put(name, value)
		case len(arg) > 1 && arg[0] == '-':
			for k := 1; k < len(arg); k++ {
				name := arg[k : k+1]
				if !takes[name] {
					put(name, "")
					continue
				}
				value := arg[k+1:]
				if value == "" && i+1 < len(args) {
					i++
					value = args[i]
				}
				put(name, value)
				break
			}
		default:
			rest = append(rest, arg)
		}
	}
	return opts, rest
}

func has(opts map[string]string, names ...string) bool {
	for _, n := range names {
		if _, ok := opts[n]; ok {
			return true
		}
	}
	return false
}
