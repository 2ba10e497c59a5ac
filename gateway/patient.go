package gateway

import "samdok/metadata"

// patientOf is the patient id that a query names; nil for queries by object.
func patientOf(q metadata.Query) *metadata.CX {
	switch q := q.(type) {
	case *metadata.FindDocuments:
		return &q.Patient
	case *metadata.FindDocumentsByReferenceID:
		return &q.Patient
	case *metadata.FindSubmissionSets:
		return &q.Patient
	case *metadata.FindFolders:
		return &q.Patient
	case *metadata.GetAll:
		return &q.Patient
	}
	return nil
}

// withPatient is a copy of a query about another patient id.
func withPatient(q metadata.Query, id metadata.CX) metadata.Query {
	var copied metadata.Query
	switch q := q.(type) {
	case *metadata.FindDocuments:
		c := *q
		copied = &c
	case *metadata.FindDocumentsByReferenceID:
		c := *q
		copied = &c
	case *metadata.FindSubmissionSets:
		c := *q
		copied = &c
	case *metadata.FindFolders:
		c := *q
		copied = &c
	case *metadata.GetAll:
		c := *q
		copied = &c
	default:
		return q
	}
	*patientOf(copied) = id
	return copied
}
