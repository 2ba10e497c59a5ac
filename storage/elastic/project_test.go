package elastic_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samdok/access"
	"samdok/internal/enginetest"
	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/elastic"
	"samdok/storage/storagetest"
)

const region access.Tenant = "region"

var everything = storage.Filter{
	Documents:      &metadata.DocumentFilter{Kinds: []metadata.EntryKind{metadata.Stable, metadata.OnDemand}},
	SubmissionSets: &metadata.SubmissionSetFilter{}, Folders: &metadata.FolderFilter{}, Associations: true,
}

// history is a journal in which patients are touched, merged, and one is erased.
type history struct {
	*crowd
	batches []elastic.Batch
	refs    storage.Refs // of everything
	erased  int          // the patient
	since   uint64       // the batch that erased
	key     uint64       // that it destroys
}

func newHistory(k *keys, seed uint64) *history {
	h := &history{crowd: newCrowd(k, seed, 6, 2)}
	for seq := range uint64(24) {
		b := h.batch(seq+1, 1+h.rng.IntN(3))
		switch seq {
		case 8:
			b.Records = append(b.Records, h.merge(0, 1)...)
			h.patients[1] = h.gen.Patient() // nothing comes for the one who is no more
			h.versions[1], h.last[1], h.of[1] = 0, "", k.make()
		case 14:
			b.Records = append(b.Records, h.record(2, storage.Event{Kind: storage.EventErased, Removed: h.of2(b)}))
		case 15:
			b.Records = h.redact()
		}
		h.batches = append(h.batches, b)
		for i := range b.Records {
			for _, ev := range b.Records[i].Events {
				for _, a := range ev.Added {
					h.refs.IDs = append(h.refs.IDs, a.Object.ObjectID())
				}
			}
		}
	}
	h.refs.AssociationsOf = h.refs.IDs
	return h
}

func (h *history) record(i int, ev storage.Event) elastic.Record {
	h.versions[i]++
	key, _ := h.keys.Key(context.Background(), h.of[i])
	return elastic.Record{Stream: h.stream(i), Version: h.versions[i], KeyID: h.of[i], Key: key, Events: []storage.Event{ev}}
}

func (h *history) stream(i int) storage.Stream { return storage.PatientStream(h.patients[i].ID()) }

func (h *history) merge(survivor, subsumed int) []elastic.Record {
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	return []elastic.Record{
		h.record(subsumed, storage.MergedInto(h.stream(survivor), now)),
		h.record(survivor, storage.Absorbed([]storage.Stream{h.stream(subsumed)}, now)),
	}
}

// of2 are all objects of patient 2, with those of the batch that is made.
func (h *history) of2(last elastic.Batch) (all []metadata.ID) {
	for _, b := range append(slices.Clone(h.batches), last) {
		for i := range b.Records {
			if b.Records[i].Stream == h.stream(2) {
				for _, a := range b.Records[i].Events[0].Added {
					all = append(all, a.Object.ObjectID())
				}
			}
		}
	}
	return all
}

// redact takes out what patient 2's stream says.
func (h *history) redact() (list []elastic.Record) {
	h.erased, h.since, h.key = 2, uint64(len(h.batches))+1, h.of[2]
	h.of[2] = h.keys.make()
	key, _ := h.keys.Key(context.Background(), h.of[2])
	for _, b := range h.batches {
		for _, r := range b.Records {
			if r.Stream == h.stream(2) {
				r.Events, r.Claims, _, _ = storage.RedactEvents(r.Events, r.Claims, func(metadata.ID) bool { return true }, true)
				r.Redacted, r.KeyID, r.Key = true, h.of[2], key
				list = append(list, r)
			}
		}
	}
	return list
}

// says is what an index answers of a patient as of a batch.
func (h *history) says(x *elastic.Index, at elastic.Watermark, i int) (string, error) {
	var b strings.Builder
	var first error
	err := x.FindAt(context.Background(), region, at, h.stream(i), everything, func(p storage.Placed, err error) bool {
		first = err
		fmt.Fprintln(&b, p.Object.ObjectID(), p.Object.ObjectStatus(), p.Superseded, p.Document, p.Stream.ID == h.stream(i).ID)
		return err == nil
	})
	if err := errors.Join(err, first); err != nil {
		return "", err
	}
	a, err := x.At(context.Background(), region, at, elastic.Question{Streams: []storage.Stream{h.stream(i)}, Refs: h.refs})
	if err != nil {
		return "", err
	}
	fmt.Fprintln(&b, a.Heads[0].Version, a.Heads[0].Standing)
	var lines []string
	for _, p := range append(a.State.Objects, a.State.Associations...) {
		if p.Stream == h.stream(i) {
			lines = append(lines, fmt.Sprint(p.Object.ObjectID(), p.Object.ObjectStatus(), p.Superseded))
		}
	}
	slices.Sort(lines)
	return b.String() + strings.Join(lines, "\n"), nil
}

