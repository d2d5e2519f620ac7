package playbooks

import (
	"context"
	"strings"
)

// keptFile is a file as Before found it: its content is kept on the machine under its digest.
type keptFile struct {
	path       string
	attributes string // mode, owner and group, as 644:0:0
	digest     string // SHA-256; "" where there was no such file
}

// parseFile reads a line of the shell functions file_facts and keep_file.
func parseFile(line string) (f keptFile, ok bool) {
	if path, absent := strings.CutPrefix(line, "nofile "); absent {
		return keptFile{path: path}, true
	}
	if words := strings.SplitN(line, " ", 4); len(words) == 4 && words[0] == "file" && strings.HasPrefix(words[3], "/") {
		return keptFile{path: words[3], attributes: words[1], digest: words[2]}, true
	}
	return keptFile{}, false
}

// parseFiles reads those lines of a text that are about files.
func parseFiles(text string) (files []keptFile) {
	for _, line := range lines(text) {
		if f, ok := parseFile(line); ok {
			files = append(files, f)
		}
	}
	return files
}

// keepFiles is the part of a script that keeps files and prints the lines of the record about them.
func keepFiles(paths []string) string { return eachOf("keep_file", paths) }

// eachOf calls a shell function once for each of the words.
func eachOf(function string, each []string) (script string) {
	for _, word := range each {
		script += function + " " + words(word) + "\n"
	}
	return script
}

// keepOnly is Before of a step that changes nothing but files.
func keepOnly(ctx context.Context, h Host, paths ...string) (string, error) {
	return h.Run(ctx, lib(filesShell)+keepFiles(paths))
}

// lookAtFiles is the part of a script that says how the files are now, and which of their copies are there.
func lookAtFiles(files []keptFile) (script string) {
	for _, f := range files {
		script += "file_facts " + words(f.path) + "\n"
		if f.digest != "" {
			script += "copy_there " + words(f.digest) + "\n"
		}
	}
	return script
}

// differing are the files that aren't as they were, by what lookAtFiles printed, and what was kept and is gone.
func differing(files []keptFile, output string) (differ []keptFile, problems []string) {
	now, copies := map[string]keptFile{}, map[string]bool{}
	for _, f := range parseFiles(output) {
		now[f.path] = f
	}
	for _, line := range lines(output) {
		if digest, ok := strings.CutPrefix(line, "copy "); ok {
			copies[digest] = true
		}
	}
	for _, f := range files {
		if f == now[f.path] {
			continue
		}
		differ = append(differ, f)
		if f.digest != "" && !copies[f.digest] {
			problems = append(problems, f.path+": its copy is gone from /var/lib/fleetup/kept/files ("+f.digest+"): put it back there from a backup")
		}
	}
	return differ, problems
}

// change says what becomes of a file.
func (f keptFile) change() string {
	if f.digest == "" {
		return f.path + ": removed, as it wasn't there"
	}
	return f.path + " as it was"
}

// restore is the part of a script that puts files back.
func restore(files []keptFile) (script string) {
	for _, f := range files {
		if f.digest == "" {
			script += "remove_file " + words(f.path) + "\n"
			continue
		}
		script += "restore_file " + words(f.attributes, f.digest, f.path) + "\n"
	}
	return script
}

// filesBack puts files back: the undo of steps that change nothing else.
type filesBack struct {
	inverse
	files   []keptFile
	problem string // why it can't be done after all
}

// Check compares the files with their record.
func (s *filesBack) Check(ctx context.Context, h Host) (Status, error) {
	out, err := h.Run(ctx, lib(filesShell)+lookAtFiles(s.files))
	if err != nil {
		return Status{}, s.failed("check", err)
	}
	differ, problems := differing(s.files, out)
	if s.problem != "" {
		return backTo([]string{s.name}, []string{s.problem}), nil
	}
	return backTo(changesOf(differ), problems), nil
}

func changesOf(files []keptFile) (changes []string) {
	for _, f := range files {
		changes = append(changes, f.change())
	}
	return changes
}

// Apply puts all of them back.
func (s *filesBack) Apply(ctx context.Context, h Host, say func(string)) error {
	ctx, cancel := context.WithTimeout(ctx, s.traits.Timeout)
	defer cancel()
	if _, err := h.Do(ctx, s.script("restore"), "set -e\n"+lib(filesShell)+restore(s.files), said(say)); err != nil {
		return s.failed("restore", err)
	}
	return nil
}
