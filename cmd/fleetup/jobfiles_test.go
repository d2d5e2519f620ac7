package main

import (
	"cmp"
	"errors"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/kube/manifests"
)

// TestPodPaths: a file of this machine is found in the pod where the inventory and ~ lead to it there.
func TestPodPaths(t *testing.T) {
	p := &pod{folder: "/srv/prod", home: "/home/ann"}
	for file, want := range map[string]string{
		"/srv/prod/known_hosts":      "/etc/fleetup/known_hosts",
		"/srv/prod/keys/id_ed25519":  "/etc/fleetup/keys/id_ed25519",
		"/srv/production/id_ed25519": "/srv/production/id_ed25519",
		"/srv/secret":                "/srv/secret",
		"/home/ann/.ssh/id_rsa":      "/home/fleetup/.ssh/id_rsa",
		"/home/anna/.ssh/id_rsa":     "/home/anna/.ssh/id_rsa",
		"/etc/ssl/ca.pem":            "/etc/ssl/ca.pem",
	} {
		if got := p.in(file); got != want {
			t.Errorf("%s is at %s, want %s", file, got, want)
		}
	}
	// An inventory in the home folder is the inventory's first; without a home there is none.
	if got := (&pod{folder: "/home/ann", home: "/home/ann"}).in("/home/ann/x"); got != "/etc/fleetup/x" {
		t.Error(got)
	}
	if got := (&pod{folder: "/srv"}).in("/root/.ssh/id"); got != "/root/.ssh/id" {
		t.Error(got)
	}
}

// TestPodKeys: each file is a key of its Secret by its name. Two that are called alike would be one, so that a machine got another
// one's: that is refused. A file of known hosts may be for all.
func TestPodKeys(t *testing.T) {
	host := func(known string, keys ...string) inventory.Host {
		return inventory.Host{SSH: inventory.SSH{IdentityFiles: keys, KnownHosts: []string{known}}}
	}
	const usual, own = "/home/ann/.ssh/known_hosts", "/srv/prod/known_hosts"
	for _, tc := range []struct {
		name  string
		hosts []inventory.Host
		want  []string // paths of what is mounted beside ~/.ssh
		clash string
	}{
		{"what lies in ~/.ssh goes with it", []inventory.Host{host(usual, "/home/ann/.ssh/id_rsa")}, nil, ""},
		{"one key for many", []inventory.Host{host(own, "/srv/prod/id"), host(own, "/srv/prod/id")}, []string{"/etc/fleetup/id", "/etc/fleetup/known_hosts"}, ""},
		{"known hosts in two places", []inventory.Host{host(usual), host(own)}, []string{"/etc/fleetup/known_hosts"}, ""},
		{"two keys of one name", []inventory.Host{host(own, "/srv/prod/a/id"), host(own, "/srv/prod/b/id")}, nil,
			`/srv/prod/a/id and /srv/prod/b/id would be one key, "id", of the Secret ssh: call one of these files otherwise`},
		{"a key of the name of one in ~/.ssh", []inventory.Host{host(own, "/srv/prod/id_rsa"), host(own, "/home/ann/.ssh/id_rsa")}, nil, "would be one key"},
	} {
		p := &pod{folder: "/srv/prod", home: "/home/ann", keys: map[string]string{}}
		mounted := p.sshFiles(tc.hosts, "ssh")
		var exit *exitError
		if tc.clash != "" {
			if !errors.As(p.clash, &exit) || exit.code != exitUsage || !strings.Contains(p.clash.Error(), tc.clash) {
				t.Errorf("%s: %v", tc.name, p.clash)
			}
			continue
		}
		var paths []string
		for _, m := range mounted[1:] {
			paths = append(paths, m.Path)
		}
		if diff := gocmp.Diff(tc.want, paths); p.clash != nil || diff != "" || mounted[0] != (manifests.Mounted{Secret: "ssh", Path: "/home/fleetup/.ssh"}) {
			t.Errorf("%s: %v, %v (-want +got):\n%s", tc.name, p.clash, mounted[0], diff)
		}
	}
	p := &pod{keys: map[string]string{}}
	p.mounted("ssh", "/a/password")
	if p.mounted("other", "/b/password"); p.clash != nil {
		t.Errorf("two Secrets: %v", p.clash)
	}
	if p.mounted("other", "/c/password"); p.clash == nil {
		t.Error("two passwords are one")
	}
}

