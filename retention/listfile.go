package retention

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"samdok/internal/disk"
)

// listFile keeps a list in a file.
type listFile struct {
	path string
	mu   sync.Mutex
	f    disk.File
	end  int64
}

func openFile(dir string) (*listFile, error) {
	fsys := disk.OS{}
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("list of erasures: %w", err)
	}
	l := &listFile{path: filepath.Join(dir, ListName)}
	f, err := fsys.Open(l.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("list of erasures: %w", err)
	}
	l.f = f
	if err := errors.Join(l.trim(), fsys.SyncDir(dir)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l, nil
}

// whole are the lines that end.
func (l *listFile) whole() (b []byte, size int64, err error) {
	if size, err = l.f.Size(); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", l.path, err)
	}
	b = make([]byte, size)
	if size > 0 {
		if _, err := l.f.ReadAt(b, 0); err != nil {
			return nil, 0, fmt.Errorf("%s: %w", l.path, err)
		}
	}
	return b[:bytes.LastIndexByte(b, '\n')+1], size, nil
}

// trim takes a line away that was cut off: nothing was done that rests on it.
func (l *listFile) trim() error {
	b, size, err := l.whole()
	if err != nil {
		return err
	}
	l.end = int64(len(b))
	if l.end < size {
		return errors.Join(l.f.Truncate(l.end), l.f.Sync())
	}
	return nil
}

func (l *listFile) Read(n int) ([][]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, _, err := l.whole()
	if err != nil || len(b) == 0 {
		return nil, err
	}
	lines := bytes.Split(b[:len(b)-1], []byte("\n"))
	return lines[min(n, len(lines)):], nil
}

// Append writes at the end: one process has the file.
func (l *listFile) Append(_ int, line []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := append(bytes.Clone(line), '\n')
	_, err := l.f.WriteAt(b, l.end)
	if err == nil {
		err = l.f.Sync()
	}
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", l.path, err)
	}
	l.end += int64(len(b))
	return nil
}

func (l *listFile) Close() error { return l.f.Close() }
