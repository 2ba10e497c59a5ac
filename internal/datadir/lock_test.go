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

// A start empties folders such as tmp: never those of somebody else.
func TestFolderOfSomebodyElse(t *testing.T) {
	for name, c := range map[string]struct {
		made []string
		ok   bool
	}{
		"a folder":          {[]string{"tmp/"}, false},
		"a home":            {[]string{".profile", "documents/"}, false},
		"files":             {[]string{"samdok.yaml", "master.key"}, true},
		"a new disk":        {[]string{"lost+found/"}, true},
		"a stopped start":   {[]string{"lock", "keys/"}, true},
		"a restored folder": {[]string{"samdok.json", "documents/"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, n := range c.made {
				var err error
				if path := filepath.Join(dir, n); strings.HasSuffix(n, "/") {
					err = os.Mkdir(path, 0o700)
				} else {
					err = os.WriteFile(path, nil, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			l, err := Acquire(dir)
			if c.ok != (err == nil) || !c.ok && !errors.Is(err, ErrForeign) {
				t.Fatal(err)
			}
			if l != nil {
				if err := l.Release(); err != nil {
					t.Fatal(err)
				}
				return
			}
			if _, err := os.Stat(filepath.Join(dir, LockName)); err == nil {
				t.Error("a lock was left in somebody else's folder")
			}
		})
	}
}
