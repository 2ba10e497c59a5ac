package verify_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"samdok/access"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
	"samdok/storage/files"
	"samdok/storage/sqlite"
	"samdok/storage/storagetest"
	"samdok/storage/verify"
)

const tenant access.Tenant = "t"

// altered is an engine that answers something else.
type altered struct {
	verify.Engine
	lookup func(*storage.State)
	find   func(storage.Placed) bool
	load   func(storage.Version) storage.Version
}

func (a altered) Lookup(ctx context.Context, t access.Tenant, r storage.Refs) (storage.State, error) {
	s, err := a.Engine.Lookup(ctx, t, r)
	if a.lookup != nil {
		a.lookup(&s)
	}
	return s, err
}

func (a altered) Find(ctx context.Context, t access.Tenant, s storage.Stream, f storage.Filter, r access.Restriction) iter.Seq2[storage.Placed, error] {
	return func(yield func(storage.Placed, error) bool) {
		for o, err := range a.Engine.Find(ctx, t, s, f, r) {
			if err == nil && a.find != nil && !a.find(o) {
				continue
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

func (a altered) Load(ctx context.Context, t access.Tenant, s storage.Stream, r storage.Refs) (storage.State, storage.Version, error) {
	st, v, err := a.Engine.Load(ctx, t, s, r)
	if a.load != nil {
		v = a.load(v)
	}
	return st, v, err
}

// lying are documents of which one reads otherwise.
type lying struct{ storage.Documents }

func (l lying) Open(ctx context.Context, key storage.DocumentKey, offset int64) (io.ReadCloser, storage.DocumentInfo, error) {
	r, info, err := l.Documents.Open(ctx, key, offset)
	if err == nil {
		r.Close()
	}
	return io.NopCloser(strings.NewReader("something else")), info, err
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// filled has three patients with documents: one merged into another, and one document
// removed. gone is the key of a document's bytes.
func filled(t *testing.T) (db *sqlite.DB, documents storage.Documents, gone storage.DocumentKey) {
	dir, ctx := t.TempDir(), t.Context()
	db, err := sqlite.Open(ctx, filepath.Join(dir, "log.db"), sqlite.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	store, err := files.Open(filepath.Join(dir, "documents"), files.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, store.Close()) })
	g := metadatatest.New(11)
	var streams []storage.Stream
	var removed []metadata.ID
	for range 3 {
		sub := g.Metadata(g.Patient(), 3)
		keys := make([]storage.DocumentKey, len(sub.Entries))
		for i, e := range sub.Entries {
			text := []byte(fmt.Sprintf("document %s", e.ID))
			w, err := store.Create(ctx, storage.Owner{Tenant: tenant, UniqueID: e.UniqueID})
			must(t, err)
			_, err = w.Write(text)
			must(t, err)
			_, err = w.Commit(ctx)
			must(t, err)
			sum := sha1.Sum(text)
			e.Hash, e.Size, keys[i] = hex.EncodeToString(sum[:]), metadata.Octets(int64(len(text))), w.Key()
		}
		c := storagetest.NewChange(sub, 0)
		n := 0
		for i := range c.Events[0].Added {
			if _, ok := c.Events[0].Added[i].Object.(*metadata.DocumentEntry); ok {
				c.Events[0].Added[i].Document = keys[n]
				n++
			}
		}
		must(t, db.Append(ctx, tenant, []storage.Change{c}))
		streams, gone = append(streams, c.Stream), keys[0]
		if removed == nil {
			for _, a := range c.Events[0].Added {
				removed = append(removed, a.Object.ObjectID())
			}
			must(t, db.Append(ctx, tenant, []storage.Change{{Stream: c.Stream, Expect: 1,
				Events: []storage.Event{{Kind: storage.EventRemoved, ID: metadata.NewUUID(), Time: time.Now(), Removed: removed}}}}))
		}
	}
	now := time.Now()
	must(t, db.Append(ctx, tenant, []storage.Change{
		{Stream: streams[1], Expect: 1, Events: []storage.Event{storage.MergedInto(streams[2], now)}},
		{Stream: streams[2], Expect: 1, Events: []storage.Event{storage.Absorbed(streams[1:2], now)}}}))
	return db, store, gone
}

func differences(t *testing.T, e verify.Engine, d storage.Documents, read bool) (text string, c verify.Counts) {
	t.Helper()
	var b bytes.Buffer
	o := verify.Options{Engine: e, Documents: d, Read: read, Report: func(f verify.Difference) { fmt.Fprintln(&b, f.Stream, f.What) }}
	log, err := verify.Log(t.Context(), tenant, o)
	must(t, err)
	c, err = verify.Streams(t.Context(), tenant, o)
	must(t, err)
	c.Changes = log.Changes
	return b.String(), c
}

// What is in order has no difference, with merged patients and removed documents.
func TestNothingDiffers(t *testing.T) {
	db, documents, _ := filled(t)
	text, c := differences(t, db, documents, true)
	if text != "" {
		t.Error(text)
	}
	if c.Streams != 3 || c.Changes != 6 || c.Documents != 6 || c.Bytes == 0 || c.Objects < 12 {
		t.Errorf("%+v", c)
	}
}

// Each thing that does not fit is named, and nobody is.
func TestDifferencesAreNamed(t *testing.T) {
	db, documents, gone := filled(t)
	var loads atomic.Uint64
	for name, c := range map[string]struct {
		engine verify.Engine
		docs   storage.Documents
		want   string
	}{
		"lost by the index": {altered{Engine: db, lookup: func(s *storage.State) { s.Objects = s.Objects[1:] }}, documents, "of the log is not in the index"},
		"not searched":      {altered{Engine: db, find: func(storage.Placed) bool { return false }}, documents, "a search does not find it"},
		"elsewhere": {altered{Engine: db, lookup: func(s *storage.State) {
			for i := range s.Objects {
				s.Objects[i].Stream.ID = "x"
			}
		}}, documents, "is found in another stream"},
		"behind":        {altered{Engine: db, load: func(v storage.Version) storage.Version { return v - 1 }}, documents, "its index does not lead to"},
		"other bytes":   {db, lying{documents}, "cannot be read: they are 14"},
		"changes a lot": {altered{Engine: db, load: func(v storage.Version) storage.Version { return v + storage.Version(loads.Add(1)) }}, documents, "changes all the time"},
	} {
		t.Run(name, func(t *testing.T) {
			text, _ := differences(t, c.engine, c.docs, true)
			if !strings.Contains(text, c.want) {
				t.Errorf("no %q in %q", c.want, text)
			}
			if strings.Contains(text, "^") {
				t.Errorf("a patient is named: %q", text)
			}
		})
	}
	must(t, documents.Delete(t.Context(), gone))
	if text, _ := differences(t, db, documents, false); strings.Count(text, "\n") != 1 || !strings.Contains(text, "the bytes of document") {
		t.Errorf("after the bytes of one document were deleted: %q", text)
	}
}

// A check that is told to end does.
func TestCanceled(t *testing.T) {
	db, documents, _ := filled(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := verify.Streams(ctx, tenant, verify.Options{Engine: db, Documents: documents, Report: func(verify.Difference) {}}); err == nil {
		t.Error("no error")
	}
}
