package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/cmd/box"
	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/kube/kubetest"
	"github.com/fleetup/fleetup/runner/remote/remotetest"
)

// hall is the machine hall of one script: its folder, and the data centre in it.
type hall struct {
	dir    string
	began  time.Time
	box    *box.Box
	web    *web // Prometheus and chat; nil: there are none
	ctx    context.Context
	cancel context.CancelFunc

	going   sync.WaitGroup // what happens later
	mu      sync.Mutex
	signals chan<- os.Signal // of the command that runs in the foreground
	late    *late
}

// late is a command that was begun with `later`.
type late struct {
	out, err  bytes.Buffer
	want, got int
}

// notify gives signals to the first command that listens; others hear none.
func (s *hall) notify(c chan<- os.Signal) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signals != nil {
		return func() {}
	}
	s.signals = c
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.signals = nil
	}
}

// interruptAt presses Ctrl-C after each of the times.
func (s *hall) interruptAt(args []string) (string, error) {
	for _, arg := range args {
		d, err := time.ParseDuration(arg)
		if err != nil {
			return "", err
		}
		s.going.Go(func() {
			time.Sleep(d)
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.signals != nil {
				s.signals <- os.Interrupt
			}
		})
	}
	return "", nil
}

// dropDuring cuts the machine's connections three times while a program runs there.
func (s *hall) dropDuring(args []string) (string, error) {
	m, part := s.box.Machines[args[0]], strings.Join(args[1:], " ")
	s.going.Go(func() {
		for m.Ran(part) == 0 && s.context().Err() == nil {
			time.Sleep(100 * time.Millisecond)
		}
		for range 3 {
			m.Drop()
			time.Sleep(2 * time.Second)
		}
	})
	return "", nil
}

// shows makes a file of a machine's /proc or /sys read as a file of the script.
func (s *hall) shows(args []string) (string, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, args[2]))
	if err == nil {
		s.box.Machines[args[0]].Show(args[1], string(text))
	}
	return "", err
}

// event makes a Warning about a node, of this moment.
func (s *hall) event(args []string) (string, error) {
	return "", s.box.API.Add(&corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("e%d", time.Now().UnixNano())}, Reason: args[0], Type: corev1.EventTypeWarning,
		InvolvedObject: corev1.ObjectReference{Kind: "Node", Name: args[1]}, Message: strings.Join(args[2:], " "), LastTimestamp: metav1.Now(), Count: 1,
	})
}

// podIs puts the first pod of a name, or its first on a node, into a state.
func (s *hall) podIs(args []string) (string, error) {
	namespace, prefix, _ := strings.Cut(args[0], "/")
	for _, p := range kubetest.List[*corev1.Pod](s.box.API, namespace) {
		if strings.HasPrefix(p.Name, prefix) && (len(args) < 3 || p.Spec.NodeName == args[2]) {
			return "", kubetest.Change(s.box.API, namespace, p.Name, func(p *corev1.Pod) {
				if args[1] == "evicted" {
					p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, "Evicted", "The node was low on resource: memory."
					p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()})
					return
				}
				at := metav1.NewTime(time.Now().Add(-time.Hour))
				p.DeletionTimestamp, p.Finalizers = &at, []string{"example.com/keep"}
			})
		}
	}
	return "", fmt.Errorf("no pod %s", args[0])
}

// laptop is a process of another machine.
const laptop = "0badcafe.laptop/boot/17/42"

// later begins a command after a while: `later 5s 4 run inventory.toml`. wait-later waits for it.
func later(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: later DURATION EXIT-CODE ARGUMENT...")
	}
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	s := hallOf(ts)
	s.late = &late{}
	s.late.want, err = strconv.Atoi(args[1])
	ts.Check(err)
	s.going.Go(func() {
		time.Sleep(d)
		s.late.got = s.fleetup(ts, laptop, &s.late.out, &s.late.err, args[2:])
	})
}

// waitLater waits for what goes on in the background and prints what the command of `later` printed.
func waitLater(ts *testscript.TestScript, _ bool, _ []string) {
	s := hallOf(ts)
	s.going.Wait()
	fmt.Fprint(ts.Stdout(), s.late.out.String())
	fmt.Fprint(ts.Stderr(), s.late.err.String())
	if s.late.got != s.late.want {
		ts.Fatalf("exit code %d, want %d", s.late.got, s.late.want)
	}
}

