package elastic_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"sync"
	"testing"

	"samdok/access"
	"samdok/internal/enginetest"
	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/elastic"
	"samdok/storage/keyring"
	"samdok/storage/sqlite"
	"samdok/storage/storagetest"
)

// mirror is a log in SQLite, whose changes are projected into Elasticsearch, which
// answers. What SQLite accepts and says is the oracle.
type mirror struct {
	*sqlite.DB
	index *elastic.Index
	keys  *keys

	mu      sync.Mutex
	batches map[access.Tenant][]elastic.Batch
	marks   map[access.Tenant]elastic.Watermark
	of      map[name]uint64 // data keys of streams
}

type name struct {
	t access.Tenant
	s storage.Stream
}

// keys are data keys in memory; the key of a number is made of it.
type keys struct {
	mu   sync.Mutex
	last uint64
	dead map[uint64]bool
}

func (k *keys) Key(_ context.Context, id uint64) (key keyring.Key, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dead[id] {
		return key, keyring.ErrDestroyed
	}
	if id == 0 || id > k.last {
		return key, keyring.ErrUnknown
	}
	copy(key[:], fmt.Sprintf("key %028d", id))
	return key, nil
}

func (k *keys) make() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last++
	return k.last
}

func (k *keys) destroy(id uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dead[id] = true
}

