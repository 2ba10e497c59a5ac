package hostile

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/soap/xds"
)

// values are what no attribute should be able to do harm with. All of them can
// stand in XML; what cannot is among the messages that are not well-formed.
var values = map[string]string{
	"quotes":          marker + `'"` + "`" + `''""&quot;&#39;`,
	"SQL":             marker + `'); DROP TABLE objects; --`,
	"LIKE":            marker + `%_\%[a-z]*?`,
	"XML":             marker + `]]></Value></rim:Slot><rim:Slot name="x">&lt;&amp;<!-- <![CDATA[`,
	"format":          marker + `%s%n%d%!v(MISSING)%x{{.}}${jndi:ldap://a/b}$(id)`,
	"lines":           marker + "a\r\nSet-Cookie: b\n\nc\td",
	"C1 controls":     marker + "\u0085\u0090\u009b31m\u007f",
	"RTL":             marker + "\u202egpj.exe\u202c\u2066\u2069\ufeff",
	"astral":          marker + "😀\U0010ffff𝕊",
	"combining":       marker + strings.Repeat("e\u0301\u0323", 200),
	"replacement":     marker + "\ufffd\ufffd",
	"path":            "../../../../../../tmp/" + marker,
	"windows path":    `..\..\CON\` + marker + `:stream`,
	"URL":             "http://169.254.169.254/" + marker + "?a=b#c",
	"file URL":        "file:///etc/passwd#" + marker,
	"carets":          marker + strings.Repeat("^", 300) + strings.Repeat("&", 300) + strings.Repeat("~", 300),
	"only blanks":     " \u00a0\u2003\u200b ",
	"long":            marker + strings.Repeat("å", 500_000),
	"number":          "1e309",
	"urn":             "urn:uuid:" + marker,
	"OID of all zero": strings.Repeat("0.", 5000) + "0",
}

// attribute puts a value into one place of a submission.
type attribute struct {
	put func(s *metadata.Submission, v string)
	get func(e *metadata.DocumentEntry) string // nil: not of the entry
}

func ofEntry(field func(e *metadata.DocumentEntry) *string) attribute {
	return attribute{func(s *metadata.Submission, v string) { *field(s.Entries[0]) = v }, func(e *metadata.DocumentEntry) string { return *field(e) }}
}

func ofSet(field func(s *metadata.SubmissionSet) *string) attribute {
	return attribute{func(s *metadata.Submission, v string) { *field(&s.Set) = v }, nil}
}

type de = metadata.DocumentEntry

var attributes = map[string]attribute{
	"title":          ofEntry(func(e *de) *string { e.Title = text1(e.Title); return &e.Title[0].Value }),
	"title language": ofEntry(func(e *de) *string { e.Title = text1(e.Title); return &e.Title[0].Lang }),
	"comments":       ofEntry(func(e *de) *string { e.Comments = text1(e.Comments); return &e.Comments[0].Value }),
	"mimeType":       ofEntry(func(e *de) *string { return &e.MimeType }),
	"language":       ofEntry(func(e *de) *string { return &e.Language }),
	"uniqueId":       ofEntry(func(e *de) *string { return &e.UniqueID }),
	"URI":            ofEntry(func(e *de) *string { return &e.URI }),
	"availability":   ofEntry(func(e *de) *string { return &e.Availability }),
	"code":           ofEntry(func(e *de) *string { return &e.TypeCode.Value }),
	"code scheme":    ofEntry(func(e *de) *string { return &e.TypeCode.Scheme }),
	"code name": ofEntry(func(e *de) *string {
		e.TypeCode.Display = text1(e.TypeCode.Display)
		return &e.TypeCode.Display[0].Value
	}),
	"authorPerson":     ofEntry(func(e *de) *string { return (*string)(&e.Authors[0].Person) }),
	"institution":      ofEntry(func(e *de) *string { return (*string)(&e.Authors[0].Institutions[0]) }),
	"role":             ofEntry(func(e *de) *string { e.Authors[0].Roles = list1(e.Authors[0].Roles); return &e.Authors[0].Roles[0] }),
	"legal":            ofEntry(func(e *de) *string { return (*string)(&e.LegalAuthenticator) }),
	"sourcePatientId":  ofEntry(func(e *de) *string { return (*string)(&e.SourcePatientID) }),
	"patient info":     ofEntry(func(e *de) *string { e.SourcePatientInfo = list1(e.SourcePatientInfo); return &e.SourcePatientInfo[0] }),
	"creationTime":     ofEntry(func(e *de) *string { return (*string)(&e.CreationTime) }),
	"serviceStartTime": ofEntry(func(e *de) *string { return (*string)(&e.ServiceStart) }),
	"hash":             ofEntry(func(e *de) *string { return &e.Hash }),
	"home":             ofEntry(func(e *de) *string { return &e.Home }),
	"entry id":         ofEntry(func(e *de) *string { return (*string)(&e.ID) }),
	"extra slot":       ofEntry(func(e *de) *string { e.Extra = extra1(e.Extra); return &e.Extra[0].Values[0] }),
	"extra slot name":  ofEntry(func(e *de) *string { e.Extra = extra1(e.Extra); return &e.Extra[0].Name }),
	"patientId": {func(s *metadata.Submission, v string) {
		s.Entries[0].PatientID, s.Set.PatientID = metadata.CX(v), metadata.CX(v)
	}, nil},
	"set id":          ofSet(func(s *metadata.SubmissionSet) *string { return (*string)(&s.ID) }),
	"set title":       ofSet(func(s *metadata.SubmissionSet) *string { s.Title = text1(s.Title); return &s.Title[0].Value }),
	"set uniqueId":    ofSet(func(s *metadata.SubmissionSet) *string { return &s.UniqueID }),
	"set sourceId":    ofSet(func(s *metadata.SubmissionSet) *string { return &s.SourceID }),
	"submissionTime":  ofSet(func(s *metadata.SubmissionSet) *string { return (*string)(&s.SubmissionTime) }),
	"association id":  {func(s *metadata.Submission, v string) { s.Associations[0].ID = metadata.ID(v) }, nil},
	"association end": {func(s *metadata.Submission, v string) { s.Associations[0].Target = metadata.ID(v) }, nil},
}

func text1(t metadata.Text) metadata.Text {
	if len(t) == 0 {
		return metadata.NewText("x")
	}
	return t
}

func list1(l []string) []string {
	if len(l) == 0 {
		return []string{"x"}
	}
	return l
}

func extra1(l []metadata.Slot) []metadata.Slot {
	if len(l) == 0 {
		return []metadata.Slot{{Name: "urn:x:y", Values: []string{"x"}}}
	}
	return l
}

// TestValues puts every hostile value into every attribute. A submission is either
// accepted, and then the value comes back as it was sent and the document opens, or
// refused in plain words, and then nothing of it is there.
func TestValues(t *testing.T) {
	w := start(t)
	accepted := 0
	for name, a := range attributes {
		for kind, v := range values {
			if w.valued(t, name+" with "+kind, a, v) {
				accepted++
			}
		}
	}
	if n := len(attributes) * len(values); accepted < n/5 || accepted > n*9/10 {
		t.Errorf("%d of %d were accepted: the test proves little", accepted, n)
	}
	w.calm(t)
	w.normal(t)
	w.end(t)
}

func (w *world) valued(t *testing.T, name string, a attribute, v string) (accepted bool) {
	s, docs := w.victim(1)
	patient := s.Set.PatientID
	a.put(s, v)
	status, answer := w.post(t, w.Repository, packed, strings.NewReader(whole(s, docs)))
	switch {
	case status != 200:
		t.Errorf("%s: %d %s", name, status, short(answer))
		return false
	case len(answer) > 10_000:
		t.Errorf("%s: an answer of %d bytes", name, len(answer))
	case strings.Contains(answer, "(reference "):
		t.Errorf("%s: the server calls it its own failure: %s", name, short(answer))
	}
	ctx := t.Context()
	if !strings.Contains(answer, "ResponseStatusType:Success") {
		if s.Set.PatientID == patient {
			if found, err := w.find(ctx, patient); err != nil || len(found) > 0 {
				t.Errorf("%s: %d entries of a refused submission, %v", name, len(found), err)
			}
		}
		if len(s.Entries[0].UniqueID) < 1000 {
			if _, err := w.retrieve(ctx, s.Entries[0].UniqueID); err == nil {
				t.Errorf("%s: a refused document opens", name)
			}
		}
		return false
	}
	w.stored++
	if err := w.comesBack(ctx, s, docs[0], a, v); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return true
}

func (w *world) comesBack(ctx context.Context, s *metadata.Submission, doc []byte, a attribute, v string) error {
	found, err := w.find(ctx, s.Set.PatientID)
	if err != nil {
		return err
	}
	var e *metadata.DocumentEntry
	for _, f := range found {
		if f.UniqueID == s.Entries[0].UniqueID {
			e = f
		}
	}
	if e == nil {
		return fmt.Errorf("accepted and not found among %d", len(found))
	}
	if a.get != nil && strings.TrimSpace(a.get(e)) != strings.TrimSpace(v) && !strings.Contains("entry id hash", v) {
		if a.get(s.Entries[0]) == v && e.ID != s.Entries[0].ID && strings.HasPrefix(a.get(e), "urn:uuid:") {
			return nil // a symbolic id got a UUID
		}
		return fmt.Errorf("%q was sent, %q came back", short(v), short(a.get(e)))
	}
	got, err := w.retrieve(ctx, e.UniqueID)
	if err == nil && string(got) != string(doc) {
		err = fmt.Errorf("%d other bytes", len(got))
	}
	return err
}

// TestQueries sends queries that are large, slow or nonsense.
func TestQueries(t *testing.T) {
	w := start(t)
	// A patient with values made for slow matching.
	patient := w.gen.Patient()
	w.secret = append(w.secret, patient.FNR)
	long := strings.Repeat("a", 9_000)
	for range 50 {
		d := w.gen.Document(patient, metadatatest.Note)
		d.Entry.Authors[0].Person = metadata.XCN("1^" + long)
		s := w.gen.Submission(patient, d)
		if _, err := w.client.Provide(t.Context(), s, []xds.Attachment{xds.BytesAttachment(d.Entry.ID, "text/plain", d.Bytes)}); err != nil {
			t.Fatal(err)
		}
		w.stored++
	}
	w.calm(t)
	slot := func(name string, values ...string) string {
		return `<Slot name="` + name + `"><ValueList><Value>` + strings.Join(values, "</Value><Value>") + `</Value></ValueList></Slot>`
	}
	base := slot("$XDSDocumentEntryPatientId", "'"+strings.ReplaceAll(string(patient.CX()), "&", "&amp;")+"'") +
		slot("$XDSDocumentEntryStatus", "('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')")
	query := func(id metadata.ID, slots string) string {
		return envelope(actionQuery, `<q:AdhocQueryRequest xmlns:q="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0" `+rim+`><q:ResponseOption returnType="ObjectRef" returnComposedObjects="true"/><AdhocQuery id="`+string(id)+`">`+slots+`</AdhocQuery></q:AdhocQueryRequest>`)
	}
	find := func(slots string) string { return query(metadata.FindDocumentsID, base+slots) }
	const person = "$XDSDocumentEntryAuthorPerson"
	quoted := func(n int, f func(int) string) string {
		return many(n, func(i int) string { return "('" + f(i) + "')</Value><Value>" }) + "('')"
	}
	for name, c := range map[string]struct {
		body string
		want string
	}{
		"no wildcard":                {find(slot(person, "('1^a')")), "Success"},
		"many %":                     {find(slot(person, "('"+strings.Repeat("%a", 2000)+"%b')")), "ResponseStatusType"},
		"a long piece behind %":      {find(slot(person, "('%"+strings.Repeat("a", 400_000)+"b')")), "query.patterns"},
		"a long piece and _":         {find(slot(person, "('%"+strings.Repeat("a", 16_000)+"_b')")), "ResponseStatusType"},
		"only _":                     {find(slot(person, "('%"+strings.Repeat("_", 16_000)+"b%')")), "ResponseStatusType"},
		"16,000 slow patterns":       {find(slot(person, quoted(16_000, func(int) string { return "%" + strings.Repeat("a", 900) + "b%" }))), "query.patterns"},
		"100,000 unique ids":         {query(metadata.GetDocumentsID, slot("$XDSDocumentEntryUniqueId", quoted(99_999, func(i int) string { return fmt.Sprint("1.2.3.", i) }))), "ResponseStatusType"},
		"100,000 entry ids":          {query(metadata.GetDocumentsID, slot("$XDSDocumentEntryEntryUUID", quoted(99_999, func(int) string { return metadata.NewUUID().String() }))), "ResponseStatusType"},
		"100,001 values":             {query(metadata.GetDocumentsID, slot("$XDSDocumentEntryUniqueId", quoted(100_001, func(int) string { return "1" }))), "limits.values"},
		"100,000 associations":       {query(metadata.GetAssociationsID, slot("$uuid", quoted(99_999, func(int) string { return metadata.NewUUID().String() }))), "ResponseStatusType"},
		"100,000 codes":              {find(slot("$XDSDocumentEntryClassCode", quoted(99_999, func(i int) string { return fmt.Sprint(i, "^^1.2.3") }))), "ResponseStatusType"},
		"9,000 ANDs":                 {find(strings.Repeat(slot("$XDSDocumentEntryEventCodeList", "('a^^b','c^^d')"), 9_000)), "ResponseStatusType"},
		"a million slots":            {find(strings.Repeat(`<Slot name="$a"/>`, 900_000)), "limits.slots"},
		"nonsense times":             {find(slot("$XDSDocumentEntryCreationTimeFrom", "99999999999999")), "ResponseStatusType"},
		"negative times":             {find(slot("$XDSDocumentEntryCreationTimeFrom", "-1")), "Failure"},
		"time of the 31st of Feb":    {find(slot("$XDSDocumentEntryCreationTimeFrom", "20260231")), "ResponseStatusType"},
		"author of a megabyte":       {find(slot(person, "('"+strings.Repeat("x", 1_000_000)+"')")), "Success"},
		"time of a megabyte":         {find(slot("$XDSDocumentEntryCreationTimeFrom", strings.Repeat("2", 1_000_000))), "Failure"},
		"end before start":           {find(slot("$XDSDocumentEntryCreationTimeFrom", "2026") + slot("$XDSDocumentEntryCreationTimeTo", "2020")), "ResponseStatusType"},
		"unbalanced quotes":          {find(slot(person, "('a','b)")), "Failure"},
		"nested brackets":            {find(slot(person, strings.Repeat("(", 500_000))), "Failure"},
		"SQL":                        {find(slot(person, "('x'') OR 1=1; --')")), "ResponseStatusType"},
		"LIKE with a lone backslash": {find(slot(person, `('\%\')`)), "ResponseStatusType"},
		"another's query":            {query("urn:uuid:00000000-0000-0000-0000-000000000000", base), "XDSUnknownStoredQuery"},
		"two patients":               {find(slot("$XDSDocumentEntryPatientId", "'1^^^&amp;1.2&amp;ISO'")), "Failure"},
		"patient of a megabyte":      {query(metadata.FindDocumentsID, slot("$XDSDocumentEntryPatientId", "'"+strings.Repeat("1", 1_000_000)+"^^^&amp;1.2&amp;ISO'")+slot("$XDSDocumentEntryStatus", "('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')")), "ResponseStatusType"},
	} {
		t.Run(name, func(t *testing.T) {
			w.suffer(t, attack{name: name, at: registryOf, contentType: plain, status: 200, want: c.want, answered: true,
				body: text(func(*metadata.Submission, [][]byte) string { return c.body })})
		})
	}
	w.end(t)
}
