//go:build !linux

package runner

import "errors"

// Reserve isn't available here.
func (f diskFile) Reserve(off, size int64) error { return errors.ErrUnsupported }
