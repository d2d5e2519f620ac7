package shell

import (
	"strconv"
	"strings"
)

var signals = map[string]int{"HUP": SIGHUP, "INT": SIGINT, "QUIT": 3, "KILL": SIGKILL, "USR1": 10, "USR2": 12, "PIPE": SIGPIPE, "ALRM": 14, "TERM": SIGTERM, "STOP": 19, "CONT": 18}

// SignalNumber knows a signal by its number or name, with or without SIG.
func SignalNumber(name string) (int, bool) {
	if n, err := strconv.Atoi(name); err == nil {
		return n, n >= 0 && n < 65
	}
	n, ok := signals[strings.TrimPrefix(strings.ToUpper(name), "SIG")]
	return n, ok
}

func signalName(n int) string {
	for name, number := range signals {
		if number == n {
			return name
		}
	}
	return strconv.Itoa(n)
}

func trap(s *sh, args []string) int {
	args = args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		for name, action := range s.traps {
			s.p.Printf("trap -- '%s' %s\n", action, name)
		}
		return 0
	}
	action, names := args[0], args[1:]
	if _, isSignal := SignalNumber(action); len(names) == 0 || isSignal && len(names) == 0 {
		action, names = "-", args
	}
	for _, name := range names {
		if name == "EXIT" || name == "0" {
			s.setTrap("EXIT", action)
			continue
		}
		n, ok := SignalNumber(name)
		if !ok {
			return s.errf(1, "trap: %s: bad trap", name)
		}
		s.p.catch(n, action == "", action != "" && action != "-")
		s.setTrap(signalName(n), action)
	}
	return 0
}

func (s *sh) setTrap(name, action string) {
	if action == "-" {
		delete(s.traps, name)
		return
	}
	s.traps[name] = action
}

// runTraps runs the actions of the signals that have come.
func (s *sh) runTraps() {
	for s.flow == onward {
		sig, _ := s.p.take()
		if sig == 0 {
			return
		}
		status := s.status
		s.source(strings.NewReader(s.traps[signalName(sig)]))
		if s.flow == onward {
			s.status = status
		}
	}
}

// kill is the builtin; Kill is the program.
func kill(s *sh, args []string) int { return Kill(s.p, args) }

// Kill sends signals to processes: "kill [-s NAME | -NAME | -NUMBER] PID…"; a negative PID means its group.
func Kill(p *Proc, args []string) int {
	sig, args := SIGTERM, args[1:]
	if len(args) > 1 && args[0] == "-s" {
		args = append([]string{"-" + args[1]}, args[2:]...)
	}
	if len(args) > 0 && strings.HasPrefix(args[0], "-") && args[0] != "--" {
		n, ok := SignalNumber(args[0][1:])
		if !ok {
			return p.Fail(2, "kill: Illegal option %s", args[0])
		}
		sig, args = n, args[1:]
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	status := 0
	for _, arg := range args {
		pid, err := strconv.Atoi(arg)
		if err != nil || !p.Sys.Kill(pid, sig) {
			status = p.Fail(1, "kill: No such process")
		}
	}
	return status
}
