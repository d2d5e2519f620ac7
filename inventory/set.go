package inventory

import (
	"fmt"
	"maps"
	"strings"

	"github.com/BurntSushi/toml"
)

// afterFile orders what --set adds behind all that the file holds.
const afterFile = 1 << 30

// assignment is one --set KEY=VALUE.
type assignment struct {
	keys []string
	raw  string
}

// cutSets splits --set KEY=VALUE. KEY is TOML's: hosts."node[1-3]".port.
func cutSets(set []string) ([]assignment, error) {
	var out []assignment
	for _, arg := range set {
		l := &locator{src: arg}
		keys, _ := l.key()
		l.space()
		if len(keys) == 0 || l.peek() != '=' {
			return nil, fmt.Errorf(`--set %s: write --set KEY=VALUE, with a part of the key in quotes if it holds more than `+
				`letters, digits, - and _: hosts."n[1-3]".port=22`, strings.Join(keys, "."))
		}
		out = append(out, assignment{keys, strings.TrimSpace(l.src[l.pos+1:])})
	}
	return out, nil
}

// applySets writes --set values into the decoded inventory, the last one winning.
// Messages name the key and never the value, which may have been meant as a secret.
func applySets(root map[string]any, places *places, set []assignment) Problems {
	var problems Problems
	for _, a := range set {
		if problem := applySet(root, places, a.keys, a.raw); problem != nil {
			problems = append(problems, *problem)
		}
	}
	return problems
}

func applySet(root map[string]any, places *places, keys []string, raw string) *Problem {
	at, path := root, ""
	for _, key := range keys[:len(keys)-1] {
		path = child(path, key)
		next, ok := at[key].(map[string]any)
		switch value := at[key].(type) {
		case nil:
			next = map[string]any{}
			places.at[path] = place{seq: afterFile + len(places.at), set: true}
		case string: // a bare string of [upgrade] is { version = "…" }
			if strings.HasPrefix(path, "upgrade.") || strings.Contains(path, ".upgrade.") {
				next, ok = map[string]any{"version": value}, true
			}
		}
		if next == nil && !ok {
			return &Problem{File: setFile, Key: path, Message: "is no table, so nothing in it can be set"}
		}
		at[key], at = next, next
	}
	last := keys[len(keys)-1]
	path = child(path, last)
	at[last] = setValue(raw)
	seq := afterFile + len(places.at)
	if was, ok := places.at[path]; ok {
		seq = was.seq
	}
	maps.DeleteFunc(places.at, func(key string, _ place) bool {
		return strings.HasPrefix(key, path+".") || strings.HasPrefix(key, path+"[")
	})
	places.at[path] = place{seq: seq, set: true, raw: raw}
	return nil
}

// setValue is raw as TOML, or raw itself if it isn't TOML: 3, true and ["a"] are, 60s and 20% aren't.
func setValue(raw string) any {
	var v map[string]any
	if _, err := toml.Decode("v = "+raw, &v); err != nil || len(v) != 1 {
		return raw
	}
	return v["v"]
}
