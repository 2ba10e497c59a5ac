package sharing_test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"samdok/access/decider"
	"samdok/access/guard"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/metadata/profile"
	"samdok/ondemand"
	"samdok/ondemand/summary"
	"samdok/registry"
	"samdok/repository"
	"samdok/sharing"
)

// BenchmarkSummary makes patient summaries of a patient with many documents: the
// whole use, with decisions and its record, as it is served.
func BenchmarkSummary(b *testing.B) {
	p, err := profile.Load("norway")
	if err != nil {
		b.Fatal(err)
	}
	words := summary.Options{Label: p.Label, Zone: p.Zone()}
	for _, documents := range []int{50, 1000} {
		for name, c := range map[string]struct {
			generator ondemand.Generator
			snapshots bool
		}{"cda": {summary.CDA{Options: words}, false}, "pdf": {summary.PDF{Options: words}, false}, "cda-kept": {summary.CDA{Options: words}, true}} {
			b.Run(fmt.Sprintf("%s/%d", name, documents), func(b *testing.B) {
				benchSummary(b, documents, c.generator, c.snapshots)
			})
		}
	}
}

func benchSummary(b *testing.B, documents int, g ondemand.Generator, snapshots bool) {
	e := openEngines(b, time.Now)
	gen := metadatatest.New(7)
	s := sharing.New(sharing.Options{
		Registry:   registry.New(registry.Options{Log: e.db, Index: e.db, Clock: time.Now}),
		Repository: repository.New(repository.Options{Documents: e.files, Log: e.db, ID: own, Clock: time.Now}),
		Guard:      guard.New(guard.Options{Decider: decider.NewOpen(decider.Options{}), Recorder: e.records, Clock: time.Now}),
		Index:      e.db, Tenant: tenant,
		OnDemand: sharing.OnDemand{Generator: func(*metadata.DocumentEntry) ondemand.Generator { return g }, Snapshots: snapshots},
	})
	patient := gen.Patient()
	var last *metadata.Submission
	for left := documents; left > 0; left -= 50 {
		sub := gen.Metadata(patient, 50)
		for _, x := range sub.Entries {
			x.RepositoryID = "1.2.3.4"
		}
		if _, err := s.Register(b.Context(), caller, sharing.Register{Submission: sub}); err != nil {
			b.Fatal(err)
		}
	}
	last = gen.Metadata(patient, 1)
	x := last.Entries[0]
	x.Kind, x.CreationTime, x.Hash, x.Size, x.RepositoryID = metadata.OnDemand, "", "", metadata.Size{}, own
	if _, err := s.RegisterOnDemand(b.Context(), caller, sharing.Register{Submission: last}); err != nil {
		b.Fatal(err)
	}
	var size int64
	eight(b, func(int) error {
		r, err := s.Retrieve(context.Background(), caller, ask(x.UniqueID))
		if err != nil {
			return err
		}
		defer r.Close(nil)
		if len(r.Documents) != 1 {
			return fmt.Errorf("%+v", r.Problems)
		}
		size = r.Documents[0].Size
		_, err = io.Copy(io.Discard, r.Documents[0].Body)
		return err
	})
	b.ReportMetric(float64(size), "octets")
}
