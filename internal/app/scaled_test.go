package app

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"samdok/internal/config"
)

// onStore is the configuration of a node whose engines nobody asks.
func onStore(t *testing.T) *config.Config {
	t.Helper()
	c, err := config.Load(config.Input{Flags: map[string]string{"storage": "scaled", "tenant": "north", "s3-endpoint": "http://127.0.0.1:1", "s3-access-key": "samdok", "data": t.TempDir()},
		Environment: []string{"SAMDOK_S3_SECRET_KEY=secret"}, StoreOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What the bucket was settled with is told with the whole address of the bucket, and
// what can be chosen is another bucket.
func TestOtherBucketIsNamed(t *testing.T) {
	c := onStore(t)
	id := newIdentity(c)
	if err := id.check("bucket b at http://127.0.0.1:1", c); err != nil {
		t.Fatal(err)
	}
	id.Tenant = "west"
	err := id.check("bucket b at http://127.0.0.1:1", c)
	for _, want := range []string{"tenant is north", "bucket b at http://127.0.0.1:1 was", "with west", "another bucket"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

// A backup of a node says what to copy instead, whether the node runs or not.
func TestBackupOfANode(t *testing.T) {
	if err := Backup(t.Context(), onStore(t), slog.New(slog.DiscardHandler), nil, io.Discard, true, nil); !errors.Is(err, errScaledBackup) {
		t.Error(err)
	}
}
