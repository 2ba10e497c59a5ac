package fleet

import (
	"crypto/rand"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"samdok/internal/servertest"
)

// TestRotateMaster replaces the master key while nodes that know both serve; then
// the new one alone opens everything, and the old one nothing.
func TestRotateMaster(t *testing.T) {
	f := newFleet(t, false)
	old := os.Getenv("SAMDOK_MASTER_KEY")
	b := make([]byte, 32)
	_, err := rand.Read(b)
	must(t, err)
	next := base64.StdEncoding.EncodeToString(b)
	file := filepath.Join(t.TempDir(), "next.key")
	must(t, os.WriteFile(file, []byte(next), 0o600))
	again := func() {
		for i := range f.nodes {
			f.nodes[i].Load().Stop()
			f.start(i)
		}
	}
	t.Setenv("SAMDOK_OTHER_MASTER_KEY", next)
	again()
	stop := f.load(2)
	f.settled(3)
	t.Setenv("SAMDOK_MASTER_KEY", next)
	t.Setenv("SAMDOK_OTHER_MASTER_KEY", old)
	again() // one after the other: meanwhile each writes keys that the other one must know
	f.settled(3)
	binary, err := servertest.Build()
	must(t, err)
	out, err := exec.Command(binary, append([]string{"keys", "rotate-master", "--new-master-key-file", file, "--data", filepath.Join(t.TempDir(), "none")}, f.args...)...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "are wrapped by the new master key") {
		t.Fatalf("rotate-master: %v\n%s", err, out)
	}
	f.settled(3)
	stop()
	must(t, os.Unsetenv("SAMDOK_OTHER_MASTER_KEY")) // t.Setenv puts it back
	again()
	f.check()
	f.fits()
}