type hallKey struct{}

func hallOf(ts *testscript.TestScript) *hall { return ts.Value(hallKey{}).(*hall) }

func (s *hall) context() context.Context {
	if s.ctx == nil {
		s.ctx, s.cancel = context.WithCancel(context.Background())
	}
	return s.ctx
}

func (s *hall) close() {
	if s.cancel != nil {
		s.cancel()
	}
	s.going.Wait()
	if s.box != nil {
		s.box.Close()
	}
}

// locked lets several goroutines write to what a script compares afterwards.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// step is one command of scripts: what it is given after its name, and what it does.
type step struct {
	args string
	do   func(s *hall, args []string) (out string, err error)
}

// steps are the commands that make and break a script's data centre.
var steps = map[string]step{
	"box":         {"WORKERS [control-plane] [sudo-password] [bmc] [old-sshd] [spare] [pools]", makeBox},
	"inventory":   {"FILE", (*hall).inventory},
	"known-hosts": {"", func(s *hall, _ []string) (string, error) { return "", s.box.WriteKnownHosts() }},
	"forget-hosts": {"", func(s *hall, _ []string) (string, error) {
		return "", os.WriteFile(filepath.Join(s.dir, "known_hosts"), nil, 0o600)
	}},
	"break-host":       {"NODE", onMachine(func(m *remotetest.Machine, _ string) error { m.PowerOff(); return nil })},
	"repair-host":      {"NODE", onMachine(func(m *remotetest.Machine, _ string) error { m.PowerOn(); return nil })},
	"hardware":         {"NODE add-disk|lose-disk|fail-disk|add-dimm|lose-dimm|mac|slow-link", onMachine(screwdriver)},
	"wait-boot":        {"NODE", (*hall).waitBoot},
	"powered":          {"NODE", (*hall).powered},
	"boots":            {"NODE", (*hall).boots},
	"ignore-button":    {"NODE", onMachine(func(m *remotetest.Machine, _ string) error { m.IgnoreButton(); return nil })},
	"bmc":              {"NODE up|down|password [WORD]", (*hall).bmc},
	"replace-host-key": {"NODE", onMachine(func(m *remotetest.Machine, _ string) error { return m.ReplaceHostKey() })},
	"break-kubelet":    {"NODE VERSION", onMachine(func(m *remotetest.Machine, v string) error { m.BreakKubelet(v); return nil })},
	"mend-kubelet":     {"NODE VERSION", onMachine(func(m *remotetest.Machine, v string) error { m.MendKubelet(v); return nil })},
	"static-pods":      {"NODE VERSION", onMachine(func(m *remotetest.Machine, v string) error { return m.ControlPlane(v) })},
	"break-service": {"NODE SERVICE VERSION", onMachine(func(m *remotetest.Machine, arg string) error {
		name, version, _ := strings.Cut(arg, " ")
		m.BreakService(name, version)
		return nil
	})},
	"break-kernel": {"NODE RELEASE panics|hangs|mute", onMachine(func(m *remotetest.Machine, arg string) error {
		release, how, _ := strings.Cut(arg, " ")
		m.BreakKernel(release, map[string]remotetest.KernelFault{"panics": remotetest.KernelPanics, "hangs": remotetest.KernelHangs, "mute": remotetest.KernelMute}[how])
		return nil
	})},
	"boot-on": {"NODE lvm", onMachine(func(m *remotetest.Machine, on string) error { m.BootOn(on); return nil })},
	"let-pass": {"DURATION", func(_ *hall, args []string) (string, error) {
		d, err := time.ParseDuration(args[0])
		time.Sleep(d)
		return "", err
	}},
	"reboot-host": {"NODE", onMachine(func(m *remotetest.Machine, _ string) error {
		m.Reboot()
		time.Sleep(time.Minute)
		return nil
	})},
	"kubelet-logs": {"NODE LINE", onMachine(func(m *remotetest.Machine, v string) error { m.Journal("kubelet", v); return nil })},
	"logs": {"NODE SERVICE LINE", onMachine(func(m *remotetest.Machine, v string) error {
		service, line, _ := strings.Cut(v, " ")
		m.Journal(service, line)
		return nil
	})},
	"event":          {"REASON NODE MESSAGE", (*hall).event},
	"pod-is":         {"NS/NAME-PREFIX evicted|terminating [NODE]", (*hall).podIs},
	"shows":          {"NODE PATH FILE", (*hall).shows},
	"hold-dpkg-lock": {"NODE PROGRAM", onMachine(func(m *remotetest.Machine, v string) error { m.HoldDpkgLock(v, 4711); return nil })},
	"machine":        {"NODE", (*hall).machine},
	"ran":            {"NODE PART", (*hall).ran},
	"interrupt-at":   {"DURATION...", (*hall).interruptAt},
	"drop-during":    {"NODE PROGRAM", (*hall).dropDuring},
	"file":           {"NODE PATH", (*hall).file},
	"node":           {"NODE", (*hall).node},
	"cordon":         {"NODE", unschedulable(true)},
	"uncordon":       {"NODE", unschedulable(false)},
	"deployment":     {"NS/NAME REPLICAS", workload((*kubetest.Server).AddDeployment)},
	"statefulset":    {"NS/NAME REPLICAS", workload((*kubetest.Server).AddStatefulSet)},
	"daemonset":      {"NS/NAME", (*hall).daemonSet},
	"service":        {"NS/NAME", (*hall).service},
	"pdb":            {"NS/NAME MIN-AVAILABLE", (*hall).pdb},
	"restarts":       {"NS/NAME", (*hall).restarts},
	"probe-runs":     {"EXIT-CODE|REASON|hangs [LINE]", (*hall).probeRuns},
	"probes":         {"", (*hall).probes},
	"settle":         {"PODS", (*hall).settle},
	"rights-none":    {"[RESOURCE]", (*hall).rightsNone},
	"rights-of":      {"check|audit|diagnose", (*hall).rightsOf},
	"api-version":    {"VERSION", func(s *hall, args []string) (string, error) { s.box.API.SetVersion(args[0]); return "", nil }},
	"answer":         {"CODE [AFTER]", (*hall).answer},
	"api":            {"up|down", func(s *hall, args []string) (string, error) { s.box.API.Refuse(args[0] == "down"); return "", nil }},
	"mirror-lacks":   {"PACKAGE [VERSION]", (*hall).mirrorLacks},
	"mirror-has":     {"PACKAGE VERSION", (*hall).mirrorHas},
	"hold-lease":     {"USER", (*hall).holdLease},
	"free-lease":     {"", (*hall).freeLease},
	"claims":         {"", (*hall).claims},
	"prometheus":     {"SAMPLE|none|down [AFTER]", (*hall).prometheus},
	"asked":          {"", (*hall).asked},
	"posts":          {"", (*hall).posts},
}

