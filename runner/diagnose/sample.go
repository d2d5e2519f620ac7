package diagnose

import (
	"fmt"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"
)

// PerfScript samples what a machine's cores do for d, all of them or one process: by perf, else by counting its system calls with
// strace, which slows the process down meanwhile. Nothing is written on the machine.
func PerfScript(d time.Duration, pid int) string {
	return fmt.Sprintf(`export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
for_s=%d
pid=%d
if [ "$pid" -gt 0 ] && [ ! -d "/proc/$pid" ]; then echo "there is no process $pid" >&2; exit 1; fi
if command -v perf >/dev/null 2>&1; then
	if [ "$pid" -gt 0 ]; then whom="-p $pid"; else whom=-a; fi
	timeout $((for_s + 30)) perf record -q -F 99 -g $whom -o - -- sleep "$for_s" 2>/dev/null | perf report -i - --stdio --no-children -g none 2>/dev/null | grep -v -E '^(#.*)?$' | head -n 40
	exit 0
fi
if [ "$pid" -eq 0 ]; then echo "perf isn't installed: install it, or name a process with --pid for strace" >&2; exit 1; fi
if ! command -v strace >/dev/null 2>&1; then echo "neither perf nor strace is installed" >&2; exit 1; fi
timeout -s INT "$for_s" strace -q -c -f -p "$pid" 2>&1 | head -n 40
`, max(int(d/time.Second), 1), pid)
}

// ExecScript runs a command in a running container of a pod, through the node's runtime: it needs no right to pods/exec, and
// works while the API is away. container "": the pod's first. Its exit status is the command's own.
func ExecScript(namespace, pod, container string, command []string) string {
	filter := ""
	if container != "" {
		filter = " --name " + shellescape.Quote("^"+container+"$")
	}
	return fmt.Sprintf(`export PATH="$PATH:/usr/sbin:/sbin:/usr/local/bin"
id=$(crictl ps --state running --label io.kubernetes.pod.namespace=%s --label io.kubernetes.pod.name=%s%s -q) || exit $?
id=$(printf '%%s\n' "$id" | head -n 1)
if [ -z "$id" ]; then echo "no container of that pod runs here" >&2; exit 1; fi
timeout 60 crictl exec --sync --timeout 55 "$id" %s
`, shellescape.Quote(namespace), shellescape.Quote(pod), filter, shellescape.QuoteCommand(command))
}

// GroupPodLog groups a container's log, as the API gives it with times, by what its lines say; the most frequent first.
func GroupPodLog(pod, text string) []Shape {
	var list []line
	for raw := range strings.Lines(text) {
		at, rest, _ := strings.Cut(strings.TrimRight(raw, "\r\n"), " ")
		if t, err := time.Parse(time.RFC3339Nano, at); err == nil {
			list = append(list, line{t, pod, rest})
		}
	}
	shapes, _ := grouped(list, time.Time{})
	return shapes
}
