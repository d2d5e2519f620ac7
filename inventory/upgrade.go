package inventory

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// upgrade reads [upgrade]: playbooks by name, and the reboot policy. Layers merge key by key, down to the parameters:
// a group that sets os-patches.exclude keeps the fleet's os-patches.security_only.
func (t *table) upgrade(l *layer) {
	put(l, t, "upgrade", "reboot", oneOf([]string{"if-required", "always", "never"}),
		func(h *Host) *string { return &h.Reboot.Policy })
	for _, playbook := range t.names() {
		if playbook == "reboot" {
			continue
		}
		t.get(playbook)
		if err := check(playbook, checkWord); err != nil {
			t.bad(playbook, "a playbook's name: %v", err)
			continue
		}
		t.playbook(l, playbook)
	}
}

// playbook reads one key: a version, or a table of parameters.
func (t *table) playbook(l *layer, name string) {
	key, full := child("upgrade", name), t.key(name)
	_, line := t.places.pos(full)
	*l = append(*l, setting{key: key, full: full, set: func(h *Host) {
		use := h.use(name)
		use.Key, use.Line = full, line
	}})
	if _, isTable := t.m[name].(map[string]any); isTable {
		params, _ := t.sub(name)
		params.params(l, name)
		return
	}
	if version, ok := t.version(name, name); ok {
		*l = append(*l, param(name, "version", full, version))
	}
}

func (t *table) params(l *layer, playbook string) {
	for _, name := range t.names() {
		switch name {
		case "after":
			if after, ok := t.safe(name, checkWord); ok {
				*l = append(*l, setting{key: child(child("upgrade", playbook), name), full: t.key(name), value: after,
					set: func(h *Host) { h.use(playbook).After = after }})
			}
		case "version":
			if version, ok := t.version(name, playbook); ok {
				*l = append(*l, param(playbook, name, t.key(name), version))
			}
		default:
			if err := checkParam(t.m[name]); err != nil {
				t.bad(name, "%v", err)
				continue
			}
			*l = append(*l, param(playbook, name, t.key(name), t.m[name]))
		}
	}
}

// version reads one that is given as the playbook's value or as its parameter: name is the key of either.
func (t *table) version(name, playbook string) (string, bool) {
	if kind := t.m[name]; isScalar(kind) && !t.places.at[t.key(name)].set {
		t.bad(name, `must be a string, not %s: write the version in quotes, %s = "1.37.2"`, kindOf(kind), playbook)
		return "", false
	}
	return t.safe(name, func(s string) error {
		if s == "" {
			return fmt.Errorf("an empty version; leave the key out, or write %s = {} for a playbook without parameters", playbook)
		}
		return nil
	})
}

func param(playbook, name, full string, value any) setting {
	return setting{key: child(child("upgrade", playbook), name), full: full, value: value, set: func(h *Host) {
		use := h.use(playbook)
		use.Params[name] = value
		use.ParamKeys[name] = full
	}}
}

// use returns the host's entry for playbook, a new one behind the others if there is none yet.
func (h *Host) use(playbook string) *Use {
	i := slices.IndexFunc(h.Upgrade, func(u Use) bool { return u.Playbook == playbook })
	if i < 0 {
		i = len(h.Upgrade)
		h.Upgrade = append(h.Upgrade, Use{Playbook: playbook, Params: map[string]any{}, ParamKeys: map[string]string{}})
	}
	return &h.Upgrade[i]
}

// checkParam accepts what playbooks take: strings, numbers, true and false, and lists of these. A string becomes one
// quoted word of a script, so that quotes in it are harmless; a leading dash would still be an option there.
func checkParam(v any) error {
	switch v := v.(type) {
	case bool, int64, float64:
		return nil
	case string:
		if strings.HasPrefix(v, "-") {
			return unsafe(v)
		}
		if strings.ContainsFunc(v, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
			return fmt.Errorf("unsafe string %q: control characters are refused", v)
		}
		return nil
	case []any:
		for _, e := range v {
			if _, nested := e.([]any); nested {
				return fmt.Errorf("must not hold a list within a list")
			}
			if err := checkParam(e); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("must be a string, a number, true or false, or a list of these, not %s", kindOf(v))
}
