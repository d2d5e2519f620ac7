package remote

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/kevinburke/ssh_config"
)

// sshConfig is an ssh_config and what it includes, read once.
type sshConfig struct {
	file, home string
	system     string // its folder, where it is the one for all users
	log        func(string)

	once   sync.Once
	parsed *ssh_config.Config
	err    error
}

// load reads it. One for all users that isn't understood is left out, and said: nobody who runs fleetup wrote it, and
// distributions put lines like "Match final all" there for their choice of ciphers.
func (c *sshConfig) load() error {
	c.once.Do(func() {
		c.parsed, c.err = c.read()
		if c.err != nil && c.system != "" {
			c.log(fmt.Sprintf("%s isn't used: %v", c.file, c.err))
			c.err = nil
		}
	})
	return c.err
}

func (c *sshConfig) read() (*ssh_config.Config, error) {
	file := c.file
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if c.system != "" {
		data = absoluteIncludes(data, c.system)
	}
	if err := refuseMatch(file, c.home, data, 0); err != nil {
		return nil, err
	}
	parsed, err := ssh_config.DecodeBytes(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return parsed, nil
}

// refuseMatch looks for Match lines that the parser would get wrong: it takes `Match host a exec "…"` for a list of
// host patterns, and so applies what follows without running the command.
func refuseMatch(file, home string, data []byte, depth int) error {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(strings.Replace(lines.Text(), "=", " ", 1))
		if len(words) < 2 {
			continue
		}
		switch strings.ToLower(words[0]) {
		case "match":
			if !plainMatch(words[1:]) {
				return fmt.Errorf("%s:%d: %s: only `Match all` and `Match host PATTERN` are understood; fleetup doesn't run commands "+
					"of ssh_config to find out: name the settings in the inventory's [ssh], or point to a config without it",
					file, n, strings.TrimSpace(lines.Text()))
			}
		case "include":
			if err := refuseIncluded(words[1:], home, depth); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

func plainMatch(words []string) bool {
	switch strings.ToLower(words[0]) {
	case "all":
		return len(words) == 1
	case "host":
		return len(words) == 2 && !strings.Contains(words[1], ",")
	}
	return false
}

func refuseIncluded(patterns []string, home string, depth int) error {
	if depth > 5 {
		return nil // the parser says so
	}
	for _, p := range patterns {
		p = expandHome(home, p)
		if !filepath.IsAbs(p) {
			p = filepath.Join(home, ".ssh", p)
		}
		files, _ := filepath.Glob(p)
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				continue
			}
			if err := refuseMatch(f, home, data, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// absoluteIncludes puts folder before the files that Include lines name without one; the parser would look in ~/.ssh.
func absoluteIncludes(data []byte, folder string) []byte {
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		words := strings.Fields(strings.Replace(line, "=", " ", 1))
		if len(words) < 2 || !strings.EqualFold(words[0], "include") {
			continue
		}
		for n, w := range words[1:] {
			if !filepath.IsAbs(w) && !strings.HasPrefix(w, "~") {
				words[n+1] = filepath.Join(folder, w)
			}
		}
		lines[i] = strings.Join(words, " ")
	}
	return []byte(strings.Join(lines, "\n"))
}

func (c *sshConfig) all(key string, aliases ...string) []string {
	if c.parsed == nil {
		return nil
	}
	for _, a := range aliases {
		if all, err := c.parsed.GetAll(a, key); err == nil && len(all) > 0 {
			return all
		}
	}
	return nil
}

// setting returns the first value of key for any of the aliases, the user's before the machine's; "" where there is none.
func (n *Net) setting(key string, aliases ...string) string {
	if all := n.settings(key, aliases...); len(all) > 0 {
		return all[0]
	}
	return ""
}

func (n *Net) settings(key string, aliases ...string) []string {
	return slices.Concat(n.config.all(key, aliases...), n.system.all(key, aliases...))
}
