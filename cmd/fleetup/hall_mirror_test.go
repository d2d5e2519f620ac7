package main

import (
	"errors"
	"strings"

	"github.com/fleetup/fleetup/runner/remote/remotetest"
)

// mirrorLacks takes a version of a package, or all of them, off every mirror of the box. What the machines' lists say is
// as old as their last `apt-get update`.
func (s *hall) mirrorLacks(args []string) (string, error) {
	if s.box == nil {
		return "", errors.New("mirror-lacks: there is no box")
	}
	version := ""
	if len(args) > 1 {
		version = args[1]
	}
	s.box.Repo.Remove(args[0], version)
	return "", nil
}

// mirrorHas puts a version of a Kubernetes package, or else of the distribution's, onto its mirror.
func (s *hall) mirrorHas(args []string) (string, error) {
	url := "http://mirror.example.org/debian"
	if minor := strings.SplitN(args[1], ".", 3); strings.HasPrefix(args[0], "kube") {
		url = "https://pkgs.k8s.io/core:/stable:/v" + minor[0] + "." + minor[1] + "/deb"
	}
	s.box.Repo.Add(url, remotetest.Package{Name: args[0], Version: args[1]})
	return "", nil
}
