package inventory

import (
	"fmt"
	"strconv"
	"strings"
)

// mostHosts bounds what one range may make; a typing error shall not fill the memory.
const mostHosts = 20_000

// span is one part of a range: 001-120 or 7.
type span struct{ from, to, width int }

// expand makes names of a pattern: node[001-120], node[1-3,7], r[1-2]n[01-20] (the last runs fastest). Without brackets
// it is its own only name. Zero padding is kept.
func expand(pattern string) ([]string, error) {
	names := []string{""}
	for rest := pattern; rest != ""; {
		fixed, after, found := strings.Cut(rest, "[")
		if strings.Contains(fixed, "]") {
			return nil, fmt.Errorf("%q has a ] without a [", pattern)
		}
		for i := range names {
			names[i] += fixed
		}
		if !found {
			break
		}
		inside, tail, closed := strings.Cut(after, "]")
		if !closed {
			return nil, fmt.Errorf("%q has a [ without a ]", pattern)
		}
		numbers, err := numbersOf(inside)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", pattern, err)
		}
		if len(names)*len(numbers) > mostHosts {
			return nil, fmt.Errorf("%q makes more than %d names", pattern, mostHosts)
		}
		names, rest = product(names, numbers), tail
	}
	return names, nil
}

func product(names, numbers []string) []string {
	out := make([]string, 0, len(names)*len(numbers))
	for _, name := range names {
		for _, number := range numbers {
			out = append(out, name+number)
		}
	}
	return out
}

// numbersOf expands what stands in brackets.
func numbersOf(list string) ([]string, error) {
	var out []string
	for part := range strings.SplitSeq(list, ",") {
		s, err := spanOf(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		if len(out)+s.to-s.from >= mostHosts {
			return nil, fmt.Errorf("the range [%s] holds more than %d numbers", list, mostHosts)
		}
		for n := s.from; n <= s.to; n++ {
			out = append(out, fmt.Sprintf("%0*d", s.width, n))
		}
	}
	return out, nil
}

func spanOf(part string) (span, error) {
	low, high, isSpan := strings.Cut(part, "-")
	if !isSpan {
		high = low
	}
	from, err1 := number(low)
	to, err2 := number(high)
	switch {
	case err1 != nil || err2 != nil:
		return span{}, fmt.Errorf("[%s] is no range such as [1-20], [001-120] or [1-3,7]", part)
	case from > to:
		return span{}, fmt.Errorf("the range [%s] runs backwards; write [%s-%s]", part, high, low)
	case len(low) != len(high) && (low[0] == '0' && len(low) > 1 || high[0] == '0'):
		return span{}, fmt.Errorf("the sides of [%s] differ in length; write [%0*d-%0*d]", part, len(high), from, len(high), to)
	}
	width := 0
	if low[0] == '0' {
		width = len(low)
	}
	return span{from, to, width}, nil
}

// number is at most nine decimal digits, nothing else; strconv alone would take a sign.
func number(s string) (int, error) {
	if s == "" || len(s) > 9 || strings.Trim(s, "0123456789") != "" {
		return 0, fmt.Errorf("%q is no number", s)
	}
	return strconv.Atoi(s)
}
