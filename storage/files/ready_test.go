package files

import (
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"samdok/internal/disk/crashdisk"
)

// A full disk shows before a document fails, and readiness comes back with space.
func TestReady(t *testing.T) {
	d := crashdisk.New()
	s, done := openOn(t, d, true)
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	var full atomic.Bool
	full.Store(true)
	d.Fail = func(op, _ string) error {
		if full.Load() && op == "write" {
			return syscall.ENOSPC
		}
		return nil
	}
	if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "make room on the disk") {
		t.Errorf("readiness on a full disk: %v", err)
	}
	full.Store(false)
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if names, err := d.Names("/data/documents/incoming"); err != nil || len(names) > 0 {
		t.Errorf("left behind: %v, %v", names, err)
	}
	done()
	if err := s.Ready(t.Context()); err == nil {
		t.Error("ready after Close")
	}
}
