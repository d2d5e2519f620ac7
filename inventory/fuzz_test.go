package inventory

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLoad: no text makes Load panic, every error is Problems with lines of the file, and what loads is safe to use.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*.toml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	samples, _ := filepath.Glob("../testdata/inventories/*.toml")
	for _, file := range append(files, samples...) {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(src), "drain.grace_period=60s")
	}
	for _, src := range []string{oneHost, layered, setSrc, selectable, "[hosts]\nn1 = {}\nn1 = {}\n", "a = [{b.c = [1, {d = '''x'''}]}]"} {
		f.Add(src, `hosts."n[1-2]".port=24`)
		f.Add(src, "upgrade.kubelet.version=1.37")
		f.Add(src, "a.b={c=[1]}")
	}
	f.Fuzz(func(t *testing.T, src, set string) {
		fleet, err := parse("fleet.toml", []byte(src), []string{set})
		if _, usage := cutSets([]string{set}); usage != nil {
			return
		}
		if err != nil {
			checkProblems(t, src, err)
			return
		}
		if !fleetName.MatchString(fleet.Name) || len(fleet.Hosts) == 0 {
			t.Fatalf("name %q, %d hosts", fleet.Name, len(fleet.Hosts))
		}
		for _, h := range fleet.Hosts {
			checkHost(t, h)
		}
	})
}

func checkProblems(t *testing.T, src string, err error) {
	t.Helper()
	var problems Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("the error is %T %v, not Problems", err, err)
	}
	lines := strings.Count(src, "\n") + 1
	for _, p := range problems {
		if p.Line < 0 || p.Line > lines || p.Message == "" || p.File != "fleet.toml" && p.File != setFile {
			t.Fatalf("problem %+v in a file of %d lines", p, lines)
		}
	}
}

func checkHost(t *testing.T, h Host) {
	t.Helper()
	if err := check(h.Node, checkNode); err != nil {
		t.Fatal(err)
	}
	for what, s := range map[string]string{"name": h.Name, "address": h.Address, "user": h.SSH.User, "sudo": h.SSH.Sudo} {
		if err := unsafe(s); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for _, s := range append(h.Groups, h.SSH.Jump...) {
		if err := unsafe(s); err != nil || s == "" {
			t.Fatalf("group or jump host %q: %v", s, err)
		}
	}
	for _, s := range append(h.SSH.IdentityFiles, h.SSH.KnownHosts...) {
		if !filepath.IsAbs(s) {
			t.Fatalf("the path %q is relative", s)
		}
	}
	if h.SSH.ConnectTimeout <= 0 || h.Reboot.Timeout <= 0 || h.Verify.Timeout <= 0 || h.Drain.Timeout < 0 || h.SSH.Port < 0 || h.SSH.Port > 65535 {
		t.Fatalf("host %+v", h)
	}
	for _, u := range h.Upgrade {
		version, _ := u.Params["version"].(string)
		if err := errors.Join(check(u.Playbook, checkWord), unsafe(version), unsafe(u.After)); err != nil {
			t.Fatal(err)
		}
	}
}
