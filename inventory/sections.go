package inventory

import (
	"fmt"
	"time"
)

// fresh is a host before any layer: the contract's defaults.
func fresh() Host {
	return Host{
		SSH:    SSH{Sudo: "auto", ConnectTimeout: 10 * time.Second},
		Reboot: Reboot{Policy: "if-required", Timeout: 30 * time.Minute},
		Drain: Drain{
			IgnoreDaemonSets: true, DeleteEmptyDirData: true,
			GracePeriod: -time.Second, LBSettle: -time.Second, OnBlocked: "requeue", LastEndpoint: "surge",
		},
		Verify: Verify{Timeout: 15 * time.Minute},
	}
}

// base reads the sections that hold for the whole fleet.
func (r *reader) base(root *table, f *Fleet) layer {
	var base layer
	ssh, _ := root.sub("ssh")
	f.FanOut = 64
	if n, ok := intIn(1, 4096)(ssh, "fan_out"); ok {
		f.FanOut = n
	}
	ssh.ssh(&base)
	ssh.done()
	verify, _ := root.sub("verify")
	f.HTTP = verify.httpChecks("http")
	verify.verify(&base)
	verify.done()
	root.shared(&base, "upgrade", "drain", "reboot")
	return base
}

// shared reads the named sections of the fleet, of a group or of a host.
func (t *table) shared(l *layer, sections ...string) {
	read := map[string]func(*table, *layer){
		"ssh": (*table).ssh, "upgrade": (*table).upgrade, "drain": (*table).drain, "reboot": (*table).reboot, "verify": (*table).verify,
	}
	for _, name := range sections {
		sub, ok := t.sub(name)
		if !ok {
			continue
		}
		read[name](sub, l)
		sub.elsewhere("fan_out", "[ssh], for the whole fleet")
		sub.elsewhere("http", "[verify], for the whole fleet")
		sub.done()
	}
}

func (t *table) ssh(l *layer) {
	put(l, t, "ssh", "user", (*table).user, func(h *Host) *string { return &h.SSH.User })
	put(l, t, "ssh", "port", intIn(1, 65535), func(h *Host) *int { return &h.SSH.Port })
	put(l, t, "ssh", "identity_files", (*table).paths, func(h *Host) *[]string { return &h.SSH.IdentityFiles })
	put(l, t, "ssh", "known_hosts", (*table).paths, func(h *Host) *[]string { return &h.SSH.KnownHosts })
	put(l, t, "ssh", "jump", (*table).jumps, func(h *Host) *[]string { return &h.SSH.Jump })
	put(l, t, "ssh", "sudo", oneOf([]string{"auto", "always", "never"}), func(h *Host) *string { return &h.SSH.Sudo })
	put(l, t, "ssh", "sudo_password", (*table).secret, func(h *Host) *Secret { return &h.SSH.SudoPassword })
	put(l, t, "ssh", "legacy_algorithms", (*table).legacy, func(h *Host) *[]string { return &h.SSH.Legacy })
	put(l, t, "ssh", "connect_timeout", (*table).timeout, func(h *Host) *time.Duration { return &h.SSH.ConnectTimeout })
}

func (t *table) user(name string) (string, bool) { return t.safe(name, checkUser) }

func (t *table) jumps(name string) ([]string, bool) {
	list, ok := t.strings(name)
	if !ok {
		return nil, false
	}
	for _, chain := range list {
		if err := check(chain, checkJump); err != nil {
			t.bad(name, "%v", err)
			return nil, false
		}
	}
	return list, true
}

func (t *table) drain(l *layer) {
	put(l, t, "drain", "ignore_daemonsets", (*table).bool, func(h *Host) *bool { return &h.Drain.IgnoreDaemonSets })
	put(l, t, "drain", "delete_emptydir_data", (*table).bool, func(h *Host) *bool { return &h.Drain.DeleteEmptyDirData })
	put(l, t, "drain", "force", (*table).bool, func(h *Host) *bool { return &h.Drain.Force })
	put(l, t, "drain", "grace_period", (*table).seconds, func(h *Host) *time.Duration { return &h.Drain.GracePeriod })
	put(l, t, "drain", "timeout", (*table).timeout, func(h *Host) *time.Duration { return &h.Drain.Timeout })
	put(l, t, "drain", "on_blocked", oneOf([]string{"requeue", "fail"}), func(h *Host) *string { return &h.Drain.OnBlocked })
	put(l, t, "drain", "lb_settle", (*table).seconds, func(h *Host) *time.Duration { return &h.Drain.LBSettle })
	put(l, t, "drain", "last_endpoint", oneOf([]string{"surge", "block", "allow"}), func(h *Host) *string { return &h.Drain.LastEndpoint })
	put(l, t, "drain", "accept_downtime", (*table).objects, func(h *Host) *[]string { return &h.Drain.AcceptDowntime })
}

func (t *table) reboot(l *layer) {
	put(l, t, "reboot", "timeout", (*table).timeout, func(h *Host) *time.Duration { return &h.Reboot.Timeout })
}

func (t *table) verify(l *layer) {
	put(l, t, "verify", "timeout", (*table).timeout, func(h *Host) *time.Duration { return &h.Verify.Timeout })
	put(l, t, "verify", "probe", (*table).probe, func(h *Host) *Probe { return &h.Verify.Probe })
}

func (r *reader) cluster(root *table) Cluster {
	c := Cluster{Namespace: "kube-system"}
	t, ok := root.sub("cluster")
	c.HasSection = ok
	c.Kubeconfig, _ = t.filePath("kubeconfig")
	c.Context, _ = t.safe("context", func(s string) error {
		if s == "" {
			return fmt.Errorf("names no context")
		}
		return nil
	})
	if namespace, ok := t.safe("namespace", matching(dnsLabel, "a namespace's name")); ok {
		c.Namespace = namespace
	}
	t.done()
	return c
}

// labelCounts is { rack = 1 }.
func (t *table) labelCounts(name string) map[string]int {
	sub, ok := t.sub(name)
	if !ok {
		return nil
	}
	counts := map[string]int{}
	for _, label := range sub.names() {
		if err := check(label, checkLabelKey); err != nil {
			sub.bad(label, "%v", err)
		}
		if n, ok := intIn(1, most)(sub, label); ok {
			counts[label] = n
		}
	}
	return counts
}
