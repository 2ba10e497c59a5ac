package encoding

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"samdok/metadata"
	"samdok/storage"
)

// sample is a submission of usual size: one set, one document, one association.
// The fixture of format version 1 was made of it: do not change it.
func sample() record {
	id := func(n byte) metadata.UUID {
		u := metadata.UUID{0x6b, 0x1f, 0x9a, 0x02, 0x51, 0x77, 0x4a, 0x10, 0x9c, 0x33, 0xd4, 0x08, 0x7e, 0x2f, 0x55, n}
		return u
	}
	code := func(n byte, value, scheme, display string) metadata.Code {
		return metadata.Code{Value: value, Scheme: scheme, Display: metadata.Text{{Value: display, Lang: "nb-NO", Charset: "UTF-8"}}, ID: id(n)}
	}
	author := func(n byte) metadata.Author {
		return metadata.Author{
			Person:       "9144900^Moe^Kari^^^Dr.^^^&2.16.578.1.12.4.1.4.4&ISO",
			Institutions: []metadata.XON{"Sykehuset i Vik HF^^^^^&2.16.578.1.12.4.1.4.101&ISO^^^^974749025", "Medisinsk avdeling^^^^^&2.16.578.1.12.4.1.4.102&ISO^^^^4208723"},
			Roles:        []string{"LE^^^&2.16.578.1.12.4.1.1.9034&ISO"},
			Specialties:  []string{"12^^^&2.16.578.1.12.4.1.1.7426&ISO"},
			Telecom:      []metadata.XTN{"^WPN^PH^^^^^^^^^+4776000000"},
			ID:           id(n),
		}
	}
	const patient = "13897512345^^^&2.16.578.1.12.4.1.4.1&ISO"
	doc := &metadata.DocumentEntry{
		ID: id(1).ID(), LogicalID: id(1).ID(), Version: 1, Status: metadata.Approved, Kind: metadata.Stable,
		MimeType: "application/pdf", Title: metadata.Text{{Value: "Epikrise, medisinsk avdeling", Lang: "nb-NO", Charset: "UTF-8"}},
		Authors:      []metadata.Author{author(30)},
		ClassCode:    code(31, "A00-1", "2.16.578.1.12.4.1.1.9602", "Epikriser og sammenfatninger"),
		TypeCode:     code(32, "A01-2", "2.16.578.1.12.4.1.1.9602", "Epikrise"),
		FormatCode:   code(33, "urn:ihe:iti:xds:2017:mimeTypeSufficient", "1.3.6.1.4.1.19376.1.2.3", "mimeType Sufficient"),
		Facility:     code(34, "86.101", "1.3.6.1.4.1.48336.1.1", "Alminnelige somatiske sykehus"),
		Practice:     code(35, "S01", "2.16.578.1.12.4.1.1.8655", "Somatikk"),
		Confidential: []metadata.Code{code(36, "N", "2.16.840.1.113883.5.25", "Normal"), code(37, "NORN_PASINF", "2.16.578.1.12.4.1.1.9603", "Ikke nektet")},
		CreationTime: "20240311104500", ServiceStart: "20240308", ServiceStop: "20240311",
		Hash: "5d41402abc4b2a76b9719d911017c592ae8b1c2d", Size: metadata.Octets(10240), Language: "nb-NO",
		LegalAuthenticator: "9144900^Moe^Kari^^^Dr.^^^&2.16.578.1.12.4.1.4.4&ISO",
		PatientID:          patient, SourcePatientID: patient,
		SourcePatientInfo: []string{"PID-3|" + patient, "PID-5|Dal^Ola^^^", "PID-7|19750917", "PID-8|M"},
		ReferenceIDs:      []metadata.CXi{"2024-000123^^^&2.16.578.1.12.4.1.4.101&ISO^urn:ihe:iti:xds:2013:referral"},
		RepositoryID:      "2.16.578.1.12.4.5.100.1", UniqueID: "2.16.578.1.12.4.5.100.1.77.20240311.1234567",
		Extra:        []metadata.Slot{{Name: "urn:example:ward", Values: []string{"3B", "3C"}}},
		PatientIDRef: id(38), UniqueIDRef: id(39),
	}
	set := &metadata.SubmissionSet{
		ID: id(2).ID(), LogicalID: id(2).ID(), Version: 1, Status: metadata.Approved,
		Authors: []metadata.Author{author(40)}, ContentType: code(41, "A01-2", "2.16.578.1.12.4.1.1.9602", "Epikrise"),
		PatientID: patient, SourceID: "2.16.578.1.12.4.5.100", SubmissionTime: "20240311104512", UniqueID: "2.16.578.1.12.4.5.100.2.20240311.7654321",
		PatientIDRef: id(42), SourceIDRef: id(43), UniqueIDRef: id(44),
	}
	link := &metadata.Association{ID: id(3).ID(), Type: metadata.HasMember, Source: set.ID, Target: doc.ID, Status: metadata.Approved, Membership: metadata.Original}
	return record{
		Events: []storage.Event{{
			Kind: storage.EventSubmitted, ID: id(9), Time: time.Date(2024, 3, 11, 10, 45, 13, 250_000_000, time.UTC),
			Added:   []storage.Added{{Object: set, Controller: "974749025"}, {Object: doc, Document: "k7Zq3w9t", Controller: "974749025"}, {Object: link, Controller: "974749025"}},
			Touched: []storage.Touch{{ID: id(4).ID(), Status: metadata.Deprecated}, {ID: id(5).ID(), LastUpdateTime: "20240311104513"}},
		}},
		Claims: []storage.Claim{
			{ID: string(set.ID), Exclusive: true}, {ID: set.UniqueID, Exclusive: true}, {ID: string(doc.ID), Exclusive: true},
			{ID: doc.UniqueID, Value: doc.Hash + " 10240"}, {ID: string(link.ID), Exclusive: true},
		},
	}
}

