package rules_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/metadata/metadatatest/arbitrary"
	"samdok/metadata/rules"
)

// sample is a complete ITI-42 submission with every class of object.
func sample() *metadata.Submission {
	g := metadatatest.New(7)
	g.RepositoryID = "1.2.3.4"
	p := g.Patient()
	sub := g.Metadata(p, 1)
	f := g.Folder(p, "Mappe")
	metadatatest.AddFolder(sub, f)
	metadatatest.AddToFolder(sub, f.ID, sub.Entries[0].ID)
	a := metadatatest.Relate(sub, metadata.Appends, sub.Entries[0].ID, g.UUID().ID())
	a.Documentation = &metadata.Code{Value: "tillegg", Scheme: "1.2.3"}
	return sub
}

func TestGood(t *testing.T) {
	for name, change := range map[string]func(*metadata.Submission){
		"as it is": func(*metadata.Submission) {},
		"symbolic ids": func(s *metadata.Submission) {
			s.Set.ID, s.Entries[0].ID = "set", "10b545ea-725c-446d-9b95-8aeb444eddf3"
		},
		"upper-case hash":    func(s *metadata.Submission) { s.Entries[0].Hash = strings.ToUpper(s.Entries[0].Hash) },
		"empty document":     func(s *metadata.Submission) { s.Entries[0].Size = metadata.Octets(0) },
		"uniqueId any form":  func(s *metadata.Submission) { s.Entries[0].UniqueID = "Ære 1/2?" },
		"lid is id":          func(s *metadata.Submission) { s.Entries[0].LogicalID = s.Entries[0].ID },
		"status submitted":   func(s *metadata.Submission) { s.Entries[0].Status = metadata.Deprecated },
		"bad lastUpdateTime": func(s *metadata.Submission) { s.Folders[0].LastUpdateTime = "yesterday" },
		"extra slots": func(s *metadata.Submission) {
			s.Associations[0].Extra = []metadata.Slot{{Name: "urn:x-lab:a", Values: nil}}
		},
		"no display name": func(s *metadata.Submission) { s.Entries[0].ClassCode.Display = nil },
		"two patients":    func(s *metadata.Submission) { s.Set.PatientID = "1^^^&1.2.3&ISO" }, // the registry's to judge
		"coarse stop": func(s *metadata.Submission) {
			s.Entries[0].ServiceStart, s.Entries[0].ServiceStop = "20260105", "202601"
		},
		"home":            func(s *metadata.Submission) { s.Entries[0].Home = "urn:oid:1.2.3" },
		"no service time": func(s *metadata.Submission) { s.Entries[0].ServiceStart, s.Entries[0].ServiceStop = "", "" },
		"repeated PID-3": func(s *metadata.Submission) {
			s.Entries[0].SourcePatientInfo = []string{"PID-3|a", "PID-3|b", "PID-99|c", "PID-5|d|e"}
		},
		"no documents": func(s *metadata.Submission) { s.Entries, s.Folders, s.Associations = nil, nil, nil },
	} {
		sub := sample()
		change(sub)
		if problems := rules.Check(sub, rules.Repository); len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
	}
	sub := sample()
	sub.Entries[0].Hash, sub.Entries[0].Size, sub.Entries[0].RepositoryID = "", metadata.Size{}, ""
	if problems := rules.Check(sub, rules.Source); len(problems) > 0 {
		t.Error(problems)
	}
}

