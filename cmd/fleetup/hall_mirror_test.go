package main

import "errors"

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
