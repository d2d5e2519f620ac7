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
		processID(os.Getpid()), startTime(os.Getpid())}, "/")
}

// processID is a process id with what makes it one of its own: within a container, "1@4026532711", its namespace's
// number. Two pods on the host's network have the same host name, and a process 1 each.
func processID(pid int) string {
	const first = "4026531836" // of the machine itself: PROC_PID_INIT_INO of include/linux/proc_ns.h
	link, _ := os.Readlink("/proc/self/ns/pid")
	space := strings.Trim(link, "pid:[]")
	if space == "" || space == first {
		return strconv.Itoa(pid)
	}
	return strconv.Itoa(pid) + "@" + space
}

// gone reports whether the holder named by identity was a process of this very machine that has ended.
func gone(holder string) bool {
	theirs, ours := strings.Split(holder, "/"), strings.Split(identity(), "/")
	if len(theirs) != 4 || theirs[0] != ours[0] || theirs[1] == "" {
		return false
	}
	if theirs[1] != ours[1] {
		return rebooted(theirs, ours)
	}
	number, _, _ := strings.Cut(theirs[2], "@")
	pid, err := strconv.Atoi(number)
	if err != nil || theirs[3] == "" || processID(pid) != theirs[2] {
		return false
	}
	return startTime(pid) != theirs[3] || ending(pid)
}

// rebooted reports whether another boot id under the same name surely means that this machine was rebooted. Containers of two
// machines may have one name, and a machine id, if any, that came with their image.
func rebooted(theirs, ours []string) bool {
	contained := strings.Contains(theirs[2]+ours[2], "@")
	return !contained && !strings.HasPrefix(ours[0], unknownMachine+".")
}

// ending reports whether a process runs no more, though it may still be there: it is a zombie that nobody has waited for, which in
// a container may stand there for ever, it is being taken down, or it was killed an instant ago. The signal is looked for before
// the flags: the kernel takes it off the pending ones first, and marks the process then. Source: proc(5), kernel/signal.c.
func ending(pid int) bool {
	const exiting, signaled, killed = 0x4, 0x400, 1 << (9 - 1) // PF_EXITING, PF_SIGNALED of include/linux/sched.h; SIGKILL among the pending
	_, pending, _ := strings.Cut(readTrim(filepath.Join("/proc", strconv.Itoa(pid), "status")), "\nSigPnd:")
	word, _, _ := strings.Cut(strings.TrimSpace(pending), "\n")
	signals, _ := strconv.ParseUint(word, 16, 64)
	fields := statFields(pid)
	if signals&killed != 0 || len(fields) < 7 {
		return true
	}
	flags, _ := strconv.ParseUint(fields[6], 10, 64)
	return fields[0] == "Z" || fields[0] == "X" || flags&(exiting|signaled) != 0
}

func machineID() string {
	if id := readTrim("/etc/machine-id"); len(id) >= 8 {
		return id[:8]
	}
	return unknownMachine
}

// unknownMachine stands for the id of a machine that has none, as most containers.
const unknownMachine = "unknown"

// startTime is when a process began, in clock ticks since the boot: field 22 of /proc/PID/stat; "" if there is no
// such process. Source: proc(5).
func startTime(pid int) string {
	fields := statFields(pid)
	if len(fields) < 20 {
		return ""
	}
	return fields[19]
}

// statFields are the fields of /proc/PID/stat from the third on, behind the name, which may hold anything.
func statFields(pid int) []string {
	stat := readTrim(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return strings.Fields(strings.TrimPrefix(stat[max(strings.LastIndex(stat, ")"), 0):], ")"))
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
