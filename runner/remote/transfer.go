package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/pkg/sftp"
)

// Upload copies a local file to the machine, as root: to a temporary name over SFTP, then fsync and rename, so that to
// is the old file or the whole new one, whenever the connection is cut. It begins again on a new connection. A user who
// isn't root sends it to a folder of his own, and root copies it from there.
func (h *Host) Upload(ctx context.Context, from, to string, mode fs.FileMode) error {
	what := "upload " + to
	if !path.IsAbs(to) || strings.HasSuffix(to, "/") {
		return fmt.Errorf("host %s: %s: the target must be the absolute name of a file", h.login.Name, what)
	}
	info, err := os.Stat(from)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return fmt.Errorf("host %s: %s: %s: %w", h.login.Name, what, from, err)
	}
	var begun []stage // by tries that were cut
	return h.again(ctx, what, func(l *link) error {
		err := h.uploadOn(ctx, l, what, from, to, mode, &begun)
		for _, s := range begun {
			s.clean(h, l)
		}
		return err
	})
}

func (h *Host) uploadOn(ctx context.Context, l *link, what, from, to string, mode fs.FileMode, begun *[]stage) error {
	if err := h.script(ctx, l, what, h.fenced("[ ! -d "+quote(to)+" ] || { echo 'it is a folder' >&2; exit 1; }\n"), io.Discard); err != nil {
		return err
	}
	stage, err := h.stage(ctx, l, to)
	if err != nil {
		return err
	}
	*begun = append(*begun, stage)
	size, err := h.send(ctx, l, from, stage.file)
	if err == nil {
		err = h.script(ctx, l, what, h.fenced(stage.finish(to, mode, size)), io.Discard)
	}
	if err == nil {
		*begun = (*begun)[:len(*begun)-1] // finish took it away
	}
	return err
}

// stage is where a file lies while it is on its way.
type stage struct {
	dir  string // ours alone; "" where file lies in the target's own folder
	file string
}

// makeStage makes the file too: what root writes into it stays the user's.
const makeStage = `d=$(mktemp -d /var/tmp/fleetup-XXXXXXXX) && : >"$d/file" && chmod 0600 "$d/file" && echo "$d"`

// stage makes the place for a file: beside the target for root, else in a private folder of the user's.
func (h *Host) stage(ctx context.Context, l *link, to string) (stage, error) {
	if l.uid == "0" {
		return stage{file: path.Join(path.Dir(to), "."+path.Base(to)+"."+marker())}, nil
	}
	dir, err := h.asUser(ctx, l, "make a temporary folder", makeStage)
	dir = strings.TrimSpace(dir)
	return stage{dir: dir, file: dir + "/file"}, err
}

// finish is the script that puts the file in its place. The rename is within one folder, so that it is one step.
func (s stage) finish(to string, mode fs.FileMode, size int64) string {
	temp := s.file
	script := "set -e\n"
	if s.dir != "" {
		temp = path.Join(path.Dir(to), "."+path.Base(to)+"."+marker())
		script += fmt.Sprintf("cat %s >%s || { rm -f %s; exit 1; }\nrm -rf %s\n", quote(s.file), quote(temp), quote(temp), quote(s.dir))
	}
	t := quote(temp)
	return script + fmt.Sprintf("[ $(wc -c <%s) -eq %d ] || { rm -f %s; echo 'it arrived incomplete' >&2; exit 1; }\n", t, size, t) +
		fmt.Sprintf("chmod %04o %s\nsync %s 2>/dev/null || sync\nmv -f %s %s\nsync %s 2>/dev/null || sync\n",
			mode.Perm(), t, t, t, quote(to), quote(path.Dir(to)))
}

// clean removes what a try left, where the connection still allows it.
func (s stage) clean(h *Host, l *link) {
	if !l.alive() {
		return
	}
	ctx, stop := context.WithTimeout(h.net.ctx, h.peer.e.timeout)
	defer stop()
	_, _ = h.asUser(ctx, l, "clean up", fmt.Sprintf("rm -rf %s", quote(orElse(s.dir, s.file)))) // the upload's own error is the one to show
}

