package kubeletconfig

import (
	"encoding/json"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// judged are the fields that audit judges and the playbook sets.
var judged = []string{"kubeReserved", "systemReserved", "evictionHard", "evictionSoft", "evictionSoftGracePeriod", "mergeDefaultEvictionSettings", "maxPods", "podsPerCore", "reservedSystemCPUs"}

// TestRealAnswers: of each configuration that a real kubelet was given, its files say what it answered to /configz, or a flag
// is seen that outranks them.
func TestRealAnswers(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("../../testdata/kubelet/*.txtar")
	if len(files) == 0 {
		t.Fatal("no answers in testdata/kubelet")
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			texts, commandLine := map[string][]byte{}, ""
			for _, f := range archive.Files {
				texts["/"+f.Name] = f.Data
				if strings.HasSuffix(path.Dir(f.Name), "kubelet.service.d") || path.Dir(f.Name) == "etc/default" {
					commandLine += string(f.Data)
				}
			}
			outranked := slices.Contains([]string{"flags", "flags-underscores", "unit-flags"}, name)
			if flags := Outranking(commandLine); (len(flags) > 0) != outranked {
				t.Errorf("%q outrank the files", flags)
			}
			if outranked {
				return
			}
			var dropins [][]byte
			dir := Dir(commandLine)
			for _, f := range walked(slices.Collect(maps.Keys(texts)), dir) {
				dropins = append(dropins, texts[f])
			}
			got, err := Merge(texts[Main(commandLine)], dropins...)
			if err != nil {
				t.Fatal(err)
			}
			var answer struct {
				Config map[string]any `json:"kubeletconfig"`
			}
			if err := json.Unmarshal(texts["/configz.json"], &answer); err != nil || answer.Config["maxPods"] == nil {
				t.Fatalf("no answer is stored: %v", err)
			}
			for _, field := range judged {
				if field == "mergeDefaultEvictionSettings" && got[field] == nil {
					got[field] = false // told always
				}
				if diff := cmp.Diff(answer.Config[field], got[field]); diff != "" {
					t.Errorf("%s (-the kubelet +its files):\n%s", field, diff)
				}
			}
		})
	}
}

// walked are the drop-ins below a folder in the kubelet's order: that of filepath.WalkDir, name by name of the path.
func walked(files []string, dir string) (found []string) {
	for _, f := range files {
		if dir != "" && strings.HasPrefix(f, dir+"/") && strings.HasSuffix(f, ".conf") {
			found = append(found, f)
		}
	}
	slices.SortFunc(found, func(a, b string) int { return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/")) })
	return found
}

// TestOutranking: a flag is known by its whole name, however it is written.
func TestOutranking(t *testing.T) {
	for line, want := range map[string][]string{
		`--kube-reserved-cgroup=/x --eviction-minimum-reclaim=memory.available=1Mi --max-pods-x=1`: nil,
		`KUBELET_EXTRA_ARGS="--kube-reserved=cpu=1 --max_pods 30"`:                                 {"--kube-reserved", "--max_pods"},
		`--eviction-soft-grace-period=memory.available=1m`:                                         {"--eviction-soft-grace-period"},
		"--v=2 --pods-per-core": {"--pods-per-core"},
	} {
		if got := Outranking(line); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	if Dir(`--config-dir=/a --config_dir "/b"`) != "/b" || Dir("--config=/a") != "" || Main("--config-dir=/a") != MainFile || Main("--config /b") != "/b" {
		t.Error("another folder or file than is named")
	}
	for _, bad := range []string{"a: [", "- a", "evictionHard: [a]", "reservedSystemCPUs: 3-1", "reservedSystemCPUs: all"} {
		if got, err := Merge([]byte(bad)); err == nil {
			t.Errorf("%s was read as %v", bad, got)
		}
	}
}
