package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Image is the image of cmd/fleetup/Dockerfile, built as its head says, by buildah, which needs neither a container engine nor a
// registry: golang:1.26 is Debian with this machine's Go in it.
type Image struct {
	t     testing.TB
	store string // of buildah's own
	name  string
}

// BuildImage builds the image with a version stamped into it. What it takes is gone at the test's end.
func BuildImage(t testing.TB, version string) *Image {
	t.Helper()
	p, err := prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	store, err := os.MkdirTemp(cacheDir(), "image-")
	if err != nil {
		t.Fatal(err)
	}
	i := &Image{t, store, "localhost/fleetup:lab"}
	t.Cleanup(i.remove)
	repository := filepath.Join(sourceDir(), "..", "..")
	i.golang(p.debian)
	arguments := []string{"bud", "--pull-never", "-f", filepath.Join(repository, "cmd/fleetup/Dockerfile"), "--build-arg", "VERSION=" + version, "-t", i.name}
	for inside, variable := range map[string]string{"/usr/local/go": "GOROOT", "/go/pkg/mod": "GOMODCACHE", "/root/.cache/go-build": "GOCACHE"} {
		arguments = append(arguments, "-v", goEnv(t, variable)+":"+inside)
	}
	i.buildah(append(arguments, repository)...)
	return i
}

// golang makes the image that the Dockerfile begins with. Go itself and what it has compiled and loaded before are mounted.
func (i *Image) golang(debian string) {
	i.t.Helper()
	c := i.buildah("from", "scratch")
	i.buildah("add", "-q", c, debian, "/")
	config := []string{"config", "--env", "PATH=/usr/local/go/bin:/usr/sbin:/usr/bin:/sbin:/bin", "--env", "GOPATH=/go", "--env", "GOTOOLCHAIN=local"}
	for _, name := range []string{"GOFLAGS", "GOPROXY", "GOSUMDB", "GONOSUMDB"} {
		config = append(config, "--env", name+"="+goEnv(i.t, name))
	}
	i.buildah(append(config, c)...)
	i.buildah("commit", "-q", c, "docker.io/library/golang:1.26")
	i.buildah("rm", c)
}

// Run runs the image's program with arguments, as its own user, with a folder of this machine at /etc/fleetup to read, and
// returns what it wrote.
func (i *Image) Run(folder string, arguments ...string) (string, error) {
	i.t.Helper()
	c := i.buildah("from", "--pull-never", i.name)
	defer i.buildah("rm", c)
	return i.try(append([]string{"run", "-v", folder + ":/etc/fleetup:ro", c, "--", "/fleetup"}, arguments...)...)
}

// Files are the paths of all files in the image.
func (i *Image) Files() []string {
	i.t.Helper()
	c := i.buildah("from", "--pull-never", i.name)
	defer i.buildah("rm", c)
	root := i.buildah("mount", c)
	defer i.buildah("umount", c)
	var files []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, strings.TrimPrefix(path, root))
		}
		return err
	})
	if err != nil {
		i.t.Fatal(err)
	}
	return files
}

// buildah returns what it wrote; an error ends the test.
func (i *Image) buildah(arguments ...string) string {
	i.t.Helper()
	out, err := i.try(arguments...)
	if err != nil {
		i.t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func (i *Image) try(arguments ...string) (string, error) {
	ctx := context.WithoutCancel(i.t.Context()) // also at the test's end
	cmd := exec.CommandContext(ctx, "buildah", append([]string{"--root", i.store + "/root", "--runroot", i.store + "/run", "--storage-driver", "overlay"}, arguments...)...)
	cmd.Env = append(os.Environ(), "BUILDAH_ISOLATION=chroot")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("buildah %s: %w\n%s%s", arguments[0], err, out, said.String())
	}
	return string(out), nil
}

func (i *Image) remove() {
	_, _ = i.try("rm", "--all")
	_, _ = i.try("rmi", "--all", "--force")
	if err := os.RemoveAll(i.store); err != nil {
		i.t.Errorf("lab: %s is left behind: %v", i.store, err)
	}
}

func goEnv(t testing.TB, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
