package repository_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/repository"
	"samdok/storage"
	"samdok/storage/files"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	own    = "2.16.578.1.12.4.5.100.1"
	tenant = access.Tenant("test")
)

// world is a repository on the real engine with a log that only knows what is
// bound, and a clock that can be turned.
type world struct {
	*repository.Repository
	docs *faulty
	log  *binding
	time time.Time
}

func newWorld(t testing.TB, change func(*repository.Options)) *world {
	t.Helper()
	w := &world{time: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), log: &binding{}}
	store, err := files.Open(t.TempDir(), files.Options{Clock: func() time.Time { return w.time }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w.docs = &faulty{Documents: store}
	o := repository.Options{Documents: w.docs, Log: w.log, ID: own, Clock: func() time.Time { return w.time }}
	if change != nil {
		change(&o)
	}
	w.Repository = repository.New(o)
	return w
}

// keys are all committed documents.
func (w *world) keys(t testing.TB) []storage.DocumentKey {
	t.Helper()
	var keys []storage.DocumentKey
	for key, err := range w.docs.Keys(t.Context(), time.Time{}, w.time.Add(time.Hour)) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	return keys
}

// faulty is Documents whose commits and opens can fail.
type faulty struct {
	storage.Documents
	commit func(n int) error // of the nth commit, from 0; nil: fine
	open   error

	mu               sync.Mutex
	commits, creates int
	live, most       int // uncommitted writers
}

func (f *faulty) Create(ctx context.Context, o storage.Owner) (storage.DocumentWriter, error) {
	w, err := f.Documents.Create(ctx, o)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.creates++
	f.live++
	f.most = max(f.most, f.live)
	f.mu.Unlock()
	return &faultyWriter{DocumentWriter: w, f: f}, nil
}

func (f *faulty) Open(ctx context.Context, k storage.DocumentKey, at int64) (io.ReadCloser, storage.DocumentInfo, error) {
	if f.open != nil {
		return nil, storage.DocumentInfo{}, f.open
	}
	return f.Documents.Open(ctx, k, at)
}

type faultyWriter struct {
	storage.DocumentWriter
	f     *faulty
	ended bool
}

func (w *faultyWriter) end() {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	if !w.ended {
		w.ended = true
		w.f.live--
	}
}

func (w *faultyWriter) Commit(ctx context.Context) (storage.DocumentInfo, error) {
	w.f.mu.Lock()
	n := w.f.commits
	w.f.commits++
	w.f.mu.Unlock()
	if w.f.commit != nil {
		if err := w.f.commit(n); err != nil {
			return storage.DocumentInfo{}, err
		}
	}
	info, err := w.DocumentWriter.Commit(ctx)
	if err == nil {
		w.end()
	}
	return info, err
}

func (w *faultyWriter) Cancel() error { w.end(); return w.DocumentWriter.Cancel() }

// binding is a log that knows which keys are bound.
type binding struct {
	storage.Log
	bound []storage.Placed
	ready error
	err   error
	loads int
}

func (b *binding) bind(uniqueID string, key storage.DocumentKey) {
	b.bound = append(b.bound, storage.Placed{Added: storage.Added{Object: &metadata.DocumentEntry{UniqueID: uniqueID}, Document: key}})
}

func (b *binding) Ready(context.Context) error { return b.ready }

func (b *binding) Load(_ context.Context, t access.Tenant, _ storage.Stream, r storage.Refs) (storage.State, storage.Version, error) {
	b.loads++
	if b.err != nil {
		return storage.State{}, 0, b.err
	}
	var s storage.State
	for _, p := range b.bound {
		if t == tenant && slices.Contains(r.UniqueIDs, p.Object.(*metadata.DocumentEntry).UniqueID) {
			s.Objects = append(s.Objects, p)
		}
	}
	return s, 0, nil
}

func (b *binding) Events(context.Context, access.Tenant, storage.Stream, storage.Version) iter.Seq2[storage.Event, error] {
	return nil
}

// part is one document of a message.
type part struct {
	id   metadata.ID
	data io.Reader
}

func bytesPart(id, data string) part { return part{metadata.ID(id), bytes.NewReader([]byte(data))} }

// parts is a message; err is what it ends with, io.EOF when nil.
type parts struct {
	list []part
	err  error
	next int
}

func (p *parts) Next() (metadata.ID, io.Reader, error) {
	if p.next == len(p.list) {
		if p.err != nil {
			return "", nil, p.err
		}
		return "", nil, io.EOF
	}
	p.next++
	return p.list[p.next-1].id, p.list[p.next-1].data, nil
}

func entry(id string) *metadata.DocumentEntry {
	return &metadata.DocumentEntry{ID: metadata.ID(id), UniqueID: "1.2.3." + id, Kind: metadata.Stable, MimeType: "text/plain"}
}

func submission(ids ...string) *metadata.Submission {
	s := &metadata.Submission{Set: metadata.SubmissionSet{UniqueID: "1.2.9"}}
	for _, id := range ids {
		s.Entries = append(s.Entries, entry(id))
	}
	return s
}

// codes are "code: context" of an error's problems.
func codes(err error) []string { return list(fault.ProblemsOf(err)) }

func list(problems []fault.Problem) []string {
	var out []string
	for _, p := range problems {
		out = append(out, fmt.Sprintf("%s: %s", p.Code, p.Context))
	}
	return out
}

var errDisk = errors.New("no space left on device")
