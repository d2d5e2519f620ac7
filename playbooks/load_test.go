package playbooks

import "testing"

func TestBuiltinsLoad(t *testing.T) {
	for _, name := range Names() {
		if _, err := Load(t.TempDir(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
