package sharing_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"samdok/access/decider"
	"samdok/access/guard"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/registry"
	"samdok/repository"
	"samdok/sharing"
)

// bench is sharing over the real engines and nothing else, as it is served.
type bench struct {
	*sharing.Sharing
	gen *metadatatest.Gen
}

func newBench(b *testing.B) *bench {
	e := openEngines(b, time.Now)
	return &bench{gen: metadatatest.New(7), Sharing: sharing.New(sharing.Options{
		Registry:   registry.New(registry.Options{Log: e.db, Index: e.db, Clock: time.Now}),
		Repository: repository.New(repository.Options{Documents: e.files, Log: e.db, ID: own, Clock: time.Now}),
		Guard:      guard.New(guard.Options{Decider: decider.NewOpen(decider.Options{}), Recorder: e.records, Clock: time.Now}),
		Index:      e.db, Tenant: tenant,
	})}
}

// message makes a submission with documents of a size, ready to be provided.
func (w *bench) message(p metadatatest.Patient, n, size int) sharing.Provide {
	sub := w.gen.Metadata(p, n)
	m := &parts{}
	for i, e := range sub.Entries {
		e.Hash, e.Size = "", metadata.Size{}
		m.ids, m.bytes = append(m.ids, e.ID), append(m.bytes, bytes.Repeat([]byte{byte(i), 1, 2, 3}, size/4))
	}
	return sharing.Provide{Submission: sub, Documents: m}
}

// eight runs f from eight clients and reports processor time of each call.
func eight(b *testing.B, f func(i int) error) {
	var next atomic.Int64
	var before, after syscall.Rusage
	b.SetParallelism(4) // on the two processors of the reference machine
	b.ReportAllocs()
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := f(int(next.Add(1) - 1)); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(used)/float64(b.N)/1e6, "cpu-ms/op")
}

func BenchmarkProvide10KB(b *testing.B) { benchProvide(b, 1, 10<<10) }
func BenchmarkProvide20Documents(b *testing.B) {
	benchProvide(b, 20, 1<<10)
}

func benchProvide(b *testing.B, n, size int) {
	w := newBench(b)
	messages := make([]sharing.Provide, b.N)
	for i := range messages {
		messages[i] = w.message(w.gen.Patient(), n, size)
	}
	eight(b, func(i int) error {
		_, err := w.Provide(b.Context(), caller, messages[i])
		return err
	})
}

func BenchmarkRegister(b *testing.B) {
	w := newBench(b)
	messages := make([]*metadata.Submission, b.N)
	for i := range messages {
		messages[i] = w.gen.Metadata(w.gen.Patient(), 1)
		messages[i].Entries[0].RepositoryID = own
	}
	eight(b, func(i int) error {
		_, err := w.Register(b.Context(), caller, sharing.Register{Submission: messages[i]})
		return err
	})
}

