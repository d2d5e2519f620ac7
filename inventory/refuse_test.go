package inventory

import (
	"strings"
	"testing"
)

// TestRefused holds one mistake a row.
func TestRefused(t *testing.T) {
	for _, tc := range []struct{ name, src, want string }{
		{"empty file", "", `fleet.toml: hosts: an inventory needs at least one host`},
		{"empty hosts", "[hosts]\n", `fleet.toml:1: hosts: an inventory needs at least one host`},
		{"hosts is a list", "hosts = []\n", `fleet.toml:1: hosts: must be a table, not a list`},
		{"host is a string", "[hosts]\nn1 = \"10.0.0.1\"\n", `fleet.toml:2: hosts.n1: must be a table, not a string`},
		{"unknown root key", "[stratgy]\n" + oneHost, `fleet.toml:1: stratgy: unknown key; did you mean "strategy"?`},
		{"unknown, nothing near", "[cluster]\nzzz = 1\n" + oneHost, `fleet.toml:2: cluster.zzz: unknown key; known are context, kubeconfig, namespace`},
		{"unknown in a group", "[groups.g.drain]\nforse = true\n" + oneHost, `fleet.toml:2: groups.g.drain.forse: unknown key; did you mean "force"?`},
		{"old name in a group", "[groups.g.drain]\ndelete_local_data = true\n" + oneHost, `fleet.toml:2: groups.g.drain.delete_local_data: unknown key; here it is called "delete_emptydir_data"`},
		{"camel case", "[strategy]\nmaxUnavailable = 1\n" + oneHost, `fleet.toml:2: strategy.maxUnavailable: unknown key; did you mean "max_unavailable"?`},
		{"dashes", "[drain]\ngrace-period = \"1s\"\n" + oneHost, `fleet.toml:2: drain.grace-period: unknown key; did you mean "grace_period"?`},
		{"reboot policy", "[reboot]\npolicy = \"always\"\n" + oneHost, `fleet.toml:2: reboot.policy: unknown key; here that is [upgrade] reboot = "if-required"`},
		{"wrong section", "[strategy]\ngrace_period = \"1s\"\n" + oneHost, `fleet.toml:2: strategy.grace_period: unknown key; it belongs in [drain]`},
		{"downtime in strategy", "[strategy]\naccept_downtime = [\"shop/db\"]\n" + oneHost, `fleet.toml:2: strategy.accept_downtime: unknown key; it belongs in [drain]`},
		{"downtime of a name", "[drain]\naccept_downtime = [\"shop/db\", \"db\"]\n" + oneHost, `fleet.toml:2: drain.accept_downtime: "db" is not "namespace/name", as shop/db`},
		{"downtime of all", "[drain]\naccept_downtime = [\"shop/*\"]\n" + oneHost, `fleet.toml:2: drain.accept_downtime: "shop/*" is not "namespace/name", as shop/db`},
		{"last endpoint", "[drain]\nlast_endpoint = \"wait\"\n" + oneHost, `fleet.toml:2: drain.last_endpoint: unknown value "wait"; known are surge, block, allow`},
		{"probe without an image", "[verify]\nprobe = { command = [\"true\"] }\n" + oneHost, `fleet.toml:2: verify.probe: needs image = "…"; probe = {} means none`},
		{"probe's namespace", "[verify]\nprobe = { image = \"a\", namespace = \"A\" }\n" + oneHost, `fleet.toml:2: verify.probe.namespace: "A" is not a namespace's name`},
		{"probe's image", "[verify]\nprobe = { image = \"a b\" }\n" + oneHost, `fleet.toml:2: verify.probe.image: unsafe string "a b": white space is refused`},
		{"probe's command", "[verify]\nprobe = { image = \"a\", command = \"true\" }\n" + oneHost, `fleet.toml:2: verify.probe.command: must be a list of strings such as ["a", "b"], not a string`},
		{"probe's class", "[verify]\nprobe = { image = \"a\", storage_classes = [\"a/b\"] }\n" + oneHost, `fleet.toml:2: verify.probe.storage_classes: "a/b" is not a storage class's name`},
		{"probe's class twice", "[verify]\nprobe = { image = \"a\", storage_classes = [\"b\", \"b\"] }\n" + oneHost, `fleet.toml:2: verify.probe.storage_classes: "b" stands here twice`},
		{"probe's resource", "[verify]\nprobe = { image = \"a\", resources = { \"nvidia.com/gpu\" = \"two\" } }\n" + oneHost, `fleet.toml:2: verify.probe.resources."nvidia.com/gpu": "two" is not a quantity such as 1, "500m" or "2Gi"`},
		{"probe's resource of none", "[verify]\nprobe = { image = \"a\", resources = { cpu = 0 } }\n" + oneHost, `fleet.toml:2: verify.probe.resources.cpu: "0" is not a quantity such as 1, "500m" or "2Gi"`},
		{"probe's slip", "[verify]\nprobe = { image = \"a\", storage_class = [\"b\"] }\n" + oneHost, `fleet.toml:2: verify.probe.storage_class: unknown key; did you mean "storage_classes"?`},
		{"http in a group", "[groups.g.verify]\nhttp = []\n" + oneHost, `fleet.toml:2: groups.g.verify.http: stands only in [verify], for the whole fleet`},
		{"fan_out of a host", "[hosts]\nn1 = { fan_out = 3 }\n", `fleet.toml:2: hosts.n1.fan_out: stands only in [ssh], for the whole fleet`},
		{"safe algorithm", "[ssh]\nlegacy_algorithms = [\"curve25519-sha256\"]\n" + oneHost, `fleet.toml:2: ssh.legacy_algorithms: "curve25519-sha256" is no algorithm that can be allowed here; those are diffie-hellman-group14-sha1, `},
		{"worst algorithm", "[groups.g.ssh]\nlegacy_algorithms = [\"hmac-sha1\", \"arcfour\"]\n[hosts]\nn1 = { groups = [\"g\"] }\n", `fleet.toml:2: groups.g.ssh.legacy_algorithms: "arcfour" is no algorithm that can be allowed here`},
		{"algorithm twice", "[ssh]\nlegacy_algorithms = [\"ssh-rsa\", \"ssh-rsa\"]\n" + oneHost, `fleet.toml:2: ssh.legacy_algorithms: "ssh-rsa" stands here twice`},
		{"limit of a host", "[hosts]\nn1 = { max_unavailable = 3 }\n", `fleet.toml:2: hosts.n1.max_unavailable: stands only in [strategy] and [groups.X]`},
		{"ssh key twice", "[hosts]\nn1 = { user = \"a\", ssh = { user = \"b\" } }\n", `fleet.toml:2: hosts.n1.ssh.user: is set twice for this host: as a key of its own and in ssh`},
		{"port of the address", "[hosts]\nn1 = { address = \"h:2222\" }\n", `fleet.toml:2: hosts.n1.address: "h:2222" holds a port; write address = "h", port = 2222`},
		{"range and one address", "[hosts]\n\"n[1-2]\" = { address = \"10.0.0.1\" }\n", `fleet.toml:2: hosts."n[1-2]".address: "10.0.0.1" makes 1, the host's key makes 2: ranges must be of equal length`},
		{"one host and a range", "[hosts]\nn1 = { address = \"10.0.0.[1-2]\" }\n", `fleet.toml:2: hosts.n1.address: "10.0.0.[1-2]" makes 2, the host's key makes 1: ranges must be of equal length`},
		{"range of nodes", "[hosts]\n\"n[1-3]\" = { address = \"a[1-3]\", node = \"w[1-2]\" }\n", `fleet.toml:2: hosts."n[1-3]".node: "w[1-2]" makes 2, the host's key makes 3: ranges must be of equal length`},
		{"name in capitals", "[hosts]\nGPU7 = {}\n", `fleet.toml:2: hosts.GPU7: "GPU7" can't be a node's name: at most 253 of a-z, 0-9, dash and dot (DNS-1123)`},
		{"group twice", "[hosts]\nn1 = { groups = [\"a\", \"a\"] }\n", `fleet.toml:2: hosts.n1.groups: "a" stands here twice`},
		{"groups no list", "[hosts]\nn1 = { groups = \"a\" }\n", `fleet.toml:2: hosts.n1.groups: must be a list of strings such as ["a", "b"], not a string`},
		{"list of mixed", "[ssh]\njump = [\"a\", 1]\n" + oneHost, `fleet.toml:2: ssh.jump: must hold strings only, not a whole number`},
		{"label", "[hosts]\nn1 = { labels = { rack = 1 } }\n", `fleet.toml:2: hosts.n1.labels.rack: must be a string, not a whole number`},
		{"slip of a group", "[groups.gpus]\nmax_unavailable = 1\n[hosts]\nn1 = { groups = [\"gpu\"] }\n", `fleet.toml:1: groups.gpus: no host is in this group; did you mean "gpu"? If not, leave it out until it has hosts`},
		{"zero count", "[strategy]\nmax_unavailable = 0\n" + oneHost, `fleet.toml:2: strategy.max_unavailable: 0 is too few: the least is 1`},
		{"spread of zero", "[strategy]\nspread = { rack = 0 }\n" + oneHost, `fleet.toml:2: strategy.spread.rack: 0 is too few: the least is 1`},
		{"spread is a list", "[strategy]\nspread = [\"rack\"]\n" + oneHost, `fleet.toml:2: strategy.spread: must be a table, not a list`},
		{"enum, nothing near", "[strategy]\ncordoned = \"evict\"\n" + oneHost, `fleet.toml:2: strategy.cordoned: unknown value "evict"; known are skip, upgrade`},
		{"enum of a wrong type", "[strategy]\ncordoned = true\n" + oneHost, `fleet.toml:2: strategy.cordoned: must be a string, not true or false`},
		{"bool as a string", "[drain]\nforce = \"yes\"\n" + oneHost, `fleet.toml:2: drain.force: must be true or false, not a string`},
		{"port too high", "[ssh]\nport = 65536\n" + oneHost, `fleet.toml:2: ssh.port: 65536 is not between 1 and 65535`},
		{"playbook's name", "[upgrade]\n\"../x\" = {}\n" + oneHost, `fleet.toml:2: upgrade."../x": a playbook's name: "../x" is not a name: letters, digits, dots, dashes and underscores, beginning with a letter or digit`},
		{"version as a number", "[upgrade]\nkubelet = { version = 1.37 }\n" + oneHost, `fleet.toml:2: upgrade.kubelet.version: must be a string, not a decimal number: write the version in quotes, kubelet = "1.37.2"`},
		{"empty version", "[upgrade]\ncleanup = \"\"\n" + oneHost, `fleet.toml:2: upgrade.cleanup: an empty version; leave the key out, or write cleanup = {} for a playbook without parameters`},
		{"playbook as a list", "[upgrade]\nkubelet = []\n" + oneHost, `fleet.toml:2: upgrade.kubelet: must be a string, not a list`},
		{"parameter with a dash", "[upgrade]\nnic = { image = \"--help\" }\n" + oneHost, `fleet.toml:2: upgrade.nic.image: unsafe string "--help": it begins with a dash, and a command would take it for an option`},
		{"dash in a list", "[upgrade]\nos-patches = { exclude = [\"-y\"] }\n" + oneHost, `fleet.toml:2: upgrade.os-patches.exclude: unsafe string "-y": it begins with a dash, and a command would take it for an option`},
		{"parameter with NUL", "[upgrade]\nnic = { image = \"a\\u0000\" }\n" + oneHost, `fleet.toml:2: upgrade.nic.image: unsafe string "a\x00": control characters are refused`},
		{"nested list", "[upgrade]\nnic = { image = [[\"a\"]] }\n" + oneHost, `fleet.toml:2: upgrade.nic.image: must not hold a list within a list`},
		{"date as a parameter", "[upgrade]\nnic = { when = 2026-01-01 }\n" + oneHost, `fleet.toml:2: upgrade.nic.when: must be a string, a number, true or false, or a list of these, not a date or time`},
		{"http twice", "[verify]\nhttp = [{ url = \"http://a/\" },\n{ url = \"http://a/\" }]\n" + oneHost, `fleet.toml:3: verify.http[1]: the same target stands here twice`},
		{"http is a table", "[verify]\nhttp = { url = \"http://a/\" }\n" + oneHost, `fleet.toml:2: verify.http: must be a list of tables, not a table`},
		{"http holds a string", "[verify]\nhttp = [\"http://a/\"]\n" + oneHost, `fleet.toml:2: verify.http: must be a list of tables, not a list`},
		{"url and path", "[[verify.http]]\nurl = \"http://a/\"\npath = \"/x\"\n" + oneHost, `fleet.toml:3: verify.http[0].path: goes with service; a URL holds its path itself`},
		{"other user's home", "[ssh]\nidentity_files = [\"~ann/.ssh/id\"]\n" + oneHost, `fleet.toml:2: ssh.identity_files: "~ann/.ssh/id": only your own home folder can be written as ~; write the whole path`},
		{"no file", "[cluster]\nkubeconfig = \"\"\n" + oneHost, `fleet.toml:2: cluster.kubeconfig: names no file`},
		{"dash in a path", "[cluster]\nkubeconfig = \"-x\"\n" + oneHost, `fleet.toml:2: cluster.kubeconfig: unsafe string "-x": it begins with a dash, and a command would take it for an option`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := parse("fleet.toml", []byte(tc.src), nil)
			problems := problemsOf(t, err)
			if len(problems) != 1 || !strings.HasPrefix(problems.Error(), tc.want) {
				t.Errorf("\n got %v\nwant %s", problems, tc.want)
			}
		})
	}
}
