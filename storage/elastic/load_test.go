package elastic_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"samdok/access"
	"samdok/internal/enginetest"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
	"samdok/storage/elastic"
	"samdok/storage/storagetest"
)

// crowd makes batches of many patients' submissions.
type crowd struct {
	keys     *keys
	gen      *metadatatest.Gen
	rng      *rand.Rand
	patients []metadatatest.Patient
	versions []storage.Version
	of       []uint64      // data keys
	last     []metadata.ID // each one's newest entry
	each     int           // documents in a submission
}

func newCrowd(k *keys, seed uint64, patients, each int) *crowd {
	c := &crowd{keys: k, gen: metadatatest.New(seed), rng: rand.New(rand.NewPCG(seed, 2)), each: each}
	for range patients {
		c.patients = append(c.patients, c.gen.Patient())
		c.of = append(c.of, k.make())
	}
	c.versions, c.last = make([]storage.Version, patients), make([]metadata.ID, patients)
	return c
}

// batch has n submissions; one of twenty replaces an earlier document.
func (c *crowd) batch(seq uint64, n int) elastic.Batch {
	b := elastic.Batch{Seq: seq}
	for range n {
		i := c.rng.IntN(len(c.patients))
		sub := c.gen.Metadata(c.patients[i], c.each)
		change := storagetest.NewChange(sub, c.versions[i])
		c.versions[i]++
		if old := c.last[i]; old != "" && c.rng.IntN(20) == 0 {
			ev := &change.Events[0]
			a := &metadata.Association{ID: c.gen.UUID().ID(), Type: metadata.Replaces, Source: sub.Entries[0].ID, Target: old, Status: metadata.Approved}
			ev.Added = append(ev.Added, storage.Added{Object: a, Controller: "974749025"})
			ev.Touched = append(ev.Touched, storage.Touch{ID: old, Status: metadata.Deprecated})
		}
		c.last[i] = sub.Entries[len(sub.Entries)-1].ID
		key, _ := c.keys.Key(context.Background(), c.of[i])
		b.Records = append(b.Records, elastic.Record{
			Stream: change.Stream, Version: c.versions[i], KeyID: c.of[i], Key: key, Events: change.Events, Claims: change.Claims,
		})
	}
	return b
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// TestLoad fills an index as a reindex does, and measures what an entry takes and
// what a search costs then (docs/scale.md). SAMDOK_TEST_ENTRIES and
// SAMDOK_TEST_EACH say how many, and how many in one submission;
// SAMDOK_TEST_MINUTES when to stop before that.
func TestLoad(t *testing.T) {
	entries := number("SAMDOK_TEST_ENTRIES", 2000)
	if storagetest.Long() {
		entries = number("SAMDOK_TEST_ENTRIES", 5_000_000)
	}
	each := number("SAMDOK_TEST_EACH", 1)
	const perBatch, perBuild = 100, 10
	ctx, tenant := context.Background(), access.Tenant("region")
	at := enginetest.Elasticsearch(t)
	k := &keys{dead: map[uint64]bool{}}
	x := openIndex(t, at, elastic.Options{Keys: k, Shards: 2, Replicas: -1, Timeout: 5 * time.Minute})
	defer x.Close()
	g, err := x.NewGeneration(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c := newCrowd(k, 1, max(20, entries/250), each)
	made := make(chan []elastic.Batch, 2)
	submissions := entries / each
	begun, done := time.Now(), 0
	limit := time.Duration(number("SAMDOK_TEST_MINUTES", 24*60)) * time.Minute
	go func() {
		defer close(made)
		for seq, left := uint64(1), submissions; left > 0 && time.Since(begun) < limit; {
			var some []elastic.Batch
			for len(some) < perBuild && left > 0 {
				n := min(left, perBatch)
				some = append(some, c.batch(seq, n))
				seq, left = seq+1, left-n
			}
			made <- some
		}
	}()
	var seq uint64
	for some := range made {
		if err := x.Build(ctx, g, tenant, some); err != nil {
			t.Fatal(err)
		}
		seq = some[len(some)-1].Seq
		for _, b := range some {
			done += len(b.Records) * each
		}
		if seq%1000 == 0 {
			t.Logf("%d entries, %.0f a second", done, float64(done)/time.Since(begun).Seconds())
		}
	}
	t.Logf("%d entries in %s: %.0f a second", done, time.Since(begun), float64(done)/time.Since(begun).Seconds())
	mark, err := x.Watermark(ctx, tenant)
	if err != nil {
		t.Fatal(err)
	}
	if mark, err = x.Switch(ctx, tenant, elastic.Watermark{Seq: seq, Generation: mark.Generation}, g); err != nil {
		t.Fatal(err)
	}
	sizes(t, at, done)
	searches(t, x, tenant, c)
	projections(t, x, tenant, mark, c)
}

// sizes tells how much the indexes take.
func sizes(t *testing.T, at enginetest.Index, entries int) {
	t.Helper()
	ask := func(method, path string) []byte {
		req, err := http.NewRequest(method, at.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultTransport.(*http.Transport).Clone().RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode > 299 {
			t.Fatalf("%s: %s %v", path, res.Status, err)
		}
		return body
	}
	ask("POST", "/"+at.Prefix+"*/_flush")
	var stats struct {
		Indices map[string]struct {
			Primaries struct {
				Docs  struct{ Count, Deleted int }
				Store struct {
					Size int `json:"size_in_bytes"`
				}
			}
		}
	}
	if err := json.Unmarshal(ask("GET", "/"+at.Prefix+"*/_stats/docs,store"), &stats); err != nil {
		t.Fatal(err)
	}
	total := 0
	for name, s := range stats.Indices {
		p := s.Primaries
		total += p.Store.Size
		if p.Docs.Count > 10 {
			t.Logf("%s: %d documents (%d deleted), %d MB, %.0f bytes an entry", name, p.Docs.Count, p.Docs.Deleted, p.Store.Size>>20, float64(p.Store.Size)/float64(entries))
		}
	}
	t.Logf("all: %d MB, %.0f bytes an entry", total>>20, float64(total)/float64(entries))
}

// timed runs f and tells its 50th and 99th percentile.
func timed(t *testing.T, what string, times int, f func()) {
	t.Helper()
	var all []time.Duration
	for range times {
		begun := time.Now()
		f()
		all = append(all, time.Since(begun))
	}
	slices.Sort(all)
	t.Logf("%s: p50 %s, p99 %s", what, all[len(all)/2].Round(10*time.Microsecond), all[len(all)*99/100].Round(10*time.Microsecond))
}

func searches(t *testing.T, x *elastic.Index, tenant access.Tenant, c *crowd) {
	t.Helper()
	times := min(500, 5*len(c.patients))
	found := 0
	find := func(f metadata.DocumentFilter) func() {
		return func() {
			i := c.rng.IntN(len(c.patients))
			for _, err := range x.Find(context.Background(), tenant, storage.PatientStream(c.patients[i].ID()), storage.Filter{Documents: &f}, access.Restriction{}) {
				if err != nil {
					t.Fatal(err)
				}
				found++
			}
		}
	}
	approved := []metadata.Status{metadata.Approved}
	timed(t, "all approved entries of a patient", times, find(metadata.DocumentFilter{Status: approved}))
	t.Logf("on average %d entries", found/times)
	found = 0
	timed(t, "approved entries of a patient in a span", times, find(metadata.DocumentFilter{Status: approved, Creation: metadata.TimeRange{From: "20260701"}}))
	t.Logf("on average %.1f entries", float64(found)/float64(times))
	timed(t, "an entry by its entryUUID", times, func() {
		i := c.rng.IntN(len(c.patients))
		if c.last[i] == "" {
			return
		}
		st, err := x.Lookup(context.Background(), tenant, storage.Refs{IDs: []metadata.ID{c.last[i]}})
		if err != nil || len(st.Objects) != 1 {
			t.Fatal(err, len(st.Objects))
		}
	})
}

func projections(t *testing.T, x *elastic.Index, tenant access.Tenant, mark elastic.Watermark, c *crowd) {
	t.Helper()
	for _, n := range []int{1, 32} {
		timed(t, fmt.Sprint("projection of a batch of ", n), 50, func() {
			to, err := x.Project(context.Background(), tenant, mark, []elastic.Batch{c.batch(mark.Seq+1, n)})
			if err != nil {
				t.Fatal(err)
			}
			mark = to
		})
	}
}
