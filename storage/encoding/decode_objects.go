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

func (c *cursor) documentEntry() *metadata.DocumentEntry {
	f := c.flags(3)
	d := &metadata.DocumentEntry{Limited: f&1 != 0}
	d.Status, d.Kind = metadata.Status(c.byte()), metadata.EntryKind(c.byte())
	d.Version = int(c.varint())
	d.ID, d.LogicalID = c.ids(f&4 != 0)
	d.Home = c.str()
	d.MimeType = c.str()
	d.Title = c.text()
	d.Comments = c.text()
	d.Authors = c.authors()
	c.code(&d.ClassCode)
	c.code(&d.TypeCode)
	c.code(&d.FormatCode)
	c.code(&d.Facility)
	c.code(&d.Practice)
	d.Confidential = c.codes()
	d.EventCodes = c.codes()
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
	d.SourcePatientInfo = c.list()
	d.ReferenceIDs = own[metadata.CXi](c)
	d.RepositoryID = c.str()
	d.UniqueID = c.str()
	d.URI = c.str()
	d.Availability = c.str()
	d.Extra = c.slots()
	d.PatientIDRef = c.optionalUUID()
	d.UniqueIDRef = c.optionalUUID()
	return d
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
	s.Authors = c.authors()
	c.code(&s.ContentType)
	s.Recipients = c.list()
	s.PatientID = metadata.CX(c.str())
	s.SourceID = c.str()
	s.SubmissionTime = metadata.DTM(c.str())
	s.UniqueID = c.str()
	s.Extra = c.slots()
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
	d.Codes = c.codes()
	d.LastUpdateTime = metadata.DTM(c.str())
	d.PatientID = metadata.CX(c.str())
	d.UniqueID = c.str()
	d.Extra = c.slots()
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
	a.Extra = c.slots()
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

func (c *cursor) text() metadata.Text { return c.textN(c.count(minText)) }

func (c *cursor) textN(n int) metadata.Text {
	t := take(c, &c.texts, n)
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
	n := head>>1 - 1 // an odd head of 1 gives a number that is too great for any slab
	if n > uint64(c.end) {
		c.fail()
		return
	}
	to.Value = c.str()
	to.Scheme = c.str()
	to.Display = c.textN(int(n))
	if head&1 != 0 {
		to.ID = c.uuid()
	}
}

func (c *cursor) codes() []metadata.Code {
	list := take(c, &c.codeN, c.count(1))
	for i := range list {
		c.code(&list[i])
	}
	return list
}

func (c *cursor) authors() []metadata.Author {
	n := c.count(minAuthor)
	if n == 0 {
		return nil
	}
	list := make([]metadata.Author, n)
	for i := range list {
		a := &list[i]
		a.Person = metadata.XCN(c.str())
		a.Institutions = own[metadata.XON](c)
		a.Roles = c.list()
		a.Specialties = c.list()
		a.Telecom = own[metadata.XTN](c)
		a.Extra = c.slots()
		a.ID = c.optionalUUID()
	}
	return list
}

func (c *cursor) slots() []metadata.Slot {
	n := c.count(minSlot)
	if n == 0 {
		return nil
	}
	list := make([]metadata.Slot, n)
	for i := range list {
		list[i] = metadata.Slot{Name: c.str(), Values: c.list()}
	}
	return list
}

// list cuts strings from the slab.
func (c *cursor) list() []string {
	list := take(c, &c.words, c.count(1))
	for i := range list {
		list[i] = c.str()
	}
	return list
}

// own reads strings into a slice of their own.
func own[S ~string](c *cursor) []S {
	n := c.count(1)
	if n == 0 {
		return nil
	}
	list := make([]S, n)
	for i := range list {
		list[i] = S(c.str())
	}
	return list
}