// TestRoomFor: a pod isn't ended while anything that it began in the window may still be under way.
func TestRoomFor(t *testing.T) {
	host := func(drain time.Duration, spare bool) inventory.Host {
		return inventory.Host{Spare: spare, Drain: inventory.Drain{Timeout: drain}, Reboot: inventory.Reboot{Timeout: 30 * time.Minute}, Verify: inventory.Verify{Timeout: 15 * time.Minute}}
	}
	for _, tc := range []struct {
		name     string
		strategy inventory.Strategy
		hosts    []inventory.Host
		want     time.Duration
	}{
		{"a drain by its pods' grace", inventory.Strategy{}, []inventory.Host{host(0, false)}, 3 * time.Hour},
		{"the longest of all hosts", inventory.Strategy{}, []inventory.Host{host(10*time.Minute, false), host(4*time.Hour, false)}, 6 * time.Hour},
		{"a soak", inventory.Strategy{Soak: 2 * time.Hour}, []inventory.Host{host(0, false)}, 5 * time.Hour},
		{"a soak that waits for pods", inventory.Strategy{Soak: 2 * time.Hour, MinPods: 1}, []inventory.Host{host(0, false)}, 7 * time.Hour},
		{"spares that go back", inventory.Strategy{MaxSurge: 1}, []inventory.Host{host(0, false), host(30*time.Minute, true)}, 4 * time.Hour},
		{"spares that don't serve", inventory.Strategy{}, []inventory.Host{host(0, false), host(30*time.Minute, true)}, 3 * time.Hour},
	} {
		if got := roomFor(&inventory.Fleet{Strategy: tc.strategy}, tc.hosts); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// TestJobFlags: what can't be meant, or what the API server would refuse, is refused before anything is printed; a run and a look
// share no object.
func TestJobFlags(t *testing.T) {
	windows := func(n int) inventory.Windows { return make(inventory.Windows, n) }
	const long = "a-fleet-whose-name-has-forty-characters-"
	for _, tc := range []struct {
		name    string
		fleet   string
		windows int
		flags   jobFlags
		want    string // of the error
		account string // the objects' name
		claim   string
	}{
		{"a run", "prod", 1, jobFlags{}, "", "fleetup-prod", "fleetup-prod"},
		{"a look", "prod", 0, jobFlags{command: "check", schedule: "0 6 * * *"}, "", "fleetup-prod-check", "fleetup-prod-check"},
		{"a look that reads the runs' journals", "prod", 0, jobFlags{command: "check", schedule: "0 6 * * *", claim: "fleetup-prod"}, "", "fleetup-prod-check", "fleetup-prod"},
		{"no claim", "prod", 1, jobFlags{claim: "none", size: "a lot"}, "", "fleetup-prod", ""},
		{"a claim of no size", "prod", 1, jobFlags{size: "a lot"}, `--claim-size "a lot" is no size`, "", ""},
		{"a claim of nothing", "prod", 1, jobFlags{size: "0"}, `--claim-size "0" is no size`, "", ""},
		{"a long name", long, 12, jobFlags{}, "", "fleetup-" + long, "fleetup-" + long},
		{"a name too long", long, 0, jobFlags{command: "diagnose", schedule: "0 6 * * *"}, `--name: "fleetup-` + long + `-diagnose" is too long for a CronJob, whose name has 52`, "", ""},
		{"a name too long for its number", "prod", 10, jobFlags{name: strings.Repeat("n", 50)}, `n-10" is too long`, "", ""},
		{"a name for one schedule", "prod", 10, jobFlags{name: strings.Repeat("n", 52), schedule: "0 1 * * *"}, "", strings.Repeat("n", 52), "fleetup-prod"},
	} {
		jf := tc.flags
		jf.image, jf.command, jf.size = "i", cmp.Or(jf.command, "run"), cmp.Or(jf.size, "1Gi")
		err := jf.complete(&inventory.Fleet{Name: tc.fleet, Windows: windows(tc.windows)})
		if tc.want != "" {
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: %v, want %s", tc.name, err, tc.want)
			}
			continue
		}
		if err != nil || jf.name != tc.account || jf.claim != tc.claim {
			t.Errorf("%s: %v, name %q, claim %q", tc.name, err, jf.name, jf.claim)
		}
	}
}
