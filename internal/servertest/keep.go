package servertest

import (
	"io"
	"os"
	"path/filepath"
)

// keepVariable names the folder in which a test run keeps what servers and
// commands wrote, so that internal/leak can look through all of it.
const keepVariable = "KEEP_TEST_OUTPUT"

// Keep is a new file of that folder, or nowhere when there is none.
func Keep(name string) io.WriteCloser {
	dir := os.Getenv(keepVariable)
	if dir == "" {
		return nowhere{}
	}
	f, err := os.CreateTemp(dir, filepath.Base(name)+"-*")
	if err != nil {
		panic("the folder that KEEP_TEST_OUTPUT names cannot be used: " + err.Error())
	}
	return f
}

type nowhere struct{}

func (nowhere) Write(b []byte) (int, error) { return len(b), nil }

func (nowhere) Close() error { return nil }
