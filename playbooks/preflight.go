package playbooks

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Wanted is what a run is about to make of a machine, as far as its system has to be fit for it. "" is unchanged.
type Wanted struct {
	Kubelet    string // version
	Containerd string // version, where this run replaces it
	Kubeadm    bool   // the run has a kubeadm playbook, which takes flags out that a newer kubelet doesn't know
}

// Findings are what Preflight saw. Problems stop the run before anything is touched, warnings are said.
type Findings struct {
	Problems []string
	Warnings []string
	// Time is the machine's clock when it was asked, zero where it said none. The caller, who knows when it asked,
	// judges it.
	Time time.Time
}

// What must be free at least, in KiB: in /var for packages, their kept predecessors and their unpacking; in /boot for
// an initramfs that is made anew.
const (
	varSpace     = 512 << 10
	bootMinSpace = 32 << 10
)

// Preflight looks at a machine's system, read-only. An error means that it couldn't be asked.
func Preflight(ctx context.Context, h Host, w Wanted) (Findings, error) {
	out, err := h.Run(ctx, lib(preflightShell)+chooseTool(":")+"survey\n")
	if err != nil {
		return Findings{}, fmt.Errorf("preflight: %w", err)
	}
	return judge(parseSurvey(out), w), nil
}

// survey holds the lines of the shell function survey, by their first word.
type survey map[string][]string

func parseSurvey(output string) survey {
	s := survey{}
	for _, line := range lines(output) {
		key, value, _ := strings.Cut(line, " ")
		if value = strings.TrimSpace(value); value != "" {
			s[key] = append(s[key], value)
		}
	}
	return s
}

func (s survey) first(key string) string {
	if len(s[key]) == 0 {
		return ""
	}
	return s[key][0]
}

// judge decides by the facts alone.
func judge(s survey, w Wanted) Findings {
	var f Findings
	problem := func(format string, args ...any) { f.Problems = append(f.Problems, fmt.Sprintf(format, args...)) }
	warn := func(format string, args ...any) { f.Warnings = append(f.Warnings, fmt.Sprintf(format, args...)) }
	f.Time = parseTime(s.first("now"))
	if s.first("tool") == "none" {
		problem("the machine has neither apt nor dnf")
	}
	if s.first("systemd") != "yes" {
		problem("the machine doesn't run systemd: its kubelet can't be stopped and kept down")
	}
	judgeSpace(s, problem)
	if audit := s["audit"]; len(audit) > 0 {
		warn("an earlier installation was interrupted and will be finished first (dpkg --configure -a): %s", strings.Join(audit, "; "))
	}
	if holder := s.first("holder"); holder != "" {
		warn("the package lock is held by %s: the run waits for it", holder)
	}
	for _, unit := range s["automatic"] {
		warn("%s is active: it is kept from beginning while the node is claimed; what it has begun by then is waited for", unit)
	}
	judgeCgroup(s, w, problem)
	judgeFlags(s, w, problem)
	judgeRuntime(s, w, problem, warn)
	return f
}

func parseTime(text string) time.Time {
	seconds, fraction, _ := strings.Cut(text, ".")
	sec, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return time.Time{}
	}
	nano, _ := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	return time.Unix(sec, nano)
}

func judgeSpace(s survey, problem func(string, ...any)) {
	for _, dir := range []struct {
		name string
		need int64
	}{{"var", varSpace}, {"boot", bootMinSpace}} {
		free, mount, _ := strings.Cut(s.first(dir.name), " ")
		kib, err := strconv.ParseInt(free, 10, 64)
		if err != nil || dir.name == "boot" && mount != "/boot" { // part of another file system: nothing to fear
			continue
		}
		if kib < dir.need {
			problem("/%s has %d MiB free, an upgrade needs %d: make room (the playbook cleanup does)", dir.name, kib>>10, dir.need>>10)
		}
	}
}