// scriptCommands are fleetup itself and the steps, as testscript wants them.
func scriptCommands() map[string]func(*testscript.TestScript, bool, []string) {
	commands := map[string]func(*testscript.TestScript, bool, []string){"fleetup": runFleetup, "json-lines": jsonLines, "later": later, "wait-later": waitLater}
	for name, st := range steps {
		least := 0
		for word := range strings.FieldsSeq(st.args) {
			if !strings.HasPrefix(word, "[") {
				least++
			}
		}
		commands[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) < least {
				ts.Fatalf("usage: %s %s", name, st.args)
			}
			out, err := st.do(hallOf(ts), args)
			ts.Check(err)
			fmt.Fprint(ts.Stdout(), out)
		}
	}
	return commands
}

// makeBox starts the data centre in the script's folder.
func makeBox(s *hall, args []string) (string, error) {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	nodes, bmcs := box.Workers(n), false
	for _, option := range args[1:] {
		switch option {
		case "control-plane":
			nodes = append(nodes, box.Node{Name: "cp1", Groups: []string{"control-plane"}, Labels: map[string]string{"node-role.kubernetes.io/control-plane": ""}})
		case "bmc":
			bmcs = true
		case "spare":
			nodes = append(nodes, box.Node{Name: "spare1", Groups: []string{"workers"}, Spare: true})
		case "pools":
			for i := range nodes {
				nodes[i].Groups = []string{[]string{"blue", "green"}[i%2]}
			}
		case "sudo-password":
			for i := range nodes {
				nodes[i].Machine = func(o *remotetest.Options) {
					o.Users = []remotetest.User{{Name: "ops", UID: 1000, Sudo: remotetest.SudoPassword, Password: "correct horse"}}
				}
			}
		case "old-sshd":
			nodes[0].Groups = []string{"old"}
			nodes[0].Machine = func(o *remotetest.Options) { o.SSHD = oldSSHD }
		default:
			return "", fmt.Errorf("box: what is %q?", option)
		}
	}
	if s.box != nil {
		s.box.Close()
	}
	s.box, err = box.New(s.context(), s.dir, box.Options{Nodes: nodes, Cluster: kubetest.Config{Seed: 1}, BMC: bmcs})
	return "", err
}

