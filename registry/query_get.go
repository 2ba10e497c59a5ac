package registry

import (
	"slices"

	"samdok/metadata"
	"samdok/storage"
)

// getDocuments: entries of any status and kind; one uniqueId may name several
// (ITI TF-2 3.18.4.1.2.3.7.5).
func (a *answer) getDocuments(q *metadata.GetDocuments) error {
	found, err := named[*metadata.DocumentEntry](a, q.Documents)
	if err != nil {
		return err
	}
	return a.showOnePatient(found)
}

// getFolders: ITI TF-2 3.18.4.1.2.3.7.6.
func (a *answer) getFolders(q *metadata.GetFolders) error {
	found, err := named[*metadata.Folder](a, q.Folders)
	if err != nil {
		return err
	}
	return a.showOnePatient(found)
}

// getAssociations: associations with one of the ids at an end (ITI TF-2
// 3.18.4.1.2.3.7.7). The single-patient rule is about the named objects.
func (a *answer) getAssociations(q *metadata.GetAssociations) error {
	if a.query.Return == metadata.LeafClass {
		one := onePatient{}
		if err := a.eachObject(q.IDs, one.see); err != nil {
			return err
		}
	}
	return a.associationsOf(q.IDs, q.AssociationStatus, nil, func(p storage.Placed) error {
		_, err := a.show(p)
		return err
	})
}

// getDocumentsAndAssociations: entries and the associations with one of them at
// an end (ITI TF-2 3.18.4.1.2.3.7.8).
func (a *answer) getDocumentsAndAssociations(q *metadata.GetDocumentsAndAssociations) error {
	found, err := named[*metadata.DocumentEntry](a, q.Documents)
	if err != nil {
		return err
	}
	if err := a.showOnePatient(found); err != nil || a.ended {
		return err
	}
	return a.associationsOf(idsOf(found), q.AssociationStatus, nil, func(p storage.Placed) error {
		_, err := a.show(p)
		return err
	})
}

// getSubmissionSets: the sets that have one of the ids as member, and those
// HasMember associations (ITI TF-2 3.18.4.1.2.3.7.9).
func (a *answer) getSubmissionSets(q *metadata.GetSubmissionSets) error {
	named := set(q.IDs)
	members, err := a.associations(q.IDs, a.statuses(), func(m *metadata.Association) bool {
		return m.Type == metadata.HasMember && named[m.Target]
	})
	if err != nil {
		return err
	}
	sets, err := a.objects(ends(members, source), is[*metadata.SubmissionSet])
	if err != nil {
		return err
	}
	if err := a.singlePatient(sets); err != nil {
		return err
	}
	return a.showAll(sets, from(members, set(idsOf(sets))))
}

// getSubmissionSetAndContents: the set, its entries that pass the filters, its
// folders, those of its associations that connect two of these, and the
// HasMember associations to all of them (ITI TF-2 3.18.4.1.2.3.7.10).
func (a *answer) getSubmissionSetAndContents(q *metadata.GetSubmissionSetAndContents) error {
	sets, err := named[*metadata.SubmissionSet](a, q.Set)
	if err != nil || len(sets) == 0 {
		return err
	}
	ids := set(idsOf(sets))
	members, err := a.associations(idsOf(sets), a.statuses(), func(m *metadata.Association) bool {
		return m.Type == metadata.HasMember && ids[m.Source]
	})
	if err != nil {
		return err
	}
	objects, err := a.objects(ends(members, target), func(o metadata.Object) bool {
		e, ok := o.(*metadata.DocumentEntry)
		return !ok || q.Members.Match(e)
	})
	if err != nil {
		return err
	}
	nested, contents := split(objects)
	for _, id := range idsOf(contents) {
		ids[id] = true
	}
	if nested, err = a.conceal(nested); err != nil {
		return err
	}
	nested = slices.DeleteFunc(nested, func(p storage.Placed) bool {
		m := p.Object.(*metadata.Association)
		return !a.wants(m, a.statuses()) || !ids[m.Source] || !ids[m.Target]
	})
	for _, id := range idsOf(nested) {
		ids[id] = true
	}
	members = slices.DeleteFunc(members, func(p storage.Placed) bool {
		return !ids[p.Object.(*metadata.Association).Target]
	})
	if err := a.singlePatient(sets, contents); err != nil {
		return err
	}
	return a.showAll(sets, contents, members, nested)
}