// Each change breaks one rule; want are words of the one problem.
func TestBad(t *testing.T) {
	type s = metadata.Submission
	e := func(change func(*metadata.DocumentEntry)) func(*s) { return func(sub *s) { change(sub.Entries[0]) } }
	type de = metadata.DocumentEntry
	none := metadata.Code{}
	tests := []struct {
		name   string
		change func(*s)
		want   string
	}{
		{"no class", e(func(e *de) { e.ClassCode = none }), "classCode: is missing"},
		{"no type", e(func(e *de) { e.TypeCode = none }), "typeCode: is missing"},
		{"no format", e(func(e *de) { e.FormatCode = none }), "formatCode: is missing"},
		{"no facility", e(func(e *de) { e.Facility = none }), "healthcareFacilityTypeCode: is missing"},
		{"no practice", e(func(e *de) { e.Practice = none }), "practiceSettingCode: is missing"},
		{"no confidentiality", e(func(e *de) { e.Confidential = nil }), "confidentialityCode: is missing"},
		{"code without scheme", e(func(e *de) { e.ClassCode.Scheme = "" }), "no codingScheme"},
		{"scheme without code", e(func(e *de) { e.Confidential[1].Value = "" }), "no code"},
		{"blank behind a code", e(func(e *de) { e.Confidential[0].Value = "N " }), "blanks around the code 'N '"},
		{"line end before a scheme", e(func(e *de) { e.TypeCode.Scheme = "\n" + e.TypeCode.Scheme }), "typeCode: has blanks around"},
		{"event code empty", e(func(e *de) { e.EventCodes = []metadata.Code{none} }), "eventCodeList: is missing"},
		{"no creationTime", e(func(e *de) { e.CreationTime = "" }), "creationTime: is missing"},
		{"creationTime", e(func(e *de) { e.CreationTime = "2026-01-02" }), "creationTime: '2026-01-02' has the wrong form"},
		{"serviceStartTime", e(func(e *de) { e.ServiceStart = "20261301" }), "serviceStartTime: '20261301'"},
		{"serviceStopTime", e(func(e *de) { e.ServiceStop = "2026010203040" }), "serviceStopTime:"},
		{"start after stop", e(func(e *de) { e.ServiceStart, e.ServiceStop = "20260106", "20260105" }), "is after serviceStopTime"},
		{"no hash", e(func(e *de) { e.Hash = "" }), "hash: is missing"},
		{"hash in base64", e(func(e *de) { e.Hash = "u9qVWgiUeN1sDpxUrHLPx2x1LMc=" }), "not a SHA-1"},
		{"no size", e(func(e *de) { e.Size = metadata.Size{} }), "size: is missing"},
		{"negative size", e(func(e *de) { e.Size = metadata.Octets(-1) }), "negative"},
		{"no language", e(func(e *de) { e.Language = "" }), "languageCode: is missing"},
		{"language", e(func(e *de) { e.Language = "norsk bokmål" }), "not a language tag"},
		{"no mimeType", e(func(e *de) { e.MimeType = "" }), "mimeType: is missing"},
		{"mimeType", e(func(e *de) { e.MimeType = "pdf" }), "not a media type"},
		{"no objectType", e(func(e *de) { e.Kind = metadata.KindUnknown }), "objectType"},
		{"no patientId", e(func(e *de) { e.PatientID = "" }), "patientId: is missing"},
		{"patientId", e(func(e *de) { e.PatientID = "1^^^1.2.3" }), "patientId: '1^^^1.2.3' has the wrong form"},
		{"patientId escaped twice", e(func(e *de) { e.PatientID = "1^^^&amp;1.2.3&amp;ISO" }), "escaped twice"},
		{"no sourcePatientId", e(func(e *de) { e.SourcePatientID = "" }), "sourcePatientId: is missing"},
		{"sourcePatientId", e(func(e *de) { e.SourcePatientID = "1" }), "sourcePatientId:"},
		{"sourcePatientInfo", e(func(e *de) { e.SourcePatientInfo = []string{"Nordmann^Ola"} }), "write PID-n|"},
		{"two birth dates", e(func(e *de) { e.SourcePatientInfo = []string{"PID-7|1950", "PID-7|1951"} }), "more than one PID-7"},
		{"no repositoryUniqueId", e(func(e *de) { e.RepositoryID = "" }), "repositoryUniqueId: is missing"},
		{"repositoryUniqueId", e(func(e *de) { e.RepositoryID = "urn:oid:1.2.3" }), "not an OID"},
		{"uniqueId with a blank", e(func(e *de) { e.UniqueID = "1.2.3 " }), "begins or ends with a blank"},
		{"author of many pages", e(func(e *de) { e.Authors[0].Person = metadata.XCN("1^" + strings.Repeat("a", 10_000)) }), "longer than 10000"},
		{"no uniqueId", e(func(e *de) { e.UniqueID = " " }), "uniqueId: is missing"},
		{"home", e(func(e *de) { e.Home = "1.2.3" }), "homeCommunityId"},
		{"limited", e(func(e *de) { e.Limited = true }), "limitedMetadata"},
		{"lid", e(func(e *de) { e.LogicalID = "urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3" }), "logicalID"},
		{"availability", e(func(e *de) { e.Availability = "maybe" }), "documentAvailability"},
		{"legalAuthenticator", e(func(e *de) { e.LegalAuthenticator = "^^Ola" }), "legalAuthenticator"},
		{"reference", e(func(e *de) { e.ReferenceIDs = []metadata.CXi{"a"} }), "referenceIdList"},
		{"author empty", e(func(e *de) { e.Authors = []metadata.Author{{Roles: []string{"lege"}}} }), "author: has no"},
		{"authorPerson", e(func(e *de) { e.Authors[0].Person = "^^Ola" }), "authorPerson"},
		{"authorInstitution", e(func(e *de) { e.Authors[0].Institutions = []metadata.XON{"A^^^^^^^^^7"} }), "authorInstitution"},
		{"authorTelecommunication", e(func(e *de) { e.Authors[0].Telecom = []metadata.XTN{"^WPN^PH"} }), "authorTelecommunication"},
		{"slot without URN", e(func(e *de) { e.Extra = []metadata.Slot{{Name: "color"}} }), "must be a URN"},
		{"slot of IHE", e(func(e *de) { e.Extra = []metadata.Slot{{Name: "URN:IHE:iti:x"}} }), "kept for IHE"},
		{"author's slot", e(func(e *de) { e.Authors[0].Extra = []metadata.Slot{{Name: "color"}} }), "must be a URN"},

		{"set without content type", func(s *s) { s.Set.ContentType = none }, "contentTypeCode: is missing"},
		{"set without patient", func(s *s) { s.Set.PatientID = "" }, "SubmissionSet"},
		{"set without source", func(s *s) { s.Set.SourceID = "" }, "sourceId: is missing"},
		{"sourceId", func(s *s) { s.Set.SourceID = "hospital" }, "sourceId: 'hospital' is not an OID"},
		{"set without time", func(s *s) { s.Set.SubmissionTime = "" }, "submissionTime: is missing"},
		{"set without uniqueId", func(s *s) { s.Set.UniqueID = "" }, "uniqueId: is missing"},
		{"set's uniqueId", func(s *s) { s.Set.UniqueID = "urn:uuid:x" }, "uniqueId: 'urn:uuid:x' is not an OID"},
		{"set limited", func(s *s) { s.Set.Limited = true }, "limitedMetadata"},
		{"recipient", func(s *s) { s.Set.Recipients = []string{"||"} }, "intendedRecipient"},
		{"set's slot", func(s *s) { s.Set.Extra = []metadata.Slot{{Name: "x"}} }, "must be a URN"},

		{"folder without code", func(s *s) { s.Folders[0].Codes = nil }, "codeList: is missing"},
		{"folder without patient", func(s *s) { s.Folders[0].PatientID = "" }, "Folder"},
		{"folder's uniqueId", func(s *s) { s.Folders[0].UniqueID = "x" }, "not an OID"},
		{"folder without title", func(s *s) { s.Folders[0].Title = metadata.Text{{Lang: "nb"}} }, "title: is missing"},
		{"folder limited", func(s *s) { s.Folders[0].Limited = true }, "limitedMetadata"},

		{"association without source", func(s *s) { s.Associations[0].Source = "" }, "sourceObject: is missing"},
		{"association without target", func(s *s) { s.Associations[0].Target = "" }, "targetObject: is missing"},
		{"short type", func(s *s) { s.Associations[0].Type = "HasMember" }, "write the whole URN"},
		{"type of an update", func(s *s) { s.Associations[0].Type = metadata.UpdateStatus }, "ITI-57"},
		{"documented membership", func(s *s) { s.Associations[0].Documentation = &metadata.Code{Value: "a", Scheme: "b"} }, "remove that Classification"},
		{"documentation without scheme", func(s *s) { last(s).Documentation.Scheme = "" }, "relationship documentation"},
		{"association's slot", func(s *s) { s.Associations[0].Extra = []metadata.Slot{{Name: "x"}} }, "must be a URN"},

		{"no id", func(s *s) { s.Folders[0].ID = "" }, "entryUUID: is missing"},
		{"broken UUID", func(s *s) { s.Folders[0].ID = "urn:uuid:1234" }, "is not a UUID"},
		{"id twice", func(s *s) { s.Folders[0].ID = s.Entries[0].ID }, "used by two objects"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sub := sample()
			tt.change(sub)
			problems := rules.Check(sub, rules.Repository)
			if len(problems) != 1 {
				t.Fatalf("%d problems: %v", len(problems), problems)
			}
			p := problems[0]
			if p.Code != fault.RegistryMetadataError || p.Severity != fault.SeverityError || !strings.Contains(p.Context, tt.want) {
				t.Errorf("%+v", p)
			}
		})
	}
}