// inventory writes inventory.toml: the box's hosts, and what the file says.
func (s *hall) inventory(args []string) (string, error) {
	rest, err := os.ReadFile(filepath.Join(s.dir, args[0]))
	if err == nil {
		_, err = s.box.Inventory(string(rest))
	}
	return "", err
}

func onMachine(f func(m *remotetest.Machine, arg string) error) func(*hall, []string) (string, error) {
	return func(s *hall, args []string) (string, error) {
		m := s.box.Machines[args[0]]
		if m == nil {
			return "", fmt.Errorf("no machine %q", args[0])
		}
		return "", f(m, strings.Join(args[1:], " "))
	}
}

// machine tells what a machine runs: "kubelet v1.37.2, held, containerd 2.1.4-1, kernel …".
func (s *hall) machine(args []string) (string, error) {
	m := s.box.Machines[args[0]]
	up, version := m.Kubelet()
	text := fmt.Sprintf("kubelet %s", version)
	if !up {
		text += " stopped"
	}
	if m.Held("kubelet") {
		text += " held"
	}
	return fmt.Sprintf("%s, containerd %s, kernel %s\n", text, m.Installed("containerd"), m.Kernel()), nil
}

// ran tells how often a machine ran programs whose command line contains a text.
func (s *hall) ran(args []string) (string, error) {
	return fmt.Sprintf("%d times\n", s.box.Machines[args[0]].Ran(strings.Join(args[1:], " "))), nil
}

// file prints a file of a machine's disk.
func (s *hall) file(args []string) (string, error) {
	b, err := s.box.Machines[args[0]].ReadFile(args[1])
	if errors.Is(err, fs.ErrNotExist) {
		return "absent\n", nil
	}
	return string(b), err
}

// node tells what the API says of a node: Ready, cordon, kubelet, taints and whatever of ours is on it.
func (s *hall) node(args []string) (string, error) {
	n := kubetest.Get[*corev1.Node](s.box.API, "", args[0])
	if n == nil {
		return "", fmt.Errorf("no node %q", args[0])
	}
	var b strings.Builder
	b.WriteString("NotReady")
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
			b.Reset()
			b.WriteString("Ready")
		}
	}
	if n.Spec.Unschedulable {
		b.WriteString(" cordoned")
	}
	fmt.Fprintf(&b, " kubelet %s\n", n.Status.NodeInfo.KubeletVersion)
	for _, t := range n.Spec.Taints {
		fmt.Fprintf(&b, "taint %s=%s:%s\n", t.Key, t.Value, t.Effect)
	}
	for _, k := range slices.Sorted(maps.Keys(n.Annotations)) {
		if strings.HasPrefix(k, "fleetup.io/") {
			fmt.Fprintf(&b, "annotation %s=%s\n", k, n.Annotations[k])
		}
	}
	if _, ok := n.Labels["node.kubernetes.io/exclude-from-external-load-balancers"]; ok {
		b.WriteString("label exclude-from-external-load-balancers\n")
	}
	return b.String(), nil
}

// claims tells which nodes anything but fleetup.io/last of ours is on.
func (s *hall) claims([]string) (string, error) {
	var b strings.Builder
	for _, n := range kubetest.List[*corev1.Node](s.box.API, "") {
		for _, k := range slices.Sorted(maps.Keys(n.Annotations)) {
			if strings.HasPrefix(k, "fleetup.io/") && k != kube.AnnotationLast {
				fmt.Fprintf(&b, "%s %s\n", n.Name, k)
			}
		}
	}
	return b.String(), nil
}