func newMirror(tb testing.TB, at enginetest.Index, dir string, before *mirror) (*mirror, func() error) {
	tb.Helper()
	db, err := sqlite.Open(context.Background(), filepath.Join(dir, "log.db"), sqlite.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	m := &mirror{
		DB: db, keys: &keys{dead: map[uint64]bool{}}, batches: map[access.Tenant][]elastic.Batch{},
		marks: map[access.Tenant]elastic.Watermark{}, of: map[name]uint64{},
	}
	if before != nil {
		m.keys, m.batches, m.marks, m.of = before.keys, before.batches, before.marks, before.of
	}
	m.index = openIndex(tb, at, elastic.Options{Keys: m.keys})
	return m, func() error { m.index.Close(); return db.Close() }
}

// openIndex opens an index with the prefix of a test.
func openIndex(tb testing.TB, at enginetest.Index, o elastic.Options) *elastic.Index {
	tb.Helper()
	o.URLs, o.Prefix, o.Secret = []string{at.URL}, at.Prefix, [32]byte{1, 2, 3}
	x, err := elastic.Open(context.Background(), o)
	if err != nil {
		tb.Fatal(err)
	}
	return x
}

func (m *mirror) Append(ctx context.Context, t access.Tenant, changes []storage.Change) error {
	if len(changes) == 0 {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	taken, err := m.ask(ctx, t, changes)
	if err != nil {
		return err
	}
	err = m.DB.Append(ctx, t, changes)
	if taken && err == nil {
		return errors.New("a claim that the index says is taken, or a version that it has not, was accepted")
	}
	if err != nil {
		return err
	}
	b := elastic.Batch{Seq: m.marks[t].Seq + 1}
	for _, c := range changes {
		if len(c.Events) == 0 {
			continue // it only guards a version
		}
		b.Records = append(b.Records, m.record(t, c.Stream, c.Expect+1, c.Events, c.Claims))
	}
	return m.project(ctx, t, b)
}

// ask tells whether the index refuses the changes.
func (m *mirror) ask(ctx context.Context, t access.Tenant, changes []storage.Change) (bool, error) {
	if err := m.mark(ctx, t); err != nil {
		return false, err
	}
	var q elastic.Question
	own := map[storage.Stream]bool{}
	for _, c := range changes {
		if !own[c.Stream] { // the first change of each stream
			q.Streams = append(q.Streams, c.Stream)
		}
		own[c.Stream] = true
		q.Claims = append(q.Claims, c.Claims...)
	}
	a, err := m.index.At(ctx, t, m.marks[t], q)
	if err != nil {
		return false, err
	}
	refused := false
	for i, s := range q.Streams {
		for _, c := range changes {
			if c.Stream == s {
				refused = refused || a.Heads[i].Version != c.Expect || a.Heads[i].Standing.Into != storage.Stream{}
				break
			}
		}
	}
	for _, taken := range a.Taken {
		refused = refused || taken
	}
	return refused, nil
}

func (m *mirror) mark(ctx context.Context, t access.Tenant) (err error) {
	if m.marks[t].Generation == 0 {
		m.marks[t], err = m.index.Watermark(ctx, t)
	}
	return err
}

func (m *mirror) record(t access.Tenant, s storage.Stream, v storage.Version, events []storage.Event, claims []storage.Claim) elastic.Record {
	n := name{t, s}
	if m.of[n] == 0 {
		m.of[n] = m.keys.make()
	}
	key, _ := m.keys.Key(context.Background(), m.of[n])
	copied := make([]storage.Event, len(events))
	for i, ev := range events {
		copied[i] = ev
		copied[i].Added = nil
		for _, a := range ev.Added {
			a.Object = metadata.CloneObject(a.Object)
			copied[i].Added = append(copied[i].Added, a)
		}
	}
	return elastic.Record{Stream: s, Version: v, KeyID: m.of[n], Key: key, Events: copied, Claims: claims}
}

func (m *mirror) project(ctx context.Context, t access.Tenant, b elastic.Batch) (err error) {
	m.batches[t] = append(m.batches[t], b)
	m.marks[t], err = m.index.Project(context.WithoutCancel(ctx), t, m.marks[t], []elastic.Batch{b})
	return err
}

func (m *mirror) Load(ctx context.Context, t access.Tenant, s storage.Stream, refs storage.Refs) (storage.State, storage.Version, error) {
	st, v, _, err := m.index.Load(ctx, t, s, refs)
	return st, v, err
}

func (m *mirror) Find(ctx context.Context, t access.Tenant, s storage.Stream, f storage.Filter, r access.Restriction) iter.Seq2[storage.Placed, error] {
	return m.index.Find(ctx, t, s, f, r)
}

func (m *mirror) Scan(ctx context.Context, t access.Tenant, f storage.Filter, r access.Restriction) iter.Seq2[storage.Placed, error] {
	return m.index.Scan(ctx, t, f, r)
}

func (m *mirror) Lookup(ctx context.Context, t access.Tenant, refs storage.Refs) (storage.State, error) {
	return m.index.Lookup(ctx, t, refs)
}

// Rebuild makes a new generation of all batches, and switches to it.
func (m *mirror) Rebuild(ctx context.Context, progress func(done, total int64)) error {
	if err := m.DB.Rebuild(ctx, progress); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	g, err := m.index.NewGeneration(ctx)
	if err != nil {
		return err
	}
	for t, batches := range m.batches {
		if err := m.index.Build(ctx, g, t, batches); err != nil {
			return err
		}
		old := m.marks[t].Generation
		if m.marks[t], err = m.index.Switch(ctx, t, m.marks[t], g); err != nil {
			return err
		}
		m.batches[t] = append(m.batches[t], elastic.Batch{Seq: m.marks[t].Seq})
		defer func() {
			if err := m.index.Drop(ctx, old); err != nil {
				panic(err)
			}
		}()
	}
	return m.index.Serve(ctx, g)
}

// Redact redacts in SQLite, and writes records with what is left under a new key.
func (m *mirror) Redact(ctx context.Context, t access.Tenant, s storage.Stream, objects []metadata.ID) (storage.Redacted, error) {
	done, err := m.DB.Redact(ctx, t, s, objects)
	if err != nil {
		return done, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	erased := map[metadata.ID]bool{}
	for _, id := range objects {
		erased[id] = true
	}
	old := m.of[name{t, s}]
	b := elastic.Batch{Seq: m.marks[t].Seq + 1}
	changed := false
	delete(m.of, name{t, s})
	for _, before := range m.batches[t] {
		for i := range before.Records {
			r := &before.Records[i]
			if r.Stream != s || r.Redacted {
				continue
			}
			events, claims, _, different := storage.RedactEvents(r.Events, r.Claims, func(id metadata.ID) bool { return objects == nil || erased[id] }, objects == nil)
			changed = changed || different
			left := m.record(t, s, r.Version, events, claims)
			// An index that is made anew gets what is left in the first place.
			*r, left.Redacted = left, true
			b.Records = append(b.Records, left)
		}
	}
	if !changed {
		m.of[name{t, s}] = old // nothing was written under the new one
		for i := range b.Records {
			b.Records[i].KeyID = old
		}
		return done, nil
	}
	if err := m.project(ctx, t, b); err != nil {
		return done, err
	}
	m.keys.destroy(old)
	done.Keys = []uint64{old}
	return done, nil
}

func (m *mirror) Streams(ctx context.Context, t access.Tenant, kind storage.StreamKind) iter.Seq2[storage.Stream, error] {
	return m.index.Streams(ctx, t, kind)
}

func (m *mirror) Reference(_ context.Context, t access.Tenant, s storage.Stream) ([]byte, error) {
	ref := m.index.Reference(t, s)
	if _, ok, err := m.index.Referred(context.Background(), ref); !ok || err != nil {
		return nil, err
	}
	return ref[:], nil
}

func (m *mirror) Referred(ctx context.Context, ref []byte) (access.Tenant, storage.Stream, bool, error) {
	n, ok, err := m.index.Referred(ctx, [16]byte(ref))
	return n.Tenant, n.Stream, ok, err
}

// engine opens a mirror in each folder, and again the same one.
func engine(tb testing.TB) storagetest.LogEngine {
	at := enginetest.Elasticsearch(tb)
	var mu sync.Mutex
	opened := map[string]*mirror{}
	return storagetest.LogEngine{Open: func(tb testing.TB, dir string) (storagetest.LogIndex, func() error) {
		tb.Helper()
		mu.Lock()
		defer mu.Unlock()
		own := at
		own.Prefix += fmt.Sprint(len(opened), "-")
		before := opened[dir]
		if before != nil {
			own.Prefix = before.index.Prefix()
		}
		m, done := newMirror(tb, own, dir, before)
		opened[dir] = m
		return m, done
	}}
}

// storage/scaled runs the suite always.
func TestLogIndex(t *testing.T) {
	if storagetest.Long() {
		storagetest.RunLogIndex(t, engine(t))
	}
}

func TestErase(t *testing.T) { storagetest.RunErase(t, engine(t)) }
