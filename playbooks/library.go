package playbooks

import (
	_ "embed"
	"strings"
)

// shellPart is one file of the shell library.
type shellPart string

// Each file by a name of its own: the compiler finds a typo, and nothing can be missing on the machine.
var (
	//go:embed sh/common.sh
	commonShell shellPart
	//go:embed sh/install.sh
	installShell shellPart
	//go:embed sh/apt.sh
	aptShell shellPart
	//go:embed sh/dnf.sh
	dnfShell shellPart
	//go:embed sh/efi.sh
	efiShell shellPart
	//go:embed sh/grub.sh
	grubShell shellPart
	//go:embed sh/preflight.sh
	preflightShell shellPart
	//go:embed sh/automatic.sh
	automaticShell shellPart
	//go:embed sh/service.sh
	serviceShell shellPart
	//go:embed sh/files.sh
	filesShell shellPart
	//go:embed sh/prune.sh
	pruneShell shellPart
	//go:embed sh/kubelet.sh
	kubeletShell shellPart
	//go:embed sh/trial.sh
	trialShell shellPart
)

// lib returns parts of the shell library behind common.sh, which all of them need.
func lib(parts ...shellPart) string {
	all := commonShell.sent()
	for _, part := range parts {
		all += part.sent()
	}
	return all
}

// sent is the file without its comments: it goes to every machine.
func (s shellPart) sent() string {
	var b strings.Builder
	for line := range strings.Lines(string(s)) {
		if line != "\n" && !strings.HasPrefix(line, "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// withTool is a script that has the functions of the machine's own package tool: apt.sh's or dnf.sh's. A machine with
// neither is told so.
func withTool(body string) string {
	return lib(installShell) + chooseTool("fail 'this machine has neither apt nor dnf: install one, or leave its package steps out'") + body
}

// chooseTool is the part of a script that takes the functions of one package tool; without one, otherwise is done.
func chooseTool(otherwise string) string {
	return "case $(tool) in\napt)\n" + aptShell.sent() + ";;\ndnf)\n" + dnfShell.sent() + ";;\n*) " + otherwise + " ;;\nesac\n"
}
