package interop

import (
	"context"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"samdok/internal/servertest"
)

// ipf runs the foreign client and shows what it printed when it fails.
func ipf(t *testing.T, s *servertest.Server, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	args = append([]string{"smoke", "repo=" + s.RepositoryUniqueID,
		"iti18=" + s.Registry, "iti42=" + s.Registry, "iti41=" + s.Repository, "iti43=" + s.Repository}, args...)
	out, err := exec.CommandContext(ctx, "ipf/run", args...).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("the IPF client failed: %v", err)
	}
}

func TestIPF(t *testing.T) {
	s := servertest.Start(t, t.TempDir())
	for _, c := range []struct {
		name    string
		n, size int
		more    []string
	}{
		{"10 KB", 2, 10 << 10, nil},
		{"folder", 3, 10 << 10, []string{"folder"}},
		{"empty", 1, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			ipf(t, s, append(c.more, fmt.Sprintf("n=%d", c.n), fmt.Sprintf("size=%d", c.size))...)
		})
	}
}

// Updates and removals. The client reads what it removes at $MetadataLevel 1, where
// the version that its update superseded is not shown, so these are two runs.
func TestIPFLifeCycle(t *testing.T) {
	s := servertest.Start(t, t.TempDir())
	t.Run("update", func(t *testing.T) {
		ipf(t, s, "n=2", "iti57="+s.Registry, "iti92="+s.Registry, "iti61="+s.Registry, "summary", "iti86="+s.Repository)
	})
	t.Run("removal", func(t *testing.T) {
		ipf(t, s, "n=2", "folder", "iti86="+s.Repository, "iti62="+s.Registry)
	})
}

// A patient identity feed by ITI-8, to a server that knows its patients only from it.
// The ITI-42 step has patients of its own that nobody tells of, and is left out. IPF
// has no artifact for ITI-44, nor for ITI-55, on Maven Central in this version
// (ipf-platform-camel-ihe-hl7v3).
func TestIPFIdentities(t *testing.T) {
	s := servertest.Start(t, t.TempDir(), "--patients", "known", "--mllp-listen", "127.0.0.1:0")
	ipf(t, s, "n=2", "iti42=", "iti8="+s.MLLP)
}

// Another community's gateway asks the responding gateway by ITI-38 and ITI-39.
func TestIPFGateway(t *testing.T) {
	s := servertest.Start(t, t.TempDir(), "--gateway-respond", "on")
	ipf(t, s, "n=3", "iti38="+s.XCA, "iti39="+s.XCA, "home="+s.HomeCommunityID)
}

func TestIPFBigDocument(t *testing.T) {
	s := servertest.Start(t, t.TempDir())
	t.Setenv("HEAP", "4g") // the client holds its documents in memory, more than once
	ipf(t, s, "n=1", fmt.Sprintf("size=%d", 200<<20))
}

func TestIPFManyDocuments(t *testing.T) {
	s := servertest.Start(t, t.TempDir())
	ipf(t, s, "n=50", "size=1000")
}
