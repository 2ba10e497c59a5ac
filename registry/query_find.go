package registry

import (
	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// stream is the stream of the patient of a query. An id that cannot be read is
// the caller's mistake; an id that nobody has leads to an empty answer.
func (a *answer) stream(cx metadata.CX) (storage.Stream, error) {
	p, err := cx.Patient()
	if err != nil {
		return storage.Stream{}, fault.New(fault.Invalid, "registry.Find", fault.RegistryError, "The patient id of the query cannot be read: %v.", err)
	}
	return storage.PatientStream(p), nil
}

// byPatient answers FindDocuments, FindDocumentsByReferenceId,
// FindSubmissionSets and FindFolders (ITI TF-2 3.18.4.1.2.3.7.1-3, .14): a
// stream out of the index.
func (a *answer) byPatient(cx metadata.CX, f storage.Filter) error {
	s, err := a.stream(cx)
	if err != nil {
		return err
	}
	for p, err := range a.index.Find(a.ctx, a.tenant, s, f, a.hide) {
		if err != nil {
			return err
		}
		if !a.visible(p) {
			continue
		}
		if more, err := a.show(p); !more {
			return err
		}
	}
	return nil
}

// getAll: the patient's objects of the wanted statuses and every association
// that has one of them at an end; the other end may be missing, and the
// association may be in another patient's submission (ITI TF-2
// 3.18.4.1.2.3.7.4). Only ids are held.
func (a *answer) getAll(q *metadata.GetAll) error {
	s, err := a.stream(q.Patient)
	if err != nil {
		return err
	}
	filter := storage.Filter{
		Documents: &metadata.DocumentFilter{
			Status: q.DocumentStatus, Kinds: q.Members.Kinds,
			FormatCode: q.Members.FormatCode, Confidential: q.Members.Confidential,
		},
		SubmissionSets: &metadata.SubmissionSetFilter{Status: q.SetStatus},
		Folders:        &metadata.FolderFilter{Status: q.FolderStatus},
	}
	var ids []metadata.ID
	for p, err := range a.index.Find(a.ctx, a.tenant, s, filter, a.hide) {
		if err != nil {
			return err
		}
		if !a.visible(p) {
			continue
		}
		if more, err := a.show(p); !more {
			return err
		}
		ids = append(ids, p.Object.ObjectID())
	}
	return a.associationsOf(ids, q.AssociationStatus, nil, func(p storage.Placed) error {
		_, err := a.show(p)
		return err
	})
}
