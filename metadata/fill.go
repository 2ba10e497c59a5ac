package metadata

// FillIDs gives ids to an object's classifications and external identifiers that
// have none.
func FillIDs(o Object) {
	switch o := o.(type) {
	case *DocumentEntry:
		fill(&o.PatientIDRef, &o.UniqueIDRef, &o.ClassCode.ID, &o.TypeCode.ID, &o.FormatCode.ID, &o.Facility.ID, &o.Practice.ID)
		fillAuthors(o.Authors)
		fillCodes(o.Confidential)
		fillCodes(o.EventCodes)
	case *SubmissionSet:
		fill(&o.PatientIDRef, &o.SourceIDRef, &o.UniqueIDRef, &o.ContentType.ID)
		fillAuthors(o.Authors)
	case *Folder:
		fill(&o.PatientIDRef, &o.UniqueIDRef)
		fillCodes(o.Codes)
	case *Association:
		if o.Documentation != nil {
			fill(&o.Documentation.ID)
		}
	}
}

func fill(ids ...*UUID) {
	for _, id := range ids {
		if id.IsZero() {
			*id = NewUUID()
		}
	}
}

func fillCodes(codes []Code) {
	for i := range codes {
		fill(&codes[i].ID)
	}
}

func fillAuthors(authors []Author) {
	for i := range authors {
		fill(&authors[i].ID)
	}
}