func last(s *metadata.Submission) *metadata.Association { return s.Associations[len(s.Associations)-1] }

// A message without a submission set is told that once, not what a set has to have.
func TestNoSet(t *testing.T) {
	sub := sample()
	sub.Set = metadata.SubmissionSet{}
	if problems := rules.Check(sub, rules.Repository); len(problems) != 1 || !strings.HasPrefix(problems[0].Context, "SubmissionSet '', entryUUID: is missing") {
		t.Errorf("%v", problems)
	}
}

func TestStableOnly(t *testing.T) {
	for _, actor := range []rules.Actor{rules.Source, rules.Repository} {
		sub := onDemand()
		if problems := rules.Check(sub, actor); len(problems) != 1 || !strings.Contains(problems[0].Context, "ITI-61") {
			t.Error(problems)
		}
	}
}

// onDemand is a right submission of ITI-61.
func onDemand() *metadata.Submission {
	sub := sample()
	for _, e := range sub.Entries {
		e.Kind, e.CreationTime, e.Hash, e.Size = metadata.OnDemand, "", "", metadata.Size{}
	}
	return sub
}

func TestOnDemandSource(t *testing.T) {
	if problems := rules.Check(onDemand(), rules.OnDemandSource); problems != nil {
		t.Fatal(problems)
	}
	for name, c := range map[string]struct {
		change func(*metadata.Submission)
		want   string
	}{
		"stable":          {func(s *metadata.Submission) { s.Entries[0] = sample().Entries[0] }, "ITI-61 takes on-demand documents only"},
		"nothing":         {func(s *metadata.Submission) { s.Entries = nil }, "at least one"},
		"hash":            {func(s *metadata.Submission) { s.Entries[0].Hash = strings.Repeat("a", 40) }, "not allowed for an on-demand"},
		"size 0":          {func(s *metadata.Submission) { s.Entries[0].Size = metadata.Octets(0) }, "not allowed for an on-demand"},
		"creationTime":    {func(s *metadata.Submission) { s.Entries[0].CreationTime = "2026" }, "not allowed for an on-demand"},
		"no repository":   {func(s *metadata.Submission) { s.Entries[0].RepositoryID = "" }, "repositoryUniqueId: is missing"},
		"wrong authority": {func(s *metadata.Submission) { s.Entries[0].LegalAuthenticator = "^^^" }, "legalAuthenticator"},
	} {
		sub := onDemand()
		c.change(sub)
		if problems := rules.Check(sub, rules.OnDemandSource); len(problems) != 1 || !strings.Contains(problems[0].Context, c.want) {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

func TestManyIDsTwice(t *testing.T) {
	g := metadatatest.New(3)
	g.RepositoryID = "1.2.3"
	sub := g.Metadata(g.Patient(), 40)
	if problems := rules.Check(sub, rules.Repository); problems != nil {
		t.Fatal(problems)
	}
	sub.Entries[39].ID = sub.Entries[0].ID
	if problems := rules.Check(sub, rules.Repository); len(problems) != 1 {
		t.Error(problems)
	}
}

func TestEverythingWrongIsBounded(t *testing.T) {
	sub := &metadata.Submission{}
	for range 1000 {
		sub.Entries = append(sub.Entries, &metadata.DocumentEntry{MimeType: strings.Repeat("x", 10_000)})
	}
	problems := rules.Check(sub, rules.Repository)
	if len(problems) != 501 || !strings.Contains(problems[500].Context, "more than 500") {
		t.Errorf("%d problems, the last is %v", len(problems), problems[len(problems)-1])
	}
	for _, p := range problems {
		if len(p.Context) > 600 {
			t.Fatalf("%d octets of context", len(p.Context))
		}
	}
}

func TestArbitraryIsGood(t *testing.T) {
	for name, strings := range map[string]arbitrary.Strings{"plain": arbitrary.Plain(), "hostile": arbitrary.Hostile()} {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			sub := arbitrary.Submission(strings).Draw(t, "submission")
			rest := *sub
			for i, e := range sub.Entries { // a submission has entries of one kind
				rest.Entries = sub.Entries[i : i+1]
				actor := rules.Repository
				if e.Kind == metadata.OnDemand {
					actor = rules.OnDemandSource
				}
				if problems := rules.Check(&rest, actor); problems != nil {
					t.Fatal(problems)
				}
			}
			rest.Entries = nil
			if problems := rules.Check(&rest, rules.Repository); problems != nil {
				t.Fatal(problems)
			}
		}))
	}
}

func TestGeneratedIsGood(t *testing.T) {
	for seed := range uint64(50) {
		g := metadatatest.New(seed)
		p := g.Patient()
		var docs []metadatatest.Document
		for _, k := range metadatatest.Kinds() {
			if k != metadatatest.XRay || seed == 0 {
				docs = append(docs, g.Document(p, k))
			}
		}
		if problems := rules.Check(g.Submission(p, docs...), rules.Source); problems != nil {
			t.Fatal(problems)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	for name, n := range map[string]int{"1 document": 1, "20 documents": 20} {
		b.Run(name, func(b *testing.B) {
			g := metadatatest.New(1)
			g.RepositoryID = "1.2.3"
			sub := g.Metadata(g.Patient(), n)
			b.ReportAllocs()
			for b.Loop() {
				if problems := rules.Check(sub, rules.Repository); problems != nil {
					b.Fatal(problems)
				}
			}
		})
	}
}
