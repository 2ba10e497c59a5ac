package servertest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// binaryVariable names a samdok binary that is already built, as ./test does for
// all packages together.
const binaryVariable = "SAMDOK_BIN"

// Build is the path of the samdok binary: the one that SAMDOK_BIN names, else one
// that is built once for the test process. The latter has no name in any folder,
// so that nothing is left behind however the process ends.
var Build = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(binaryVariable); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%s: %w; build it with `go build -o FILE ./cmd/samdok`", binaryVariable, err)
		}
		return path, nil
	}
	if err := dependOnSources(); err != nil {
		return "", err
	}
	return buildUnnamed()
})

// unnamed stays open as long as the process: the binary is gone with it.
var unnamed *os.File

func buildUnnamed() (_ string, err error) {
	dir, err := os.MkdirTemp("", "samdok-servertest-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "samdok")
	if out, err := exec.Command("go", "build", "-o", path, "samdok/cmd/samdok").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	if unnamed, err = os.Open(path); err != nil {
		return "", err
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), unnamed.Fd()), nil
}

// dependOnSources looks at every folder with sources of the module. The go command
// notes what a test looks at, so it does not take an old result of the test for a
// new server.
func dependOnSources() error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	return filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "target") {
			return filepath.SkipDir
		}
		return nil
	})
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod in this folder or above it")
		}
		dir = up
	}
}
