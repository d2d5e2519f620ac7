package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/kube/manifests"
)

// jobOf is the job of an inventory.
func (a *app) jobOf(f *inventory.Fleet, hosts []inventory.Host, jf jobFlags) (manifests.Job, error) {
	schedules, err := jf.schedules(f, roomFor(f, hosts))
	if err != nil {
		return manifests.Job{}, err
	}
	files, err := jobFiles(f.Path)
	if err != nil {
		return manifests.Job{}, err
	}
	in := pod{folder: folderOf(f.Path), keys: map[string]string{}}
	in.home, _ = os.UserHomeDir()
	j := manifests.Job{
		Name: jf.name, Namespace: jf.namespace, Image: jf.image, Schedules: schedules, Files: files,
		Rules: jf.rules(f, hosts), Claim: jf.claim, Size: jf.size,
		Args: a.jobArgs(f, jf), Env: map[string]string{},
	}
	j.Secrets = in.sshFiles(f.Hosts, jf.sshSecret)
	for _, s := range f.Secrets() {
		switch {
		case s.Env != "":
			j.Env[s.Env] = jf.secret
		case s.File != "":
			j.Secrets = append(j.Secrets, in.mounted(jf.secret, s.File))
		default:
			fmt.Fprintf(paper(a.err), "note: the secret of the command %s: the image has to hold that program\n", s.Command[0])
		}
	}
	if programs := ownPrograms(f); len(programs) > 0 {
		fmt.Fprintf(paper(a.err), "note: the image has to hold the programs of hooks and gates: %s\n", strings.Join(programs, ", "))
	}
	if ca := f.Prometheus.CAFile; ca != "" {
		j.Secrets = append(j.Secrets, in.mounted(jf.secret, ca))
	}
	return j, in.clash
}

// rules are what the job's account is granted: what its command asks of the API, and no more.
func (jf jobFlags) rules(f *inventory.Fleet, hosts []inventory.Host) []kube.Rule {
	switch jf.command {
	case "audit", "diagnose":
		return kube.LookRules(jf.command)
	case "check":
		return append(kube.LookRules(jf.command), gateRules(f)...)
	}
	rules := append(kube.Rules(f.Cluster.Namespace), fleetRules(f, hosts)...)
	return append(rules, kube.Extra(kube.Needs{Kured: jf.kured})...)
}

