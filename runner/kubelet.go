package runner

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fleetup/fleetup/playbooks"
)

// stopScript stops the kubelet, and the container runtime where what says so, in a way that installing a package
// can't undo. `systemctl mask --runtime` writes below /run, which a unit in /etc outranks: there a drop-in whose
// condition always fails does the same. Both are gone after a reboot. A unit is stopped before it is masked: a masked
// one has lost its ExecStop and its KillMode, and stopping containerd like that kills every container; it is stopped
// again only where a socket started it in between.
func stopScript(what playbooks.Stop) string {
	units := "kubelet"
	if what >= playbooks.StopRuntime {
		units = "kubelet docker cri-docker containerd"
	}
	return "set -u\nunits='" + units + "'\n" + stopBody
}

const stopBody = `rc=0
for u in $units; do
	systemctl cat "$u.service" >/dev/null 2>&1 || continue
	systemctl stop "$u.service" || rc=1
	if [ -e "/etc/systemd/system/$u.service" ]; then
		mkdir -p "/run/systemd/system/$u.service.d"
		printf '[Unit]\nConditionPathExists=/run/fleetup/never\n' >"/run/systemd/system/$u.service.d/fleetup.conf"
		systemctl daemon-reload
	else
		systemctl mask --runtime "$u.service" >/dev/null 2>&1 || rc=1
	fi
	systemctl is-active --quiet "$u.service" || continue
	systemctl stop "$u.service" || rc=1
done
exit $rc
`

// startScript undoes stopScript, and starts the runtime and the kubelet where they don't run. Safe to repeat. What a
// service said as it died reaches the journal a moment later: hence --sync. systemd refuses to start the socket of a
// masked service, so a package that was installed meanwhile has left that one stopped; it must listen before the service.
const startScript = `rc=0
for u in containerd docker cri-docker kubelet; do
	[ -e "/run/systemd/system/$u.service.d/fleetup.conf" ] && rm -f "/run/systemd/system/$u.service.d/fleetup.conf"
	case "$(systemctl is-enabled "$u.service" 2>/dev/null)" in
	masked-runtime) systemctl unmask --runtime "$u.service" >/dev/null 2>&1 ;;
	esac
done
systemctl daemon-reload
for u in containerd docker cri-docker kubelet; do
	systemctl is-enabled "$u.socket" >/dev/null 2>&1 && systemctl start "$u.socket" >/dev/null 2>&1
	case "$(systemctl is-enabled "$u.service" 2>/dev/null)" in
	enabled | enabled-runtime | static | alias | linked | generated | indirect) ;;
	*) [ "$u" = kubelet ] || continue ;;
	esac
	systemctl is-active --quiet "$u.service" && continue
	systemctl reset-failed "$u.service" >/dev/null 2>&1
	systemctl start "$u.service" || { echo "$u does not start:" >&2; journalctl --sync >/dev/null 2>&1; journalctl -u "$u.service" -n 10 --no-pager -o cat >&2; rc=1; }
done
exit $rc
`

// auditScript prints packages that are half installed; nothing where all is well or dpkg isn't there.
const auditScript = `command -v dpkg >/dev/null 2>&1 || exit 0
dpkg --audit | head -n 5
`

// unmountedScript waits up to a minute until nothing of the network, nor a Ceph block device, is mounted for pods.
const unmountedScript = `i=0
while :; do
	left=$(grep -E '^(/dev/(rbd|nbd|drbd)|[^ ]+ [^ ]*/kubelet/[^ ]* (nfs4?|ceph|cifs|glusterfs|fuse\.[a-z]+) )' /proc/mounts | cut -d' ' -f1,2)
	[ -z "$left" ] && exit 0
	i=$((i + 1))
	[ "$i" -ge 60 ] && { echo "$left" >&2; exit 1; }
	sleep 1
done
`

// unmounted makes sure that no network file system is left that would hang the shutdown.
func (l *life) unmounted(ctx context.Context) error {
	if err := l.run(ctx, "wait for network mounts", unmountedScript); err != nil {
		return fmt.Errorf("still mounted, and a reboot would hang on it: %w", err)
	}
	return nil
}

// run runs a short script that is safe to repeat.
func (l *life) run(ctx context.Context, what, script string) error {
	c, cancel := context.WithTimeout(ctx, l.w.RebootTimeout)
	defer cancel()
	if _, err := l.w.Machine.Run(c, script); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// A kubelet that was restarted this often since we started it won't come up by waiting; systemd waits ten seconds each time.
const crashLoop = 3

const kubeletScript = `systemctl show kubelet.service -p ActiveState -p NRestarts -p Result`

// watchKubelet returns an error once the unit has failed or restarts over and over.
func (l *life) watchKubelet(ctx context.Context) error {
	for {
		if err := pause(ctx, 3*time.Second); err != nil {
			return nil
		}
		out, err := l.w.Machine.Run(ctx, kubeletScript)
		if err != nil {
			continue // the connection, or the context: AwaitReady has the last word
		}
		if why := kubeletTrouble(out); why != "" {
			return fmt.Errorf("the kubelet doesn't come up: %s%s", why, l.kubeletLog(ctx))
		}
	}
}

// kubeletTrouble reads systemctl show's answer.
func kubeletTrouble(show string) string {
	var state, result string
	restarts := 0
	for line := range strings.Lines(show) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch k {
		case "ActiveState":
			state = v
		case "Result":
			result = v
		case "NRestarts":
			_, _ = fmt.Sscan(v, &restarts)
		}
	}
	switch {
	case state == "failed":
		return "its unit failed (" + result + ")"
	case restarts >= crashLoop:
		return fmt.Sprintf("systemd has restarted it %d times", restarts)
	}
	return ""
}

// kubeletLogScript prints the kubelet's last own lines, without what systemd says of its unit.
const kubeletLogScript = `journalctl -u kubelet.service -n 60 --no-pager -o cat |
	grep -v -e '^kubelet\.service: ' -e '^Started kubelet' -e '^Starting kubelet' -e '^Stopped kubelet' -e '^Stopping kubelet' | tail -n 5
`

// kubeletLog returns the kubelet's last own lines, each on a line of its own, or "".
func (l *life) kubeletLog(ctx context.Context) string {
	c, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := l.w.Machine.Run(c, kubeletLogScript)
	if err != nil || strings.TrimSpace(out) == "" {
		return ""
	}
	return "\n    " + strings.ReplaceAll(strings.TrimSpace(out), "\n", "\n    ")
}
