package runner

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Reserve sets disk space aside without changing the file's size: readers see nothing of it.
func (f diskFile) Reserve(off, size int64) error {
	err := error(unix.EINTR) // Go's own signals interrupt it
	for errors.Is(err, unix.EINTR) {
		err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, off, size)
	}
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return errors.ErrUnsupported
	}
	if err != nil {
		return fmt.Errorf("set %d bytes aside: %w", size, err)
	}
	return nil
}
