package ebrim

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"samdok/fault"
	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/metadata/metadatatest/arbitrary"
)

// ask makes a request of a query id and slots.
func ask(id metadata.ID, slots ...string) []byte {
	return []byte(`<q:AdhocQueryRequest xmlns:q="` + queryNS + `"><q:ResponseOption returnType="LeafClass" returnComposedObjects="true"/><AdhocQuery xmlns="` + rimNS + `" id="` + string(id) + `">` +
		strings.Join(slots, "") + `</AdhocQuery></q:AdhocQueryRequest>`)
}

func approved(prefix string) string {
	return slot(prefix+"Status", "('"+metadata.Approved.URN()+"')")
}

func TestQueryValues(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string // nil: an error
	}{
		{``, []string{}},
		{`  `, []string{}},
		{`()`, []string{}},
		{`( )`, []string{}},
		{`'a'`, []string{"a"}},
		{` 'a' `, []string{"a"}},
		{`''`, []string{""}},
		{`'it''s'`, []string{"it's"}},
		{`''''`, []string{"'"}},
		{`'''a'''''`, []string{"'a''"}},
		{`('a')`, []string{"a"}},
		{`('a','b')`, []string{"a", "b"}},
		{"(\n 'a' ,\t'b' )", []string{"a", "b"}},
		{`('a,b','(c)')`, []string{"a,b", "(c)"}},
		{`('O''Brien%','x')`, []string{"O'Brien%", "x"}},
		{`'a','b'`, []string{"a", "b"}},
		{`"a"`, []string{"a"}},
		{`("a","it's")`, []string{"a", "it's"}},
		{`("a""b")`, []string{`a"b`}},
		{`20260102`, []string{"20260102"}},
		{`id^^^&1.2&ISO`, []string{"id^^^&1.2&ISO"}},
		{`a, b`, []string{"a, b"}},
		{`(1,2)`, []string{"1", "2"}},
		{`(urn:a, urn:b)`, []string{"urn:a", "urn:b"}},
		{`'a`, nil},
		{`('a'`, nil},
		{`('a)`, nil},
		{`('a' 'b')`, nil},
		{`'a'b`, nil},
		{`('a',)`, nil},
		{`(,'a')`, nil},
		{`('a',,'b')`, nil},
		{`('a'),('b')`, nil},
		{`(`, nil},
		{`'''`, nil},
	} {
		got, ok := appendValues([]string{}, c.in)
		if ok != (c.want != nil) || ok && !cmp.Equal(got, c.want) {
			t.Errorf("%q: got %q, %v; want %q", c.in, got, ok, c.want)
		}
	}
}

