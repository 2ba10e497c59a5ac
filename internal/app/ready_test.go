package app

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/soap/xds"
)

// noRoom lets no file of this process grow until the returned function is called,
// as on a full disk.
func noRoom(t *testing.T) (room func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 0, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	full := true
	room = func() {
		if !full {
			return
		}
		full = false
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
			t.Error(err)
		}
		signal.Reset(syscall.SIGXFSZ)
	}
	t.Cleanup(room)
	return room
}

const aloneVariable = "SAMDOK_TEST_ALONE"

// alone runs the calling test in a process of its own and tells whether this is
// not that process: where no file may grow, the log that the go command keeps of a
// test may not grow either.
func alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv(aloneVariable) != "" {
		return false
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), aloneVariable+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return true
}

// A server that cannot store or record says so before clients are sent to it, and
// what mends it; it is ready again without a restart.
func TestReadinessFollowsTheDisk(t *testing.T) {
	if alone(t) {
		return
	}
	a, _ := serve(t, settings(t, t.TempDir()), io.Discard)
	x, h := client(t, a.Info())
	g := metadatatest.New(11)
	p := g.Patient()
	provide := func() error {
		d := g.Document(p, metadatatest.Note)
		_, err := x.Provide(t.Context(), g.Submission(p, d), []xds.Attachment{xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes)})
		return err
	}
	find := func() error {
		_, err := x.Find(t.Context(), metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: p.CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}})
		return err
	}
	readyz := func(status int, parts ...string) {
		t.Helper()
		answer, err := h.Get(a.Info().Internal + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		b, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != status {
			t.Errorf("status %d instead of %d, %v", answer.StatusCode, status, err)
		}
		for _, part := range parts {
			if !strings.Contains(string(b), part) {
				t.Errorf("no %q in\n%s", part, b)
			}
		}
	}
	if err := provide(); err != nil {
		t.Fatal(err)
	}
	readyz(http.StatusOK, "log: ready", "keys: ready", "documents: ready", "ledger: ready", "disk: ready")

	room := noRoom(t)
	for name, use := range map[string]func() error{"a document was taken": provide, "a search was answered without a record": find} {
		if use() == nil {
			t.Error(name)
		}
	}
	readyz(http.StatusServiceUnavailable, "documents: not ready: documents cannot be stored", "ledger: not ready: audit records cannot be written", "make room on the disk")

	room()
	readyz(http.StatusOK, "ledger: ready")
	if err := provide(); err != nil {
		t.Error(err)
	}
	if err := find(); err != nil {
		t.Error(err)
	}
}
