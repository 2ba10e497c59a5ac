package storagetest

import (
	"context"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"samdok/access"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
)

// BenchEntries is how many documents BenchLogIndex stores first:
// SAMDOK_BENCH_ENTRIES, or 10,000.
func BenchEntries() int {
	if n, err := strconv.Atoi(os.Getenv("SAMDOK_BENCH_ENTRIES")); err == nil {
		return n
	}
	return 10_000
}

const benchPatients = 20_000

// BenchLogIndex measures an engine that holds BenchEntries documents of at most
// 20,000 patients, each in a submission of its own; a patient has 10 (or more)
// documents, 10 of which a search selects.
func BenchLogIndex(b *testing.B, e LogEngine) {
	dir := b.TempDir()
	l, done := e.Open(b, dir)
	defer func() { done() }()
	patients := fill(b, l, BenchEntries())
	reopened := func(b *testing.B) LogIndex { // with cold caches of its own
		b.Helper()
		if err := done(); err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		l, done = e.Open(b, dir)
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "open-ms")
		return l
	}
	b.Run("find 10, any patient", func(b *testing.B) { benchFind(b, reopened(b), patients) })
	b.Run("find 10, 200 patients", func(b *testing.B) { benchFind(b, reopened(b), patients[:min(200, len(patients))]) })
	b.Run("scan", func(b *testing.B) { benchScan(b, reopened(b)) })
	b.Run("load for a submission", func(b *testing.B) { benchLoad(b, reopened(b), patients) })
	b.Run("append, 8 writers", func(b *testing.B) { benchAppend(b, reopened(b), patients) })
}

// fill stores n documents.
func fill(b *testing.B, l LogIndex, n int) []metadatatest.Patient {
	b.Helper()
	g := metadatatest.New(1)
	patients := make([]metadatatest.Patient, max(1, min(benchPatients, n/10)))
	seen := map[string]bool{} // the generator may make one twice
	for i := range patients {
		for patients[i] = g.Patient(); seen[patients[i].FNR]; {
			patients[i] = g.Patient()
		}
		seen[patients[i].FNR] = true
	}
	each := n / len(patients)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			g := metadatatest.New(uint64(2 + w))
			for i := w; i < len(patients); i += 4 {
				changes := make([]storage.Change, each)
				for v := range changes {
					sub := g.Metadata(patients[i], 1)
					sub.Entries[0].Practice = metadata.Code{Value: "rest", Scheme: "1.2.3"}
					if v%(each/10) == 0 && v < each/10*10 {
						sub.Entries[0].Practice.Value = "hit"
					}
					changes[v] = NewChange(sub, storage.Version(v))
				}
				if err := l.Append(context.Background(), tenant, changes); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return patients
}

var tenHits = storage.Filter{Documents: &metadata.DocumentFilter{
	Status:   []metadata.Status{metadata.Approved},
	Practice: metadata.AnyOf[metadata.CodeRef]{{Value: "hit", Scheme: "1.2.3"}},
}}

func benchFind(b *testing.B, l LogIndex, patients []metadatatest.Patient) {
	rng := rand.New(rand.NewPCG(1, 1))
	b.ReportAllocs()
	var took []time.Duration
	var cpu time.Duration
	runtime.GC()
	cpu = used()
	for b.Loop() {
		start := time.Now()
		n := 0
		for _, err := range l.Find(context.Background(), tenant, streamOf(patients[rng.IntN(len(patients))]), tenHits, access.Restriction{}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 10 {
			b.Fatalf("%d hits", n)
		}
		took = append(took, time.Since(start))
	}
	b.ReportMetric(float64((used()-cpu).Microseconds())/float64(len(took)), "cpu-us/op")
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1000, "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1000, "p99-us")
}

// benchScan reads everything for a filter that selects nothing.
func benchScan(b *testing.B, l LogIndex) {
	none := storage.Filter{Documents: &metadata.DocumentFilter{Creation: metadata.TimeRange{From: "19000101", To: "19000102"}}}
	b.ReportAllocs()
	start := used()
	n := 0
	for b.Loop() {
		for _, err := range l.Scan(context.Background(), tenant, none, access.Restriction{}) {
			if err != nil {
				b.Fatal(err)
			}
		}
		n++
	}
	b.ReportMetric(float64((used()-start).Nanoseconds())/1000/float64(n)/float64(BenchEntries()), "cpu-us/document")
}

// benchLoad asks what a registry asks before a plain submission: two uniqueIds
// that are not there.
func benchLoad(b *testing.B, l LogIndex, patients []metadatatest.Patient) {
	g := metadatatest.New(99)
	rng := rand.New(rand.NewPCG(1, 1))
	b.ReportAllocs()
	for b.Loop() {
		refs := storage.Refs{UniqueIDs: []string{g.OID(), g.OID()}, IDs: []metadata.ID{g.UUID().ID(), g.UUID().ID(), g.UUID().ID()}}
		if _, _, err := l.Load(context.Background(), tenant, streamOf(patients[rng.IntN(len(patients))]), refs); err != nil {
			b.Fatal(err)
		}
	}
}

// benchAppend appends single documents with 8 writers; ns/op is per submission.
func benchAppend(b *testing.B, l LogIndex, patients []metadatatest.Patient) {
	var changes = make([]storage.Change, 0, 1<<14)
	g := metadatatest.New(uint64(time.Now().UnixNano()))
	for range cap(changes) {
		changes = append(changes, submission(g, patients[rand.IntN(len(patients))], 1, 0))
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	n := min(b.N, len(changes))
	b.ReportAllocs()
	b.ResetTimer()
	cpu, start := used(), time.Now()
	for range writers {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := persist(l, changes[i]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	b.ReportMetric(float64(n)/took.Seconds(), "appends/s")
	b.ReportMetric(float64((used()-cpu).Microseconds())/float64(n), "cpu-us/append")
}

// used is the processor time of this process so far.
func used() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
