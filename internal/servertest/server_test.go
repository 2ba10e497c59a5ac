package servertest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A server runs, says who it is and leaves nothing in the folder for temporary
// files.
func TestStartLeavesNothing(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	s := Start(t, t.TempDir())
	if s.Registry == "" || s.PID == 0 || !strings.HasPrefix(s.HomeCommunityID, "urn:oid:") {
		t.Errorf("%+v", s.Announcement)
	}
	s.Stop()
	if left, err := filepath.Glob(filepath.Join(temp, "samdok*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A result of a test must not outlive the sources of the server.
func TestModuleRoot(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "cmd", "samdok", "main.go")); err != nil {
		t.Error(err)
	}
}
