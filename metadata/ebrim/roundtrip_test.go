package ebrim

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"samdok/fault"
	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/metadata/metadatatest/arbitrary"
)

func TestSubmissionComesBack(t *testing.T) {
	for name, text := range map[string]arbitrary.Strings{"plain": arbitrary.Plain(), "hostile": arbitrary.Hostile()} {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			want := arbitrary.Submission(text).Draw(t, "submission")
			b := AppendSubmission(nil, want)
			sc := xmlscan.New(b, xmlscan.Limits{})
			sc.Next()
			got, problems, err := DecodeSubmission(sc)
			if err != nil || len(problems) > 0 {
				t.Fatalf("%v %s\n%s", err, contexts(problems), b)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Fatal(d)
			}
		}))
	}
}

func TestAnswerComesBack(t *testing.T) {
	for name, text := range map[string]arbitrary.Strings{"plain": arbitrary.Plain(), "hostile": arbitrary.Hostile()} {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			want := &QueryResponse{Status: rapid.SampledFrom([]Status{Success, PartialSuccess, Failure}).Draw(t, "status")}
			want.Objects = rapid.SliceOfN(arbitrary.Object(text), 1, 4).Draw(t, "objects")
			want.Refs = []Ref{{ID: arbitrary.ID().Draw(t, "ref"), Home: "urn:oid:1.2"}, {ID: "urn:uuid:x"}}
			if rapid.Bool().Draw(t, "problems") {
				want.Problems = []fault.Problem{
					{Code: fault.UnavailableCommunity, Context: text.Draw(t, "context"), Location: text.Draw(t, "location")},
					{Code: fault.ExtraMetadataNotSaved, Severity: fault.SeverityWarning, Context: text.Draw(t, "warning")},
				}
			}
			b := AppendQueryResponseHead(nil, want.Status, want.Problems)
			for _, o := range want.Objects {
				b = AppendObject(b, o)
			}
			for _, r := range want.Refs {
				b = AppendObjectRef(b, r.ID, r.Home)
			}
			b = AppendQueryResponseTail(b)
			sc := xmlscan.New(b, xmlscan.Limits{})
			sc.Next()
			got, err := DecodeQueryResponse(sc)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Fatal(d)
			}
		}))
	}
}

// Every part of an answered object has an id, no two are the same, and they are the
// same in every answer.
func TestAnsweredPartsHaveIDs(t *testing.T) {
	g := metadatatest.New(7)
	p := g.Patient()
	sub := g.Metadata(p, 3)
	sub.Folders = append(sub.Folders, g.Folder(p, "mappe"))
	seen := map[string]bool{}
	objects := []metadata.Object{&sub.Set, sub.Folders[0]}
	for _, e := range sub.Entries {
		objects = append(objects, e)
	}
	for _, o := range objects {
		b := AppendObject(nil, o)
		if string(b) != string(AppendObject(nil, o)) {
			t.Error("two answers differ")
		}
		for _, part := range strings.Split(string(b), ` id="`)[1:] {
			id, _, _ := strings.Cut(part, `"`)
			if _, ok := metadata.ParseUUID(id); !ok || seen[id] {
				t.Errorf("id %q is no UUID or stands twice", id)
			}
			seen[id] = true
		}
	}
}

// Symbolic ids made for parts are no object's id.
func TestSymbolicIDsAreFree(t *testing.T) {
	sub := metadatatest.New(3).Metadata(metadatatest.New(3).Patient(), 2)
	sub.Set.ID, sub.Entries[0].ID, sub.Entries[1].ID = "id-1", "_id-2", `a&"<`
	b := AppendSubmission(nil, sub)
	seen := map[string]bool{}
	for _, part := range strings.Split(string(b), ` id="`)[1:] {
		id, _, _ := strings.Cut(part, `"`)
		if seen[id] {
			t.Errorf("id %q stands twice", id)
		}
		seen[id] = true
	}
	got, problems, err := DecodeSubmission(at(t, b, xmlscan.LCM, "SubmitObjectsRequest"))
	if err != nil || len(problems) > 0 || got.Entries[1].ID != `a&"<` {
		t.Errorf("%v %s", err, contexts(problems))
	}
}

// Children stand in the schema's order (rim.xsd): Slot, Name, Description,
// VersionInfo, Classification, ExternalIdentifier.
func TestSchemaOrder(t *testing.T) {
	order := map[string]int{"Slot": 1, "Name": 2, "Description": 3, "VersionInfo": 4, "Classification": 5, "ExternalIdentifier": 6}
	rapid.Check(t, func(t *rapid.T) {
		b := AppendObject(nil, arbitrary.Object(arbitrary.Plain()).Draw(t, "object"))
		b = append(append([]byte(`<l xmlns="`+rimNS+`">`), b...), `</l>`...)
		sc := xmlscan.New(b, xmlscan.Limits{})
		sc.Next()
		sc.Next()
		last := 0
		for depth := sc.Depth(); ; {
			ok, err := sc.NextChild(depth)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				return
			}
			n := order[string(sc.Local())]
			if n < last {
				t.Fatalf("%s stands too late", sc.Local())
			}
			last = n
		}
	})
}

