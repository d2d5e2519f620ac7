package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// identity names this process so that another on the same machine can tell whether it is still there: machine, boot
// id, process id and the process's start time, with a slash between.
func identity() string {
	host, _ := os.Hostname()
	return strings.Join([]string{machineID() + "." + host, readTrim("/proc/sys/kernel/random/boot_id"),
		strconv.Itoa(os.Getpid()), startTime(os.Getpid())}, "/")
}

// gone reports whether the holder named by identity was a process of this very machine that has ended.
func gone(holder string) bool {
	theirs, ours := strings.Split(holder, "/"), strings.Split(identity(), "/")
	if len(theirs) != 4 || theirs[0] != ours[0] || theirs[1] == "" {
		return false
	}
	if theirs[1] != ours[1] {
		return true // this machine has been rebooted since
	}
	pid, err := strconv.Atoi(theirs[2])
	return err == nil && theirs[3] != "" && startTime(pid) != theirs[3]
}

func machineID() string {
	if id := readTrim("/etc/machine-id"); len(id) >= 8 {
		return id[:8]
	}
	return "unknown"
}

// startTime is when a process began, in clock ticks since the boot: field 22 of /proc/PID/stat; "" if there is no
// such process. Source: proc(5).
func startTime(pid int) string {
	stat := readTrim(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	_, after, ok := strings.Cut(stat[max(strings.LastIndex(stat, ")"), 0):], ") ")
	if !ok {
		return ""
	}
	fields := strings.Fields(after)
	if len(fields) < 20 {
		return ""
	}
	return fields[19]
}

func readTrim(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// version is what `fleetup version` prints; the build stamps it.
func version() string { return fmt.Sprint(stamped) }

// stamped is set by the linker: -X main.stamped=v1.2.3.
var stamped = "development"
