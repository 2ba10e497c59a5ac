package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const (
	probeName = "probe" // in the folder of intakes, which Open empties
	probeSize = 4 << 10
)

// Ready is nil when documents can be stored; the error names the action that mends
// it. It stores a few bytes as an intake does and removes them again.
func (s *Store) Ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return errClosed
	}
	s.probing.Lock()
	defer s.probing.Unlock()
	if err := s.probe(); err != nil {
		return fmt.Errorf("documents cannot be stored: %w; make room on the disk of %s, or see that it is there and writable", err, s.dir)
	}
	return nil
}

func (s *Store) probe() error {
	path := filepath.Join(s.incoming(), probeName)
	f, err := s.FS.Open(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(make([]byte, probeSize), 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), s.FS.Remove(path))
}
