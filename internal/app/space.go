package app

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

// leastSpace is what must be free in the data folder for readiness, in octets:
// below it, submissions soon fail.
const leastSpace = 256 << 20

// diskSpace is a readiness check.
func (a *App) diskSpace(context.Context) error {
	var s unix.Statfs_t
	if err := unix.Statfs(a.data.dir, &s); err != nil {
		return fmt.Errorf("data folder %s: %w; check that its disk is mounted", a.data.dir, err)
	}
	if free := s.Bavail * uint64(s.Bsize); free < leastSpace {
		return fmt.Errorf("only %d MiB are free in %s; make room or move the data folder to a larger disk", free>>20, a.data.dir)
	}
	return nil
}
