package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A named pipe is refused at once: opening it would wait for a writer for ever.
func TestPutOfAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe.txt")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := examine(t.Context(), path); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("got %v", err)
	}
}
