package servertest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
)

// Profiled keeps a CPU profile of the next seconds in the file that BENCH_PROFILE names;
// wait is over when it is there. The server was started with --profiling on.
func (s *Server) Profiled(t testing.TB, seconds int) (wait func()) {
	path := os.Getenv("BENCH_PROFILE")
	if path == "" {
		return func() {}
	}
	done := make(chan error, 1)
	go func() {
		resp, err := http.Get(fmt.Sprintf("%s/debug/profile?seconds=%d", s.Internal, seconds))
		if err != nil {
			done <- err
			return
		}
		defer resp.Body.Close()
		content, err := io.ReadAll(resp.Body)
		done <- errors.Join(err, os.WriteFile(path, content, 0o600))
	}()
	return func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
