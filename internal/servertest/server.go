package servertest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Announcement is what `samdok serve --json` prints when it is ready.
type Announcement struct {
	Registry           string `json:"registry"`
	Repository         string `json:"repository"`
	Recipient          string `json:"recipient"`
	PatientIdentity    string `json:"patient_identity"`
	Subscription       string `json:"subscription"`
	XCA                string `json:"xca"`     // "" unless started with --gateway-respond on
	Gateway            string `json:"gateway"` // "" unless started with --gateway-communities
	XCPD               string `json:"xcpd"`    // "" unless started with --gateway-discovery
	Internal           string `json:"internal"`
	MLLP               string `json:"mllp"` // "" unless started with --mllp-listen
	HomeCommunityID    string `json:"home_community_id"`
	RepositoryUniqueID string `json:"repository_unique_id"`
}

// Server is a running samdok.
type Server struct {
	Announcement
	PID    int
	cmd    *exec.Cmd
	stderr lockedBuffer
	kept   io.WriteCloser
	line   chan []byte // what it announces; empty when it ends instead
	done   chan error
}

// Start runs `samdok serve` on free ports with the data folder and waits until it
// is ready. The server ends with the test; a failed test shows its log.
func Start(t testing.TB, data string, args ...string) *Server {
	t.Helper()
	s := Begin(t, data, args...)
	s.Await(t)
	return s
}

// Begin is Start without waiting.
func Begin(t testing.TB, data string, args ...string) *Server {
	t.Helper()
	binary, err := Build()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{line: make(chan []byte, 1), done: make(chan error, 1)}
	s.cmd = exec.Command(binary, append([]string{"serve", "--json", "--data", data, "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"}, args...)...)
	s.cmd.Args[0] = "samdok"
	s.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { // what names engines to tests is no setting
		return strings.HasPrefix(v, "SAMDOK_TEST_")
	})
	s.kept = Keep("server")
	s.cmd.Stderr = io.MultiWriter(&s.stderr, s.kept)
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.PID = s.cmd.Process.Pid
	go func() {
		b, _ := bufio.NewReader(stdout).ReadBytes('\n')
		s.line <- b
		err := s.cmd.Wait()
		s.done <- errors.Join(err, s.kept.Close())
	}()
	t.Cleanup(func() {
		s.Stop()
		if t.Failed() {
			t.Logf("log of the server:\n%s", s.stderr.String())
		}
	})
	return s
}

// Await waits until a server that was begun is ready.
func (s *Server) Await(t testing.TB) {
	t.Helper()
	select {
	case b := <-s.line:
		if err := json.Unmarshal(b, &s.Announcement); err != nil {
			t.Fatalf("samdok serve printed %q: %v\n%s", b, err, s.stderr.String())
		}
	case <-time.After(2 * time.Minute):
		t.Fatalf("samdok serve is not ready after 2 minutes\n%s", s.stderr.String())
	}
}

// Ended waits until a server has ended by itself, or by a signal that the test sent.
func (s *Server) Ended(t testing.TB) error {
	t.Helper()
	select {
	case err := <-s.done:
		s.done = nil
		return err
	case <-time.After(2 * time.Minute):
		t.Fatalf("samdok serve has not ended after 2 minutes\n%s", s.stderr.String())
		return nil
	}
}

// Log is what the server has logged so far.
func (s *Server) Log() string { return s.stderr.String() }

// lockedBuffer is read while the server writes.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Kill ends the server as a power cut would end the process.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Stop ends the server in order.
func (s *Server) Stop() {
	if s.done != nil {
		s.keepMetrics()
	}
	s.end(syscall.SIGTERM)
}

// keepMetrics keeps what /metrics says at the end, for internal/leak.
func (s *Server) keepMetrics() {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	answer, err := client.Get(s.Internal + "/metrics")
	if err != nil {
		return // a server that the test has ended
	}
	defer answer.Body.Close()
	f := Keep("metrics")
	defer f.Close()
	_, _ = io.Copy(f, answer.Body) // what came is looked through
}

func (s *Server) end(sig syscall.Signal) {
	if s.done == nil {
		return
	}
	s.cmd.Process.Signal(sig)
	select {
	case <-s.done:
	case <-time.After(20 * time.Second):
		s.cmd.Process.Kill()
		<-s.done
	}
	s.done = nil
}
