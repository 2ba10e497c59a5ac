package metadata

import "slices"

// Clone copies the entry so that changing one leaves the other alone. Strings
// are shared.
func (e *DocumentEntry) Clone() *DocumentEntry {
	c := *e
	c.Title, c.Comments = slices.Clone(e.Title), slices.Clone(e.Comments)
	c.Authors = cloneAuthors(e.Authors)
	for _, code := range [...]*Code{&c.ClassCode, &c.TypeCode, &c.FormatCode, &c.Facility, &c.Practice} {
		code.Display = slices.Clone(code.Display)
	}
	c.Confidential, c.EventCodes = cloneCodes(e.Confidential), cloneCodes(e.EventCodes)
	c.SourcePatientInfo = slices.Clone(e.SourcePatientInfo)
	c.ReferenceIDs = slices.Clone(e.ReferenceIDs)
	c.Extra = cloneSlots(e.Extra)
	return &c
}

// Clone copies the set; see DocumentEntry.Clone.
func (s *SubmissionSet) Clone() *SubmissionSet {
	c := *s
	c.Title, c.Comments = slices.Clone(s.Title), slices.Clone(s.Comments)
	c.Authors = cloneAuthors(s.Authors)
	c.ContentType.Display = slices.Clone(s.ContentType.Display)
	c.Recipients = slices.Clone(s.Recipients)
	c.Extra = cloneSlots(s.Extra)
	return &c
}

// Clone copies the folder; see DocumentEntry.Clone.
func (f *Folder) Clone() *Folder {
	c := *f
	c.Title, c.Comments = slices.Clone(f.Title), slices.Clone(f.Comments)
	c.Codes = cloneCodes(f.Codes)
	c.Extra = cloneSlots(f.Extra)
	return &c
}

// Clone copies the association; see DocumentEntry.Clone.
func (a *Association) Clone() *Association {
	c := *a
	if a.Documentation != nil {
		d := *a.Documentation
		d.Display = slices.Clone(d.Display)
		c.Documentation = &d
	}
	c.Extra = cloneSlots(a.Extra)
	return &c
}

// Clone copies the submission and everything in it.
func (s *Submission) Clone() *Submission {
	c := &Submission{
		Set:          *s.Set.Clone(),
		Entries:      slices.Clone(s.Entries),
		Folders:      slices.Clone(s.Folders),
		Associations: slices.Clone(s.Associations),
	}
	for i, e := range c.Entries {
		c.Entries[i] = e.Clone()
	}
	for i, f := range c.Folders {
		c.Folders[i] = f.Clone()
	}
	for i, a := range c.Associations {
		c.Associations[i] = a.Clone()
	}
	return c
}

// CloneObject copies any object.
func CloneObject(o Object) Object {
	switch o := o.(type) {
	case *DocumentEntry:
		return o.Clone()
	case *SubmissionSet:
		return o.Clone()
	case *Folder:
		return o.Clone()
	case *Association:
		return o.Clone()
	}
	return nil
}

func cloneCodes(codes []Code) []Code {
	c := slices.Clone(codes)
	for i := range c {
		c[i].Display = slices.Clone(c[i].Display)
	}
	return c
}

func cloneAuthors(authors []Author) []Author {
	c := slices.Clone(authors)
	for i := range c {
		a := &c[i]
		a.Institutions, a.Telecom = slices.Clone(a.Institutions), slices.Clone(a.Telecom)
		a.Roles, a.Specialties = slices.Clone(a.Roles), slices.Clone(a.Specialties)
		a.Extra = cloneSlots(a.Extra)
	}
	return c
}

func cloneSlots(slots []Slot) []Slot {
	c := slices.Clone(slots)
	for i := range c {
		c[i].Values = slices.Clone(c[i].Values)
	}
	return c
}
