package elastic_test

import (
	"context"
	"testing"

	"samdok/internal/enginetest"
	"samdok/storage"
	"samdok/storage/elastic"
)

// What another node has projected is found at once, though a search begins as of
// what this node saw last; and what was read for a batch is not read again to project it.
func TestOtherNodes(t *testing.T) {
	at := enginetest.Elasticsearch(t)
	ctx := context.Background()
	m := &meddler{}
	here, c, mark := small(t, at, elastic.Options{Transport: m})
	there := openIndex(t, at, elastic.Options{Keys: c.keys})
	defer there.Close()
	if n, err := count(here, c.first()); err != nil || n != 5 {
		t.Fatal(n, err)
	}
	var err error
	if mark, err = there.Project(ctx, region, mark, []elastic.Batch{c.batch(mark.Seq+1, 2)}); err != nil {
		t.Fatal(err)
	}
	for _, calls := range []int{5, 2} { // the second search knows where to begin
		m.set(nil)
		if n, err := count(here, c.first()); err != nil || n != 7 || m.calls() != calls {
			t.Fatalf("%d entries with %d calls, %v; want 7 with %d", n, m.calls(), err, calls)
		}
	}

	b := c.batch(mark.Seq+1, 2)
	a, err := here.At(ctx, region, mark, question([]elastic.Batch{b}))
	if err != nil {
		t.Fatal(err)
	}
	b.Basis = a.Basis
	m.set(nil)
	if mark, err = here.Project(ctx, region, mark, []elastic.Batch{b}); err != nil {
		t.Fatal(err)
	}
	if n := m.calls(); n != 3 { // two bulks, the watermark
		t.Errorf("%d calls to project what was checked: %+v", n, m.sent)
	}
	stale := c.batch(mark.Seq+1, 1)
	stale.Basis = a.Basis // from before b
	if _, err = here.Project(ctx, region, mark, []elastic.Batch{stale}); err != nil {
		t.Fatal(err)
	}
	for _, x := range []*elastic.Index{here, there} {
		if n, err := count(x, c.first()); err != nil || n != 10 {
			t.Errorf("%d entries, %v; want 10", n, err)
		}
	}
	for i, want := range []storage.Version{7, 9, 10} {
		a, err = there.At(ctx, region, elastic.Watermark{Seq: mark.Seq - 1 + uint64(i), Generation: 1}, question([]elastic.Batch{stale}))
		if err != nil || a.Heads[0].Version != want {
			t.Errorf("version %d, %v; want %d", a.Heads[0].Version, err, want)
		}
	}

	for want := storage.Version(11); want < 13; want++ {
		mark.Seq++
		if _, err = there.Project(ctx, region, mark, []elastic.Batch{c.batch(mark.Seq+1, 1)}); err != nil {
			t.Fatal(err)
		}
		for _, calls := range []int{3, 1} {
			m.set(nil)
			if _, v, _, err := here.Load(ctx, region, c.first(), storage.Refs{}); err != nil || v != want || m.calls() != calls {
				t.Errorf("version %d with %d calls, %v; want %d with %d", v, m.calls(), err, want, calls)
			}
		}
	}
}

// What was loaded as of a batch is not read again to check a submission as of it, also
// after this node has projected others; what those wrote, or another node, is.
func TestLoadedIsNotReadAgain(t *testing.T) {
	at := enginetest.Elasticsearch(t)
	ctx := context.Background()
	m := &meddler{}
	here, c, mark := small(t, at, elastic.Options{Transport: m})
	there := openIndex(t, at, elastic.Options{Keys: c.keys})
	defer there.Close()
	b := c.batch(mark.Seq+1, 1)
	asked := question([]elastic.Batch{b})
	names := asked.Refs
	for _, claim := range asked.Claims {
		names.UniqueIDs = append(names.UniqueIDs, claim.ID)
	}
	check := func(calls int, want storage.Version) (a elastic.Answer) {
		t.Helper()
		m.set(nil)
		a, err := here.At(ctx, region, mark, asked)
		if err != nil || a.Heads[0].Version != want || m.calls() != calls {
			t.Fatalf("version %d with %d calls, %v; want %d with %d", a.Heads[0].Version, m.calls(), err, want, calls)
		}
		return a
	}
	project := func(x *elastic.Index, b elastic.Batch) {
		t.Helper()
		var err error
		if mark, err = x.Project(ctx, region, mark, []elastic.Batch{b}); err != nil {
			t.Fatal(err)
		}
	}
	_, version, _, err := here.Load(ctx, region, c.first(), names)
	if err != nil {
		t.Fatal(err)
	}
	b.Basis = check(0, version).Basis
	project(here, b)
	// Its names lead to its objects now: one call for the names, one for what they lead to.
	check(2, version+1)
	check(1, version+1)
	project(there, c.batch(mark.Seq+1, 1))
	check(2, version+2)
}

func (m *meddler) calls() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.sent)
}