func unschedulable(on bool) func(*hall, []string) (string, error) {
	return func(s *hall, args []string) (string, error) {
		return "", kubetest.Change(s.box.API, "", args[0], func(n *corev1.Node) { n.Spec.Unschedulable = on })
	}
}

func workload(add func(*kubetest.Server, string, string, int, map[string]string) error) func(*hall, []string) (string, error) {
	return func(s *hall, args []string) (string, error) {
		ns, name, _ := strings.Cut(args[0], "/")
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return "", err
		}
		return "", add(s.box.API, ns, name, n, nil)
	}
}

func (s *hall) daemonSet(args []string) (string, error) {
	ns, name, _ := strings.Cut(args[0], "/")
	return "", s.box.API.AddDaemonSet(ns, name, nil)
}

func (s *hall) service(args []string) (string, error) {
	ns, name, _ := strings.Cut(args[0], "/")
	return "", s.box.API.AddService(ns, name, name)
}

func (s *hall) pdb(args []string) (string, error) {
	ns, name, _ := strings.Cut(args[0], "/")
	return "", s.box.API.AddPDB(ns, name, name, args[1], "")
}

// settle waits until so many pods are Ready.
func (s *hall) settle(args []string) (string, error) {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(s.context(), 5*time.Minute)
	defer cancel()
	return "", s.box.Settle(ctx, n)
}

// rightsNone takes all rights on a resource away, or all rights but those that anybody has.
func (s *hall) rightsNone(args []string) (string, error) {
	s.box.API.Authorize(func(_, _, group, resource, _, _ string) bool {
		return group == "authorization.k8s.io" || len(args) > 0 && resource != args[0]
	})
	return "", nil
}

// rightsOf leaves those rights alone that a job of this command is granted, and those that anybody has.
func (s *hall) rightsOf(args []string) (string, error) {
	rules := kube.LookRules(args[0])
	s.box.API.Authorize(func(_, verb, group, resource, _, _ string) bool {
		return resource == "selfsubjectaccessreviews" || slices.ContainsFunc(rules, func(r kube.Rule) bool {
			return r.Group == group && r.Resource == resource && slices.Contains(r.Verbs, verb)
		})
	})
	return "", nil
}

// answer makes every Service answer with a status, from now on or after a while.
func (s *hall) answer(args []string) (string, error) {
	code, err := strconv.Atoi(args[0])
	after := time.Duration(0)
	if err == nil && len(args) > 1 {
		after, err = time.ParseDuration(args[1])
	}
	if err != nil {
		return "", err
	}
	from := time.Now().Add(after)
	s.box.API.Proxy(func(string, string, string, string) (int, string) {
		if time.Now().Before(from) {
			return http.StatusOK, "ok"
		}
		return code, "as told"
	})
	return "", nil
}

// holdLease writes the Lease as a run of another machine would, a moment ago.
func (s *hall) holdLease(args []string) (string, error) {
	now, seconds, holder := metav1.NewMicroTime(time.Now()), int32(30), laptop
	return "", s.box.API.Add(&coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: kube.LeaseName, Annotations: map[string]string{
			kube.AnnotationUser: args[0], kube.AnnotationInventory: "inventory", kube.AnnotationRun: "20260101-000000-beef",
		}},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now},
	})
}

// freeLease lets the holder's time run out.
func (s *hall) freeLease([]string) (string, error) {
	return "", kubetest.Change(s.box.API, "kube-system", kube.LeaseName, func(l *coordinationv1.Lease) {
		long := metav1.NewMicroTime(time.Now().Add(-time.Hour))
		l.Spec.RenewTime = &long
	})
}

// jsonLines checks that every line of a file is one JSON object, and prints the last one's keys with their values.
func jsonLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: json-lines stdout|FILE")
	}
	var last map[string]any
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		last = nil
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			ts.Fatalf("%q: %v", line, err)
		}
		if last["version"] != 1.0 {
			ts.Fatalf("%q: version isn't 1", line)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(last)) {
		b, err := json.Marshal(last[k])
		ts.Check(err)
		fmt.Fprintf(ts.Stdout(), "%s %s\n", k, b)
	}
}
