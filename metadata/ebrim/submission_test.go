package ebrim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"samdok/fault"
	"samdok/internal/xmlscan"
	"samdok/metadata"
)

// What ITI allows or senders do, and the model must take (ihe.md 11).
func TestLeniency(t *testing.T) {
	code := func(scheme string) string { return class(scheme, "D", "c", slot("codingScheme", "s")) }
	for _, c := range []struct {
		name, objects string
		check         func(*metadata.Submission) bool
	}{
		{"set only", aSet, func(s *metadata.Submission) bool { return s.Set.ID == "S" }},
		{"type beside and before the package", node(nodeSet, "S") + `<RegistryPackage id="S"/>`, func(s *metadata.Submission) bool { return s.Set.ID == "S" }},
		{"type beside and behind the package", `<RegistryPackage id="S"/>` + node(nodeSet, "S"), func(s *metadata.Submission) bool { return s.Set.ID == "S" }},
		{"type both inside and beside", aSet + node(nodeSet, "S"), func(s *metadata.Submission) bool { return s.Set.ID == "S" }},
		{"folder typed beside", aSet + `<RegistryPackage id="F"/>` + node(nodeFolder, "F"), func(s *metadata.Submission) bool { return len(s.Folders) == 1 && s.Folders[0].ID == "F" }},
		{"node in upper case", `<RegistryPackage id="S">` + node(strings.ToUpper(nodeSet), "S") + `</RegistryPackage>`, func(s *metadata.Submission) bool { return s.Set.ID == "S" }},
		{"stray ObjectRef", `<ObjectRef id="` + schemeClass + `"/>` + aSet, func(s *metadata.Submission) bool { return s.Set.ID == "S" }},
		{"parts in any order", aSet + `<ExtrinsicObject id="D">` + external(schemeEntryUnique, "D", "1.2") + code(schemeClass) + `<Description/>` +
			`<Name><LocalizedString value="t"/></Name>` + slot("hash", "ab") + code(schemeType) + slot("URI", "u") + `</ExtrinsicObject>`,
			func(s *metadata.Submission) bool {
				e := s.Entries[0]
				return e.UniqueID == "1.2" && e.ClassCode.Value == "c" && e.TypeCode.Value == "c" && e.Hash == "ab" && e.URI == "u" && e.Title.String() == "t" && e.Comments == nil
			}},
		{"other prefixes, declared anywhere", aSet + `<q:ExtrinsicObject xmlns:q="` + rimNS + `" id="D"><Slot xmlns="` + rimNS + `" name="hash"><z:ValueList xmlns:z="` + rimNS + `"><z:Value>ab</z:Value></z:ValueList></Slot></q:ExtrinsicObject>`,
			func(s *metadata.Submission) bool { return s.Entries[0].Hash == "ab" }},
		{"nothing optional on the parts", aSet + `<ExtrinsicObject id="D"><Classification classificationScheme="` + schemeClass + `" nodeRepresentation="c">` + slot("codingScheme", "s") +
			`</Classification><ExternalIdentifier identificationScheme="` + schemeEntryUnique + `" value="1.2"/></ExtrinsicObject>`,
			func(s *metadata.Submission) bool {
				return s.Entries[0].UniqueID == "1.2" && s.Entries[0].ClassCode.ID.IsZero()
			}},
		{"objectType in other letters", strings.Replace(aSet, `<Classification `, `<Classification objectType="`+strings.ToLower(typeClassification)+`" `, 1), func(s *metadata.Submission) bool { return s.Set.ID == "S" }},
		{"UUIDs in upper case", aSet + `<ExtrinsicObject id="URN:UUID:7B7266C6-4125-46C0-A9BA-6362A1CC28CA" objectType="` + strings.ToUpper(metadata.Stable.URN()) + `">` +
			strings.ReplaceAll(external(schemeEntryUnique, "urn:uuid:7b7266c6-4125-46c0-a9ba-6362a1cc28ca", "1.2"), `id="e"`, `id="urn:uuid:D35996ED-98CC-4F73-8F67-465A3053DA1D"`) + `</ExtrinsicObject>`,
			func(s *metadata.Submission) bool {
				e := s.Entries[0]
				return e.ID == "urn:uuid:7b7266c6-4125-46c0-a9ba-6362a1cc28ca" && e.Kind == metadata.Stable && e.UniqueIDRef.String() == "urn:uuid:d35996ed-98cc-4f73-8f67-465a3053da1d"
			}},
		{"symbolic id like a bare UUID", aSet + `<ExtrinsicObject id="7B7266C6-4125-46c0-a9ba-6362a1cc28ca"/>`, func(s *metadata.Submission) bool { return s.Entries[0].ID == "7B7266C6-4125-46c0-a9ba-6362a1cc28ca" }},
		{"language and charset", aSet + `<ExtrinsicObject id="D"><Name><LocalizedString xml:lang="nb" charset="UTF-8" value="a"/><LocalizedString value=""/><LocalizedString value="b"/></Name></ExtrinsicObject>`,
			func(s *metadata.Submission) bool {
				return cmp.Equal(s.Entries[0].Title, metadata.Text{{Value: "a", Lang: "nb", Charset: "UTF-8"}, {Value: "b"}})
			}},
		{"empty lists of values", aSet + `<ExtrinsicObject id="D"><Slot name="hash"><ValueList/></Slot><Slot name="size"/></ExtrinsicObject>`, func(s *metadata.Submission) bool { return s.Entries[0].Hash == "" && !s.Entries[0].Size.Given }},
		{"zero octets are a size", aSet + `<ExtrinsicObject id="D">` + slot("size", "0") + `</ExtrinsicObject>`, func(s *metadata.Submission) bool { return s.Entries[0].Size == metadata.Octets(0) }},
		{"submitted status is taken and meaningless", aSet + `<ExtrinsicObject id="D" status="urn:oasis:names:tc:ebxml-regrep:StatusType:Submitted"/>`, func(s *metadata.Submission) bool { return s.Entries[0].Status == metadata.StatusUnknown }},
		{"version of ebRS libraries", aSet + `<ExtrinsicObject id="D"><VersionInfo versionName="1.1"/><ContentVersionInfo versionName="1.1"/></ExtrinsicObject>`, func(s *metadata.Submission) bool { return s.Entries[0].Version == 0 }},
		{"version", aSet + `<ExtrinsicObject id="D" lid="urn:uuid:7b7266c6-4125-46c0-a9ba-6362a1cc28ca"><VersionInfo versionName="3"/></ExtrinsicObject>`,
			func(s *metadata.Submission) bool {
				return s.Entries[0].Version == 3 && s.Entries[0].LogicalID == "urn:uuid:7b7266c6-4125-46c0-a9ba-6362a1cc28ca"
			}},
		{"extra slots as submitted", aSet + `<Association id="A">` + slot("urn:x", "1", "", "2") + `<Slot name="urn:y"><ValueList/></Slot></Association>`,
			func(s *metadata.Submission) bool {
				return cmp.Equal(s.Associations[0].Extra, []metadata.Slot{{Name: "urn:x", Values: []string{"1", "", "2"}}, {Name: "urn:y"}})
			}},
		{"slots of associations", aSet + `<Association id="A" associationType="` + string(metadata.HasMember) + `" sourceObject="S" targetObject="D">` + slot("SubmissionSetStatus", "Reference") + slot("PreviousVersion", "2") +
			slot("OriginalStatus", "a") + slot("NewStatus", "b") + slot("AssociationPropagation", "no") + `</Association>`,
			func(s *metadata.Submission) bool {
				return cmp.Equal(s.Associations[0], &metadata.Association{ID: "A", Type: metadata.HasMember, Source: "S", Target: "D", Membership: metadata.Reference,
					PreviousVersion: "2", OriginalStatus: "a", NewStatus: "b", Propagation: "no"})
			}},
		{"membership of another kind of association", aSet + `<Association id="A" associationType="` + string(metadata.Replaces) + `">` + slot("SubmissionSetStatus", "whatever") + `</Association>`,
			func(s *metadata.Submission) bool { return s.Associations[0].Membership == metadata.MembershipNone }},
		{"relationship documentation", aSet + `<Association id="A">` + class(schemeDocumentation, "A", "c", slot("codingScheme", "s")) + `</Association>`,
			func(s *metadata.Submission) bool { return s.Associations[0].Documentation.Value == "c" }},
		{"limited metadata", `<RegistryPackage id="S">` + node(nodeSet, "S") + node(nodeLimitedSet, "S") + `</RegistryPackage><ExtrinsicObject id="D">` + node(nodeLimitedEntry, "D") + `</ExtrinsicObject><RegistryPackage id="F"/>` + node(nodeFolder, "F") + node(nodeLimitedFolder, "F"),
			func(s *metadata.Submission) bool {
				return s.Set.Limited && s.Entries[0].Limited && s.Folders[0].Limited
			}},
		{"author with own slots", aSet + `<ExtrinsicObject id="D">` + class(schemeEntryAuthor, "D", "", slot("authorPerson", "^P"), slot("authorRole", "a", "b"), slot("urn:own", "x")) + class(schemeEntryAuthor, "D", "", slot("authorInstitution", "I")) + `</ExtrinsicObject>`,
			func(s *metadata.Submission) bool {
				return cmp.Equal(s.Entries[0].Authors, []metadata.Author{
					{Person: "^P", Roles: []string{"a", "b"}, Extra: []metadata.Slot{{Name: "urn:own", Values: []string{"x"}}}},
					{Institutions: []metadata.XON{"I"}}})
			}},
		{"CDATA and references in a value", aSet + `<ExtrinsicObject id="D">` + slot("sourcePatientId", "1<![CDATA[^^^]]>&amp;2<!-- c -->&#38;ISO") + `</ExtrinsicObject>`,
			func(s *metadata.Submission) bool { return s.Entries[0].SourcePatientID == "1^^^&2&ISO" }},
	} {
		sub, problems := submit(t, c.objects)
		if len(problems) > 0 || !c.check(sub) {
			t.Errorf("%s: %s\n%s", c.name, contexts(problems), cmp.Diff(&metadata.Submission{}, sub))
		}
	}
}