// registered are submissions of one document each that are registered already.
func (w *bench) registered(b *testing.B) []*metadata.Submission {
	all := make([]*metadata.Submission, b.N)
	for i := range all {
		all[i] = w.gen.Metadata(w.gen.Patient(), 1)
		all[i].Entries[0].RepositoryID = own
	}
	var group sync.WaitGroup
	var next atomic.Int64
	for range 8 {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(all) {
					return
				}
				if _, err := w.Register(context.Background(), caller, sharing.Register{Submission: all[i]}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	return all
}

// BenchmarkUpdate makes the second version of an entry.
func BenchmarkUpdate(b *testing.B) {
	w := newBench(b)
	before := w.registered(b)
	messages := make([]*metadata.Submission, b.N)
	for i, old := range before {
		s := w.gen.Metadata(w.gen.Patient(), 1)
		e := old.Entries[0].Clone()
		e.LogicalID, e.ID = old.Entries[0].ID, s.Entries[0].ID
		e.Version, e.Status = 0, metadata.StatusUnknown
		s.Set.PatientID, s.Entries[0] = old.Set.PatientID, e
		s.Associations = []*metadata.Association{{ID: metadata.NewUUID().ID(), Type: metadata.HasMember, Source: s.Set.ID, Target: e.ID, Membership: metadata.Original, PreviousVersion: "1"}}
		messages[i] = s
	}
	eight(b, func(i int) error {
		_, err := w.Update(b.Context(), caller, sharing.Update{Submission: messages[i]})
		return err
	})
}

// BenchmarkRemove removes a submission of one document: set, entry, association.
func BenchmarkRemove(b *testing.B) {
	w := newBench(b)
	before := w.registered(b)
	eight(b, func(i int) error {
		s := before[i]
		ids := []metadata.ID{s.Set.ID, s.Entries[0].ID}
		for _, a := range s.Associations {
			ids = append(ids, a.ID)
		}
		return w.Remove(b.Context(), caller, ids)
	})
}

// filled has patients with n documents each, in submissions of ten.
func filled(b *testing.B, patients, n, size int) (*bench, []metadatatest.Patient, [][]string) {
	w := newBench(b)
	var all []metadatatest.Patient
	var ids [][]string
	for range patients {
		p := w.gen.Patient()
		all, ids = append(all, p), append(ids, nil)
		for done := 0; done < n; done += 10 {
			m := w.message(p, min(10, n-done), size)
			if _, err := w.Provide(context.Background(), caller, m); err != nil {
				b.Fatal(err)
			}
			for _, e := range m.Submission.Entries {
				ids[len(ids)-1] = append(ids[len(ids)-1], e.UniqueID)
			}
		}
	}
	return w, all, ids
}

func benchFind(b *testing.B, hits int, ret metadata.ReturnType, query func(metadata.CX) metadata.Query) {
	w, patients, _ := filled(b, max(1, 500/hits), hits, 16)
	eight(b, func(i int) error {
		q := query(patients[i%len(patients)].CX())
		n := 0
		_, err := w.Find(b.Context(), caller, metadata.StoredQuery{Query: q, Return: ret}, func(metadata.Object) error { n++; return nil })
		if err == nil && n < hits {
			err = fmt.Errorf("%d hits", n)
		}
		return err
	})
}

func approvedOf(p metadata.CX) metadata.Query {
	return &metadata.FindDocuments{Patient: p, Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}
}

func getAllOf(p metadata.CX) metadata.Query {
	s := []metadata.Status{metadata.Approved}
	return &metadata.GetAll{Patient: p, DocumentStatus: s, SetStatus: s, FolderStatus: s}
}

func BenchmarkFind10Refs(b *testing.B)      { benchFind(b, 10, metadata.ObjectRef, approvedOf) }
func BenchmarkFind10Entries(b *testing.B)   { benchFind(b, 10, metadata.LeafClass, approvedOf) }
func BenchmarkFind1000Entries(b *testing.B) { benchFind(b, 1000, metadata.LeafClass, approvedOf) }
func BenchmarkGetAll10(b *testing.B)        { benchFind(b, 10, metadata.LeafClass, getAllOf) }

func BenchmarkRetrieve10KB(b *testing.B) {
	w, _, ids := filled(b, 50, 10, 10<<10)
	eight(b, func(i int) error {
		r, err := w.Retrieve(b.Context(), caller, []metadata.DocumentRequest{{RepositoryID: own, UniqueID: ids[i%50][i/50%10]}})
		if err != nil {
			return err
		}
		defer r.Close(nil)
		if len(r.Documents) != 1 {
			return fmt.Errorf("%v", r.Problems)
		}
		n, err := io.Copy(io.Discard, r.Documents[0].Body)
		if err == nil && n != 10<<10 {
			err = fmt.Errorf("%d bytes", n)
		}
		return err
	})
}

// BenchmarkStream takes 200 MiB in and out.
func BenchmarkStream200MiB(b *testing.B) {
	w := newBench(b)
	b.SetBytes(2 * 200 << 20)
	for b.Loop() {
		p := w.gen.Patient()
		m := w.message(p, 1, 4)
		m.Documents = &streamed{id: m.Submission.Entries[0].ID, r: io.LimitReader(zeros{}, 200<<20)}
		if _, err := w.Provide(b.Context(), caller, m); err != nil {
			b.Fatal(err)
		}
		r, err := w.Retrieve(b.Context(), caller, []metadata.DocumentRequest{{RepositoryID: own, UniqueID: m.Submission.Entries[0].UniqueID}})
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, r.Documents[0].Body); err != nil || n != 200<<20 {
			b.Fatal(n, err)
		}
		r.Close(nil)
	}
}

type streamed struct {
	id metadata.ID
	r  io.Reader
}

func (s *streamed) Next() (metadata.ID, io.Reader, error) {
	r := s.r
	if s.r = nil; r == nil {
		return "", nil, io.EOF
	}
	return s.id, r, nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
