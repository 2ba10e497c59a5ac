package disk

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Sync leaves out what fdatasync may leave out: times. The size is made durable.
func (f *osFile) Sync() error {
	return f.control("fdatasync", func(fd int) error { return unix.Fdatasync(fd) })
}

func (f *osFile) Punch(off, n int64) error {
	err := f.control("fallocate", func(fd int) error {
		return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	})
	if errors.Is(err, unix.EOPNOTSUPP) {
		return f.zeros(off, n)
	}
	return err
}

// control runs a system call on the descriptor while the file cannot be closed.
func (f *osFile) control(op string, call func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var res error
	if err := conn.Control(func(fd uintptr) {
		for {
			if res = call(int(fd)); !errors.Is(res, unix.EINTR) {
				return
			}
		}
	}); err != nil {
		return err
	}
	if res != nil {
		return &fs.PathError{Op: op, Path: f.Name(), Err: res}
	}
	return nil
}
