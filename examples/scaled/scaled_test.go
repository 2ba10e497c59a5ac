package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"samdok/internal/enginetest"
	"samdok/internal/servertest"
)

// TestShow runs the example as its reader does, with few documents, and believes only
// its own claim that nothing was lost.
func TestShow(t *testing.T) {
	bucket, index := enginetest.S3(t), enginetest.Elasticsearch(t)
	server, err := servertest.Build()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("../..")
	show := filepath.Join(t.TempDir(), "show")
	if out, err := exec.Command("go", "build", "-o", show, "./examples/scaled").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, show, "-documents", "60", "-clients", "4")
	cmd.Env = append(os.Environ(), "SAMDOK_BIN="+server, "SAMDOK_ELASTICSEARCH_URL="+index.URL, "SAMDOK_ELASTICSEARCH_PREFIX="+index.Prefix,
		"SAMDOK_S3_ENDPOINT="+bucket.Endpoint, "SAMDOK_S3_BUCKET="+bucket.Name, "SAMDOK_S3_ACCESS_KEY="+bucket.AccessKey, "SAMDOK_S3_SECRET_KEY="+bucket.SecretKey)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, claim := range []string{"Registered 60 documents", "and killed node-1 (kill -9)", "nothing is lost", "Everything was right."} {
		if !strings.Contains(string(out), claim) {
			t.Errorf("it does not say %q:\n%s", claim, out)
		}
	}
}
