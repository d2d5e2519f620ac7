package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/kube/manifests"
)

// jobFlags are the flags of job alone.
type jobFlags struct {
	apply, dryRun  bool
	image          string
	name           string
	namespace      string
	command        string
	schedule, zone string
	sshSecret      string
	secret         string
	claim, size    string
	kured          string
}

func (a *app) jobCommand() *cobra.Command {
	var jf jobFlags
	c := &cobra.Command{
		Use: "job INVENTORY --image IMAGE",
		Example: `  fleetup job prod.toml --image registry.example.com/fleetup:1.0 | less
  fleetup job prod.toml --image registry.example.com/fleetup:1.0 --apply`,
		Short: "Print or apply what makes runs inside the cluster, in the inventory's windows",
		Long: `Print the objects that make runs inside the cluster, or apply them: a CronJob for each [[window]], a ServiceAccount with
exactly the rights that this inventory needs, a ConfigMap with the inventory and its playbooks, and a claim for the journals.

Keys, known_hosts and tokens stay in Secrets that you make, each under its file's name, so that two files may not be called
alike; which keys the Secrets need is printed on stderr. --limit and --set go along. The runner takes the node that it runs
on last, and hands over to a pod elsewhere; where none could start, that node is left, and said. A run that was halted stays
halted, and exits 3, until "fleetup resume".

Windows that overlap or adjoin are one to a run, so a job's deadline lies beyond the last of them and what may then be in
flight. A job that finds another run at work waits for its end, and does what that leaves.

--command check, audit or diagnose with --schedule "0 6 * * *" makes regular looks instead, by objects and an account of
their own, which may look alone: each says, and notifies, what the one before it didn't find. With --claim CLAIM, one that
several pods may mount, check reads the journals of the runs too.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.job(c.Context(), args[0], jf) },
	}
	f := c.Flags()
	f.BoolVar(&jf.apply, "apply", false, "apply the objects to the cluster, by server-side apply")
	f.BoolVar(&jf.dryRun, "dry-run", false, "with --apply: let the API server judge them, and keep nothing")
	f.StringVar(&jf.image, "image", "", "container `IMAGE` that holds fleetup (see cmd/fleetup/Dockerfile)")
	f.StringVar(&jf.name, "name", "", "`NAME` of the objects (default fleetup-NAME, as the inventory is named; of looks fleetup-NAME-COMMAND)")
	f.StringVar(&jf.namespace, "namespace", "", "`NAMESPACE` of the objects (default the Lease's)")
	f.StringVar(&jf.command, "command", "run", "`COMMAND`: run; or check, audit or diagnose, regularly")
	f.StringVar(&jf.schedule, "schedule", "", "`CRON` line, instead of the inventory's windows")
	f.StringVar(&jf.zone, "timezone", "", "`ZONE` of --schedule (default the cluster's)")
	f.StringVar(&jf.sshSecret, "ssh-secret", "", "`SECRET` with SSH keys and known_hosts (default fleetup-NAME-ssh)")
	f.StringVar(&jf.secret, "secret", "", "`SECRET` with all others that the inventory names (default fleetup-NAME)")
	f.StringVar(&jf.claim, "claim", "", "`CLAIM`, a PersistentVolumeClaim, for journals (default fleetup-NAME, of looks fleetup-NAME-COMMAND; \"none\": they go with the pod)")
	f.StringVar(&jf.size, "claim-size", "1Gi", "`SIZE` of the claim")
	f.StringVar(&jf.kured, "kured", "", "kured's DaemonSet, as `NAMESPACE/NAME`: runs hold its lock (default with --apply: where it is; \"none\": they don't)")
	return c
}

func (a *app) job(ctx context.Context, path string, jf jobFlags) error {
	f, hosts, err := a.load(path, needs{upgrade: jf.command == "run", cluster: true, playbooks: true})
	if err != nil {
		return err
	}
	if err := jf.complete(f); err != nil {
		return err
	}
	var k *kube.Cluster
	if jf.apply {
		if k, err = a.reachCluster(f, account{}); err != nil {
			return err
		}
		defer k.Close()
		a.findKured(ctx, k, &jf)
	}
	j, err := a.jobOf(f, hosts, jf)
	if err != nil {
		return err
	}
	text, applied, err := rendered(j.Objects())
	if err != nil {
		return err
	}
	a.jobNeeds(j)
	if !jf.apply {
		_, err := a.out.Write(text)
		return err
	}
	return a.applyJob(ctx, k, applied, jf.dryRun)
}

// findKured has the account of a run hold kured's lock, where kured is in the cluster and nobody has said otherwise.
func (a *app) findKured(ctx context.Context, k *kube.Cluster, jf *jobFlags) {
	if jf.command != "run" || jf.kured != "" {
		return
	}
	sets, err := k.FindKured(ctx)
	switch {
	case err != nil:
		fmt.Fprintf(paper(a.err), "note: whether kured runs there isn't known, so that no run may hold its lock; --kured names it: %v\n", err)
	case len(sets) > 0:
		jf.kured = sets[0]
		fmt.Fprintf(paper(a.err), "note: kured runs there: the account may hold its lock, on daemonset %s (--kured none: it may not)\n", sets[0])
	}
}

// jobCommands are what a job may do.
var jobCommands = []string{"run", "check", "audit", "diagnose"}

// complete fills defaults in, and refuses what can't be meant.
func (jf *jobFlags) complete(f *inventory.Fleet) error {
	switch {
	case jf.image == "":
		return usage("job: name the image that holds fleetup with --image; cmd/fleetup/Dockerfile makes one")
	case !slices.Contains(jobCommands, jf.command):
		return usage("--command %q: it is one of %s", jf.command, strings.Join(jobCommands, ", "))
	case jf.schedule == "" && jf.command != "run":
		return usage(`--command %s: say when with --schedule "0 6 * * *"`, jf.command)
	case jf.schedule == "" && len(f.Windows) == 0:
		return usage(`the inventory has no [[window]], so say when with --schedule "0 1 * * Sat"`)
	case jf.zone != "" && jf.schedule == "":
		return usage("--timezone goes with --schedule")
	case jf.dryRun && !jf.apply:
		return usage("--dry-run goes with --apply; without it nothing is sent")
	case jf.kured != "" && jf.kured != "none" && !isObject(jf.kured):
		return usage("--kured %q: write NAMESPACE/NAME of its DaemonSet, as kube-system/kured", jf.kured)
	case jf.kured != "" && jf.command != "run":
		return usage("--kured goes with runs: %s holds no lock", jf.command)
	}
	base := "fleetup-" + f.Name
	own := base
	if jf.command != "run" { // or its account would take the place of the run's
		own += "-" + jf.command
	}
	for field, value := range map[*string]string{
		&jf.name: own, &jf.namespace: f.Cluster.Namespace, &jf.sshSecret: base + "-ssh", &jf.secret: base, &jf.claim: own,
	} {
		if *field == "" {
			*field = value
		}
	}
	if jf.claim == "none" {
		jf.claim = ""
	}
	return jf.fits(len(f.Windows))
}

// mostCronJob is how long a CronJob's name may be: its Jobs add eleven characters (Kubernetes: concepts/workloads/controllers/cron-jobs).
const mostCronJob = 52

// fits refuses what the API server would, once the objects are printed and applied somewhere.
func (jf *jobFlags) fits(windows int) error {
	longest := jf.name
	if jf.schedule == "" && windows > 1 {
		longest += fmt.Sprintf("-%d", windows)
	}
	if len(longest) > mostCronJob {
		return usage("--name: %q is too long for a CronJob, whose name has %d characters at most", longest, mostCronJob)
	}
	if size, err := resource.ParseQuantity(jf.size); jf.claim != "" && (err != nil || size.Sign() <= 0) {
		return usage("--claim-size %q is no size: write it as 1Gi", jf.size)
	}
	return nil
}

// schedules are the inventory's windows, or --schedule.
func (jf jobFlags) schedules(f *inventory.Fleet, room time.Duration) ([]manifests.Schedule, error) {
	if jf.schedule != "" {
		zone := jf.zone
		if zone == "" {
			zone = "UTC"
		}
		w, err := inventory.NewWindow(jf.schedule, zone)
		if err != nil {
			return nil, usage("--schedule, --timezone: %w", err)
		}
		open := time.Hour
		if jf.command == "run" {
			open = 12 * time.Hour
		}
		return []manifests.Schedule{{Cron: w.Cron(), Timezone: jf.zone, Open: open, Deadline: open + room}}, nil
	}
	var all []manifests.Schedule
	for i, w := range f.Windows {
		s := manifests.Schedule{Cron: w.Cron(), Timezone: w.Timezone, Open: w.Duration}
		if longest, ends := f.Windows.Joined(i, time.Now()); ends { // windows that adjoin are one to the run that begins in the first
			s.Deadline = longest + room
		}
		all = append(all, s)
	}
	return all, nil
}

// rendered is the objects as YAML for people, and as the API takes them.
func rendered(objects []manifests.Object) ([]byte, []kube.Applied, error) {
	var text []byte
	var applied []kube.Applied
	for _, o := range objects {
		body, err := o.JSON()
		if err != nil {
			return nil, nil, err
		}
		pretty, err := yaml.JSONToYAML(body)
		if err != nil {
			return nil, nil, err
		}
		text = append(append(text, "---\n"...), pretty...)
		applied = append(applied, kube.Applied{Resource: o.Resource, Namespace: o.Value.GetNamespace(), Name: o.Value.GetName(), JSON: body})
	}
	return text, applied, nil
}

// applyJob sends the objects.
func (a *app) applyJob(ctx context.Context, k *kube.Cluster, objects []kube.Applied, dryRun bool) error {
	if err := k.Apply(ctx, objects, dryRun); err != nil {
		return exitWith(exitFailed, err)
	}
	done := "applied"
	if dryRun {
		done = "accepted by the server, and not kept"
	}
	if a.json() {
		return json.NewEncoder(a.out).Encode(map[string]any{"version": 1, "dry_run": dryRun, "objects": nonNil(names(objects))})
	}
	for _, name := range names(objects) {
		fmt.Fprintf(a.out, "%s %s\n", name, done)
	}
	return nil
}

func names(objects []kube.Applied) []string {
	var all []string
	for _, o := range objects {
		kind, _, _ := strings.Cut(o.Resource, ".")
		all = append(all, strings.TrimPrefix(o.Namespace+"/", "/")+kind+"/"+o.Name)
	}
	return all
}
