package files

import (
	"path/filepath"
	"testing"

	"samdok/storage/keyring"
	"samdok/storage/storagetest"
)

// TestNothingIsAcknowledgedBeforeItsSync watches the system calls of 8 writers:
// the record, the name of a file of its own and the data key of every document
// were synced before its acknowledgement was written.
func TestNothingIsAcknowledgedBeforeItsSync(t *testing.T) {
	dir := t.TempDir()
	trace, acks := storagetest.TraceDocuments(t, dir, 6) // fewer than 7: none is deleted
	large := 0
	for _, a := range acks {
		path, off, h, _ := record(t, dir, a.Key)
		body := off + headSize + int64(h.infoLen)
		before := func(what string, line int) {
			t.Helper()
			if line == 0 || line >= a.At {
				t.Errorf("document of %d bytes was acknowledged at line %d: %s at line %d (0: never)", a.Size, a.At, what, line)
			}
		}
		written := path
		if p, _ := parseKey(a.Key); p.large {
			large++
			from, start, end := trace.Renamed(path)
			written = from
			before("renamed", end)
			before("folder synced", trace.SyncedAfter(filepath.Dir(path), end))
			if line := mustSynced(t, trace, from, 0); line == 0 || line >= start {
				t.Errorf("renamed at line %d before its header was synced at line %d", start, line)
			}
		} else {
			before("name of the pack synced", trace.SyncedAfter(filepath.Dir(path), 0))
		}
		before("header synced", mustSynced(t, trace, written, off))
		if h.bodyLen > 0 {
			before("first byte synced", mustSynced(t, trace, written, body))
			before("last byte synced", mustSynced(t, trace, written, off+h.length()-1))
		}
		before("data key synced", mustSynced(t, trace, filepath.Join(dir, keyring.FileName), int64(h.keyID)*64))
	}
	if large == 0 || large == len(acks) {
		t.Fatalf("%d of %d documents had a file of their own: the test proves too little", large, len(acks))
	}
}

func mustSynced(t *testing.T, trace storagetest.Trace, path string, off int64) int {
	t.Helper()
	line, err := trace.Synced(path, off)
	if err != nil {
		t.Fatal(err)
	}
	return line
}
