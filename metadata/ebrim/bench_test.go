package ebrim

import (
	"testing"

	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
)

// twenty is an ITI-42 request with 20 documents.
func twenty() []byte {
	g := metadatatest.New(1)
	return AppendSubmission(nil, g.Metadata(g.Patient(), 20))
}

// thousand are the entries of a large answer, as a registry keeps them.
func thousand() []metadata.Object {
	g := metadatatest.New(2)
	p := g.Patient()
	var out []metadata.Object
	for len(out) < 1000 {
		for _, e := range g.Metadata(p, 10).Entries {
			e.Status, e.LogicalID, e.Version = metadata.Approved, e.ID, 1
			out = append(out, e)
		}
	}
	return out
}

func answer(b []byte, objects []metadata.Object) []byte {
	b = AppendQueryResponseHead(b, Success, nil)
	for _, o := range objects {
		b = AppendObject(b, o)
	}
	return AppendQueryResponseTail(b)
}

func benchScan(b *testing.B, in []byte) {
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	var sc xmlscan.Scanner
	for b.Loop() {
		sc.Reset(in, xmlscan.Limits{})
		for {
			k, err := sc.Next()
			if err != nil {
				b.Fatal(err)
			}
			if k == xmlscan.EOF {
				break
			}
		}
	}
}

func BenchmarkScanSubmission20(b *testing.B) { benchScan(b, twenty()) }
func BenchmarkScanAnswer1000(b *testing.B)   { benchScan(b, answer(nil, thousand())) }

func BenchmarkDecodeSubmission20(b *testing.B) {
	in := twenty()
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	var sc xmlscan.Scanner
	for b.Loop() {
		sc.Reset(in, xmlscan.Limits{})
		sc.Next()
		if _, problems, err := DecodeSubmission(&sc); err != nil || len(problems) > 0 {
			b.Fatal(err, problems)
		}
	}
}

func BenchmarkDecodeAnswer1000(b *testing.B) {
	in := answer(nil, thousand())
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	var sc xmlscan.Scanner
	for b.Loop() {
		sc.Reset(in, xmlscan.Limits{})
		sc.Next()
		if r, err := DecodeQueryResponse(&sc); err != nil || len(r.Defects) > 0 || len(r.Objects) != 1000 {
			b.Fatal(err, r.Defects)
		}
	}
}

// BenchmarkStreamAnswer10 is what a gateway does with the answer of one community, read
// as it is: from memory.
func BenchmarkStreamAnswer10(b *testing.B) {
	in := answer(nil, thousand()[:10])
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	var sc xmlscan.Scanner
	count := 0
	for b.Loop() {
		sc.Reset(in, xmlscan.Limits{})
		sc.Next()
		if r, err := (Limits{}).StreamQueryResponse(&sc, func(metadata.Object) error { count++; return nil }, nil); err != nil || len(r.Defects) > 0 {
			b.Fatal(err, r.Defects)
		}
	}
	if count != 10*b.N {
		b.Fatal(count)
	}
}

func BenchmarkAppendAnswer1000(b *testing.B) {
	objects := thousand()
	out := answer(nil, objects)
	b.SetBytes(int64(len(out)))
	b.ReportAllocs()
	for b.Loop() {
		out = answer(out[:0], objects)
	}
}

func BenchmarkAppendSubmission20(b *testing.B) {
	g := metadatatest.New(1)
	sub := g.Metadata(g.Patient(), 20)
	out := AppendSubmission(nil, sub)
	b.SetBytes(int64(len(out)))
	b.ReportAllocs()
	for b.Loop() {
		out = AppendSubmission(out[:0], sub)
	}
}

func BenchmarkDecodeQuery(b *testing.B) {
	in := AppendQuery(nil, metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: "17855599120^^^&2.16.578.1.12.4.1.4.1&ISO", Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}})
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	var sc xmlscan.Scanner
	for b.Loop() {
		sc.Reset(in, xmlscan.Limits{})
		sc.Next()
		if _, err := DecodeQuery(&sc); err != nil {
			b.Fatal(err)
		}
	}
}
