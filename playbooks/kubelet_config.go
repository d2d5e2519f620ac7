package playbooks

import (
	"context"
	"errors"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/fleetup/fleetup/playbooks/kubeletconfig"
)

var _ = register("kubelet_config", stepType{
	keys: map[string]kind{"kube_reserved": aString, "system_reserved": aString, "eviction_hard": aString, "eviction_soft": aString,
		"eviction_soft_grace_period": aString, "max_pods": aString},
	defaults: Traits{Disruptive: true, Stop: StopKubelet, Repeatable: true, Timeout: 5 * time.Minute},
	build:    buildKubeletConfig,
})

// kubeletConfig sets some fields of the kubelet's configuration on one machine.
//
// It writes them into a drop-in of the kubelet's own: the flag --config-dir (on by default since 1.30) in
// KUBELET_EXTRA_ARGS, and a file there, which outranks /var/lib/kubelet/config.yaml. The other documented way, a patch of
// the target kubeletconfiguration in a folder for kubeadm, doesn't survive by itself: `kubeadm upgrade node` writes
// config.yaml anew from the cluster's ConfigMap, and applies patches only where whoever calls it says --patches. A
// drop-in and /etc/default/kubelet (or /etc/sysconfig/kubelet) it never touches, whoever calls it. The kubelet merges a
// drop-in into what it has entry by entry: what isn't named stays as the node has it.
// Source: cmd/kubeadm/app/phases/upgrade/postupgrade.go, cmd/kubelet/app/server.go of Kubernetes 1.37.
type kubeletConfig struct {
	base
	fields map[string]any // of kubelet.config.k8s.io/v1beta1
	text   string         // of the drop-in
}

// Where the drop-in is, unless the kubelet has a folder for them already.
const (
	dropinDir  = "/etc/kubernetes/kubelet.conf.d"
	dropinName = "90-fleetup.conf" // behind other people's, so that it outranks them
	dropinHead = "# By fleetup's playbook kubelet-config, which writes this file anew. It outranks config.yaml.\n"
)

// oldestDropins is the first version whose --config-dir needs no alpha switch.
const oldestDropins = "1.30.0"

var (
	resourceNames = []string{"cpu", "memory", "ephemeral-storage", "pid"}
	signals       = []string{"memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree",
		"containerfs.available", "containerfs.inodesFree", "pid.available"}
)

func buildKubeletConfig(b *binding) Step {
	s := &kubeletConfig{base: b.base(), fields: map[string]any{}}
	amounts := func(key, field string) map[string]string {
		m := b.pairs(key, "=", resourceNames, isQuantity)
		s.set(field, m)
		return m
	}
	amounts("kube_reserved", "kubeReserved")
	amounts("system_reserved", "systemReserved")
	s.set("evictionHard", b.pairs("eviction_hard", "<", signals, isThreshold))
	soft := b.pairs("eviction_soft", "<", signals, isThreshold)
	s.set("evictionSoft", soft)
	grace := b.pairs("eviction_soft_grace_period", "=", signals, isPeriod)
	s.set("evictionSoftGracePeriod", grace)
	b.matched(soft, grace)
	if text := b.str("max_pods"); text != "" && text != "0" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 10000 {
			b.fail("max_pods", "%q is no number of pods", text)
		}
		s.fields["maxPods"] = n
	}
	if len(s.fields) == 0 {
		b.fail("kube_reserved", "nothing is set: name what the kubelet is to reserve, or when to evict; `fleetup audit INVENTORY` prints lines that fit the node")
	}
	body, err := yaml.Marshal(s.document())
	if err != nil {
		b.fail("kube_reserved", "%v", err)
	}
	s.text = dropinHead + string(body)
	return s
}

func (s *kubeletConfig) set(field string, m map[string]string) {
	if len(m) > 0 {
		s.fields[field] = m
	}
}

