// Package kubeletconfig tells which configuration a kubelet starts with, from its command line and its files: the same for
// audit, which judges it, and for the playbook that changes it.
//
// What is here was held against the answers of a real kubelet, in testdata/kubelet.
// Source: cmd/kubelet/app/server.go and pkg/kubelet/apis/config/v1beta1/defaults.go of Kubernetes 1.37.
package kubeletconfig

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"sigs.k8s.io/yaml"
)

// MainFile is where kubeadm has it.
const MainFile = "/var/lib/kubelet/config.yaml"

// hardDefaults are the kubelet's own, which it has where its main file sets no evictionHard at all, and forgets as soon as
// one threshold is set there, unless mergeDefaultEvictionSettings is too (loadConfigFile; defaults_linux.go).
var hardDefaults = map[string]string{
	"memory.available": "100Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%", "imagefs.available": "15%", "imagefs.inodesFree": "5%",
}

// Merge is the configuration of a main file, which may be empty, and of drop-ins in the order in which they are read: fields
// of kubelet.config.k8s.io/v1beta1 as JSON decodes them. A drop-in counts entry by entry, and with null takes an entry or a
// field back (a JSON merge patch); a field without entries is as good as none. Of the defaults it knows those of evictionHard
// and maxPods. An error is why the kubelet wouldn't start.
func Merge(main []byte, dropins ...[]byte) (map[string]any, error) {
	all, err := patch([]byte("{}"), main)
	if err != nil {
		return nil, err
	}
	if all, err = withHardDefaults(all); err != nil {
		return nil, err
	}
	for _, d := range dropins {
		if all, err = patch(all, d); err != nil {
			return nil, err
		}
	}
	var merged map[string]any
	if err := json.Unmarshal(all, &merged); err != nil {
		return nil, fmt.Errorf("kubelet configuration: %w", err)
	}
	if err := wholeCPUs(merged); err != nil {
		return nil, err
	}
	maps.DeleteFunc(merged, func(_ string, v any) bool {
		entries, is := v.(map[string]any)
		return is && len(entries) == 0
	})
	if n, is := merged["maxPods"].(float64); !is || n == 0 {
		merged["maxPods"] = float64(110)
	}
	return merged, nil
}

// wholeCPUs puts reservedSystemCPUs in the place of every other reservation of CPU, as the kubelet does when it starts; it tells so
// in /configz where it has a systemReserved at all.
func wholeCPUs(all map[string]any) error {
	list, _ := all["reservedSystemCPUs"].(string)
	if list == "" {
		return nil
	}
	size := 0
	for part := range strings.SplitSeq(list, ",") {
		from, to, ranged := strings.Cut(part, "-")
		first, err := strconv.Atoi(from)
		last := first
		if ranged && err == nil {
			last, err = strconv.Atoi(to)
		}
		if err != nil || last < first {
			return fmt.Errorf("kubelet configuration: reservedSystemCPUs: %q is no list of CPUs", list)
		}
		size += last - first + 1
	}
	if kube, is := all["kubeReserved"].(map[string]any); is {
		delete(kube, "cpu")
	}
	if system, is := all["systemReserved"].(map[string]any); is {
		system["cpu"] = strconv.Itoa(size)
	}
	return nil
}

func patch(under, file []byte) ([]byte, error) {
	over, err := yaml.YAMLToJSON(file)
	if err != nil {
		return nil, fmt.Errorf("kubelet configuration: %w", err)
	}
	if string(over) == "null" { // an empty file
		return under, nil
	}
	merged, err := jsonpatch.MergePatch(under, over)
	if err != nil {
		return nil, fmt.Errorf("kubelet configuration: %w", err)
	}
	return merged, nil
}

// withHardDefaults is a main file with the thresholds that it doesn't set.
func withHardDefaults(main []byte) ([]byte, error) {
	var file struct {
		EvictionHard map[string]string `json:"evictionHard"`
		Merge        bool              `json:"mergeDefaultEvictionSettings"`
	}
	if err := json.Unmarshal(main, &file); err != nil {
		return nil, fmt.Errorf("kubelet configuration: %w", err)
	}
	if file.EvictionHard != nil && !file.Merge {
		return main, nil
	}
	hard := maps.Clone(hardDefaults)
	maps.Copy(hard, file.EvictionHard)
	over, err := json.Marshal(map[string]any{"evictionHard": hard})
	if err != nil {
		return nil, err
	}
	return jsonpatch.MergePatch(main, over)
}

// outranking are the flags of the fields that audit judges and the playbook sets. The kubelet takes _ for - in any flag.
var outranking = regexp.MustCompile(`--(kube[-_]reserved|system[-_]reserved|eviction[-_]hard|eviction[-_]soft|eviction[-_]soft[-_]grace[-_]period|max[-_]pods|pods[-_]per[-_]core|reserved[-_]cpus)(?:[=\s"']|$)`)

// Outranking are the flags in a command line that count whatever a file says, as they are written: with them the files alone
// say nothing sure.
func Outranking(commandLine string) (flags []string) {
	for _, m := range outranking.FindAllStringSubmatch(commandLine, -1) {
		flags = append(flags, "--"+m[1])
	}
	return flags
}

var (
	dirFlag  = regexp.MustCompile(`--config[-_]dir[= ]"?([^\s"']+)`)
	mainFlag = regexp.MustCompile(`--config[= ]"?([^\s"']+)`)
)

// Dir is the folder of drop-ins that a command line names; "" none. Of several the last one counts.
func Dir(commandLine string) string { return last(dirFlag, commandLine) }

// Main is the main file that a command line names, or MainFile.
func Main(commandLine string) string {
	if file := last(mainFlag, commandLine); file != "" {
		return file
	}
	return MainFile
}

func last(flag *regexp.Regexp, commandLine string) string {
	all := flag.FindAllStringSubmatch(commandLine, -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1][1]
}
