package audit

import (
	"strings"

	"github.com/fleetup/fleetup/runner/finding"
)

// check is one thing that is looked for.
type check struct {
	rule     string
	severity finding.Severity
	meaning  string // why it matters in the next maintenance
	action   string
	find     func(w *world) []hit
}

// hit is one place where it is so.
type hit struct {
	object   string
	evidence string
	command  string           // what mends just this
	severity finding.Severity // None: the check's
}

const (
	info     = finding.Info
	warning  = finding.Warning
	critical = finding.Critical
)

// checks are all of them: what stops a drain first, then what a drain costs, then where pods go, then nodes and machines.
var checks = []check{
	{"budget-tight", warning, "Every eviction of its pods is refused, so a drain waits until its timeout and the node is given back unfinished.",
		"Let one pod go at a time.", tightBudgets},
	{"budget-double", warning, "The eviction API answers 500 for a pod with more than one budget: a drain can't move it at all.",
		"Keep one budget for each pod.", doubleBudgets},
	{"budget-policy", warning, "Without unhealthyPodEvictionPolicy a pod that never gets ready (a crash loop, a missing image) can't be evicted either: broken, it blocks every drain.",
		"Set it to AlwaysAllow.", looseBudgets},
	{"no-controller", warning, "Nobody makes it anew: a drain refuses it, or with drain.force deletes it for good.",
		"Let a Deployment make it.", orphans},
	{"budget-missing", warning, "Without a budget a drain, an autoscaler or a second operator may evict all of its pods at once. A Deployment's maxUnavailable limits rollouts and never evictions: only a budget does.",
		"Give it a budget.", missingBudgets},
	{"single-replica", info, "While its one pod moves there is none: each drain of its node is an outage.",
		"Run two. Where it must be one (a StatefulSet that isn't made for two), accept it and set drain.last_endpoint.", singles},
	{"recreate", warning, "Recreate ends all pods before it starts new ones: every rollout, and the one by which fleetup moves a last endpoint, is an outage.",
		"Roll: one new pod first, none less meanwhile. Only where two at a time would damage shared data is Recreate right; accept it then.", recreates},
	{"no-surge", warning, "With maxSurge 0 a new pod starts only after an old one has ended: a Service's last endpoint can't be moved without a gap.",
		"Allow one more.", noSurges},
	{"max-unavailable", warning, "A rollout may end all pods at once. And it is no protection in a drain: maxUnavailable of a Deployment never limits evictions, only a PodDisruptionBudget does.",
		"Allow none less, one more.", allUnavailable},
	{"readiness", warning, "Without a readiness probe a pod counts as an endpoint as soon as it is started: after each drain its Service sends traffic to what isn't there yet, and a budget lets the next pod go too early.",
		"Probe the port that its Service leads to; a path that tells the truth is better still.", unprobed},
	{"grace", warning, "The grace ends before its preStop hook does: the kubelet kills it amidst what it had to finish.",
		"Give it the hook's time and the usual 30 s.", shortGraces},
	{"requests", warning, "The scheduler counts it as nothing: in a drain it goes to a node that has no room, and is the first that is evicted there.",
		"Ask for what it uses (`kubectl top pod`); the numbers in the patch are a beginning.", unrequested},
	{"limits", info, "Without a memory limit one leak takes the whole node, most easily while a drain has crowded it.",
		"Limit its memory; at its request it can never be the reason. (A CPU limit isn't asked for: it throttles.)", unlimited},
	{"overcommit", warning, "The memory limits on its nodes are far above what they have: when pods crowd together in a drain, the kernel kills some.",
		"Bring its limit nearer to its request.", overcommitted},
	{"room", warning, "With one node away the others have no room for all pods: some stay Pending for as long as a drain and its reboot take.",
		"Add a node, or let it ask for less.", crowded},
	{"quota-tight", warning, "A rollout, and the drain of a Service's last endpoint, makes one pod more before one goes: the quota refuses it, and both hang. What the other patches ask for has to fit too.",
		"Allow what is there, what the patches add, and one pod more.", tightQuotas},
	{"quota", info, "Without a quota one namespace may take the room that the pods of a drained node need.",
		"Limit it; the patch allows twice what there is once the other patches are applied.", unquoted},
	{"limit-range", info, "Without defaults a pod that asks for nothing counts as nothing, and a drain's new home for it is guesswork.",
		"Give its pods defaults.", unranged},
	{"same-node", warning, "Its pods share a node, all or more than half of them where they needn't: one drain, or one broken machine, takes as many.",
		"Spread them.", sharedNodes},
	{"same-rack", warning, "Its pods share a rack, all or more than half of them where they needn't: one switch or power feed takes as many.",
		"Spread them over racks.", sharedRacks},
	{"one-node", warning, "Its affinity fits one node alone: when that is drained it has nowhere to go.",
		"Take the affinity away, or label a second node.", pinned},
	{"tolerates-all", warning, "It tolerates every taint, the cordon too: evicted in a drain it comes back to the same node, again and again.",
		"Tolerate only what it has to.", tolerant},
	{"local-volume", warning, "Its data lies on one node: in a drain it either loses it or has nowhere to go.",
		"Copy the data to a volume that can move. Where it replicates its data itself, accept it.", localVolumes},
	{"cordon", warning, "Nobody seems to come back for it: its room is missing, and fleetup leaves a node alone that a human cordoned.",
		"Uncordon it, or find out who cordoned it and why.", cordons},
	{"taint", warning, "No pod there tolerates it: it is probably left over, keeps the node's room from all, and no new pod will come after its upgrade.",
		"Take it off. Where the node is dedicated, accept it on the node.", taints},
	{"skew", critical, "The version skew isn't supported: nobody tests it, and pods may fail to start.",
		"Upgrade the kubelet.", skews},
	{"skew-next", warning, "The control plane can't be upgraded to its next minor version before these are.",
		"Upgrade the kubelet.", skewsNext},
	{"kube-reserved", warning, "Pods may take what the kubelet and the runtime need: under load, as while a neighbour is drained, the node becomes NotReady.",
		"Reserve it, by the playbook kubelet-config.", kubeReserved},
	{"system-reserved", info, "Pods may take what sshd, journald and the kernel need: a node that is out of memory can't even be logged into to mend it.",
		"Reserve it, by the playbook kubelet-config.", systemReserved},
	{"eviction-hard", warning, "Without this threshold the kubelet acts too late: the kernel kills whatever it likes, or a full disk stops the node.",
		"Set all signals, for those that aren't set when one is are off.", evictionHard},
	{"eviction-soft", info, "Without a soft threshold the first eviction under pressure is a hard one, that gives pods no time to end.",
		"Set it with a grace period, a little above the hard one.", evictionSoft},
	{"max-pods", warning, "The node takes more pods than it has addresses or memory set aside for: those that come in a drain hang in ContainerCreating.",
		"Set max_pods.", maxPods},
	{"only-in-cluster", warning, "No inventory line: no run will ever upgrade it, and it ages until its version skew isn't supported.",
		"Add it to the inventory, or take it out of the cluster.", onlyInCluster},
	{"only-in-inventory", warning, "There is no such node: a run is refused for it.",
		"Join it, a spare too, or take its line out.", onlyInInventory},
	{"unreachable", warning, "What can't be logged into can't be upgraded: a run is refused for it.",
		"Find out why.", unreachable},
	{"certificate", warning, "When it expires the node, or its control plane, is gone from the cluster; in a reboot at the latest.",
		"Renew it.", certificates},
	{"reboot-required", warning, "What was installed isn't running: the next reboot, planned or not, is the first that tries it.",
		"Restart it in a run, node by node.", rebootRequired},
	{"new-kernel", info, "Its kernel lacks fixes that are out.",
		"Boot the newest in a run.", newKernels},
	{"patches", info, "The longer patches wait, the more changes at once in the next maintenance, and the harder it is to tell which one hurt.",
		"Install them in a run.", patches},
	{"uptime", info, "Whatever was changed since its boot has never been tried in one: it may not come back, and that shows in the maintenance.",
		"Reboot regularly.", uptimes},
	{"hardware", warning, "What reports errors is likelier to fail, and a reboot is when it most often does.",
		"Replace it while the node can be drained: `fleetup swap`.", broken},
	{"drift", info, "It isn't like those it should be like: what went well on the others proves nothing for it.",
		"Bring it to what the others have, or put it into a group of its own.", drift},
}