func TestQueryGrammar(t *testing.T) {
	const patient = "1^^^&1.2&ISO"
	who := slot("$XDSDocumentEntryPatientId", "'1^^^&amp;1.2&amp;ISO'")
	find := func(f metadata.DocumentFilter) *metadata.FindDocuments {
		f.Status = []metadata.Status{metadata.Approved}
		return &metadata.FindDocuments{Patient: patient, Filter: f}
	}
	base := who + approved(entryPrefix)
	for _, c := range []struct {
		name, slots string
		want        *metadata.FindDocuments
	}{
		{"plain", base, find(metadata.DocumentFilter{})},
		{"patient without quotes, blanks around", slot("$XDSDocumentEntryPatientId", " 1^^^&amp;1.2&amp;ISO\n") + approved(entryPrefix), find(metadata.DocumentFilter{})},
		{"patient in parentheses", slot("$XDSDocumentEntryPatientId", "('1^^^&amp;1.2&amp;ISO')") + approved(entryPrefix), find(metadata.DocumentFilter{})},
		{"unknown status beside a known one", who + slot("$XDSDocumentEntryStatus", "('urn:x','"+metadata.Approved.URN()+"')"), find(metadata.DocumentFilter{})},
		{"one list over many values", base + slot("$XDSDocumentEntryClassCode", "('a^^s','b^^s')", "('c^^s')"), find(metadata.DocumentFilter{
			ClassCode: metadata.AnyOf[metadata.CodeRef]{{Value: "a", Scheme: "s"}, {Value: "b", Scheme: "s"}, {Value: "c", Scheme: "s"}}})},
		{"repeated slots mean AND", base + slot("$XDSDocumentEntryConfidentialityCode", "('a^^s','b^^s')") + slot("$XDSDocumentEntryConfidentialityCode", "('c^^s')"), find(metadata.DocumentFilter{
			Confidential: metadata.AllOf[metadata.CodeRef]{{{Value: "a", Scheme: "s"}, {Value: "b", Scheme: "s"}}, {{Value: "c", Scheme: "s"}}}})},
		{"times with and without quotes", base + slot("$XDSDocumentEntryCreationTimeFrom", "2026") + slot("$XDSDocumentEntryServiceStartTimeTo", "'20260102'"), find(metadata.DocumentFilter{
			Creation: metadata.TimeRange{From: "2026"}, ServiceStart: metadata.TimeRange{To: "20260102"}})},
		{"types", base + slot("$XDSDocumentEntryType", "('"+strings.ToUpper(metadata.OnDemand.URN())+"','urn:uuid:x')"), find(metadata.DocumentFilter{Kinds: []metadata.EntryKind{metadata.OnDemand}})},
		{"only unknown types match nothing", base + slot("$XDSDocumentEntryType", "('urn:uuid:x')"), find(metadata.DocumentFilter{Kinds: []metadata.EntryKind{metadata.KindUnknown}})},
		{"patterns", base + slot("$XDSDocumentEntryAuthorPerson", "('%Li_''s%','x')"), find(metadata.DocumentFilter{AuthorPerson: metadata.AnyOf[metadata.Like]{"%Li_'s%", "x"}})},
		{"empty list is no condition", base + slot("$XDSDocumentEntryClassCode", "()"), find(metadata.DocumentFilter{})},
		{"empty slot is no condition", base + `<Slot name="$XDSDocumentEntryClassCode"/>`, find(metadata.DocumentFilter{})},
	} {
		q, err := decodeQuery(t, ask(metadata.FindDocumentsID, c.slots))
		if err != nil {
			t.Errorf("%s: %v %s", c.name, err, codes(t, err))
		} else if d := cmp.Diff(metadata.StoredQuery{Query: c.want}, q); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

func TestQueryOptions(t *testing.T) {
	good := string(ask(metadata.GetSubmissionSetsID, slot("$uuid", "('urn:uuid:A')")))
	want := &metadata.GetSubmissionSets{IDs: []metadata.ID{"urn:uuid:a"}}
	for _, c := range []struct {
		name, in string
		want     metadata.StoredQuery
	}{
		{"as it is", good, metadata.StoredQuery{Query: want}},
		{"id in upper case with blanks", strings.Replace(good, string(metadata.GetSubmissionSetsID), " "+strings.ToUpper(string(metadata.GetSubmissionSetsID))+" ", 1), metadata.StoredQuery{Query: want}},
		{"id without prefix", strings.Replace(good, "urn:uuid:5122", "5122", 1), metadata.StoredQuery{Query: want}},
		{"ObjectRef", strings.Replace(good, "LeafClass", "ObjectRef", 1), metadata.StoredQuery{Query: want, Return: metadata.ObjectRef}},
		{"no return type", strings.Replace(good, `returnType="LeafClass"`, "", 1), metadata.StoredQuery{Query: want}},
		{"home", strings.Replace(good, `<AdhocQuery `, `<AdhocQuery home="urn:oid:1.2" `, 1), metadata.StoredQuery{Query: want, Home: "urn:oid:1.2"}},
		{"level", strings.Replace(good, `</AdhocQuery>`, slot("$MetadataLevel", "2")+`</AdhocQuery>`, 1), metadata.StoredQuery{Query: want, Level: 2}},
		{"level in quotes", strings.Replace(good, `</AdhocQuery>`, slot("$MetadataLevel", "'1'")+`</AdhocQuery>`, 1), metadata.StoredQuery{Query: want, Level: 1}},
		{"unknown parameters are kept", strings.Replace(good, `</AdhocQuery>`, slot("$Own", "(not a 'list", "x")+slot("$Own", "y")+`</AdhocQuery>`, 1), metadata.StoredQuery{Query: want, Extra: []metadata.Slot{
			{Name: "$Own", Values: []string{"(not a 'list", "x"}}, {Name: "$Own", Values: []string{"y"}}}}},
	} {
		got, err := decodeQuery(t, []byte(c.in))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

func TestQueryErrors(t *testing.T) {
	who := slot("$XDSDocumentEntryPatientId", "'1^^^&amp;1.2&amp;ISO'")
	ok := who + approved(entryPrefix)
	for _, c := range []struct {
		name string
		in   []byte
		want string
	}{
		{"unknown query", ask("urn:uuid:00000000-0000-0000-0000-000000000000"), "UnknownStoredQuery"},
		{"no id", ask(""), "UnknownStoredQuery"},
		{"nothing given", ask(metadata.FindDocumentsID), "StoredQueryMissingParam StoredQueryMissingParam"},
		{"no status", ask(metadata.FindDocumentsID, who), "StoredQueryMissingParam"},
		{"no patient", ask(metadata.FindDocumentsID, approved(entryPrefix)), "StoredQueryMissingParam"},
		{"empty patient", ask(metadata.FindDocumentsID, slot("$XDSDocumentEntryPatientId", "''"), approved(entryPrefix)), "StoredQueryMissingParam"},
		{"no known status", ask(metadata.FindDocumentsID, who, slot("$XDSDocumentEntryStatus", "('urn:x')")), "StoredQueryMissingParam"},
		{"two patients", ask(metadata.FindDocumentsID, slot("$XDSDocumentEntryPatientId", "('a','b')"), approved(entryPrefix)), "StoredQueryParamNumber"},
		{"patient in two slots", ask(metadata.FindDocumentsID, ok, who), "StoredQueryParamNumber"},
		{"repeated slot without AND", ask(metadata.FindDocumentsID, ok, slot("$XDSDocumentEntryClassCode", "('a^^s')"), slot("$XDSDocumentEntryClassCode", "('b^^s')")), "StoredQueryParamNumber"},
		{"code without scheme", ask(metadata.FindDocumentsID, ok, slot("$XDSDocumentEntryClassCode", "('a')")), "StoredQueryParamNumber"},
		{"code with empty scheme", ask(metadata.FindDocumentsID, ok, slot("$XDSDocumentEntryClassCode", "('a^^')")), "StoredQueryParamNumber"},
		{"code with a middle", ask(metadata.FindDocumentsID, ok, slot("$XDSDocumentEntryEventCodeList", "('a^b^c')")), "StoredQueryParamNumber"},
		{"code with four parts", ask(metadata.FindDocumentsID, ok, slot("$XDSDocumentEntryEventCodeList", "('a^^b^c')")), "StoredQueryParamNumber"},
		{"not a time", ask(metadata.FindDocumentsID, ok, slot("$XDSDocumentEntryCreationTimeFrom", "'soon'")), "StoredQueryParamNumber"},
		{"two times", ask(metadata.FindDocumentsID, ok, slot("$XDSDocumentEntryCreationTimeFrom", "(2026,2027)")), "StoredQueryParamNumber"},
		{"unreadable list", ask(metadata.FindDocumentsID, ok, slot("$XDSDocumentEntryClassCode", "('a^^s'")), "StoredQueryParamNumber"},
		{"level", ask(metadata.FindDocumentsID, ok, slot("$MetadataLevel", "3")), "StoredQueryParamNumber"},
		{"no reference ids", ask(metadata.FindDocumentsByReferenceIDID, ok), "StoredQueryMissingParam"},
		{"two author patterns of sets", ask(metadata.FindSubmissionSetsID, slot("$XDSSubmissionSetPatientId", "'a'"), approved(setPrefix), slot("$XDSSubmissionSetAuthorPerson", "('a','b')")), "StoredQueryParamNumber"},
		{"GetAll", ask(metadata.GetAllID, slot("$patientId", "'a'"), approved(entryPrefix)), "StoredQueryMissingParam StoredQueryMissingParam"},
		{"no target", ask(metadata.GetDocumentsID), "StoredQueryMissingParam"},
		{"empty target", ask(metadata.GetDocumentsID, slot("$XDSDocumentEntryEntryUUID", "('')")), "StoredQueryMissingParam"},
		{"both targets", ask(metadata.GetDocumentsID, slot("$XDSDocumentEntryEntryUUID", "('a')"), slot("$XDSDocumentEntryUniqueId", "('b')")), "StoredQueryParamNumber"},
		{"both of three targets", ask(metadata.GetFoldersID, slot("$XDSFolderEntryUUID", "('a')"), slot("$XDSFolderLogicalID", "('b')")), "StoredQueryParamNumber"},
		{"two folders", ask(metadata.GetFolderAndContentsID, slot("$XDSFolderEntryUUID", "('a','b')")), "StoredQueryParamNumber"},
		{"two sets", ask(metadata.GetSubmissionSetAndContentsID, slot("$XDSSubmissionSetUniqueId", "('a','b')")), "StoredQueryParamNumber"},
		{"no uuid", ask(metadata.GetAssociationsID), "StoredQueryMissingParam"},
		{"no types", ask(metadata.GetRelatedDocumentsID, slot("$XDSDocumentEntryUniqueId", "'a'")), "StoredQueryMissingParam"},
		{"with documents", []byte(strings.Replace(string(ask(metadata.FindDocumentsID, ok)), "LeafClass", "LeafClassWithRepositoryItem", 1)), "RegistryError"},
		{"no query", []byte(`<q:AdhocQueryRequest xmlns:q="` + queryNS + `"/>`), "RegistryError"},
		{"two queries", []byte(`<q:AdhocQueryRequest xmlns:q="` + queryNS + `" xmlns="` + rimNS + `"><AdhocQuery/><AdhocQuery/></q:AdhocQueryRequest>`), "RegistryError"},
	} {
		_, err := decodeQuery(t, c.in)
		if got := codes(t, err); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// Thousands of ids, in one Value or in as many Values.
func TestManyIDs(t *testing.T) {
	ids := make([]string, 5000)
	for i := range ids {
		ids[i] = "'urn:uuid:" + number(i) + "'"
	}
	for name, in := range map[string]string{"one value": slot("$uuid", "("+strings.Join(ids, ",")+")"), "many values": slot("$uuid", strings.Split("("+strings.Join(ids, ")|(")+")", "|")...)} {
		q, err := decodeQuery(t, ask(metadata.GetAssociationsID, in))
		if err != nil || len(q.Query.(*metadata.GetAssociations).IDs) != len(ids) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestQueryLimit(t *testing.T) {
	sc := at(t, ask(metadata.GetAssociationsID, slot("$uuid", "a", "b")), xmlscan.Query, "AdhocQueryRequest")
	if _, err := (Limits{Values: 1}).DecodeQuery(sc); err == nil || !strings.Contains(err.Error(), "XDSRegistryMetadataError") {
		t.Errorf("got %v", err)
	}
}

func list[T any](t *rapid.T, label string, g *rapid.Generator[T]) []T {
	l := rapid.SliceOfN(g, 0, 3).Draw(t, label)
	if len(l) == 0 {
		return nil
	}
	return l
}

func any1[T any](t *rapid.T, label string, g *rapid.Generator[T]) []T {
	return rapid.SliceOfN(g, 1, 3).Draw(t, label)
}

// queries draws typed queries of every kind.
func queries(s arbitrary.Strings) *rapid.Generator[metadata.Query] {
	// Blanks around what is sent mean nothing; a quoted string keeps its own.
	like := rapid.Map(s, func(v string) metadata.Like { return metadata.Like(v) })
	part := rapid.Map(s, func(v string) string { return strings.ReplaceAll(v, "^", "-") })
	code := rapid.Custom(func(t *rapid.T) metadata.CodeRef {
		return metadata.CodeRef{Value: part.Draw(t, "code"), Scheme: part.Draw(t, "scheme")}
	})
	status := rapid.SampledFrom([]metadata.Status{metadata.Approved, metadata.Deprecated})
	kind := rapid.SampledFrom([]metadata.EntryKind{metadata.Stable, metadata.OnDemand})
	codesOf := func(t *rapid.T, l string) metadata.AnyOf[metadata.CodeRef] { return list(t, l, code) }
	codeLists := func(t *rapid.T, l string) metadata.AllOf[metadata.CodeRef] {
		var out metadata.AllOf[metadata.CodeRef]
		for range rapid.IntRange(0, 2).Draw(t, l) {
			out = append(out, any1(t, l, code))
		}
		return out
	}
	times := func(t *rapid.T, l string) (r metadata.TimeRange) {
		if rapid.Bool().Draw(t, l) {
			r.From = arbitrary.DTM().Draw(t, l)
		}
		if rapid.Bool().Draw(t, l) {
			r.To = arbitrary.DTM().Draw(t, l)
		}
		return r
	}
	target := func(t *rapid.T, single, logical bool) metadata.Target {
		n := 3
		if single {
			n = 1
		}
		switch rapid.IntRange(0, 2).Draw(t, "by") {
		case 0:
			return metadata.Target{IDs: rapid.SliceOfN(arbitrary.ID(), 1, n).Draw(t, "ids")}
		case 1:
			if logical {
				return metadata.Target{LogicalIDs: rapid.SliceOfN(arbitrary.ID(), 1, n).Draw(t, "lids")}
			}
		}
		return metadata.Target{UniqueIDs: rapid.SliceOfN(s, 1, n).Draw(t, "uniqueIds")}
	}
	members := func(t *rapid.T) metadata.MemberFilter {
		return metadata.MemberFilter{FormatCode: codesOf(t, "format"), Confidential: codeLists(t, "confidentiality"), Kinds: list(t, "kinds", kind)}
	}
	documents := func(t *rapid.T) metadata.DocumentFilter {
		return metadata.DocumentFilter{
			Status: any1(t, "status", status), Kinds: list(t, "kinds", kind), ClassCode: codesOf(t, "class"), TypeCode: codesOf(t, "type"), FormatCode: codesOf(t, "format"),
			Facility: codesOf(t, "facility"), Practice: codesOf(t, "practice"), Confidential: codeLists(t, "confidentiality"), EventCodes: codeLists(t, "events"),
			Creation: times(t, "creation"), ServiceStart: times(t, "start"), ServiceStop: times(t, "stop"), AuthorPerson: list(t, "authors", like), Availability: list(t, "availability", s),
		}
	}
	next := 0
	patients := rapid.Map(s, func(text string) metadata.CX { // each once: a repeated one is dropped
		next++
		return metadata.CX(fmt.Sprint(next, text, "."))
	})
	return rapid.Custom(func(t *rapid.T) metadata.Query {
		patient := metadata.CX(s.Draw(t, "patient"))
		associations := list(t, "association status", status)
		switch rapid.IntRange(0, 15).Draw(t, "query") {
		case 0:
			return &metadata.FindDocuments{Patient: patient, Filter: documents(t)}
		case 1:
			q := &metadata.FindDocumentsByReferenceID{Patient: patient, Filter: documents(t)}
			for range rapid.IntRange(1, 2).Draw(t, "references") {
				q.Filter.ReferenceIDs = append(q.Filter.ReferenceIDs, any1(t, "any", like))
			}
			return q
		case 2:
			q := &metadata.FindSubmissionSets{Patient: patient, Filter: metadata.SubmissionSetFilter{Status: any1(t, "status", status), SourceID: list(t, "source", s), Submission: times(t, "submission"), ContentType: codesOf(t, "content")}}
			if rapid.Bool().Draw(t, "author") {
				q.Filter.AuthorPerson = metadata.AnyOf[metadata.Like]{like.Draw(t, "person")}
			}
			return q
		case 3:
			return &metadata.FindFolders{Patient: patient, Filter: metadata.FolderFilter{Status: any1(t, "status", status), LastUpdate: times(t, "update"), Codes: codeLists(t, "codes")}}
		case 4:
			return &metadata.GetAll{Patient: patient, DocumentStatus: any1(t, "d", status), SetStatus: any1(t, "s", status), FolderStatus: any1(t, "f", status), AssociationStatus: associations, Members: members(t)}
		case 5:
			return &metadata.GetDocuments{Documents: target(t, false, true)}
		case 6:
			return &metadata.GetFolders{Folders: target(t, false, true)}
		case 7:
			return &metadata.GetAssociations{IDs: any1(t, "ids", arbitrary.ID()), AssociationStatus: associations}
		case 8:
			return &metadata.GetDocumentsAndAssociations{Documents: target(t, false, false), AssociationStatus: associations}
		case 9:
			return &metadata.GetSubmissionSets{IDs: any1(t, "ids", arbitrary.ID())}
		case 10:
			return &metadata.GetSubmissionSetAndContents{Set: target(t, true, false), Members: members(t)}
		case 11:
			return &metadata.GetFolderAndContents{Folder: target(t, true, false), Members: members(t), AssociationStatus: associations}
		case 12:
			return &metadata.GetFoldersForDocument{Document: target(t, true, false), AssociationStatus: associations}
		case 13:
			q := &metadata.FindDocumentsForMultiplePatients{Patients: list(t, "patients", patients), Filter: documents(t)}
			if len(q.Patients)+len(q.Filter.ClassCode)+len(q.Filter.EventCodes)+len(q.Filter.Facility) == 0 {
				q.Filter.Facility = any1(t, "facility", code)
			}
			return q
		case 14:
			q := &metadata.FindFoldersForMultiplePatients{Patients: list(t, "patients", patients), Filter: metadata.FolderFilter{Status: any1(t, "status", status), LastUpdate: times(t, "update"), Codes: codeLists(t, "codes")}}
			if len(q.Patients)+len(q.Filter.Codes) == 0 {
				q.Filter.Codes = metadata.AllOf[metadata.CodeRef]{any1(t, "codes", code)}
			}
			return q
		}
		return &metadata.GetRelatedDocuments{Document: target(t, true, false), Kinds: list(t, "kinds", kind), AssociationStatus: associations,
			Types: any1(t, "types", rapid.SampledFrom([]metadata.AssociationType{metadata.Replaces, metadata.Appends, "urn:own"}))}
	})
}

// drawQuery draws one with all that may stand beside it.
func drawQuery(t *rapid.T, text arbitrary.Strings) metadata.StoredQuery {
	q := metadata.StoredQuery{
		Query:  queries(text).Draw(t, "query"),
		Return: rapid.SampledFrom([]metadata.ReturnType{metadata.LeafClass, metadata.ObjectRef}).Draw(t, "return"),
		Level:  rapid.IntRange(0, 2).Draw(t, "level"),
		Home:   rapid.SampledFrom([]string{"", "urn:oid:1.2.3"}).Draw(t, "home"),
		Extra:  arbitrary.Slots(text).Draw(t, "extra"),
	}
	if metadata.Across(q.Query) {
		q.Level = 0 // is none of its parameters
	}
	return q
}

func TestQueryComesBack(t *testing.T) {
	for name, text := range map[string]arbitrary.Strings{"plain": arbitrary.Plain(), "hostile": arbitrary.Hostile()} {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			want := drawQuery(t, text)
			b := AppendQuery(nil, want)
			sc := xmlscan.New(b, xmlscan.Limits{})
			sc.Next()
			got, err := DecodeQuery(sc)
			if err != nil {
				t.Fatalf("%v\n%s", err, b)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("%s\n%s", d, b)
			}
		}))
	}
}

// What ITI-51 demands of its queries (ITI TF-2 3.51.4.1.2.3).
func TestMultiplePatients(t *testing.T) {
	const doc, folder = "urn:uuid:3d1bdb10-39a2-11de-89c2-2f44d94eaa9f", "urn:uuid:50d3f5ac-39a2-11de-a1ca-b366239e58df"
	slot := func(name, value string) string {
		return `<rim:Slot name="` + name + `"><rim:ValueList><rim:Value>` + value + `</rim:Value></rim:ValueList></rim:Slot>`
	}
	approved := slot("$XDSDocumentEntryStatus", "('"+metadata.Approved.URN()+"')")
	folderApproved := slot("$XDSFolderStatus", "('"+metadata.Approved.URN()+"')")
	decode := func(id, slots string) (metadata.StoredQuery, error) {
		sc := xmlscan.New([]byte(`<query:AdhocQueryRequest xmlns:query="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0" xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"><rim:AdhocQuery id="`+id+`">`+slots+`</rim:AdhocQuery></query:AdhocQueryRequest>`), xmlscan.Limits{})
		sc.Next()
		return DecodeQuery(sc)
	}
	for name, c := range map[string]struct{ id, slots string }{
		"one patient":     {doc, approved + slot("$XDSDocumentEntryPatientId", "('1^^^&amp;1.2&amp;ISO')")},
		"class code":      {doc, approved + slot("$XDSDocumentEntryClassCode", "('a^^b')")},
		"event code":      {doc, approved + slot("$XDSDocumentEntryEventCodeList", "('a^^b')")},
		"facility":        {doc, approved + slot("$XDSDocumentEntryHealthcareFacilityTypeCode", "('a^^b')")},
		"folder patients": {folder, folderApproved + slot("$XDSFolderPatientId", "('1^^^&amp;1.2&amp;ISO','2^^^&amp;1.2&amp;ISO')")},
		"folder codes":    {folder, folderApproved + slot("$XDSFolderCodeList", "('a^^b')")},
	} {
		if _, err := decode(c.id, c.slots); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct{ id, slots string }{
		"nothing":         {doc, approved},
		"only a type":     {doc, approved + slot("$XDSDocumentEntryTypeCode", "('a^^b')")},
		"no status":       {doc, slot("$XDSDocumentEntryPatientId", "('1^^^&amp;1.2&amp;ISO')")},
		"folder, nothing": {folder, folderApproved},
	} {
		_, err := decode(c.id, c.slots)
		if problems := fault.ProblemsOf(err); len(problems) != 1 || problems[0].Code != fault.StoredQueryMissingParam {
			t.Errorf("%s: %v", name, err)
		}
	}
	q, err := decode(folder, folderApproved+slot("$XDSFolderPatientId", "('1^^^&amp;1.2&amp;ISO','2^^^&amp;1.2&amp;ISO','1^^^&amp;1.2&amp;ISO')")+slot("$MetadataLevel", "2"))
	if err != nil {
		t.Fatal(err)
	}
	if f := q.Query.(*metadata.FindFoldersForMultiplePatients); len(f.Patients) != 2 || q.Level != 0 || len(q.Extra) != 1 {
		t.Fatalf("%+v %+v", q, f)
	}
}

// What is shown of a query, whatever it says, is all of it: the query can be made of it again.
func TestParametersAreTheWholeQuery(t *testing.T) {
	for name, text := range map[string]arbitrary.Strings{"plain": arbitrary.Plain(), "hostile": arbitrary.Hostile()} {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			want := queries(text).Draw(t, "query")
			shown, err := Parameters(want)
			if err != nil {
				t.Fatal(err)
			}
			var p params
			for _, s := range shown {
				var again []string
				for _, v := range s.Values {
					again = append(again, "('"+strings.ReplaceAll(v, "'", "''")+"')")
				}
				p.slots = append(p.slots, param{name: s.Name, values: again})
			}
			if d := cmp.Diff(want, queryByID(want.QueryID()).decode(&p)); d != "" || len(p.problems) > 0 {
				t.Fatal(d, p.problems)
			}
			if QueryName(want.QueryID()) == "" {
				t.Fatal("a query without a name")
			}
		}))
	}
}
