package metadata_test

import (
	"strings"
	"testing"
	"time"

	"samdok/metadata"
)

// Patterns built to be slow are not.
func TestLikeIsFast(t *testing.T) {
	value := strings.Repeat("a", 1<<20)
	begin := time.Now()
	for _, p := range []string{
		"%" + strings.Repeat("a", 1<<19) + "b", "%" + strings.Repeat("a", 1<<19) + "b%", strings.Repeat("%a", 10_000) + "%b", strings.Repeat("a%", 1<<18) + "b", strings.Repeat("%", 1<<20) + "b",
	} {
		if metadata.Like(p).Match(value) {
			t.Errorf("%.20q... fits", p)
		}
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}
