package remotetest

import (
	"fmt"
	"strings"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
)

// curl fetches a package index of the Repo: `curl -fsSL --max-time 10 -o FILE URL/Packages`. It knows no other page.
func (m *Machine) curl(p *shell.Proc) int {
	file, url := "", ""
	for i := 1; i < len(p.Args); i++ {
		switch arg := p.Args[i]; {
		case arg == "-o" && i+1 < len(p.Args):
			i++
			file = p.Args[i]
		case arg == "--max-time":
			i++
		case !strings.HasPrefix(arg, "-"):
			url = arg
		}
	}
	base, isIndex := strings.CutSuffix(url, "/Packages")
	list, ok := m.o.Repo.at(base)
	if !isIndex || !ok {
		return p.Fail(22, "(22) The requested URL returned error: 404")
	}
	var text strings.Builder
	for _, k := range list {
		fmt.Fprintf(&text, "Package: %s\nVersion: %s\nArchitecture: %s\n\n", k.Name, k.Version, k.Arch)
	}
	if file == "" {
		p.Printf("%s", text.String())
		return 0
	}
	if err := m.WriteFile(file, []byte(text.String())); err != nil {
		return p.Fail(23, "(23) %v", err)
	}
	return 0
}
