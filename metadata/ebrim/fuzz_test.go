package ebrim

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"samdok/internal/xmlscan"
	"samdok/metadata"
)

// seed adds all messages of testdata and more.
func seed(f *testing.F, more ...[]byte) {
	files, err := filepath.Glob("testdata/*/*.xml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, b := range more {
		f.Add(b)
	}
}

// find gives a scanner that stands on the element, nil when there is none.
func find(b []byte, ns xmlscan.NS, local string) *xmlscan.Scanner {
	sc := xmlscan.New(b, xmlscan.Limits{})
	for {
		k, err := sc.Next()
		if err != nil || k == xmlscan.EOF {
			return nil
		}
		if k == xmlscan.Start && sc.Is(ns, local) {
			return sc
		}
	}
}

// FuzzSubmission: what is decoded without a problem is the same when written and
// read again.
func FuzzSubmission(f *testing.F) {
	seed(f,
		[]byte(inRequest(aSet+node(nodeFolder, "F")+`<RegistryPackage id="F"/>`)),
		[]byte(inRequest(aSet+`<ExtrinsicObject id="D" mimeType="a">`+slot("size", "1")+class(schemeClass, "D", "c", slot("codingScheme", "s"), `<Name/>`)+class(schemeEntryAuthor, "D", "", slot("authorPerson", "x"))+
			external(schemeEntryUnique, "D", "1")+node(nodeLimitedEntry, "D")+`</ExtrinsicObject><Association id="A">`+slot("urn:x", "", "y")+`</Association>`)))
	f.Fuzz(func(t *testing.T, b []byte) {
		sc := find(b, xmlscan.LCM, "SubmitObjectsRequest")
		if sc == nil {
			return
		}
		want, problems, err := DecodeSubmission(sc)
		if err != nil {
			return
		}
		if want == nil {
			t.Fatal("no submission and no error")
		}
		out := AppendSubmission(nil, want)
		got, again, err := DecodeSubmission(at(t, out, xmlscan.LCM, "SubmitObjectsRequest"))
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if len(problems) > 0 {
			return
		}
		if d := cmp.Diff(want, got); d != "" || len(again) > 0 {
			t.Fatalf("%s %s\n%s", d, contexts(again), out)
		}
	})
}

// FuzzQuery: a query that is understood is the same when written and read again.
func FuzzQuery(f *testing.F) {
	seed(f,
		ask("urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d", slot("$XDSDocumentEntryPatientId", "'a'"), approved(entryPrefix), slot("$XDSDocumentEntryClassCode", "('a^^b', 'it''s^^c')"), slot("$MetadataLevel", "2"), slot("$X", "(")),
		ask("urn:uuid:d90e5407-b356-4d91-a89f-873917b4b0e6", slot("$XDSDocumentEntryEntryUUID", "urn:uuid:A"), slot("$AssociationTypes", `("x")`), slot("$XDSDocumentEntryType", "('x')")))
	f.Fuzz(func(t *testing.T, b []byte) {
		sc := find(b, xmlscan.Query, "AdhocQueryRequest")
		if sc == nil {
			return
		}
		want, err := DecodeQuery(sc)
		if err != nil {
			return
		}
		out := AppendQuery(nil, want)
		got, err := decodeQuery(t, out)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Fatalf("%v %s\n%s", err, d, out)
		}
	})
}

// FuzzRemove: ids that are understood are the same when written and read again.
func FuzzRemove(f *testing.F) {
	seed(f,
		AppendRemove(nil, []metadata.ID{"urn:uuid:6d296e90-e5dc-43d0-b455-7c1f3eb35d83", "urn:uuid:6d296e90-e5dc-43d0-b455-7c1f3eb35d84"}),
		[]byte(`<l:RemoveObjectsRequest xmlns:l="`+lcmNS+`" deletionScope="x"><a:AdhocQuery xmlns:a="`+rimNS+`" id="q"/><a:ObjectRefList xmlns:a="`+rimNS+`"><a:ObjectRef id="URN:UUID:A" home="h"/><a:Other/></a:ObjectRefList></l:RemoveObjectsRequest>`),
		[]byte(`<l:RemoveObjectsRequest xmlns:l="`+lcmNS+`"><ObjectRefList xmlns="`+rimNS+`"><ObjectRef/></ObjectRefList></l:RemoveObjectsRequest>`))
	limits := Limits{Objects: 50}
	f.Fuzz(func(t *testing.T, b []byte) {
		sc := find(b, xmlscan.LCM, "RemoveObjectsRequest")
		if sc == nil {
			return
		}
		want, err := limits.DecodeRemove(sc)
		if err != nil {
			return
		}
		if len(want) > limits.Objects {
			t.Fatalf("%d ids, the limit is %d", len(want), limits.Objects)
		}
		out := AppendRemove(nil, want)
		got, err := limits.DecodeRemove(at(t, out, xmlscan.LCM, "RemoveObjectsRequest"))
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Fatalf("%v %s\n%s", err, d, out)
		}
	})
}

// FuzzAnswer: answers of strangers end in a value or an error.
func FuzzAnswer(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if sc := find(b, xmlscan.Query, "AdhocQueryResponse"); sc != nil {
			if r, err := DecodeQueryResponse(sc); err == nil {
				for _, o := range r.Objects {
					AppendObject(nil, o)
				}
			}
		}
		if sc := find(b, xmlscan.RS, "RegistryResponse"); sc != nil {
			if r, err := DecodeRegistryResponse(sc); err == nil {
				AppendRegistryResponse(nil, r.Status, r.Problems)
			}
		}
	})
}
