package memnet

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

type addr string

func (a addr) Network() string { return "mem" }
func (a addr) String() string  { return string(a) }

func read(c net.Conn) (string, error) {
	b := make([]byte, 64)
	n, err := c.Read(b)
	return string(b[:n]), err
}

func TestConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pair(addr("a"), addr("b"))
		if a.RemoteAddr().String() != "b" || b.RemoteAddr().String() != "a" || a.LocalAddr().String() != "a" {
			t.Error("addresses")
		}
		a.Write([]byte("one")) // nobody reads yet
		if s, err := read(b); s != "one" || err != nil {
			t.Errorf("%q %v", s, err)
		}
		b.SetDeadline(time.Now().Add(time.Minute))
		if _, err := read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		b.SetDeadline(time.Time{})
		a.Write([]byte("last"))
		a.Close()
		if s, _ := read(b); s != "last" {
			t.Errorf("lost %q", s)
		}
		if _, err := read(b); err != io.EOF {
			t.Error(err)
		}
		if _, err := b.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		b.Close()
	})
}

func TestFreezeAndCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pair(addr("a"), addr("b"))
		a.Freeze()
		a.Write([]byte("late"))
		time.AfterFunc(time.Minute, a.Thaw)
		began := time.Now()
		if s, err := read(b); s != "late" || err != nil || time.Since(began) != time.Minute {
			t.Errorf("%q %v after %s", s, err, time.Since(began))
		}
		time.AfterFunc(time.Minute, b.Cut)
		if _, err := read(a); !errors.Is(err, ErrReset) {
			t.Error(err)
		}
	})
}
