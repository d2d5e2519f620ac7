package remotetest

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
)

// sudo knows -n, -S, -p, -k, -v, -E, -H, -u root, -i and --. As the real one does, it reads passwords from standard
// input with -S, asks three times, takes two seconds over a wrong one, and counts the attempts on standard error.
func (m *Machine) sudo(p *shell.Proc) int {
	opts, rest := leading(p.Args[1:], "p u g C")
	user := m.userByID(p.Cred.UID)
	if user.UID != 0 {
		if status := m.sudoAllows(p, user, opts); status != 0 {
			return status
		}
	}
	if has(opts, "i", "s") && len(rest) == 0 {
		rest = []string{"sh"}
	}
	env := map[string]string{
		"PATH": searchPath, "HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/sh",
		"SUDO_USER": user.Name, "SUDO_UID": fmt.Sprint(user.UID), "SUDO_COMMAND": strings.Join(rest, " "),
	}
	for len(rest) > 0 && strings.Contains(rest[0], "=") && !strings.HasPrefix(rest[0], "/") {
		k, v, _ := strings.Cut(rest[0], "=")
		env[k], rest = v, rest[1:]
	}
	if len(rest) == 0 {
		return 0
	}
	child := p.SpawnRoot(shell.Spec{Args: rest, Env: env})
	if child == nil {
		return 1
	}
	return child.Wait(p.Ctx)
}

// sudoAllows returns 0 where the user may go on.
func (m *Machine) sudoAllows(p *shell.Proc, user User, opts map[string]string) int {
	switch {
	case user.Sudo == SudoFree:
		return 0
	case user.Sudo == SudoPassword && has(opts, "n"):
		return p.Fail(1, "a password is required")
	case user.Sudo == SudoPassword && !has(opts, "S"):
		p.Fail(1, "a terminal is required to read the password; either use the -S option to read from standard input or configure an askpass helper")
		return p.Fail(1, "a password is required")
	}
	if has(opts, "n") {
		return p.Fail(1, "a password is required")
	}
	prompt := fmt.Sprintf("[sudo] password for %s: ", user.Name)
	if has(opts, "p") {
		prompt = strings.NewReplacer("%u", user.Name, "%p", user.Name, "%h", m.o.Name).Replace(opts["p"])
	}
	for try := 1; try <= 3; try++ {
		fmt.Fprint(p.Stderr(), prompt)
		line, err := sudoLine(p)
		if err != nil && line == "" {
			fmt.Fprintln(p.Stderr())
			if try > 1 {
				return p.Fail(1, "no password was provided\nsudo: %d incorrect password attempt%s", try-1, plural(try-1))
			}
			return p.Fail(1, "no password was provided\nsudo: a password is required")
		}
		if line == user.Password {
			if user.Sudo == SudoNo {
				fmt.Fprintf(p.Stderr(), "%s is not in the sudoers file.\n", user.Name)
				return 1
			}
			return 0
		}
		if !p.Sleep(2 * time.Second) {
			return 1
		}
		if try < 3 {
			fmt.Fprintln(p.Stderr(), "Sorry, try again.")
		}
	}
	return p.Fail(1, "3 incorrect password attempts")
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// sudoLine reads one line byte by byte: what follows is the command's.
func sudoLine(p *shell.Proc) (string, error) {
	var line []byte
	b := make([]byte, 1)
	for {
		n, err := p.Stdin().Read(b)
		switch {
		case n == 1 && b[0] == '\n':
			return string(line), nil
		case n == 1:
			line = append(line, b[0])
		case err == io.EOF || err != nil:
			return string(line), err
		}
	}
}
