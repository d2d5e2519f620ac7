package playbooks

import (
	"strings"
)

// matches reports whether a package's version (epoch aside) is the wanted one, or goes on from it with - + or ~:
// 1.37.2 is matched by 1.37.2-1.1 and 1.37.2~rc1 but not by 1.37.20-1.1.
func matches(version, wanted string) bool {
	if i := strings.IndexByte(version, ':'); i >= 0 && !strings.Contains(wanted, ":") {
		version = version[i+1:]
	}
	rest, ok := strings.CutPrefix(version, wanted)
	return ok && (rest == "" || strings.IndexByte("-+~", rest[0]) >= 0)
}

// newest returns the newest of the versions that match, "" where none does.
func newest(versions []string, wanted string) string {
	best := ""
	for _, v := range versions {
		if matches(v, wanted) && (best == "" || compareVersions(v, best) > 0) {
			best = v
		}
	}
	return best
}

// compareVersions orders package versions as dpkg does (deb-version(7)); rpm orders those that repositories hold alike.
func compareVersions(a, b string) int {
	epochA, a := splitEpoch(a)
	epochB, b := splitEpoch(b)
	if c := comparePart(epochA, epochB); c != 0 {
		return c
	}
	upstreamA, revisionA := splitRevision(a)
	upstreamB, revisionB := splitRevision(b)
	if c := comparePart(upstreamA, upstreamB); c != 0 {
		return c
	}
	return comparePart(revisionA, revisionB)
}

func splitEpoch(v string) (epoch, rest string) {
	if epoch, rest, ok := strings.Cut(v, ":"); ok {
		return epoch, rest
	}
	return "0", v
}

func splitRevision(v string) (upstream, revision string) {
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		return v[:i], v[i+1:]
	}
	return v, "0"
}

// comparePart compares stretches of digits as numbers and those between them letter by letter.
func comparePart(a, b string) int {
	for a != "" || b != "" {
		for (a != "" && !digit(a[0])) || (b != "" && !digit(b[0])) {
			if c := weight(a) - weight(b); c != 0 {
				return sign(c)
			}
			a, b = tail(a), tail(b)
		}
		numberA, restA := number(a)
		numberB, restB := number(b)
		if c := len(numberA) - len(numberB); c != 0 {
			return sign(c)
		}
		if c := strings.Compare(numberA, numberB); c != 0 {
			return c
		}
		a, b = restA, restB
	}
	return 0
}

// weight orders what isn't a digit: ~ before the end, the end before letters, letters before all else.
func weight(s string) int {
	switch {
	case s == "" || digit(s[0]):
		return 0
	case s[0] == '~':
		return -1
	case 'a' <= s[0]|0x20 && s[0]|0x20 <= 'z':
		return int(s[0])
	}
	return int(s[0]) + 256
}

// number takes the leading digits off s, without leading zeros.
func number(s string) (digits, rest string) {
	i := 0
	for i < len(s) && digit(s[i]) {
		i++
	}
	return strings.TrimLeft(s[:i], "0"), s[i:]
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func tail(s string) string {
	if s == "" || digit(s[0]) {
		return s
	}
	return s[1:]
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}