// Batches may be projected twice, by two nodes at once, late, in pieces, and cut
// off anywhere: what is said of each moment is the same as when they come one by
// one, at that moment and later.
func TestProjection(t *testing.T) {
	at := enginetest.Elasticsearch(t)
	seeds := uint64(1)
	if storagetest.Long() {
		seeds = 10
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			k := &keys{dead: map[uint64]bool{}}
			h := newHistory(k, seed)
			open := func(which string, o elastic.Options) *elastic.Index {
				own := at
				own.Prefix += fmt.Sprint(seed, which)
				o.Keys, o.Shards = k, 2
				return openIndex(t, own, o)
			}
			calm := open("calm-", elastic.Options{})
			defer calm.Close()
			want := h.calm(t, calm)
			var nodes sync.WaitGroup
			stop := make(chan struct{})
			for n := range uint64(2) {
				cut := &cutting{rng: rand.New(rand.NewPCG(seed, n))}
				x := open("wild-", elastic.Options{Transport: cut, Attempts: 1})
				cut.on.Store(true)
				nodes.Go(func() { h.wild(t, x, cut, stop) })
			}
			reader := open("wild-", elastic.Options{})
			defer reader.Close()
			read := 0
			for done := false; !done; read++ {
				mark, err := reader.Watermark(context.Background(), region)
				if err != nil {
					t.Fatal(err)
				}
				h.compare(t, reader, mark, want, read%len(h.patients))
				done = mark.Seq == uint64(len(h.batches)) || t.Failed()
			}
			close(stop)
			nodes.Wait()
			k.destroy(h.key)
			for seq := range len(h.batches) {
				for i := range h.patients {
					h.compare(t, reader, elastic.Watermark{Seq: uint64(seq) + 1, Generation: 1}, want, i)
				}
			}
		})
	}
}

func (h *history) compare(t *testing.T, x *elastic.Index, at elastic.Watermark, want map[uint64][]string, i int) {
	t.Helper()
	if at.Seq == 0 || i == h.erased && at.Seq < h.since {
		return // what was erased since is not told any more
	}
	got, err := h.says(x, at, i)
	if err != nil {
		t.Fatal(err)
	}
	if got != want[at.Seq][i] {
		t.Fatalf("patient %d after batch %d:\n%s\nwant\n%s", i, at.Seq, got, want[at.Seq][i])
	}
}

// calm projects one by one and notes what is said after each.
func (h *history) calm(t *testing.T, x *elastic.Index) map[uint64][]string {
	want := map[uint64][]string{}
	mark, err := x.Watermark(context.Background(), region)
	for _, b := range h.batches {
		if err == nil {
			mark, err = x.Project(context.Background(), region, mark, []elastic.Batch{b})
		}
		for i := range h.patients {
			var text string
			if err == nil {
				text, err = h.says(x, mark, i)
			}
			want[b.Seq] = append(want[b.Seq], text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return want
}

// wild projects pieces from where it is told that the index is, or from before, with what
// it reads for that, or read once long ago, until it is stopped.
func (h *history) wild(t *testing.T, x *elastic.Index, cut *cutting, stop chan struct{}) {
	defer x.Close()
	ctx := context.Background()
	var old []*elastic.Basis
	for {
		select {
		case <-stop:
			return
		default:
		}
		mark, err := x.Watermark(ctx, region)
		if err != nil {
			continue // cut off
		}
		mark.Seq -= min(mark.Seq, uint64(cut.n(3)))
		to := min(len(h.batches), int(mark.Seq)+1+cut.n(4))
		some := slices.Clone(h.batches[mark.Seq:to])
		if len(some) > 0 && cut.n(2) == 0 {
			if a, err := x.At(ctx, region, mark, question(some)); err == nil {
				some[0].Basis, old = a.Basis, append(old, a.Basis)
			}
		}
		for i := range some { // most of them are of no use any more
			if some[i].Basis == nil && len(old) > 0 {
				some[i].Basis = old[cut.n(len(old))]
			}
		}
		if _, err := x.Project(ctx, region, mark, some); err != nil && !strings.Contains(err.Error(), errCut.Error()) {
			t.Error(err)
			return
		}
	}
}

// question asks for everything that batches say.
func question(batches []elastic.Batch) (q elastic.Question) {
	for i := range batches {
		for _, r := range batches[i].Records {
			q.Streams, q.Claims = append(q.Streams, r.Stream), append(q.Claims, r.Claims...)
			for _, ev := range r.Events {
				for _, a := range ev.Added {
					q.Refs.IDs = append(q.Refs.IDs, a.Object.ObjectID())
				}
				for _, to := range ev.Touched {
					q.Refs.IDs = append(q.Refs.IDs, to.ID)
				}
				q.Refs.IDs = append(q.Refs.IDs, ev.Removed...)
			}
		}
	}
	return q
}

// cutting loses some requests, and the answers of others.
type cutting struct {
	on  atomic.Bool
	mu  sync.Mutex
	rng *rand.Rand
}

var errCut = errors.New("cut off")

func (c *cutting) n(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.IntN(n)
}

func (c *cutting) RoundTrip(r *http.Request) (*http.Response, error) {
	lost := 2
	if c.on.Load() {
		lost = c.n(12)
	}
	if lost == 0 {
		return nil, errCut
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if lost == 1 && err == nil {
		return nil, errors.Join(errCut, res.Body.Close())
	}
	return res, err
}

// TestNewerIndex: indexes whose form this program does not know are refused, at the
// start and while it runs.
func TestNewerIndex(t *testing.T) {
	place := enginetest.Elasticsearch(t)
	o := elastic.Options{URLs: []string{place.URL}, Prefix: place.Prefix}
	x, err := elastic.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, place.URL+"/"+place.Prefix+"ids-000001/_mapping", strings.NewReader(`{"_meta":{"samdok":2}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	a, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil || a.StatusCode != http.StatusOK {
		t.Fatal(a, err)
	}
	a.Body.Close()
	if err := x.Ready(t.Context()); !errors.Is(err, elastic.ErrNewer) {
		t.Errorf("an index that became newer: %v", err)
	}
	if _, err := elastic.Open(t.Context(), o); !errors.Is(err, elastic.ErrNewer) || !strings.Contains(err.Error(), "format 2, this program knows 1") {
		t.Errorf("a newer index: %v", err)
	}
}
