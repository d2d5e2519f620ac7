package bundle

import (
	"archive/tar"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"
	"github.com/klauspost/compress/zstd"
)

// Writer writes a bundle. Its methods may be called from several goroutines.
type Writer struct {
	mu   sync.Mutex
	file *renameio.PendingFile
	zip  *zstd.Encoder
	tar  *tar.Writer
	dir  string
	at   time.Time
	err  error // of the first file that could not be added
}

// Create begins a .tar.zst. All in it lies in one folder, dir. Nothing stands at path before Commit.
func Create(path, dir string) (*Writer, error) {
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("bundle %s: there is no folder %s", path, filepath.Dir(path))
	}
	file, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithPermissions(0o600), renameio.IgnoreUmask())
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", path, err)
	}
	zip, err := zstd.NewWriter(file)
	if err != nil {
		_ = file.Cleanup() // the first error is the one to tell
		return nil, fmt.Errorf("bundle %s: %w", path, err)
	}
	return &Writer{file: file, zip: zip, tar: tar.NewWriter(zip), dir: dir, at: time.Now().Truncate(time.Second)}, nil
}

// Add adds a file, without the secrets in it. After one that failed there is no Commit.
func (w *Writer) Add(name, text string) error {
	text = Redact(text)
	name = w.dir + "/" + strings.TrimLeft(filepath.ToSlash(filepath.Clean("/"+name)), "/")
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text)), ModTime: w.at})
	if err == nil {
		_, err = w.tar.Write([]byte(text))
	}
	if err != nil {
		w.err = cmp.Or(w.err, fmt.Errorf("bundle: %s: %w", name, err))
	}
	return w.err
}

// Commit finishes the file and puts it in its place. It is refused where something could not be added.
func (w *Writer) Commit() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	if err := w.tar.Close(); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	if err := w.zip.Close(); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	if err := w.file.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	return nil
}

// Discard drops what isn't committed; after Commit it does nothing.
func (w *Writer) Discard() {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.zip.Close()    // to be thrown away
	_ = w.file.Cleanup() // nothing is left of it, or nothing can be done
}
