package metadata_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/metadata/metadatatest/arbitrary"
)

func ref(value, scheme string) metadata.CodeRef {
	return metadata.CodeRef{Value: value, Scheme: scheme}
}

func coded(value, scheme string) metadata.Code { return metadata.Code{Value: value, Scheme: scheme} }

func entry() *metadata.DocumentEntry {
	return &metadata.DocumentEntry{
		Status: metadata.Approved, Kind: metadata.Stable,
		ClassCode: coded("class", "1.1"), TypeCode: coded("type", "1.2"), FormatCode: coded("format", "1.3"),
		Facility: coded("facility", "1.4"), Practice: coded("practice", "1.5"),
		Confidential: []metadata.Code{coded("N", "1.6"), coded("R", "urn:oid:1.7")},
		EventCodes:   []metadata.Code{coded("E1", "1.8"), coded("E2", "1.8")},
		CreationTime: "20050102", ServiceStart: "200501", ServiceStop: "20050103120000",
		Authors:      []metadata.Author{{Institutions: []metadata.XON{"x"}}, {Person: "1^Nordmann^Ola"}, {Person: "2^Hansen^Kari"}},
		ReferenceIDs: []metadata.CXi{"a^^^&1.9&ISO^urn:ihe:iti:xds:2013:order", "b^^^&1.9&ISO^local"},
	}
}