// send copies a local file over SFTP and syncs it there.
func (h *Host) send(ctx context.Context, l *link, from, to string) (size int64, err error) {
	in, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return 0, err
	}
	err = h.sftp(ctx, l, func(c *sftp.Client) error {
		out, err := c.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
		if err != nil {
			return fmt.Errorf("create %s: %w", to, err)
		}
		defer func() { _ = out.Close() }()
		if err := out.Chmod(0o600); err != nil {
			return err
		}
		if size, err = out.ReadFromWithConcurrency(h.progress(ctx, in, from, info.Size()), 64); err != nil {
			return err
		}
		if _, ok := c.HasExtension("fsync@openssh.com"); ok {
			return out.Sync()
		}
		return nil
	})
	return size, err
}

// Download copies a file of the machine, as root, to a local one, in the same way: to is never half written.
func (h *Host) Download(ctx context.Context, from, to string) error {
	what := "download " + from
	return h.again(ctx, what, func(l *link) error { return h.downloadOn(ctx, l, what, from, to) })
}

func (h *Host) downloadOn(ctx context.Context, l *link, what, from, to string) error {
	if _, err := h.rootWay(ctx, l); err != nil {
		return err
	}
	source := from
	if l.uid != "0" {
		s, err := h.stage(ctx, l, from)
		if err != nil {
			return err
		}
		defer s.clean(h, l)
		if err := h.script(ctx, l, what, h.fenced(s.expose(from)), io.Discard); err != nil {
			return err
		}
		source = s.file
	}
	return h.sftp(ctx, l, func(c *sftp.Client) error { return h.fetch(ctx, c, source, to) })
}

// expose copies a file that root may read to where the user may.
func (s stage) expose(from string) string {
	return fmt.Sprintf("set -e\ncat %s >%s\n", quote(from), quote(s.file))
}

func (h *Host) fetch(ctx context.Context, c *sftp.Client, from, to string) error {
	in, err := c.Open(from)
	if err != nil {
		return fmt.Errorf("open %s: %w", from, err)
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := renameio.NewPendingFile(to, renameio.WithTempDir(filepath.Dir(to)), renameio.WithPermissions(0o600))
	if err != nil {
		return err
	}
	defer func() { _ = out.Cleanup() }()
	counted := h.progress(ctx, nil, from, info.Size())
	counted.w = out
	n, err := in.WriteTo(counted)
	if err != nil {
		return err
	}
	if n < info.Size() {
		return fmt.Errorf("%w: %d of %d bytes came", errLost, n, info.Size())
	}
	return out.CloseAtomicallyReplace()
}

// sftp runs do with a client on a channel of its own, and ends it when ctx does.
func (h *Host) sftp(ctx context.Context, l *link, do func(*sftp.Client) error) error {
	return l.subsystem(ctx, "sftp", func(rw io.ReadWriteCloser) error {
		c, err := sftp.NewClientPipe(rw, rw, sftp.UseConcurrentWrites(true), sftp.MaxConcurrentRequestsPerFile(64))
		if err != nil {
			return fmt.Errorf("start SFTP (is the subsystem sftp set in sshd_config?): %w", err)
		}
		defer func() { _ = c.Close() }()
		return do(c)
	})
}

// progress counts what is read through it, or written, and tells Options.Progress.
func (h *Host) progress(ctx context.Context, r io.Reader, file string, total int64) *progress {
	return &progress{ctx: ctx, r: r, tell: h.net.o.Progress, host: h.login.Name, file: file, total: total}
}

type progress struct {
	ctx         context.Context
	r           io.Reader
	w           io.Writer
	tell        func(host, file string, done, total int64)
	host, file  string
	done, total int64
}

func (p *progress) Read(b []byte) (int, error) {
	if p.ctx.Err() != nil {
		return 0, context.Cause(p.ctx)
	}
	n, err := p.r.Read(b)
	p.add(n)
	return n, err
}

func (p *progress) Write(b []byte) (int, error) {
	if p.ctx.Err() != nil {
		return 0, context.Cause(p.ctx)
	}
	n, err := p.w.Write(b)
	p.add(n)
	return n, err
}

func (p *progress) add(n int) {
	p.done += int64(n)
	if p.tell != nil && n > 0 {
		p.tell(p.host, p.file, p.done, p.total)
	}
}