func TestRegistryResponseComesBack(t *testing.T) {
	for _, want := range []RegistryResponse{
		{Status: Success},
		{Status: PartialSuccess, Problems: []fault.Problem{{Code: fault.RegistryError, Context: `a "b" <&>`, Location: "1.2"}}},
		{Status: Success, Problems: []fault.Problem{{Code: fault.ExtraMetadataNotSaved, Severity: fault.SeverityWarning, Context: "x"}}},
		{Status: Failure, Problems: []fault.Problem{{Code: fault.UnknownPatientID, Context: "x"}, {Code: fault.ExtraMetadataNotSaved, Severity: fault.SeverityWarning}}},
	} {
		b := AppendRegistryResponse(nil, want.Status, want.Problems)
		got, err := DecodeRegistryResponse(at(t, b, xmlscan.RS, "RegistryResponse"))
		if err != nil || !cmp.Equal(want, *got) {
			t.Errorf("%s: %v %s", b, err, cmp.Diff(want, got))
		}
	}
	worst := `highestSeverity="` + severityErrorURN + `"`
	if b := AppendErrorList(nil, []fault.Problem{{Severity: fault.SeverityWarning}, {}}); !strings.Contains(string(b), worst) {
		t.Errorf("got %s", b)
	}
	for _, bad := range []string{`<r:RegistryResponse xmlns:r="` + rsNS + `"/>`, `<r:RegistryResponse xmlns:r="` + rsNS + `" status="x"/>`, `<r:Other xmlns:r="` + rsNS + `"/>`} {
		sc := xmlscan.New([]byte(bad), xmlscan.Limits{})
		sc.Next()
		if _, err := DecodeRegistryResponse(sc); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}

// An answer may say beside a package what it is, and may hold what cannot be kept.
func TestAnswerLeniency(t *testing.T) {
	in := `<q:AdhocQueryResponse xmlns:q="` + queryNS + `" xmlns="` + rimNS + `" status="` + Success.URN() + `"><RegistryObjectList>` +
		`<RegistryPackage id="F"/><Association id="A" home="1.2.3"/><ObjectRef id="R" home="URN:OID:1.2.3"/>` + aSet + node(nodeFolder, "F") + `<RegistryPackage id="P"/><Service/></RegistryObjectList></q:AdhocQueryResponse>`
	got, err := DecodeQueryResponse(at(t, []byte(in), xmlscan.Query, "AdhocQueryResponse"))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, o := range got.Objects {
		ids = append(ids, string(o.ObjectID()))
	}
	if strings.Join(ids, " ") != "A S F" || len(got.Defects) != 2 {
		t.Errorf("got %v, %s", ids, contexts(got.Defects))
	}
	if got.Refs[0].Home != "urn:oid:1.2.3" || metadata.HomeOf(got.Objects[0]) != "urn:oid:1.2.3" {
		t.Errorf("homes: %+v, %+v", got.Refs[0], got.Objects[0])
	}
}

// A part that cannot be kept is a warning, for its object is there; an object that is
// missing is an error, also among more problems than are listed.
func TestAnswerDefects(t *testing.T) {
	odd := `<Association id="A"><Slot name="x"/><Slot name="x"/></Association>`
	for name, c := range map[string]struct {
		objects string
		listed  int
		errors  bool
	}{
		"a part":           {odd, 1, false},
		"many parts":       {strings.Repeat(odd, 5), 3, false},
		"an object":        {"<Service/>", 1, true},
		"a package":        {`<RegistryPackage id="P"/>`, 1, true},
		"parts, an object": {strings.Repeat(odd, 5) + "<Service/>", 3, true},
	} {
		in := `<q:AdhocQueryResponse xmlns:q="` + queryNS + `" xmlns="` + rimNS + `" status="` + Success.URN() + `"><RegistryObjectList>` + c.objects + `</RegistryObjectList></q:AdhocQueryResponse>`
		nothing := func(metadata.Object) error { return nil }
		got, err := Limits{Problems: 2}.StreamQueryResponse(at(t, []byte(in), xmlscan.Query, "AdhocQueryResponse"), nothing, nil)
		if err != nil || len(got.Defects) != c.listed || fault.HasErrors(got.Defects) != c.errors {
			t.Errorf("%s: %v, %v", name, err, got.Defects)
		}
	}
}