func encodeSample(t testing.TB) string {
	t.Helper()
	s := sample()
	var e Encoder
	data, err := e.Append(nil, s.Events, s.Claims)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var update = flag.Bool("update", false, "write the fixture of the current format version if it is missing")

// TestFixture: records written by every earlier version keep opening.
func TestFixture(t *testing.T) {
	lifeCycle, body := sample(), sample()
	for _, rec := range []record{lifeCycle, body} {
		rec.Events[0].Kind = storage.EventUpdated
		rec.Events[0].Touched = []storage.Touch{
			{ID: "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1", Status: metadata.Deprecated, Succession: storage.Superseded},
			{ID: "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c2", Succession: storage.Newest, Unbind: true},
		}
		rec.Events[0].Removed = []metadata.ID{"urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c3"}
	}
	body.Events[0].Body = []byte("any bytes \x00\xff")
	for name, want := range map[string]record{"record-v1.bin": sample(), "record-v2.bin": lifeCycle, "record-v3.bin": body} {
		path := filepath.Join("testdata", name)
		if *update {
			if _, err := os.Stat(path); err != nil {
				var e Encoder
				data, err := e.Append(nil, want.Events, want.Claims)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if v := name[len("record-v")] - '0'; data[0] != v {
			t.Errorf("%s has version %d", name, data[0])
		}
		var r Reader
		got, err := decode(&r, string(data))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("%s: %s", name, d)
		}
	}
}

func TestSampleIsSmall(t *testing.T) {
	if n := len(encodeSample(t)); n > 1800 {
		t.Errorf("a usual submission takes %d bytes", n)
	}
}

func BenchmarkEncode(b *testing.B) {
	s := sample()
	var e Encoder
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = e.Append(buf[:0], s.Events, s.Claims); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(buf)), "bytes")
}

// BenchmarkRejectEntry is BenchmarkReadEntry for a document that is not wanted.
func BenchmarkRejectEntry(b *testing.B) { benchmarkRead(b, (*Reader).GiveBack) }

// BenchmarkReadEntry is what a search does for each row: find the document and
// decode it.
func BenchmarkReadEntry(b *testing.B) { benchmarkRead(b, func(*Reader) {}) }

func benchmarkRead(b *testing.B, after func(*Reader)) {
	data := encodeSample(b)
	var r Reader
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Reset(data); err != nil {
			b.Fatal(err)
		}
		for n := range r.Len() {
			if r.Class(n) == ClassDocumentEntry {
				if _, err := r.Added(n); err != nil {
					b.Fatal(err)
				}
				after(&r)
			}
		}
	}
}
