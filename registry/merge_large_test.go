package registry_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"samdok/access"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/registry"
	"samdok/storage"
	"samdok/storage/storagetest"
)

// fillPatient stores n documents of a patient, each in a submission of its own.
func fillPatient(t testing.TB, e engine, g *metadatatest.Gen, p metadatatest.Patient, n int) {
	t.Helper()
	for v := 0; v < n; v += 500 {
		var changes []storage.Change
		for i := range min(500, n-v) {
			changes = append(changes, storagetest.NewChange(g.Metadata(p, 1), storage.Version(v+i)))
		}
		if err := e.Append(context.Background(), tenant, changes); err != nil {
			t.Fatal(err)
		}
	}
}

func countDocuments(t testing.TB, w *world, p metadatatest.Patient) (n int) {
	t.Helper()
	q := metadata.StoredQuery{Return: metadata.LeafClass, Query: &metadata.FindDocuments{Patient: p.CX(), Filter: metadata.DocumentFilter{Status: approved}}}
	for o, err := range w.reg.Find(context.Background(), tenant, q, access.Restriction{}) {
		if err != nil {
			t.Fatal(err)
		}
		if o.Object.(*metadata.DocumentEntry).PatientID != p.CX() {
			t.Fatal("a document of somebody else")
		}
		n++
	}
	return n
}

// A merge of two patients with many documents is acknowledged in less than a
// second, and the next question has all of them.
func TestMergeOfLargePatients(t *testing.T) {
	each := 10_000
	if testing.Short() {
		each = 1_000
	}
	w := newWorld(t, openSQLite(t), func(o *registry.Options) { o.Limits.LeafClass = 50_000 })
	for _, p := range []metadatatest.Patient{w.patient, w.other} {
		fillPatient(t, w.engine, w.gen, p, each)
	}
	start := time.Now()
	w.mustMerge(w.other, w.patient)
	merged := time.Since(start)
	if merged > time.Second {
		t.Errorf("acknowledged after %v", merged)
	}
	if n := countDocuments(t, w, w.other); n != 2*each {
		t.Errorf("%d documents, want %d", n, 2*each)
	}
	if n := countDocuments(t, w, w.patient); n != 0 {
		t.Errorf("the subsumed patient has %d", n)
	}
	t.Logf("two patients with %d documents: merged in %v; found all of them after %v", each, merged, time.Since(start))
}

// BenchmarkMerge merges patients who have a number of documents each.
func BenchmarkMerge(b *testing.B) {
	for _, each := range []int{1, 1000} {
		b.Run(fmt.Sprint("documents=", each), func(b *testing.B) {
			w := newWorld(b, openSQLite(b))
			from, to := make([]metadatatest.Patient, b.N), make([]metadatatest.Patient, b.N)
			for i := range b.N {
				from[i], to[i] = w.gen.Patient(), w.gen.Patient()
				fillPatient(b, w.engine, w.gen, from[i], each)
				fillPatient(b, w.engine, w.gen, to[i], each)
			}
			measure(b, func() {
				for i := range b.N {
					w.mustMerge(to[i], from[i])
				}
			})
		})
	}
}

// BenchmarkFindMerged finds ten documents of patients who have ten: never merged
// while nobody was, never merged while others were, merged of two with five.
func BenchmarkFindMerged(b *testing.B) {
	for _, c := range []struct {
		name         string
		others, both bool
	}{{"nobody merged", false, false}, {"others merged", true, false}, {"merged", true, true}} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b, openSQLite(b))
			patients := make([]metadatatest.Patient, 100)
			for i := range patients {
				patients[i] = w.gen.Patient()
				if !c.both {
					fillPatient(b, w.engine, w.gen, patients[i], 10)
					continue
				}
				other := w.gen.Patient()
				fillPatient(b, w.engine, w.gen, patients[i], 5)
				fillPatient(b, w.engine, w.gen, other, 5)
				w.mustMerge(patients[i], other)
			}
			for range 1000 {
				if c.others {
					w.mustMerge(w.gen.Patient(), w.gen.Patient())
				}
			}
			b.ResetTimer()
			measure(b, func() {
				for i := range b.N {
					if n := countDocuments(b, w, patients[i%len(patients)]); n != 10 {
						b.Fatalf("%d documents", n)
					}
				}
			})
		})
	}
}
