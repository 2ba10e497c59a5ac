package encoding

import "samdok/metadata"

// flags reads a byte of up to n bits.
func (c *cursor) flags(n int) byte {
	f := c.byte()
	if f>>n != 0 {
		c.fail()
	}
	return f
}

func (c *cursor) documentEntry(d *metadata.DocumentEntry) {
	f := c.flags(3)
	d.Limited = f&1 != 0
	d.Status, d.Kind = metadata.Status(c.byte()), metadata.EntryKind(c.byte())
	d.Version = int(c.varint())
	d.ID, d.LogicalID = c.ids(f&4 != 0)
	d.Home = c.str()
	d.MimeType = c.str()
	d.Title = c.text()
	d.Comments = c.text()
	d.Authors = c.authorList()
	c.code(&d.ClassCode)
	c.code(&d.TypeCode)
	c.code(&d.FormatCode)
	c.code(&d.Facility)
	c.code(&d.Practice)
	d.Confidential = c.codeList()
	d.EventCodes = c.codeList()
	d.CreationTime = metadata.DTM(c.str())
	d.ServiceStart = metadata.DTM(c.str())
	d.ServiceStop = metadata.DTM(c.str())
	d.Hash = c.str()
	if f&2 != 0 {
		d.Size = metadata.Octets(c.varint())
	}
	d.Language = c.str()
	d.LegalAuthenticator = metadata.XCN(c.str())
	d.PatientID = metadata.CX(c.str())
	d.SourcePatientID = metadata.CX(c.str())
	d.SourcePatientInfo = list(c, &c.words)
	d.ReferenceIDs = list(c, &c.refs)
	d.RepositoryID = c.str()
	d.UniqueID = c.str()
	d.URI = c.str()
	d.Availability = c.str()
	d.Extra = c.slotList()
	d.PatientIDRef = c.optionalUUID()
	d.UniqueIDRef = c.optionalUUID()
}

func (c *cursor) submissionSet() *metadata.SubmissionSet {
	f := c.flags(2)
	s := &metadata.SubmissionSet{Limited: f&1 != 0}
	s.Status = metadata.Status(c.byte())
	s.Version = int(c.varint())
	s.ID, s.LogicalID = c.ids(f&2 != 0)
	s.Home = c.str()
	s.Title = c.text()
	s.Comments = c.text()
	s.Authors = c.authorList()
	c.code(&s.ContentType)
	s.Recipients = list(c, &c.words)
	s.PatientID = metadata.CX(c.str())
	s.SourceID = c.str()
	s.SubmissionTime = metadata.DTM(c.str())
	s.UniqueID = c.str()
	s.Extra = c.slotList()
	s.PatientIDRef = c.optionalUUID()
	s.SourceIDRef = c.optionalUUID()
	s.UniqueIDRef = c.optionalUUID()
	return s
}

func (c *cursor) folder() *metadata.Folder {
	f := c.flags(2)
	d := &metadata.Folder{Limited: f&1 != 0}
	d.Status = metadata.Status(c.byte())
	d.Version = int(c.varint())
	d.ID, d.LogicalID = c.ids(f&2 != 0)
	d.Home = c.str()
	d.Title = c.text()
	d.Comments = c.text()
	d.Codes = c.codeList()
	d.LastUpdateTime = metadata.DTM(c.str())
	d.PatientID = metadata.CX(c.str())
	d.UniqueID = c.str()
	d.Extra = c.slotList()
	d.PatientIDRef = c.optionalUUID()
	d.UniqueIDRef = c.optionalUUID()
	return d
}

func (c *cursor) association() *metadata.Association {
	f := c.flags(1)
	a := &metadata.Association{}
	a.Status, a.Membership = metadata.Status(c.byte()), metadata.Membership(c.byte())
	a.ID = metadata.ID(c.str())
	a.Type = metadata.AssociationType(c.str())
	a.Source = metadata.ID(c.str())
	a.Target = metadata.ID(c.str())
	a.Home = c.str()
	a.PreviousVersion = c.str()
	a.OriginalStatus = c.str()
	a.NewStatus = c.str()
	a.Propagation = c.str()
	if f&1 != 0 {
		a.Documentation = &metadata.Code{}
		c.code(a.Documentation)
	}
	a.Extra = c.slotList()
	return a
}

// ids reads an id and the logical id, which was left out when it is the same.
func (c *cursor) ids(same bool) (id, logical metadata.ID) {
	id = metadata.ID(c.str())
	if same {
		return id, id
	}
	return id, metadata.ID(c.str())
}

func (c *cursor) text() metadata.Text { return c.textOf(c.count(minText)) }

func (c *cursor) textOf(n int) metadata.Text {
	t := c.texts.take(n, 64)
	for i := range t {
		t[i] = metadata.LocalizedString{Value: c.str(), Lang: c.str(), Charset: c.str()}
	}
	return t
}

func (c *cursor) code(to *metadata.Code) {
	head := c.uvarint()
	if head == 0 {
		return
	}
	to.Value = c.str()
	to.Scheme = c.str()
	n := head>>1 - 1 // an odd head of 1 gives a number that is too great
	if n > uint64((c.end-c.at)/minText) {
		c.fail()
		return
	}
	to.Display = c.textOf(int(n))
	if head&1 != 0 {
		to.ID = c.uuid()
	}
}

func (c *cursor) codeList() []metadata.Code {
	list := c.codes.take(c.count(1), 32)
	for i := range list {
		c.code(&list[i])
	}
	return list
}

func (c *cursor) authorList() []metadata.Author {
	all := c.authors.take(c.count(minAuthor), 8)
	for i := range all {
		a := &all[i]
		a.Person = metadata.XCN(c.str())
		a.Institutions = list(c, &c.units)
		a.Roles = list(c, &c.words)
		a.Specialties = list(c, &c.words)
		a.Telecom = list(c, &c.phones)
		a.Extra = c.slotList()
		a.ID = c.optionalUUID()
	}
	return all
}

func (c *cursor) slotList() []metadata.Slot {
	all := c.slots.take(c.count(minSlot), 8)
	for i := range all {
		all[i] = metadata.Slot{Name: c.str(), Values: list(c, &c.words)}
	}
	return all
}

func list[S ~string](c *cursor, from *slab[S]) []S {
	list := from.take(c.count(1), 32)
	for i := range list {
		list[i] = S(c.str())
	}
	return list
}
