package fleet

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"samdok/internal/servertest"
)

// TestTLS: nodes speak TLS to both engines and trust the authorities that they are
// given, and nobody else.
func TestTLS(t *testing.T) {
	f := newFleet(t, true)
	stop := f.load(2)
	f.settled(4)
	stop()
	f.check()
	f.fits()
	binary, err := servertest.Build()
	must(t, err)
	for _, setting := range []string{"--s3-ca", "--elasticsearch-ca"} {
		args := []string{"verify", "storage", "--data", filepath.Join(t.TempDir(), "none")}
		for i := 0; i < len(f.args); i += 2 {
			if f.args[i] != setting {
				args = append(args, f.args[i], f.args[i+1])
			}
		}
		out, err := exec.Command(binary, args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "certificate") {
			t.Errorf("without %s: %v\n%s", setting, err, out)
		}
	}
}