// What the model cannot hold.
func TestProblems(t *testing.T) {
	entry := func(inside ...string) string {
		return aSet + `<ExtrinsicObject id="D">` + strings.Join(inside, "") + `</ExtrinsicObject>`
	}
	for _, c := range []struct{ name, objects, want string }{
		{"no set", "", "The submission has 0 SubmissionSets"},
		{"two sets", aSet + strings.ReplaceAll(aSet, `"S"`, `"T"`), "The submission has 2 SubmissionSets"},
		{"untyped package", aSet + `<RegistryPackage id="P"/>`, "RegistryPackage 'P', Classification: is neither"},
		{"package of two types", aSet + `<RegistryPackage id="P">` + node(nodeFolder, "P") + node(nodeSet, "P") + `</RegistryPackage>`, "RegistryPackage 'P', Classification: says both"},
		{"type of no package", aSet + node(nodeFolder, "X"), "classifies 'X', which is no RegistryPackage"},
		{"unknown node beside", aSet + node("urn:uuid:00000000-0000-0000-0000-000000000000", "S"), "unknown classificationNode"},
		{"unknown node inside", entry(node("urn:uuid:00000000-0000-0000-0000-000000000000", "D")), "DocumentEntry 'D', Classification: has the unknown classificationNode"},
		{"coded value beside", aSet + class(schemeClass, "D", "c"), "put it inside the object"},
		{"identifier beside", aSet + external(schemeEntryUnique, "D", "1"), "put it inside the object"},
		{"unknown element in the list", aSet + `<Service id="x"/>`, "the element 'Service', which document sharing does not use"},
		{"foreign element in the list", aSet + `<x:Y xmlns:x="urn:x"/>`, "the element 'Y', which is not ebRIM"},
		{"unknown element in an object", entry(`<RegistryPackage/>`), "element 'RegistryPackage': has no place"},
		{"foreign element in an object", entry(`<x:Slot xmlns:x="urn:x"/>`), "element 'Slot': has no place"},
		{"slot twice", entry(slot("hash", "a"), slot("hash", "b")), "DocumentEntry 'D', Slot 'hash': stands twice"},
		{"extra slot twice", entry(slot("urn:x", "a"), slot("urn:x", "b")), "Slot 'urn:x': stands twice"},
		{"slot of an author twice", entry(class(schemeEntryAuthor, "D", "", slot("authorRole", "a"), slot("authorRole", "b"))), "Slot 'authorRole': stands twice"},
		{"slot without a name", entry(`<Slot><ValueList/></Slot>`), "has no name"},
		{"one value too many", entry(slot("creationTime", "2026", "2027")), "DocumentEntry 'D', creationTime: has 2 values"},
		{"size", entry(slot("size", " 12")), "size: ' 12' is not a number"},
		{"huge size", entry(slot("size", "99999999999999999999")), "is not a number"},
		{"version", entry(`<VersionInfo versionName="x"/>`), "version: 'x' is not a whole number"},
		{"two titles", entry(`<Name/>`, `<Name/>`), "Name: stands twice"},
		{"code twice", entry(class(schemeClass, "D", "a", slot("codingScheme", "s")), class(schemeClass, "D", "b", slot("codingScheme", "s"))), "classCode: stands twice"},
		{"code without scheme", entry(class(schemeClass, "D", "a")), "classCode: the code 'a' has no codingScheme"},
		{"code with two schemes", entry(class(schemeClass, "D", "a", slot("codingScheme", "s", "t"))), "classCode: has several values of codingScheme"},
		{"code with two scheme slots", entry(class(schemeClass, "D", "a", slot("codingScheme", "s"), slot("codingScheme", "t"))), "classCode: has several values of codingScheme"},
		{"scheme without code", entry(class(schemeClass, "D", "", slot("codingScheme", "s"))), "classCode: has no code"},
		{"extra slot of a code", entry(class(schemeClass, "D", "a", slot("codingScheme", "s"), slot("urn:x", "y"))), "warning XDSExtraMetadataNotSaved DocumentEntry 'D', classCode: the Slot 'urn:x'"},
		{"unknown scheme", entry(class(schemeContentType, "D", "a")), "unknown classificationScheme"},
		{"no scheme", entry(`<Classification id="c"/>`), "has no classificationScheme"},
		{"classification of another object", entry(class(schemeClass, "S", "a", slot("codingScheme", "s"))), "names another object in classifiedObject: 'S'"},
		{"wrong objectType of a classification", entry(strings.Replace(class(schemeClass, "D", "a", slot("codingScheme", "s")), `id=`, `objectType="urn:x" id=`, 1)), "has the objectType 'urn:x'"},
		{"classification with a broken UUID", entry(strings.Replace(class(schemeClass, "D", "a", slot("codingScheme", "s")), `id="x"`, `id="urn:uuid:x"`, 1)), "has the id 'urn:uuid:x', which is not a UUID"},
		{"identifier twice", entry(external(schemeEntryUnique, "D", "1"), external(schemeEntryUnique, "D", "1")), "uniqueId: stands twice"},
		{"identifier of another object", entry(external(schemeEntryUnique, "S", "1")), "names another object in registryObject: 'S'"},
		{"unknown identifier", entry(external(schemeSetUnique, "D", "1")), "unknown identificationScheme"},
		{"identifier without scheme", entry(`<ExternalIdentifier value="1"/>`), "has no identificationScheme"},
		{"identifier of an association", aSet + `<Association id="A">` + external(schemeEntryUnique, "A", "1") + `</Association>`, "has no meaning in an association"},
		{"membership", aSet + `<Association id="A" associationType="` + string(metadata.HasMember) + `">` + slot("SubmissionSetStatus", "original") + `</Association>`, "warning XDSExtraMetadataNotSaved Association 'A', SubmissionSetStatus: 'original' is neither Original nor Reference"},
		{"documentation twice", aSet + `<Association id="A">` + strings.Repeat(class(schemeDocumentation, "A", "c", slot("codingScheme", "s")), 2) + `</Association>`, "relationship documentation: stands twice"},
		{"objectType of an association", aSet + `<Association id="A" objectType="urn:x"/>`, "objectType: 'urn:x' is not that of an Association"},
		{"objectType of a package", strings.Replace(aSet, `id="S"`, `id="S" objectType="urn:x"`, 1), "objectType: 'urn:x' is not that of a RegistryPackage"},
	} {
		_, problems := submit(t, c.objects)
		if got := contexts(problems); len(problems) != 1 || !strings.Contains(got, c.want) {
			t.Errorf("%s: got\n%s\nwant %q", c.name, got, c.want)
		}
		for _, p := range problems {
			if p.Severity == fault.SeverityError && p.Code != fault.RegistryMetadataError {
				t.Errorf("%s: code %s", c.name, p.Code)
			}
		}
	}
}

