package retention_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"samdok/fault"
	"samdok/retention"
	"samdok/storage"
	"samdok/storage/storagetest"
)

// removing is the beginning of an ITI-86 of the first document: as far as the list
// (append false), or the log.
func removing(t *testing.T, f *folder, append bool) *retention.Removal {
	t.Helper()
	ctx := context.Background()
	st, _, err := f.db.Load(ctx, tenant, storage.Stream{}, storage.Refs{UniqueIDs: []string{theirs().Entries[0].UniqueID}})
	if err != nil || len(st.Objects) != 1 {
		t.Fatalf("%d entries, %v", len(st.Objects), err)
	}
	r := f.keeper.Removal(tenant)
	guards, err := r.Approve(ctx, st.Objects)
	if err != nil {
		t.Fatal(err)
	}
	if !append {
		return r
	}
	_, v, err := f.db.Load(ctx, tenant, st.Objects[0].Stream, storage.Refs{})
	if err != nil {
		t.Fatal(err)
	}
	change := storage.Change{Stream: st.Objects[0].Stream, Expect: v, Events: []storage.Event{{Kind: storage.EventDocumentsRemoved,
		Touched: []storage.Touch{{ID: st.Objects[0].Object.ObjectID(), Unbind: true}}}}}
	if err := f.db.Append(ctx, tenant, []storage.Change{change, guards[0]}); err != nil {
		t.Fatal(err)
	}
	return r
}

// checkRemoved: the entries are all there, and the first document's bytes are gone
// or not.
func checkRemoved(t *testing.T, f *folder, keys []storage.DocumentKey, gone bool) {
	t.Helper()
	for i, d := range theirs().Entries {
		gone := gone && i == 0
		st, err := f.db.Lookup(context.Background(), tenant, storage.Refs{UniqueIDs: []string{d.UniqueID}})
		if err != nil || len(st.Objects) != 1 || (st.Objects[0].Document == "") != gone {
			t.Fatalf("entry %d: %+v, gone is %v, %v", i, st.Objects, gone, err)
		}
		_, err = storagetest.ReadSome(context.Background(), f.files, keys[i])
		if (err != nil && fault.KindOf(err) == fault.NotFound) != gone || !gone && err != nil {
			t.Fatalf("document %d: gone is %v, %v", i, gone, err)
		}
	}
}

func filled(t *testing.T) (dir string, f folder, keys []storage.DocumentKey) {
	t.Helper()
	dir = t.TempDir()
	f, err := openFolder(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if keys, err = fill(&f); err != nil {
		t.Fatal(err)
	}
	return dir, f, keys
}

func resume(t *testing.T, f *folder, all bool) (did int) {
	t.Helper()
	for range 2 {
		if err := f.keeper.Resume(context.Background(), tenant, all, func(retention.Done) error { did++; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.list.Open()) > 0 {
		t.Fatal("the removal is still open")
	}
	return did
}

// A removal that a crash cut off is ended by the next start; one that had not
// reached the log yields to a hold.
func TestCutOffRemoval(t *testing.T) {
	for _, logged := range []bool{false, true} {
		for _, held := range []bool{false, true} {
			dir, f, keys := filled(t)
			removing(t, &f, logged)
			if held {
				if _, err := f.keeper.Hold(context.Background(), tenant, retention.Hold{Document: theirs().Entries[0].UniqueID, Reason: "court"}); err != nil {
					t.Fatal(err)
				}
			}
			if err := f.close(); err != nil {
				t.Fatal(err)
			}
			f, err := openFolder(dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			resume(t, &f, false)
			checkRemoved(t, &f, keys, logged || !held)
			if err := f.close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What is held is not removed, and nothing of that is in the list.
func TestHeldRemoval(t *testing.T) {
	_, f, keys := filled(t)
	ctx := context.Background()
	if _, err := f.keeper.Hold(ctx, tenant, retention.Hold{Document: theirs().Entries[0].UniqueID, Reason: "court"}); err != nil {
		t.Fatal(err)
	}
	st, _, err := f.db.Load(ctx, tenant, storage.Stream{}, storage.Refs{UniqueIDs: []string{theirs().Entries[0].UniqueID}})
	if err != nil {
		t.Fatal(err)
	}
	r := f.keeper.Removal(tenant)
	if _, err := r.Approve(ctx, st.Objects); !errors.Is(err, retention.ErrHeld) {
		t.Fatal(err)
	}
	if err := r.Void(); err != nil || len(f.list.All()) != 0 {
		t.Fatalf("%d in the list, %v", len(f.list.All()), err)
	}
	checkRemoved(t, &f, keys, false)
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
}

// A copy from before a removal does not know of it; with the list of today it is
// done there too.
func TestRemovalInRestoredCopy(t *testing.T) {
	dir, f, keys := filled(t)
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	f, err := openFolder(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := removing(t, &f, true)
	if err := errors.Join(f.files.Delete(context.Background(), keys[0]), r.Ended()); err != nil {
		t.Fatal(err)
	}
	checkRemoved(t, &f, keys, true)
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	list, err := retention.ReadList(dir, "keys")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := retention.Merge(filepath.Join(copied, "keys"), list, own); err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	if f, err = openFolder(copied, nil); err != nil {
		t.Fatal(err)
	}
	checkRemoved(t, &f, keys, false)
	if did := resume(t, &f, true); did != 2 {
		t.Fatalf("done %d times", did)
	}
	checkRemoved(t, &f, keys, true)
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
}