func (s *kubeletConfig) document() map[string]any {
	all := map[string]any{"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration"}
	for field, v := range s.fields {
		all[field] = v
	}
	return all
}

// pairs reads "cpu=100m,memory=1Gi", as the kubelet's flags are written; sep is = or <.
func (b *binding) pairs(key, sep string, known []string, check func(string) bool) map[string]string {
	text := b.str(key)
	if text == "" {
		return nil
	}
	m := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), sep)
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !ok:
			b.fail(key, "%q isn't written NAME%sVALUE, comma between", pair, sep)
		case !slices.Contains(known, name):
			b.fail(key, "%q is none of %s%s", name, strings.Join(known, ", "), didYouMean(name, known))
		case !check(value):
			b.fail(key, "%s: %q is no amount", name, value)
		}
		m[name] = value
	}
	return m
}

// matched refuses a soft threshold without its grace period, and the other way round: the kubelet wouldn't start.
func (b *binding) matched(soft, grace map[string]string) {
	for signal := range soft {
		if grace[signal] == "" {
			b.fail("eviction_soft_grace_period", "has nothing for %s, which eviction_soft names: a soft threshold needs a grace period", signal)
		}
	}
	for signal := range grace {
		if soft[signal] == "" {
			b.fail("eviction_soft_grace_period", "names %s, for which eviction_soft has no threshold", signal)
		}
	}
}

var percentage = regexp.MustCompile(`^\d{1,2}(\.\d+)?%$`)

func isQuantity(text string) bool {
	q, err := resource.ParseQuantity(text)
	return err == nil && q.Sign() >= 0
}

// isThreshold: of an amount the kubelet wants more than nothing; a threshold is switched off by 0%.
func isThreshold(text string) bool {
	q, err := resource.ParseQuantity(text)
	return percentage.MatchString(text) || err == nil && q.Sign() > 0
}

func isPeriod(text string) bool {
	d, err := time.ParseDuration(text)
	return err == nil && d > 0
}

// kubeletFacts is what a machine says of its kubelet.
type kubeletFacts struct {
	version string   // "1.37.2"; "" where it doesn't say
	reads   string   // the environment file of its unit; "" where that names none of the two usual ones
	takes   bool     // its unit passes KUBELET_EXTRA_ARGS on
	env     string   // what stands in that file; "" also where there is none
	dir     string   // the --config-dir that it has; "" none
	flags   []string // that outrank every file
	cpus    string   // what reserves whole CPUs: a flag, or a field of its files; "" nothing
	sets    bool     // its unit sets KUBELET_EXTRA_ARGS itself, which the file would replace
	memory  int64    // bytes; 0: not known
	cores   int64    // 0: not known
	config  string   // where its main file is
	main    string   // what that says
	dropin  string
	others  [][]byte // the texts of all other drop-ins that it reads, in their order
}

func parseKubeletFacts(output string) kubeletFacts {
	var f kubeletFacts
	files := map[string]string{}
	starts, environment := "", ""
	for line := range strings.Lines(output) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch key {
		case "version":
			f.version = strings.TrimPrefix(strings.TrimPrefix(value, "Kubernetes "), "v")
		case "reads":
			if value == "/etc/default/kubelet" || value == "/etc/sysconfig/kubelet" {
				f.reads = value
			}
		case "starts":
			starts += value + "\n"
		case "environment":
			environment += value + "\n"
		case "default", "sysconfig", "kubeadm":
			files[key] += value + "\n"
		case "sets":
			f.sets = true
		case "core":
			f.cores++
		case "memory":
			kib, _ := strconv.ParseInt(value, 10, 64)
			f.memory = kib << 10
		case "has":
			f.dropin += value + "\n"
		case "main":
			f.main += value + "\n"
		case "file":
			f.others = append(f.others, nil)
		case "conf":
			if n := len(f.others); n > 0 {
				f.others[n-1] = append(f.others[n-1], value+"\n"...)
			}
		}
	}
	f.takes, f.env = strings.Contains(starts, "KUBELET_EXTRA_ARGS"), files[path.Base(path.Dir(f.reads))]
	all := environment + starts + files["kubeadm"] + f.env
	f.dir, f.config = kubeletconfig.Dir(all), kubeletconfig.Main(all)
	for _, flag := range kubeletconfig.Outranking(all) {
		switch strings.ReplaceAll(flag, "_", "-") {
		case "--pods-per-core": // of which the step sets nothing
		case "--reserved-cpus":
			f.cpus = flag
		default:
			f.flags = append(f.flags, flag)
		}
	}
	return f
}

