package inventory

// double is what two keys of [hosts] both make.
type double struct {
	key, first string // of the second and of the first host
	line       int    // of the first
	what       string // node, address, bmc or mac
}

// doubles counts what stands twice, so that two overlapping ranges are one problem.
type doubles struct {
	order  []double
	values map[double][]string
}

func (d *doubles) add(second, first Host, what, value string) {
	if d.values == nil {
		d.values = map[double][]string{}
	}
	at := double{second.Key, first.Key, first.Line, what}
	if d.values[at] == nil {
		d.order = append(d.order, at)
	}
	d.values[at] = append(d.values[at], value)
}

func (d *doubles) report(r *reader) {
	for _, at := range d.order {
		key := at.key
		if at.what != "node" {
			key = child(key, at.what)
		}
		if at.key == at.first {
			r.problem(key, "the %s %s comes twice in this range", at.what, andMore(d.values[at]))
			continue
		}
		r.problem(key, "the %s %s is also that of %s on line %d", at.what, andMore(d.values[at]), at.first, at.line)
	}
}
