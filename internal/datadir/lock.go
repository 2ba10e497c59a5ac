package datadir

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"samdok/internal/disk"
)

// LockName is the file in a data folder that its owner holds locked.
const LockName = "lock"

// Restoring is a folder in a data folder that is not wholly restored.
const Restoring = ".restoring"

// ErrRestoring: a restore into the data folder runs or was stopped.
var ErrRestoring = errors.New("data folder not wholly restored")

// Lock is the ownership of a data folder.
type Lock struct{ f *os.File }

// ErrLocked: another process uses the data folder.
var ErrLocked = errors.New("data folder in use")

// ErrForeign: the folder holds what others made, and no data of samdok.
var ErrForeign = errors.New("not a data folder")

// Identity is the file that says whose data a folder holds.
const Identity = "samdok.json"

// Acquire makes the folder when it is missing (mode 0700) and locks it. The lock
// ends with Release or with the process, however it ends. The error wraps
// ErrLocked when another process holds it, ErrRestoring when the folder is not
// wholly restored, ErrForeign when it is somebody else's: a start empties folders in it.
func Acquire(dir string) (*Lock, error) {
	if err := (disk.OS{}).MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("data folder %s cannot be made: %w", dir, err)
	}
	if _, err := os.Stat(filepath.Join(dir, Restoring)); err == nil {
		return nil, fmt.Errorf("%w: %s; wait for the restore, or empty the folder and restore again", ErrRestoring, dir)
	}
	if err := foreign(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, LockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder %s cannot be locked: %w", dir, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder := readHolder(f)
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s is used by another samdok%s; stop that one or choose another folder with --data", ErrLocked, dir, holder)
		}
		return nil, fmt.Errorf("data folder %s cannot be locked: %w", dir, err)
	}
	// The number is only a help for whoever meets the lock.
	if err := errors.Join(f.Truncate(0), writePID(f)); err != nil {
		f.Close()
		return nil, fmt.Errorf("data folder %s: lock file cannot be written: %w", dir, err)
	}
	return &Lock{f}, nil
}

// foreign finds folders where nothing of samdok is. Files alone, such as a configuration or
// a key, do no harm and come to none; lost+found belongs to the file system.
func foreign(dir string) error {
	all, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("data folder %s cannot be read: %w", dir, err)
	}
	found := ""
	for _, e := range all {
		switch {
		case e.Name() == LockName || e.Name() == Identity:
			return nil
		case e.IsDir() && e.Name() != "lost+found":
			found = e.Name()
		}
	}
	if found == "" {
		return nil
	}
	return fmt.Errorf("%w: %s holds other things, such as %s, and no data of samdok; choose an empty or a new folder with --data", ErrForeign, dir, found)
}

func writePID(f *os.File) error {
	_, err := f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	return err
}

func readHolder(f *os.File) string {
	b := make([]byte, 16)
	n, err := f.ReadAt(b, 0)
	if pid := strings.TrimSpace(string(b[:n])); pid != "" && (err == nil || err == io.EOF) {
		return " (process " + pid + ")"
	}
	return ""
}

// Release gives the folder up.
func (l *Lock) Release() error { return l.f.Close() }
