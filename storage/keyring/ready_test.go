package keyring

import (
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"samdok/internal/disk/crashdisk"
)

// A ring that could not write keys is not ready until it can.
func TestReady(t *testing.T) {
	d := crashdisk.New()
	var full atomic.Bool
	d.Fail = func(op, _ string) error {
		if full.Load() && op == "write" {
			return syscall.ENOSPC
		}
		return nil
	}
	r, err := OpenOn(d, "/keys", Master{[MasterSize]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	full.Store(true)
	if _, _, err := r.New(t.Context()); err == nil {
		t.Fatal("a key that nobody wrote was handed out")
	}
	if err := r.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "make room") {
		t.Errorf("readiness on a full disk: %v", err)
	}
	full.Store(false)
	if err := r.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if _, _, err := r.New(t.Context()); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if r.Ready(t.Context()) == nil {
		t.Error("ready after Close")
	}
	if err := (*Ring)(nil).Ready(t.Context()); err != nil {
		t.Errorf("without encryption: %v", err)
	}
}
