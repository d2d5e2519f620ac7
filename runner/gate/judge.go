package gate

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Judge returns nil if the reading is good, else why it isn't. baseline is the reading before the run, "" if there is none.
// It asks nobody.
func (g *Gate) Judge(reading, baseline string) error {
	switch s := g.spec; {
	case s.URL != "":
		return s.judgeURL(reading)
	case len(s.Equals) > 0:
		if !slices.Contains(s.Equals, reading) {
			return fmt.Errorf("it is %s, and has to be %s", reading, strings.Join(s.Equals, " or "))
		}
		return nil
	case !s.bounded(): // a command that exits 0 is good
		if reading != exitedZero {
			return errors.New(reading)
		}
		return nil
	default:
		return s.judgeNumbers(reading, baseline)
	}
}

// bounded reports whether the reading is a number, or several.
func (s Spec) bounded() bool { return s.Min != nil || s.Max != nil || s.MaxIncrease != nil }

// judgeNumbers holds each number of the reading against each bound.
func (s Spec) judgeNumbers(reading, baseline string) error {
	values, err := numbers(reading)
	if err != nil {
		return err
	}
	least, most := slices.Min(values), slices.Max(values)
	if s.Min != nil && least < *s.Min {
		is, bound := apart(least, *s.Min)
		return fmt.Errorf("%s is less than min = %s", is, bound)
	}
	if s.Max != nil && most > *s.Max {
		is, bound := apart(most, *s.Max)
		return fmt.Errorf("%s is more than max = %s", is, bound)
	}
	if s.MaxIncrease == nil {
		return nil
	}
	before, err := numbers(baseline)
	if err != nil {
		return fmt.Errorf("no value of before the run to compare with: %w", err)
	}
	was := slices.Max(before)
	if bound := was + math.Abs(was)**s.MaxIncrease; most > bound {
		is, bound := apart(most, bound)
		return fmt.Errorf("%s is more than %s, which is max_increase = \"%s%%\" over the %s of before the run", is, bound, show(100**s.MaxIncrease), show(was))
	}
	return nil
}

// numbers reads a reading; one that holds none, or something that no bound can judge, is an error.
func numbers(reading string) ([]float64, error) {
	var values []float64
	for text := range strings.FieldsSeq(reading) {
		v, err := number(text)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	if len(values) == 0 {
		return nil, errors.New("there is no value")
	}
	return values, nil
}

func number(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is not a number", cut(text))
	case math.IsNaN(v) || math.IsInf(v, 0):
		return 0, fmt.Errorf("%s is no value", text)
	}
	return v, nil
}

// judgeURL reads what askURL wrote.
func (s Spec) judgeURL(reading string) error {
	status, took, found := strings.Cut(reading, " in ")
	code, err := strconv.Atoi(status)
	latency, lerr := time.ParseDuration(took)
	switch {
	case !found || err != nil || lerr != nil:
		return fmt.Errorf("%q is no answer of a URL", cut(reading))
	case code != s.Status:
		return fmt.Errorf("status %d, and status = %d is wanted", code, s.Status)
	case s.MaxLatency > 0 && latency > s.MaxLatency:
		return fmt.Errorf("it answered in %s, and max_latency = %q", latency, s.MaxLatency)
	}
	return nil
}

// show writes a number for people: whole ones whole, others to six digits.
func show(v float64) string { return digits(v, 6) }

// apart shows two numbers, with more digits where they are close.
func apart(a, b float64) (string, string) {
	if math.Abs(a-b) < math.Abs(b)/1e4 {
		return written(a), written(b)
	}
	return show(a), show(b)
}

// written writes a reading: to more digits than any bound has, for it is held against them.
func written(v float64) string { return digits(v, 12) }

func digits(v float64, n int) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', n, 64)
}

// cut keeps what others wrote from filling a line.
func cut(text string) string {
	const most = 200
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
