package registry_test

import (
	"testing"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/registry"
)

// dated registers an entry of a patient with a creation time.
func (w *world) dated(p metadatatest.Patient, created metadata.DTM) metadata.ID {
	w.t.Helper()
	e := w.gen.Entry(p, metadatatest.Note)
	e.CreationTime = created
	sub := w.gen.Submission(p)
	metadatatest.AddEntry(sub, e)
	return w.must(sub).IDs[e.ID]
}

func TestAcrossPatients(t *testing.T) {
	for name, e := range map[string]engine{"memory": newMemory(), "sqlite": openSQLite(t)} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, e, func(o *registry.Options) {
				o.Limits.AcrossPatients, o.Limits.AcrossObjects, o.Limits.AcrossRange = 3, 2, 31*24*time.Hour
			})
			third := w.gen.Patient()
			a, b, c := w.dated(w.patient, "20260105"), w.dated(w.other, "20260110"), w.dated(third, "20260301")
			code := w.get(a).(*metadata.DocumentEntry).ClassCode.Ref()
			ask := func(days metadata.TimeRange, patients ...metadata.CX) ([]metadata.Object, error) {
				return w.find(metadata.StoredQuery{Query: &metadata.FindDocumentsForMultiplePatients{Patients: patients,
					Filter: metadata.DocumentFilter{Status: approved, ClassCode: metadata.AnyOf[metadata.CodeRef]{code}, Creation: days}}}, access.Restriction{})
			}
			only := func(what string, got []metadata.Object, err error, want ...metadata.ID) {
				t.Helper()
				if err != nil || len(got) != len(want) {
					t.Fatalf("%s: %d objects, %v", what, len(got), err)
				}
				for i := range want {
					found := false
					for _, o := range got {
						found = found || o.ObjectID() == want[i]
					}
					if !found {
						t.Fatalf("%s: %s is missing", what, want[i])
					}
				}
			}
			january := metadata.TimeRange{From: "202601", To: "202602"}
			got, err := ask(metadata.TimeRange{}, w.patient.CX(), third.CX())
			only("two patients", got, err, a, c)
			got, err = ask(metadata.TimeRange{}, w.patient.CX(), w.patient.CX())
			only("the same patient twice", got, err, a)
			got, err = ask(january)
			only("nobody in January", got, err, a, b)
			_, err = ask(metadata.TimeRange{})
			w.wantRefused(err, fault.StoredQueryMissingParam)
			_, err = ask(metadata.TimeRange{From: "2026"})
			w.wantRefused(err, fault.StoredQueryMissingParam)
			_, err = ask(metadata.TimeRange{From: "2025", To: "2027"})
			w.wantRefused(err, fault.StoredQueryParamNumber)
			_, err = ask(metadata.TimeRange{}, "not a patient")
			w.wantRefused(err, fault.RegistryError)
			_, err = ask(metadata.TimeRange{}, w.patient.CX(), w.other.CX(), third.CX(), w.gen.Patient().CX())
			w.wantRefused(err, fault.TooManyResults)
			w.dated(third, "20260120")
			_, err = ask(january)
			w.wantRefused(err, fault.TooManyResults)
			got, err = ask(january, w.patient.CX(), w.other.CX(), third.CX())
			if err != nil || len(got) != 3 {
				t.Fatalf("named patients have the limit of any query: %d, %v", len(got), err)
			}

			f := w.folder(a)
			f.Codes = nil
			folders, err := w.find(metadata.StoredQuery{Query: &metadata.FindFoldersForMultiplePatients{Patients: []metadata.CX{w.patient.CX(), w.other.CX()},
				Filter: metadata.FolderFilter{Status: approved}}}, access.Restriction{})
			only("folders", folders, err, f.ID)
		})
	}
}
