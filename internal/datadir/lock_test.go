package datadir

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("SAMDOK_DATADIR_CHILD"); dir != "" {
		if _, err := Acquire(dir); err != nil {
			os.Stdout.WriteString(err.Error())
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child tries to take the folder in another process.
func child(t *testing.T, dir string) (string, error) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SAMDOK_DATADIR_CHILD="+dir)
	out, err := cmd.Output()
	return string(out), err
}

func TestOneProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	l, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := child(t, dir); err == nil || !strings.Contains(out, "used by another samdok (process ") || !strings.Contains(out, dir) {
		t.Fatalf("a second process: %q %v", out, err)
	}
	if _, err := Acquire(dir); !errors.Is(err, ErrLocked) {
		t.Fatalf("twice in one process: %v", err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if out, err := child(t, dir); err != nil {
		t.Fatalf("after Release: %q %v", out, err)
	}
	if err := os.Mkdir(filepath.Join(dir, Restoring), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(dir); !errors.Is(err, ErrRestoring) {
		t.Fatal(err)
	}
}