// Find asks every check. The worst comes first. It is pure.
func Find(f *Facts) []finding.Finding {
	w := newWorld(f)
	var list []finding.Finding
	for _, c := range checks {
		for _, h := range c.find(w) {
			if h.severity == finding.None {
				h.severity = c.severity
			}
			list = append(list, finding.Finding{Severity: h.severity, Rule: c.rule, Object: h.object, Evidence: h.evidence,
				Meaning: c.meaning, Action: c.action, Command: h.command, Care: careOf(c.rule, h.command)})
		}
	}
	finding.Sort(list)
	return list
}

// care is what has to be known of a workload before a rule's command is run: the command is a proposal then, which fits most
// of them and harms some.
var care = map[string]string{
	"budget-double":  "what has a pod now keeps a budget; make sure of what comes only at times, as the pods of a CronJob",
	"no-controller":  "a pod that is meant to run once would run again and again, twice",
	"single-replica": "a second copy of what keeps data of its own (a database, say) is an empty one beside it",
	"recreate":       "two that write the same data at once may damage it",
	"readiness":      "the port has to answer once it can serve, and by TCP",
	"limits":         "look at what it uses (`kubectl top pod`): above its limit it is killed",
	"overcommit":     "look at what it uses (`kubectl top pod`): above its limit it is killed",
	"room":           "look at what it uses (`kubectl top pod`): it may get no more than it asks for",
	"quota":          "what goes beyond is refused, in the next drain too: run the patches of requests and limit-range first",
	"quota-tight":    "somebody set it for a reason: ask",
	"one-node":       "it may need what only that node has",
	"tolerates-all":  "on a node with a taint of its own it will be missing",
	"local-volume":   "the new volume is empty: copy the data first",
	"cordon":         "ask who closed it, and why",
	"taint":          "ask who put it there: a node may be dedicated, or its operator at work",
}

// careOf leaves out the command that only says that a thing is meant to be so.
func careOf(rule, command string) string {
	if command == "" || strings.Contains(command, " annotate --overwrite ") && !strings.Contains(command, "\n") {
		return ""
	}
	return care[rule]
}

// Rules are the names of all checks, as they stand in findings and in the annotation Accept.
func Rules() []string {
	names := make([]string, len(checks))
	for i, c := range checks {
		names[i] = c.rule
	}
	return names
}