// getFolderAndContents: the folder, its entries that pass the filters and the
// HasMember associations to them (ITI TF-2 3.18.4.1.2.3.7.11).
func (a *answer) getFolderAndContents(q *metadata.GetFolderAndContents) error {
	folders, err := named[*metadata.Folder](a, q.Folder)
	if err != nil || len(folders) == 0 {
		return err
	}
	ids := set(idsOf(folders))
	members, err := a.associations(idsOf(folders), q.AssociationStatus, func(m *metadata.Association) bool {
		return m.Type == metadata.HasMember && ids[m.Source]
	})
	if err != nil {
		return err
	}
	documents, err := a.objects(ends(members, target), passing(&q.Members))
	if err != nil {
		return err
	}
	if err := a.singlePatient(folders, documents); err != nil {
		return err
	}
	shown := set(idsOf(documents))
	members = slices.DeleteFunc(members, func(p storage.Placed) bool {
		return !shown[p.Object.(*metadata.Association).Target]
	})
	return a.showAll(folders, documents, members)
}

// getFoldersForDocument: the folders that hold the entry (ITI TF-2
// 3.18.4.1.2.3.7.12).
func (a *answer) getFoldersForDocument(q *metadata.GetFoldersForDocument) error {
	documents, err := named[*metadata.DocumentEntry](a, q.Document)
	if err != nil {
		return err
	}
	ids := set(idsOf(documents))
	members, err := a.associations(idsOf(documents), q.AssociationStatus, func(m *metadata.Association) bool {
		return m.Type == metadata.HasMember && ids[m.Target]
	})
	if err != nil {
		return err
	}
	folders, err := a.objects(ends(members, source), is[*metadata.Folder])
	if err != nil {
		return err
	}
	return a.showAll(folders)
}

// getRelatedDocuments: associations of the wanted types between the entry and
// another one, and the entries at both their ends, the given one included; when
// there is no association, nothing (ITI TF-2 3.18.4.1.2.3.7.13).
func (a *answer) getRelatedDocuments(q *metadata.GetRelatedDocuments) error {
	given, err := named[*metadata.DocumentEntry](a, q.Document)
	if err != nil {
		return err
	}
	related, err := a.associations(idsOf(given), q.AssociationStatus, func(m *metadata.Association) bool {
		return slices.Contains(q.Types, m.Type)
	})
	if err != nil {
		return err
	}
	documents, err := a.objects(append(ends(related, source), ends(related, target)...), passing(&metadata.MemberFilter{Kinds: q.Kinds}))
	if err != nil {
		return err
	}
	ids := set(idsOf(documents))
	related = slices.DeleteFunc(related, func(p storage.Placed) bool {
		m := p.Object.(*metadata.Association)
		return !ids[m.Source] || !ids[m.Target]
	})
	// An entry whose only associations lead to entries of another kind is not
	// related to anything that is shown.
	connected := set(append(ends(related, source), ends(related, target)...))
	documents = slices.DeleteFunc(documents, func(p storage.Placed) bool { return !connected[p.Object.ObjectID()] })
	return a.showAll(documents, related)
}

func (a *answer) showOnePatient(found []storage.Placed) error {
	if err := a.singlePatient(found); err != nil {
		return err
	}
	return a.showAll(found)
}

// passing keeps the entries that a filter selects.
func passing(f *metadata.MemberFilter) func(metadata.Object) bool {
	return func(o metadata.Object) bool {
		e, ok := o.(*metadata.DocumentEntry)
		return ok && f.Match(e)
	}
}

// split tells associations from other objects.
func split(list []storage.Placed) (associations, others []storage.Placed) {
	for _, p := range list {
		if is[*metadata.Association](p.Object) {
			associations = append(associations, p)
		} else {
			others = append(others, p)
		}
	}
	return associations, others
}

func source(m *metadata.Association) metadata.ID { return m.Source }
func target(m *metadata.Association) metadata.ID { return m.Target }

// ends are the ids at one end of associations, each once.
func ends(list []storage.Placed, end func(*metadata.Association) metadata.ID) []metadata.ID {
	ids := make([]metadata.ID, 0, len(list))
	for _, p := range list {
		ids = append(ids, end(p.Object.(*metadata.Association)))
	}
	return unique(ids)
}

// from keeps the associations that start at one of ids.
func from(list []storage.Placed, ids map[metadata.ID]bool) []storage.Placed {
	return slices.DeleteFunc(list, func(p storage.Placed) bool { return !ids[p.Object.(*metadata.Association).Source] })
}

func set(ids []metadata.ID) map[metadata.ID]bool {
	s := make(map[metadata.ID]bool, len(ids))
	for _, id := range ids {
		s[id] = true
	}
	return s
}
