package remotetest

import (
	"slices"
	"sort"
	"strings"
	"sync"
)

// Package is one version of a package in a repository.
type Package struct {
	Name, Version string
	Arch          string   // default amd64, or x86_64 for rpm
	Depends       []string // names
	Origin        string   // default "Debian:12/stable", as apt-get -s shows it; "Debian-Security:12/stable-security" is a security one
	Reboot        bool     // asks for a reboot once installed, as kernels do
}

// Repo is what package mirrors hold, by the URL that stands in a machine's sources. Several machines may share one.
type Repo struct {
	mu   sync.Mutex
	urls map[string][]Package
}

// Debian's and Red Hat's sources of a default machine, and Kubernetes' with the minor in it.
const (
	debianURL = "http://mirror.example.org/debian"
	rockyURL  = "https://dl.rockylinux.org/9/BaseOS/x86_64/os"
	kubeURL   = "https://pkgs.k8s.io/core:/stable:/v"
)

// NewRepo returns mirrors with Kubernetes 1.35 to 1.37, containerd 2.1.3 and 2.1.4, and two kernels.
func NewRepo() *Repo {
	r := &Repo{}
	for _, v := range []string{"1.35.8", "1.36.3", "1.36.4", "1.37.1", "1.37.2"} {
		minor := v[:strings.LastIndex(v, ".")]
		for _, name := range []string{"kubelet", "kubeadm", "kubectl"} {
			r.Add(kubeURL+minor+"/deb", Package{Name: name, Version: v + "-1.1"})
			r.Add(kubeURL+minor+"/rpm", Package{Name: name, Version: "0:" + v + "-150500.1.1", Arch: "x86_64"})
		}
	}
	for _, v := range []string{"2.1.3", "2.1.4"} {
		r.Add(debianURL, Package{Name: "containerd", Version: v + "-1"})
		r.Add(rockyURL, Package{Name: "containerd", Version: "0:" + v + "-1.el9", Arch: "x86_64"})
	}
	for _, v := range []string{"6.1.0-51-amd64", "6.1.0-56-amd64"} {
		r.Add(debianURL, Package{Name: "linux-image-" + v, Version: "6.1." + v[6:8] + "-1", Reboot: true})
	}
	r.Add(debianURL, Package{Name: "linux-image-amd64", Version: "6.1.56-1", Depends: []string{"linux-image-6.1.0-56-amd64"}},
		Package{Name: "base-files", Version: "12.4+deb12u11"}, Package{Name: "openssl", Version: "3.0.17-1~deb12u3", Origin: "Debian-Security:12/stable-security"})
	return r
}

// Add puts packages into the repository at url.
func (r *Repo) Add(url string, list ...Package) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.urls == nil {
		r.urls = map[string][]Package{}
	}
	for _, p := range list {
		if p.Arch == "" {
			p.Arch = "amd64"
		}
		if p.Origin == "" {
			p.Origin = "Debian:12/stable"
		}
		r.urls[url] = append(r.urls[url], p)
	}
}

// Remove takes a version of a package, or all where version is "", out of every repository.
func (r *Repo) Remove(name, version string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for url, list := range r.urls {
		r.urls[url] = slices.DeleteFunc(list, func(p Package) bool { return p.Name == name && (version == "" || p.Version == version) })
	}
}

// at returns what the repository at url holds, and whether there is one.
func (r *Repo) at(url string) ([]Package, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list, ok := r.urls[strings.TrimRight(url, "/")]
	return slices.Clone(list), ok
}

// newestFirst sorts by version, descending.
func newestFirst(list []Package) {
	sort.SliceStable(list, func(i, j int) bool { return compareVersions(list[i].Version, list[j].Version) > 0 })
}

// compareVersions compares as dpkg does, which agrees with rpm on what is used here: epoch, then upstream, then revision.
func compareVersions(a, b string) int {
	ae, a := epoch(a)
	be, b := epoch(b)
	if c := compareParts(ae, be); c != 0 {
		return c
	}
	return compareParts(a, b)
}

func epoch(v string) (string, string) {
	if e, rest, ok := strings.Cut(v, ":"); ok {
		return e, rest
	}
	return "0", v
}

func compareParts(a, b string) int {
	for a != "" || b != "" {
		i, j := digits(a, false), digits(b, false)
		if c := compareText(a[:i], b[:j]); c != 0 {
			return c
		}
		a, b = a[i:], b[j:]
		i, j = digits(a, true), digits(b, true)
		x, y := strings.TrimLeft(a[:i], "0"), strings.TrimLeft(b[:j], "0")
		if len(x) != len(y) {
			return sign(len(x) - len(y))
		}
		if c := strings.Compare(x, y); c != 0 {
			return c
		}
		a, b = a[i:], b[j:]
	}
	return 0
}

// digits is how far digits, or other characters, go.
func digits(s string, want bool) int {
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9') == want {
		i++
	}
	return i
}

// compareText sorts ~ before the end, letters before other characters.
func compareText(a, b string) int {
	order := func(s string, i int) int {
		switch {
		case i >= len(s):
			return 0
		case s[i] == '~':
			return -1
		case s[i] >= 'A' && s[i] <= 'Z' || s[i] >= 'a' && s[i] <= 'z':
			return int(s[i])
		}
		return int(s[i]) + 256
	}
	for i := 0; i < len(a) || i < len(b); i++ {
		if c := order(a, i) - order(b, i); c != 0 {
			return sign(c)
		}
	}
	return 0
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}