func TestNotOneList(t *testing.T) {
	list := `<RegistryObjectList xmlns="` + rimNS + `">` + aSet + `</RegistryObjectList>`
	for in, want := range map[string]string{
		``:                                 "has 0 elements RegistryObjectList",
		list + strings.Repeat("<l:x/>", 3): "",
		list + strings.Replace(list, aSet, "", 1): "has 2 elements RegistryObjectList",
	} {
		b := []byte(`<l:SubmitObjectsRequest xmlns:l="` + lcmNS + `">` + in + `</l:SubmitObjectsRequest>`)
		_, problems, err := DecodeSubmission(at(t, b, xmlscan.LCM, "SubmitObjectsRequest"))
		if got := contexts(problems); err != nil || !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
	if _, _, err := DecodeSubmission(at(t, []byte(`<a/>`), xmlscan.NoNS, "a")); fault.KindOf(err) != fault.Invalid {
		t.Errorf("another element: got %v", err)
	}
}

func TestSubmissionLimits(t *testing.T) {
	many := func(n int, f func(int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(f(i))
		}
		return b.String()
	}
	for name, objects := range map[string]string{
		"objects": many(4, func(i int) string { return fmt.Sprintf(`<ExtrinsicObject id="D%d"/>`, i) }),
		"slots":   `<ExtrinsicObject id="D">` + many(4, func(i int) string { return slot("urn:"+strconv.Itoa(i), "v") }) + `</ExtrinsicObject>`,
		"values":  `<ExtrinsicObject id="D">` + slot("urn:x", "1", "2", "3", "4") + `</ExtrinsicObject>`,
		"parts":   `<ExtrinsicObject id="D">` + many(4, func(int) string { return external(schemeEntryUnique, "D", "1") }) + `</ExtrinsicObject>`,
	} {
		sc := at(t, []byte(inRequest(objects)), xmlscan.LCM, "SubmitObjectsRequest")
		_, _, err := Limits{Objects: 3, Slots: 3, Values: 3, Parts: 3}.DecodeSubmission(sc)
		var e *fault.Error
		if !errors.As(err, &e) || e.Kind != fault.TooLarge || !strings.Contains(e.Problems[0].Context, map[string]string{"parts": "metadata.parts (fixed)"}[name]+" of 3") || name != "parts" && !strings.Contains(e.Problems[0].Context, "limits."+name+" of 3") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	sub, problems := submit(t, aSet+`<ExtrinsicObject id="D">`+slot("sourcePatientInfo", strings.Split(strings.Repeat("PID-3|x,", 5000), ",")...)+
		many(300, func(i int) string { return slot("urn:x:"+strconv.Itoa(i), "v") })+`</ExtrinsicObject>`)
	if len(problems) > 0 || len(sub.Entries[0].SourcePatientInfo) != 5001 || len(sub.Entries[0].Extra) != 300 {
		t.Errorf("many values: %s", contexts(problems))
	}
	_, problems = submit(t, aSet+many(600, func(int) string { return "<Service/>" }))
	if len(problems) != 501 || !strings.Contains(problems[500].Context, "100 further problems") {
		t.Errorf("%d problems", len(problems))
	}
	_, problems = submit(t, aSet+`<ExtrinsicObject id="D">`+many(100, func(i int) string { return slot("urn:x:"+strconv.Itoa(i%99), "v") })+`</ExtrinsicObject>`)
	if len(problems) != 1 {
		t.Errorf("repeated among many: %s", contexts(problems))
	}
}

func TestMalformed(t *testing.T) {
	good := inRequest(aSet)
	for n := range len(good) {
		sc := xmlscan.New([]byte(good[:n]), xmlscan.Limits{})
		if k, err := sc.Next(); err != nil || k != xmlscan.Start {
			continue
		}
		_, _, err := DecodeSubmission(sc)
		var x *xmlscan.Error
		if !errors.As(err, &x) || !x.Incomplete {
			t.Fatalf("cut at %d: got %v", n, err)
		}
	}
}