// ownPrograms are those that hooks and gates run on the runner's machine.
func ownPrograms(f *inventory.Fleet) []string {
	var all []string
	for _, h := range f.Hooks {
		all = append(all, h.Command[0])
	}
	for _, g := range f.Gates {
		if len(g.Command) > 0 {
			all = append(all, g.Command[0])
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// jobArgs are fleetup's own arguments in the pod. [cluster] names a kubeconfig here; there it is the pod's ServiceAccount.
func (a *app) jobArgs(f *inventory.Fleet, jf jobFlags) []string {
	args := []string{jf.command, path.Join(manifests.Folder, inventoryFile)}
	switch jf.command {
	case "run": // another window's job that is still at work isn't in its way: this one goes on after it
		args = append(args, "--unattended", "--wait-lock")
	case "check":
		args = append(args, "--only-new", "--look-only")
	default:
		args = append(args, "--only-new")
	}
	args = append(args, "--set", fmt.Sprintf("name=%q", f.Name), "--set", fmt.Sprintf("cluster={ namespace = %q }", f.Cluster.Namespace))
	for _, set := range a.flags.set {
		args = append(args, "--set", set)
	}
	if a.flags.limit != "" {
		args = append(args, "--limit", a.flags.limit)
	}
	return args
}

const (
	inventoryFile = "inventory.toml"
	mostConfigMap = 1 << 20 // bytes
)

// jobFiles are the inventory and the playbooks beside it.
func jobFiles(inventoryPath string) (map[string]string, error) {
	text, err := os.ReadFile(inventoryPath)
	if err != nil {
		return nil, usage("%w", err)
	}
	files := map[string]string{inventoryFile: string(text)}
	own, err := filepath.Glob(filepath.Join(folderOf(inventoryPath), "playbooks", "*.toml"))
	if err != nil {
		return nil, err
	}
	for _, file := range own {
		if text, err = os.ReadFile(file); err != nil {
			return nil, usage("%w", err)
		}
		files[path.Join("playbooks", filepath.Base(file))] = string(text)
	}
	size := 0
	for _, text := range files {
		size += len(text)
	}
	if size > mostConfigMap {
		return nil, usage("the inventory and its playbooks are %d bytes, and a ConfigMap holds %d", size, mostConfigMap)
	}
	return files, nil
}

func folderOf(file string) string {
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	return filepath.Dir(file)
}

// pod knows where a file of this machine is found in the pod.
type pod struct {
	folder, home string
	keys         map[string]string // by Secret and key: the file that it holds
	clash        error             // two files would be one key
}

// in is the file's path there: below the inventory's folder and below home as here, all else at the same place.
func (p *pod) in(file string) string {
	for _, base := range []struct{ here, there string }{{p.folder, manifests.Folder}, {p.home, manifests.Home}} {
		if rest, err := filepath.Rel(base.here, file); base.here != "" && err == nil && filepath.IsLocal(rest) {
			return path.Join(base.there, filepath.ToSlash(rest))
		}
	}
	return file
}

// mounted is a file as a key of a Secret. Another file of the same name would be shown what this one holds, so that two machines got
// one password, or one key.
func (p *pod) mounted(secret, file string) manifests.Mounted {
	key := filepath.Base(file)
	if other := cmp.Or(p.keys[secret+"/"+key], file); other != file && p.clash == nil {
		p.clash = usage("%s and %s would be one key, %q, of the Secret %s: call one of these files otherwise", other, file, key, secret)
	}
	p.keys[secret+"/"+key] = file
	return manifests.Mounted{Secret: secret, Key: key, Path: p.in(file)}
}

// sshFiles are the keys and known_hosts that hosts name, each at its path, and all others in ~/.ssh, where they are looked
// for without being named. Files of known hosts that are called alike are one: it holds the hosts of all.
func (p *pod) sshFiles(hosts []inventory.Host, secret string) []manifests.Mounted {
	usual := path.Join(manifests.Home, ".ssh")
	mounted := []manifests.Mounted{{Secret: secret, Path: usual}}
	seen := map[string]bool{}
	add := func(m manifests.Mounted) {
		if !seen[m.Path] && path.Dir(m.Path) != usual {
			seen[m.Path] = true
			mounted = append(mounted, m)
		}
	}
	for _, h := range hosts {
		for _, file := range h.SSH.IdentityFiles {
			add(p.mounted(secret, file))
		}
		for _, file := range h.SSH.KnownHosts {
			add(manifests.Mounted{Secret: secret, Key: filepath.Base(file), Path: p.in(file)})
		}
	}
	return mounted
}

// roomFor is how long what is in flight at a window's end may take: the longest host's own timeouts, the soak that follows, of which
// another pod would begin from the start, the wait for its pods, the return of the spares, and some.
func roomFor(f *inventory.Fleet, hosts []inventory.Host) time.Duration {
	var longest, spares time.Duration
	for _, h := range hosts {
		drain := h.Drain.Timeout
		if drain == 0 {
			drain = time.Hour
		}
		longest = max(longest, drain+h.Reboot.Timeout+2*h.Verify.Timeout)
		if f.Strategy.MaxSurge > 0 && h.Spare {
			spares = max(spares, drain+h.Reboot.Timeout)
		}
	}
	soak := f.Strategy.Soak
	if f.Strategy.MinPods > 0 {
		soak *= 2
	}
	return longest + spares + soak + time.Hour
}

// fleetRules are the rights that only this inventory needs, for these of its hosts.
func fleetRules(f *inventory.Fleet, hosts []inventory.Host) []kube.Rule {
	var probes []string
	for _, h := range hosts {
		if p := h.Verify.Probe; p.Image != "" {
			probes = append(probes, p.Namespace)
		}
	}
	slices.Sort(probes)
	rules := kube.Extra(kube.Needs{
		Probes: slices.Compact(probes),
		Proxy:  slices.ContainsFunc(f.HTTP, func(h inventory.HTTPCheck) bool { return h.Service != "" }),
		Configz: slices.ContainsFunc(hosts, func(h inventory.Host) bool {
			return slices.ContainsFunc(h.Upgrade, func(u inventory.Use) bool { return u.Playbook == "kubelet-config" })
		}),
		Surge: slices.ContainsFunc(hosts, func(h inventory.Host) bool { return h.Drain.LastEndpoint == kube.LastSurge }),
	})
	return append(rules, gateRules(f)...)
}

// gateRules are the rights to read what gates ask for.
func gateRules(f *inventory.Fleet) (rules []kube.Rule) {
	for _, g := range f.Gates {
		if g.Resource != "" {
			rules = append(rules, kube.ObjectRule(g.Resource, g.Namespace, g.Object))
		}
	}
	return rules
}

// jobNeeds tells which keys the Secrets need. What they hold is never read.
func (a *app) jobNeeds(j manifests.Job) {
	keys := map[string][]string{}
	for _, m := range j.Secrets {
		if m.Key == "" {
			keys[m.Secret] = append(keys[m.Secret], "known_hosts", "id_ed25519 or another key's usual name")
		} else {
			keys[m.Secret] = append(keys[m.Secret], m.Key)
		}
	}
	for name, secret := range j.Env {
		keys[secret] = append(keys[secret], name)
	}
	for _, secret := range slices.Sorted(maps.Keys(keys)) {
		list := keys[secret]
		slices.Sort(list)
		fmt.Fprintf(paper(a.err), "note: the Secret %s/%s has to hold: %s\n", j.Namespace, secret, strings.Join(slices.Compact(list), ", "))
	}
}
