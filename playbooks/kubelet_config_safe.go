package playbooks

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/yaml"
)

// What the step looks at before it touches a kubelet: whether its configuration would count, and leave pods enough.

// problems are what would keep it from having an effect, or the kubelet from starting.
func (s *kubeletConfig) problems(f kubeletFacts) (problems []string) {
	if v, err := version.ParseGeneric(f.version); err == nil && v.LessThan(version.MustParseGeneric(oldestDropins)) {
		problems = append(problems, "kubelet "+f.version+" has no --config-dir yet (it has from "+oldestDropins+" on): upgrade it first")
	}
	if f.dir == "" && (f.reads == "" || !f.takes) {
		problems = append(problems, "the kubelet's unit doesn't take KUBELET_EXTRA_ARGS from /etc/default/kubelet or /etc/sysconfig/kubelet: "+
			"add --config-dir="+dropinDir+" to its command line yourself")
	}
	if f.dir == "" && f.sets && !extraArgs.MatchString(f.env) {
		problems = append(problems, "an Environment= of the kubelet's unit sets KUBELET_EXTRA_ARGS, which the line in "+f.reads+" would replace: write its flags there first")
	}
	if f.dir == "" && !editable(f.env) {
		problems = append(problems, "KUBELET_EXTRA_ARGS in "+f.reads+" has quotes or a \\ within: write it as one line in plain quotes, or add --config-dir="+dropinDir+" to it yourself")
	}
	if len(f.flags) > 0 {
		problems = append(problems, strings.Join(slices.Compact(f.flags), " and ")+" on the kubelet's command line outranks every file: take it out of "+
			"KUBELET_EXTRA_ARGS or KUBELET_KUBEADM_ARGS first")
	}
	if f.cpus != "" && (s.names("kubeReserved", "cpu") || s.names("systemReserved", "cpu")) {
		problems = append(problems, f.cpus+" takes the place of cpu in kube_reserved and system_reserved, which this node's kubelet wouldn't take: leave cpu out for it")
	}
	if f.dir == "" && enforcesNothing(f.main) {
		problems = append(problems, "enforceNodeAllocatable is [] in "+f.config+", which the kubelet takes for [pods] as soon as there are drop-ins: write [none] there first, which means the same")
	}
	if kept := s.keptMemory(f); f.memory > 0 && kept*2 > f.memory {
		problems = append(problems, fmt.Sprintf("%d MiB would be kept from pods, and the machine has %d MiB", kept>>20, f.memory>>20))
	}
	if kept := s.reserved(f, "cpu").MilliValue(); f.cores > 0 && kept*2 > f.cores*1000 {
		problems = append(problems, fmt.Sprintf("%dm of CPU would be kept from pods, and the machine has %d cores", kept, f.cores))
	}
	return problems
}

// names reports whether the step sets an entry of a field.
func (s *kubeletConfig) names(field, entry string) bool {
	entries, _ := s.fields[field].(map[string]string)
	return entries[entry] != ""
}

// enforcesNothing reports whether a main file has an empty list for what is enforced. The kubelet's merge of drop-ins drops empty
// lists (mergeKubeletConfigurations), and of these this one alone has another default.
func enforcesNothing(main string) bool {
	var file struct {
		Enforce []string `json:"enforceNodeAllocatable"`
	}
	return yaml.Unmarshal([]byte(main), &file) == nil && file.Enforce != nil && len(file.Enforce) == 0
}

// keptMemory is how much of a machine's memory pods wouldn't get before some are evicted, in bytes.
func (s *kubeletConfig) keptMemory(f kubeletFacts) int64 {
	return s.reserved(f, "memory").Value() + max(s.threshold(f, "evictionHard"), s.threshold(f, "evictionSoft"))
}

// reserved is how much of a resource is kept for the system and the kubelet, with what the node's own files keep.
func (s *kubeletConfig) reserved(f kubeletFacts, name string) *resource.Quantity {
	sum := resource.NewQuantity(0, resource.DecimalSI)
	for _, field := range []string{"kubeReserved", "systemReserved"} {
		if q, err := resource.ParseQuantity(s.merged(f, field)[name]); err == nil {
			sum.Add(q)
		}
	}
	return sum
}

// threshold is that of the memory that has to stay available, in bytes.
func (s *kubeletConfig) threshold(f kubeletFacts, field string) int64 {
	text := s.merged(f, field)["memory.available"]
	if share, is := strings.CutSuffix(text, "%"); is {
		percent, err := strconv.ParseFloat(share, 64)
		if err != nil {
			return 0
		}
		return int64(percent / 100 * float64(f.memory))
	}
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return 0
	}
	return q.Value()
}

// extraArgs is the line of an environment file that adds flags: bare, or in quotes.
var extraArgs = regexp.MustCompile(`(?m)^[ \t]*KUBELET_EXTRA_ARGS=(.*)$`)

// editable reports whether withConfigDir understands an environment file: its last line is one, and in plain quotes if in any.
func editable(env string) bool {
	all := extraArgs.FindAllStringSubmatch(env, -1)
	if len(all) == 0 {
		return true
	}
	return !strings.ContainsAny(unquoted(all[len(all)-1][1]), "\"'\\")
}

// unquoted takes one pair of quotes off a value.
func unquoted(value string) string {
	value = strings.TrimSpace(value)
	if n := len(value); n > 1 && value[0] == value[n-1] && (value[0] == '"' || value[0] == '\'') {
		return value[1 : n-1]
	}
	return value
}

// withConfigDir is an environment file with the flag added. systemd takes the last line that sets a variable.
func withConfigDir(text string) string {
	flag := "--config-dir=" + dropinDir
	all := extraArgs.FindAllStringSubmatchIndex(text, -1)
	if len(all) == 0 {
		if text != "" && !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		return text + "KUBELET_EXTRA_ARGS=" + flag + "\n"
	}
	last := all[len(all)-1]
	value := unquoted(text[last[2]:last[3]])
	return text[:last[2]] + `"` + strings.TrimSpace(value+" "+flag) + `"` + text[last[3]:]
}