// judgeCgroup: from 1.35 on the kubelet refuses to start with cgroup v1, unless its configuration says
// failCgroupV1: false (Kubernetes 1.35 release notes, KEP 5573).
func judgeCgroup(s survey, w Wanted, problem func(string, ...any)) {
	_, minor, ok := majorMinor(w.Kubelet)
	if ok && minor >= 35 && s.first("cgroup") == "tmpfs" && s.first("failcgroupv1") != "false" {
		problem("the machine uses cgroup v1, with which kubelet %s doesn't start: boot it with systemd.unified_cgroup_hierarchy=1, or set failCgroupV1: false in /var/lib/kubelet/config.yaml", w.Kubelet)
	}
}

// removedFlags are flags that the kubelet no longer knows from a minor on; with one of them it doesn't start.
var removedFlags = []struct {
	minor  int
	source string
	flags  []string
}{
	{24, "dockershim was removed: kubernetes.io/blog/2022/02/17/dockershim-faq", []string{
		"network-plugin", "cni-conf-dir", "cni-bin-dir", "cni-cache-dir", "network-plugin-mtu", "docker-endpoint", "image-pull-progress-deadline"}},
	{26, "KEP 2845", []string{"log-dir", "log-file", "log-file-max-size", "logtostderr", "alsologtostderr", "stderrthreshold", "add-dir-header",
		"skip-headers", "skip-log-headers", "one-output", "log-backtrace-at"}},
	{27, "kubernetes.io/blog/2023/03/17/upcoming-changes-in-kubernetes-v1-27", []string{"container-runtime"}},
	{35, "kubernetes/kubernetes#133779", []string{"pod-infra-container-image"}},
}

var flagPattern = regexp.MustCompile(`(?:^|[\s"'=])--([a-z][a-z0-9-]*)`)

func judgeFlags(s survey, w Wanted, problem func(string, ...any)) {
	_, minor, ok := majorMinor(w.Kubelet)
	if !ok {
		return
	}
	texts := s["flags"]
	if !w.Kubeadm {
		texts = slices.Concat(texts, s["kubeadmflags"])
	}
	given := map[string]bool{}
	for _, text := range texts {
		for _, m := range flagPattern.FindAllStringSubmatch(text, -1) {
			given[m[1]] = true
		}
	}
	for _, removed := range removedFlags {
		for _, flag := range removed.flags {
			if minor >= removed.minor && given[flag] {
				problem("the kubelet is started with --%s, which it doesn't know from 1.%d on (%s): take it out of /etc/default/kubelet, /var/lib/kubelet/kubeadm-flags.env or its unit", flag, removed.minor, removed.source)
			}
		}
	}
}

// judgeRuntime: 1.26 wants CRI v1, which containerd has from 1.6 on (kubernetes.io/blog/2022/11/18/
// upcoming-changes-in-kubernetes-1-26). 1.38 no longer falls back where the runtime doesn't tell its cgroup driver,
// which containerd does from 2.0 on (KEP 4033, kubernetes/enhancements#6087).
func judgeRuntime(s survey, w Wanted, problem, warn func(string, ...any)) {
	_, minor, ok := majorMinor(w.Kubelet)
	version := w.Containerd
	if version == "" {
		if m := versionInText.FindStringSubmatch(s.first("containerd")); m != nil {
			version = m[1]
		}
	}
	major, runtimeMinor, known := majorMinor(version)
	switch {
	case !ok || !known || major >= 2:
	case minor >= 26 && major == 1 && runtimeMinor < 6:
		problem("containerd %s is too old for kubelet %s, which needs 1.6 or later (CRI v1): add the playbook containerd", version, w.Kubelet)
	case minor >= 38:
		problem("containerd %s is too old for kubelet %s, which needs 2.0 or later (KEP 4033): add the playbook containerd", version, w.Kubelet)
	case minor >= 36:
		warn("containerd %s works with kubelet %s, but no longer with 1.38 (KEP 4033): plan for 2.0 or later", version, w.Kubelet)
	}
}
