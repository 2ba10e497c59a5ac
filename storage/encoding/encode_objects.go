package encoding

import "samdok/metadata"

// The order of fields below is the format; decode_objects.go reads the same.

func (e *Encoder) documentEntry(d *metadata.DocumentEntry) {
	same := d.LogicalID == d.ID
	e.flags(d.Limited, d.Size.Given, same)
	e.body = append(e.body, byte(d.Status), byte(d.Kind))
	e.int(int64(d.Version))
	e.str(string(d.ID))
	if !same {
		e.str(string(d.LogicalID))
	}
	e.str(d.Home)
	e.str(d.MimeType)
	e.textOf(d.Title)
	e.textOf(d.Comments)
	e.authors(d.Authors)
	e.code(&d.ClassCode)
	e.code(&d.TypeCode)
	e.code(&d.FormatCode)
	e.code(&d.Facility)
	e.code(&d.Practice)
	e.codes(d.Confidential)
	e.codes(d.EventCodes)
	e.str(string(d.CreationTime))
	e.str(string(d.ServiceStart))
	e.str(string(d.ServiceStop))
	e.str(d.Hash)
	if d.Size.Given {
		e.int(d.Size.Octets)
	}
	e.str(d.Language)
	e.str(string(d.LegalAuthenticator))
	e.str(string(d.PatientID))
	e.str(string(d.SourcePatientID))
	e.strings(d.SourcePatientInfo)
	write(e, d.ReferenceIDs)
	e.str(d.RepositoryID)
	e.str(d.UniqueID)
	e.str(d.URI)
	e.str(d.Availability)
	e.slots(d.Extra)
	e.uuid(d.PatientIDRef)
	e.uuid(d.UniqueIDRef)
}

func (e *Encoder) submissionSet(s *metadata.SubmissionSet) {
	same := s.LogicalID == s.ID
	e.flags(s.Limited, same)
	e.body = append(e.body, byte(s.Status))
	e.int(int64(s.Version))
	e.str(string(s.ID))
	if !same {
		e.str(string(s.LogicalID))
	}
	e.str(s.Home)
	e.textOf(s.Title)
	e.textOf(s.Comments)
	e.authors(s.Authors)
	e.code(&s.ContentType)
	e.strings(s.Recipients)
	e.str(string(s.PatientID))
	e.str(s.SourceID)
	e.str(string(s.SubmissionTime))
	e.str(s.UniqueID)
	e.slots(s.Extra)
	e.uuid(s.PatientIDRef)
	e.uuid(s.SourceIDRef)
	e.uuid(s.UniqueIDRef)
}

func (e *Encoder) folder(f *metadata.Folder) {
	same := f.LogicalID == f.ID
	e.flags(f.Limited, same)
	e.body = append(e.body, byte(f.Status))
	e.int(int64(f.Version))
	e.str(string(f.ID))
	if !same {
		e.str(string(f.LogicalID))
	}
	e.str(f.Home)
	e.textOf(f.Title)
	e.textOf(f.Comments)
	e.codes(f.Codes)
	e.str(string(f.LastUpdateTime))
	e.str(string(f.PatientID))
	e.str(f.UniqueID)
	e.slots(f.Extra)
	e.uuid(f.PatientIDRef)
	e.uuid(f.UniqueIDRef)
}

func (e *Encoder) association(a *metadata.Association) {
	e.flags(a.Documentation != nil)
	e.body = append(e.body, byte(a.Status), byte(a.Membership))
	e.str(string(a.ID))
	e.str(string(a.Type))
	e.str(string(a.Source))
	e.str(string(a.Target))
	e.str(a.Home)
	e.str(a.PreviousVersion)
	e.str(a.OriginalStatus)
	e.str(a.NewStatus)
	e.str(a.Propagation)
	if a.Documentation != nil {
		e.code(a.Documentation)
	}
	e.slots(a.Extra)
}

// textOf writes the number of texts, and for each value, language, charset.
func (e *Encoder) textOf(t metadata.Text) {
	e.count(len(t))
	e.texts(t)
}

func (e *Encoder) texts(t metadata.Text) {
	for i := range t {
		e.str(t[i].Value)
		e.str(t[i].Lang)
		e.str(t[i].Charset)
	}
}

// code writes 0 for the zero Code; otherwise (texts+1)<<1 | has an id, value,
// scheme, texts, id.
func (e *Encoder) code(c *metadata.Code) {
	hasID := !c.ID.IsZero()
	if c.Value == "" && c.Scheme == "" && len(c.Display) == 0 && !hasID {
		e.count(0)
		return
	}
	head := (len(c.Display) + 1) << 1
	if hasID {
		head |= 1
	}
	e.count(head)
	e.str(c.Value)
	e.str(c.Scheme)
	e.texts(c.Display)
	if hasID {
		e.body = append(e.body, c.ID[:]...)
	}
}

func (e *Encoder) codes(codes []metadata.Code) {
	e.count(len(codes))
	for i := range codes {
		e.code(&codes[i])
	}
}

func (e *Encoder) authors(authors []metadata.Author) {
	e.count(len(authors))
	for i := range authors {
		a := &authors[i]
		e.str(string(a.Person))
		write(e, a.Institutions)
		e.strings(a.Roles)
		e.strings(a.Specialties)
		write(e, a.Telecom)
		e.slots(a.Extra)
		e.uuid(a.ID)
	}
}

func (e *Encoder) slots(slots []metadata.Slot) {
	e.count(len(slots))
	for i := range slots {
		e.str(slots[i].Name)
		e.strings(slots[i].Values)
	}
}

func (e *Encoder) strings(values []string) { write(e, values) }

func write[S ~string](e *Encoder, values []S) {
	e.count(len(values))
	for _, v := range values {
		e.str(string(v))
	}
}

// uuid writes 0, or 1 and the bytes.
func (e *Encoder) uuid(u metadata.UUID) {
	if u.IsZero() {
		e.body = append(e.body, 0)
		return
	}
	e.body = append(e.body, 1)
	e.body = append(e.body, u[:]...)
}