func (s *kubeletConfig) look(ctx context.Context, h Host) (kubeletFacts, error) {
	out, err := h.Run(ctx, lib(kubeletShell)+"kubelet_facts\n")
	if err != nil {
		return kubeletFacts{}, err
	}
	f := parseKubeletFacts(out)
	script := "show_file " + words(f.path()) + "\nshow_main " + words(f.config)
	if f.dir != "" {
		script += "\nshow_dropins " + words(f.path(), path.Dir(f.path()))
	}
	if out, err = h.Run(ctx, lib(kubeletShell)+script+"\n"); err != nil {
		return f, err
	}
	more := parseKubeletFacts(out)
	f.main, f.dropin, f.others = more.main, more.dropin, more.others
	if cpus, is := f.configuration(false)["reservedSystemCPUs"]; is && cpus != "" {
		f.cpus = "reservedSystemCPUs"
	}
	return f, nil
}

// path is the drop-in's.
func (f kubeletFacts) path() string {
	if f.dir != "" {
		return strings.TrimSuffix(f.dir, "/") + "/" + dropinName
	}
	return dropinDir + "/" + dropinName
}

// Check compares the drop-in's text, and looks for the flag that makes the kubelet read it.
func (s *kubeletConfig) Check(ctx context.Context, h Host) (Status, error) {
	f, err := s.look(ctx, h)
	if err != nil {
		return Status{}, s.failed("check", err)
	}
	return s.status(f), nil
}

func (s *kubeletConfig) status(f kubeletFacts) Status {
	if f.dropin == s.text && f.dir != "" && len(f.flags) == 0 {
		return Status{Clean: true}
	}
	status := Status{Problems: s.problems(f)}
	status.Changes = s.changes(f)
	status.Commands = []string{"write " + f.path()}
	if f.dir == "" {
		status.Commands = append(status.Commands, "add --config-dir="+dropinDir+" to KUBELET_EXTRA_ARGS in "+f.reads)
	}
	status.Commands = append(status.Commands, "systemctl restart kubelet")
	return status
}

// Apply writes the drop-in, then the flag: a folder that isn't there would keep the kubelet from starting.
func (s *kubeletConfig) Apply(ctx context.Context, h Host, say func(string)) error {
	ctx, cancel := context.WithTimeout(ctx, s.traits.Timeout)
	defer cancel()
	f, err := s.look(ctx, h)
	if err != nil {
		return s.failed("look", err)
	}
	if problems := s.problems(f); len(problems) > 0 {
		return s.failed("apply", errors.New(strings.Join(problems, "; ")))
	}
	script := "set -e\n" + lib(kubeletShell) + "put_file " + words(f.path(), s.text) + "\n"
	if f.dir == "" {
		script += "put_file " + words(f.reads, withConfigDir(f.env)) + "\n"
	}
	if _, err := h.Do(ctx, s.script("apply"), script, said(say)); err != nil {
		return s.failed("apply", err)
	}
	return nil
}

// Verify asks whether the kubelet runs; its live configuration is asked for through the API (Configurer).
func (s *kubeletConfig) Verify(ctx context.Context, h Host) error {
	return s.verifyActive(ctx, h, "kubelet.service")
}

// Configured implements Configurer.
func (s *kubeletConfig) Configured() map[string]any { return s.fields }
