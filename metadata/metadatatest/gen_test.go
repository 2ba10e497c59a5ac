package metadatatest_test

import (
	"os"
	"testing"

	"samdok/metadata/metadatatest"
)

func TestDump(t *testing.T) {
	g := metadatatest.New(1)
	p := g.Patient()
	os.MkdirAll("/tmp/adump", 0o755)
	for _, k := range metadatatest.Kinds() {
		d := g.Document(p, k)
		os.WriteFile("/tmp/adump/"+d.FileName(), d.Bytes, 0o644)
		t.Log(k, len(d.Bytes), d.FileName())
	}
}

func BenchmarkMetadata(b *testing.B) {
	g := metadatatest.New(1)
	p := g.Patient()
	for b.Loop() {
		g.Metadata(p, 1)
	}
}