func TestDocumentFilter(t *testing.T) {
	one := func(c metadata.CodeRef) metadata.AnyOf[metadata.CodeRef] { return metadata.AnyOf[metadata.CodeRef]{c} }
	all := func(groups ...metadata.AnyOf[metadata.CodeRef]) metadata.AllOf[metadata.CodeRef] { return groups }
	onDemand := func(e *metadata.DocumentEntry) { e.Kind, e.CreationTime = metadata.OnDemand, "" }
	type f = metadata.DocumentFilter
	tests := []struct {
		name   string
		filter f
		change func(*metadata.DocumentEntry)
		want   bool
	}{
		{name: "empty", want: true},
		{name: "status", filter: f{Status: []metadata.Status{metadata.Approved}}, want: true},
		{name: "other status", filter: f{Status: []metadata.Status{metadata.Deprecated}}},
		{name: "two statuses", filter: f{Status: []metadata.Status{metadata.Deprecated, metadata.Approved}}, want: true},
		{name: "on-demand by default", change: onDemand},
		{name: "on-demand asked for", filter: f{Kinds: []metadata.EntryKind{metadata.OnDemand}}, change: onDemand, want: true},
		{name: "stable not asked for", filter: f{Kinds: []metadata.EntryKind{metadata.OnDemand}}},
		{name: "both kinds", filter: f{Kinds: []metadata.EntryKind{metadata.OnDemand, metadata.Stable}}, want: true},
		{name: "class", filter: f{ClassCode: one(ref("class", "1.1"))}, want: true},
		{name: "class as URN", filter: f{ClassCode: one(ref("class", "urn:oid:1.1"))}, want: true},
		{name: "class of another scheme", filter: f{ClassCode: one(ref("class", "1.2"))}},
		{name: "class in another letter case", filter: f{ClassCode: one(ref("CLASS", "1.1"))}},
		{name: "one of two classes", filter: f{ClassCode: append(one(ref("x", "1.1")), ref("class", "1.1"))}, want: true},
		{name: "type", filter: f{TypeCode: one(ref("class", "1.1"))}},
		{name: "format", filter: f{FormatCode: one(ref("x", "1.3"))}},
		{name: "facility", filter: f{Facility: one(ref("x", "1.4"))}},
		{name: "practice", filter: f{Practice: one(ref("x", "1.5"))}},
		{name: "all five", filter: f{TypeCode: one(ref("type", "1.2")), FormatCode: one(ref("format", "1.3")), Facility: one(ref("facility", "1.4")), Practice: one(ref("practice", "1.5"))}, want: true},
		{name: "confidentiality or", filter: f{Confidential: all(append(one(ref("V", "1.6")), ref("R", "1.7")))}, want: true},
		{name: "confidentiality and", filter: f{Confidential: all(one(ref("N", "1.6")), one(ref("R", "1.7")))}, want: true},
		{name: "confidentiality and, one missing", filter: f{Confidential: all(one(ref("N", "1.6")), one(ref("V", "1.7")))}},
		{name: "confidentiality, empty group", filter: f{Confidential: all(nil, one(ref("N", "1.6")))}, want: true},
		{name: "no confidentiality at all", filter: f{Confidential: all(one(ref("N", "1.6")))}, change: func(e *metadata.DocumentEntry) { e.Confidential = nil }},
		{name: "(E1 or x) and E2", filter: f{EventCodes: all(append(one(ref("x", "1.8")), ref("E1", "1.8")), one(ref("E2", "1.8")))}, want: true},
		{name: "events of nobody", filter: f{EventCodes: all(one(ref("E3", "1.8")))}},
		{name: "created within", filter: f{Creation: metadata.TimeRange{From: "2005", To: "2006"}}, want: true},
		{name: "created from, inclusive", filter: f{Creation: metadata.TimeRange{From: "20050102000000"}}, want: true},
		{name: "created to, exclusive", filter: f{Creation: metadata.TimeRange{To: "20050102"}}},
		{name: "created, on-demand", filter: f{Creation: metadata.TimeRange{From: "2020"}, Kinds: []metadata.EntryKind{metadata.OnDemand}}, change: onDemand, want: true},
		{name: "created, stable without time", filter: f{Creation: metadata.TimeRange{From: "2020"}}, change: func(e *metadata.DocumentEntry) { e.CreationTime = "" }},
		{name: "start too early", filter: f{ServiceStart: metadata.TimeRange{From: "20050102"}}},
		{name: "start", filter: f{ServiceStart: metadata.TimeRange{From: "2005", To: "20050102"}}, want: true},
		{name: "no start", filter: f{ServiceStart: metadata.TimeRange{From: "2020"}}, change: func(e *metadata.DocumentEntry) { e.ServiceStart = "" }, want: true},
		{name: "stop", filter: f{ServiceStop: metadata.TimeRange{To: "20050103120000"}}},
		{name: "no stop", filter: f{ServiceStop: metadata.TimeRange{To: "2000"}}, change: func(e *metadata.DocumentEntry) { e.ServiceStop = "" }, want: true},
		{name: "author like", filter: f{AuthorPerson: metadata.AnyOf[metadata.Like]{"%nobody%", "%^Hansen^%"}}, want: true},
		{name: "author whole value", filter: f{AuthorPerson: metadata.AnyOf[metadata.Like]{"1^Nordmann^Ola"}}, want: true},
		{name: "author part of value", filter: f{AuthorPerson: metadata.AnyOf[metadata.Like]{"Nordmann"}}},
		{name: "author, none is a person", filter: f{AuthorPerson: metadata.AnyOf[metadata.Like]{"%"}}, change: func(e *metadata.DocumentEntry) { e.Authors = e.Authors[:1] }},
		{name: "references and", filter: f{ReferenceIDs: metadata.AllOf[metadata.Like]{{"a^%", "z"}, {"b^%"}}}, want: true},
		{name: "references and, one missing", filter: f{ReferenceIDs: metadata.AllOf[metadata.Like]{{"a^%"}, {"c^%"}}}},
		{name: "online by default", filter: f{Availability: metadata.AnyOf[string]{metadata.AvailabilityOnline}}, want: true},
		{name: "offline", filter: f{Availability: metadata.AnyOf[string]{metadata.AvailabilityOnline}}, change: func(e *metadata.DocumentEntry) { e.Availability = metadata.AvailabilityOffline }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := entry()
			if tt.change != nil {
				tt.change(e)
			}
			if got := tt.filter.Match(e); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestSubmissionSetFilter(t *testing.T) {
	s := &metadata.SubmissionSet{Status: metadata.Approved, SourceID: "1.2.3", SubmissionTime: "20260102", ContentType: coded("c", "1.1"), Authors: []metadata.Author{{Person: "1^Nordmann"}}}
	type f = metadata.SubmissionSetFilter
	for _, yes := range []f{
		{}, {Status: []metadata.Status{metadata.Approved}}, {SourceID: metadata.AnyOf[string]{"9", "1.2.3"}}, {Submission: metadata.TimeRange{From: "2026", To: "2027"}},
		{AuthorPerson: metadata.AnyOf[metadata.Like]{"%Nord%"}}, {ContentType: metadata.AnyOf[metadata.CodeRef]{ref("c", "urn:oid:1.1")}},
	} {
		if !yes.Match(s) {
			t.Errorf("%+v", yes)
		}
	}
	for _, no := range []f{
		{Status: []metadata.Status{metadata.Deprecated}}, {SourceID: metadata.AnyOf[string]{"9"}}, {Submission: metadata.TimeRange{From: "2027"}},
		{AuthorPerson: metadata.AnyOf[metadata.Like]{"Nord%"}}, {ContentType: metadata.AnyOf[metadata.CodeRef]{ref("c", "1.2")}},
	} {
		if no.Match(s) {
			t.Errorf("%+v", no)
		}
	}
}

func TestFolderAndMemberFilter(t *testing.T) {
	d := &metadata.Folder{Status: metadata.Approved, LastUpdateTime: "20260102030405", Codes: []metadata.Code{coded("a", "1"), coded("b", "1")}}
	type f = metadata.FolderFilter
	for _, yes := range []f{{}, {LastUpdate: metadata.TimeRange{From: "20260102"}}, {Codes: metadata.AllOf[metadata.CodeRef]{{ref("a", "1")}, {ref("x", "1"), ref("b", "1")}}}} {
		if !yes.Match(d) {
			t.Errorf("%+v", yes)
		}
	}
	for _, no := range []f{{Status: []metadata.Status{metadata.Deprecated}}, {LastUpdate: metadata.TimeRange{To: "20260102"}}, {Codes: metadata.AllOf[metadata.CodeRef]{{ref("a", "1")}, {ref("c", "1")}}}} {
		if no.Match(d) {
			t.Errorf("%+v", no)
		}
	}
	type m = metadata.MemberFilter
	e := entry()
	for _, yes := range []m{{}, {FormatCode: metadata.AnyOf[metadata.CodeRef]{ref("format", "1.3")}}, {Confidential: metadata.AllOf[metadata.CodeRef]{{ref("N", "1.6")}}}} {
		if !yes.Match(e) {
			t.Errorf("%+v", yes)
		}
	}
	for _, no := range []m{{Kinds: []metadata.EntryKind{metadata.OnDemand}}, {FormatCode: metadata.AnyOf[metadata.CodeRef]{ref("x", "1.3")}}, {Confidential: metadata.AllOf[metadata.CodeRef]{{ref("V", "1.6")}}}} {
		if no.Match(e) {
			t.Errorf("%+v", no)
		}
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	e := entry()
	f := hotFilter()
	if n := testing.AllocsPerRun(100, func() {
		if !f.Match(e) {
			t.Fatal("no match")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	cx := metadata.CX("13116900216^^^&2.16.578.1.12.4.1.4.1&ISO")
	if n := testing.AllocsPerRun(100, func() {
		if _, err := cx.Patient(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("CX.Patient: %v allocations", n)
	}
}

func hotFilter() *metadata.DocumentFilter {
	return &metadata.DocumentFilter{
		Status:       []metadata.Status{metadata.Approved},
		TypeCode:     metadata.AnyOf[metadata.CodeRef]{ref("other", "1.2"), ref("type", "1.2")},
		Confidential: metadata.AllOf[metadata.CodeRef]{{ref("N", "1.6"), ref("R", "1.7")}},
		Creation:     metadata.TimeRange{From: "20050101", To: "20060101"},
		AuthorPerson: metadata.AnyOf[metadata.Like]{"%^Hansen^%"},
	}
}

func BenchmarkMatch(b *testing.B) {
	e, f := entry(), hotFilter()
	b.ReportAllocs()
	for b.Loop() {
		f.Match(e)
	}
}

// A clone equals its original, and no slice of it is shared: writing into every
// slice of the clone leaves the original alone.
func TestClone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := arbitrary.Object(arbitrary.Plain()).Draw(t, "object")
		before, c := snapshot(o), metadata.CloneObject(o)
		if !reflect.DeepEqual(o, c) {
			t.Fatal(cmp.Diff(o, c))
		}
		scribble(reflect.ValueOf(c).Elem())
		if after := snapshot(o); after != before {
			t.Fatal(cmp.Diff(before, after))
		}
	})
	g := metadatatest.New(1)
	sub := g.Metadata(g.Patient(), 3)
	before, c := snapshot(sub), sub.Clone()
	scribble(reflect.ValueOf(c).Elem())
	if after := snapshot(sub); after != before {
		t.Error(cmp.Diff(before, after))
	}
}

// snapshot shares nothing with v.
func snapshot(v any) string {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// scribble overwrites everything that can be reached.
func scribble(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			scribble(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			scribble(v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			scribble(v.Elem())
		}
	case reflect.String:
		v.SetString("scribbled")
	}
}
