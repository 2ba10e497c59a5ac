package metadata

import "unsafe"

// Weight is about how many octets of memory an object takes: itself, its lists and
// its strings.
func Weight(o Object) int {
	switch o := o.(type) {
	case *DocumentEntry:
		return o.weight()
	case *SubmissionSet:
		return int(unsafe.Sizeof(*o)) + len(o.ID) + len(o.LogicalID) + len(o.Home) + weightOfText(o.Title) + weightOfText(o.Comments) +
			weightOfAuthors(o.Authors) + weightOfCode(&o.ContentType) + weightOf(o.Recipients) + len(o.PatientID) + len(o.SourceID) +
			len(o.SubmissionTime) + len(o.UniqueID) + weightOfSlots(o.Extra)
	case *Folder:
		return int(unsafe.Sizeof(*o)) + len(o.ID) + len(o.LogicalID) + len(o.Home) + weightOfText(o.Title) + weightOfText(o.Comments) +
			weightOfCodes(o.Codes) + len(o.LastUpdateTime) + len(o.PatientID) + len(o.UniqueID) + weightOfSlots(o.Extra)
	case *Association:
		n := int(unsafe.Sizeof(*o)) + len(o.ID) + len(o.Type) + len(o.Source) + len(o.Target) + len(o.Home) + len(o.PreviousVersion) +
			len(o.OriginalStatus) + len(o.NewStatus) + len(o.Propagation) + weightOfSlots(o.Extra)
		if o.Documentation != nil {
			n += int(unsafe.Sizeof(*o.Documentation)) + weightOfCode(o.Documentation)
		}
		return n
	case *ObjectReference:
		return int(unsafe.Sizeof(*o)) + len(o.ID) + len(o.Home)
	}
	return 0
}

func (e *DocumentEntry) weight() int {
	n := int(unsafe.Sizeof(*e)) + len(e.ID) + len(e.LogicalID) + len(e.Home) + len(e.MimeType) + weightOfText(e.Title) + weightOfText(e.Comments) +
		weightOfAuthors(e.Authors) + weightOfCodes(e.Confidential) + weightOfCodes(e.EventCodes)
	for _, c := range [...]*Code{&e.ClassCode, &e.TypeCode, &e.FormatCode, &e.Facility, &e.Practice} {
		n += weightOfCode(c)
	}
	return n + len(e.CreationTime) + len(e.ServiceStart) + len(e.ServiceStop) + len(e.Hash) + len(e.Language) + len(e.LegalAuthenticator) +
		len(e.PatientID) + len(e.SourcePatientID) + weightOf(e.SourcePatientInfo) + weightOf(e.ReferenceIDs) + len(e.RepositoryID) +
		len(e.UniqueID) + len(e.URI) + len(e.Availability) + weightOfSlots(e.Extra)
}

func weightOf[S ~string](list []S) int {
	n := len(list) * int(unsafe.Sizeof(""))
	for i := range list {
		n += len(list[i])
	}
	return n
}

func weightOfText(t Text) int {
	n := len(t) * int(unsafe.Sizeof(LocalizedString{}))
	for i := range t {
		n += len(t[i].Value) + len(t[i].Lang) + len(t[i].Charset)
	}
	return n
}

// weightOfCode is that of what a code refers to, without itself.
func weightOfCode(c *Code) int { return len(c.Value) + len(c.Scheme) + weightOfText(c.Display) }

func weightOfCodes(list []Code) int {
	n := len(list) * int(unsafe.Sizeof(Code{}))
	for i := range list {
		n += weightOfCode(&list[i])
	}
	return n
}

func weightOfSlots(list []Slot) int {
	n := len(list) * int(unsafe.Sizeof(Slot{}))
	for i := range list {
		n += len(list[i].Name) + weightOf(list[i].Values)
	}
	return n
}

func weightOfAuthors(list []Author) int {
	n := len(list) * int(unsafe.Sizeof(Author{}))
	for i := range list {
		a := &list[i]
		n += len(a.Person) + weightOf(a.Institutions) + weightOf(a.Roles) + weightOf(a.Specialties) + weightOf(a.Telecom) + weightOfSlots(a.Extra)
	}
	return n
}
