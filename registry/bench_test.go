package registry_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"samdok/access"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/registry"
)

// cpu is the processor time that the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure reports processor time per operation: with group commit the wall clock
// waits for disks.
func measure(b *testing.B, f func()) {
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	f()
	b.StopTimer()
	b.ReportMetric(float64(cpu()-before)/float64(time.Microsecond)/float64(b.N), "cpu-µs/op")
}

// BenchmarkSubmit registers n documents, eight senders at a time, each time for
// another patient. Making the submissions is not measured.
func BenchmarkSubmit(b *testing.B) {
	for _, n := range []int{1, 20} {
		for _, ids := range []string{"symbolic", "uuid"} {
			b.Run(fmt.Sprintf("documents=%d/ids=%s", n, ids), func(b *testing.B) {
				w := newWorld(b, openSQLite(b))
				patients := make([]metadatatest.Patient, 1000)
				for i := range patients {
					patients[i] = w.gen.Patient()
				}
				subs := make([]*metadata.Submission, b.N)
				for i := range subs {
					subs[i] = w.gen.Metadata(patients[i%len(patients)], n)
					if ids == "symbolic" {
						symbolic(subs[i])
					}
				}
				var next atomic.Int64
				b.SetParallelism(4)
				measure(b, func() {
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							_, err := w.reg.Submit(context.Background(), tenant, registry.Submission{Submission: subs[next.Add(1)-1]})
							if err != nil {
								b.Error(err)
							}
						}
					})
				})
			})
		}
	}
}

// BenchmarkReplace replaces a document that is in a folder.
func BenchmarkReplace(b *testing.B) {
	w := newWorld(b, openSQLite(b))
	old := w.registered()
	w.folder(old.ID)
	subs := make([]*metadata.Submission, b.N)
	for i := range subs {
		e := w.entry()
		subs[i] = w.with(e)
		metadatatest.Relate(subs[i], metadata.Replaces, e.ID, old.ID)
		old = e
	}
	measure(b, func() {
		for _, sub := range subs {
			w.must(sub)
		}
	})
}

// BenchmarkFind finds ten documents of a patient who has ten, or fifty.
func BenchmarkFind(b *testing.B) {
	for _, of := range []int{10, 50} {
		b.Run(fmt.Sprintf("10of%d", of), func(b *testing.B) {
			w := newWorld(b, openSQLite(b))
			patients := make([]metadatatest.Patient, 100)
			for i := range patients {
				patients[i] = w.gen.Patient()
				for d := range of {
					kind := metadatatest.XRay
					if d%(of/10) == 0 {
						kind = metadatatest.EpikriseCDA
					}
					sub := w.gen.Submission(patients[i])
					metadatatest.AddEntry(sub, w.gen.Entry(patients[i], kind))
					w.must(sub)
				}
			}
			q := make([]metadata.StoredQuery, len(patients))
			typ := w.gen.Entry(w.patient, metadatatest.EpikriseCDA).TypeCode.Ref()
			for i := range q {
				q[i].Query = &metadata.FindDocuments{Patient: patients[i].CX(), Filter: metadata.DocumentFilter{
					Status: approved, TypeCode: metadata.AnyOf[metadata.CodeRef]{typ},
				}}
			}
			measure(b, func() {
				for i := range b.N {
					n := 0
					for _, err := range w.reg.Find(context.Background(), tenant, q[i%len(q)], access.Restriction{}) {
						if err != nil {
							b.Fatal(err)
						}
						n++
					}
					if n != 10 {
						b.Fatalf("%d documents", n)
					}
				}
			})
		})
	}
}
