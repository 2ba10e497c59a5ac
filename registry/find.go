package registry

import (
	"context"
	"iter"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// Find answers a stored query (ITI-18, ITI-51), each object once; searches by patient in
// the order of registration and without holding the answer in memory. Hidden
// entries are left out, and associations that lead to them.
//
// An error ends the sequence, and then nothing of what was yielded before may
// leave. Errors are *fault.Error.
func (r *Registry) Find(ctx context.Context, t access.Tenant, q metadata.StoredQuery, hide access.Restriction) iter.Seq2[storage.Placed, error] {
	return func(yield func(storage.Placed, error) bool) {
		a := &answer{ctx: ctx, Registry: r, tenant: t, query: &q, hide: hide, yield: yield, limit: r.limits.LeafClass, named: "limits.query-leafclass"}
		if q.Return == metadata.ObjectRef {
			a.limit, a.named = r.limits.ObjectRefs, "limits.query-objectrefs"
		}
		if err := a.run(q.Query); err != nil && !a.ended {
			yield(storage.Placed{}, broken("registry.Find", err))
		}
	}
}

// answer is one stored query under way.
type answer struct {
	*Registry
	ctx    context.Context
	tenant access.Tenant
	query  *metadata.StoredQuery
	hide   access.Restriction
	yield  func(storage.Placed, error) bool
	limit  int
	named  string // the setting that limit comes from
	shown  int
	ended  bool // the consumer wants no more
}

// run answers one of the queries of ITI TF-2 3.18.4.1.2.3.7.
func (a *answer) run(q metadata.Query) error {
	switch q := q.(type) {
	case *metadata.FindDocuments:
		return a.byPatient(q.Patient, storage.Filter{Documents: &q.Filter})
	case *metadata.FindDocumentsByReferenceID:
		return a.byPatient(q.Patient, storage.Filter{Documents: &q.Filter})
	case *metadata.FindSubmissionSets:
		return a.byPatient(q.Patient, storage.Filter{SubmissionSets: &q.Filter})
	case *metadata.FindFolders:
		return a.byPatient(q.Patient, storage.Filter{Folders: &q.Filter})
	case *metadata.GetAll:
		return a.getAll(q)
	case *metadata.GetDocuments:
		return a.getDocuments(q)
	case *metadata.GetFolders:
		return a.getFolders(q)
	case *metadata.GetAssociations:
		return a.getAssociations(q)
	case *metadata.GetDocumentsAndAssociations:
		return a.getDocumentsAndAssociations(q)
	case *metadata.GetSubmissionSets:
		return a.getSubmissionSets(q)
	case *metadata.GetSubmissionSetAndContents:
		return a.getSubmissionSetAndContents(q)
	case *metadata.GetFolderAndContents:
		return a.getFolderAndContents(q)
	case *metadata.GetFoldersForDocument:
		return a.getFoldersForDocument(q)
	case *metadata.GetRelatedDocuments:
		return a.getRelatedDocuments(q)
	case *metadata.FindDocumentsForMultiplePatients:
		return a.across(q.Patients, "$XDSDocumentEntryCreationTime", q.Filter.Creation, storage.Filter{Documents: &q.Filter})
	case *metadata.FindFoldersForMultiplePatients:
		return a.across(q.Patients, "$XDSFolderLastUpdateTime", q.Filter.LastUpdate, storage.Filter{Folders: &q.Filter})
	}
	return fault.New(fault.Invalid, "registry.Find", fault.UnknownStoredQuery, "This registry does not know the stored query.")
}

// show yields one object of the answer. It returns false when there is nothing
// more to do, and an error when the answer became too large.
func (a *answer) show(p storage.Placed) (bool, error) {
	if a.shown++; a.shown > a.limit {
		return false, a.tooMany()
	}
	if !a.yield(p, nil) {
		a.ended = true
		return false, nil
	}
	return true, nil
}

func (a *answer) showAll(lists ...[]storage.Placed) error {
	for _, list := range lists {
		for i := range list {
			if more, err := a.show(list[i]); !more {
				return err
			}
		}
	}
	return nil
}

// visible tells whether an object that was found may be shown at all: it is of
// the asked community, not hidden from the caller, and not withheld at
// $MetadataLevel 1 (ITI TF-2 3.18.4.1.2.3.8; Metadata Update 3.18.4.1.2.3.5.1.1):
// superseded versions, documents that are offline, deprecated folders.
func (a *answer) visible(p storage.Placed) bool {
	if p.Superseded && a.query.Level != 2 {
		return false
	}
	switch o := p.Object.(type) {
	case *metadata.DocumentEntry:
		return a.ofCommunity(o.Home) && !hidden(o, a.hide) &&
			(a.query.Level == 2 || o.Availability != metadata.AvailabilityOffline || a.asksAvailability())
	case *metadata.SubmissionSet:
		return a.ofCommunity(o.Home)
	case *metadata.Folder:
		return a.ofCommunity(o.Home) && (a.query.Level == 2 || o.Status != metadata.Deprecated || a.asksFolderStatus())
	}
	return true
}

// ofCommunity: an object without home is of this community; a registry that was
// given no home cannot tell.
func (a *answer) ofCommunity(home string) bool {
	if home == "" {
		home = a.home
	}
	return a.query.Home == "" || home == "" || home == a.query.Home
}

// asksAvailability: whoever names the availability wants what he names.
func (a *answer) asksAvailability() bool {
	switch q := a.query.Query.(type) {
	case *metadata.FindDocuments:
		return len(q.Filter.Availability) > 0
	case *metadata.FindDocumentsByReferenceID:
		return len(q.Filter.Availability) > 0
	case *metadata.FindDocumentsForMultiplePatients:
		return len(q.Filter.Availability) > 0
	}
	return false
}

// asksFolderStatus: $XDSFolderStatus governs where the query has it.
func (a *answer) asksFolderStatus() bool {
	switch a.query.Query.(type) {
	case *metadata.FindFolders, *metadata.GetAll, *metadata.FindFoldersForMultiplePatients:
		return true
	}
	return false
}

// hidden tells whether the entry carries a code that the caller may not see.
func hidden(e *metadata.DocumentEntry, hide access.Restriction) bool {
	for i := range hide.WithoutCodes {
		for j := range e.Confidential {
			if e.Confidential[j].Ref().Same(hide.WithoutCodes[i]) {
				return true
			}
		}
	}
	return false
}

// onePatient holds the single-patient rule: the sets, entries and folders of a
// LeafClass answer are of one patient (ITI TF-2 3.18.4.1.2.3.7, footnotes of the
// Get queries).
type onePatient struct {
	stream storage.Stream
}

func (o *onePatient) see(p storage.Placed) error {
	if is[*metadata.Association](p.Object) || p.Stream == o.stream {
		return nil
	}
	if o.stream == (storage.Stream{}) {
		o.stream = p.Stream
		return nil
	}
	return fault.New(fault.Invalid, "registry.Find", fault.ResultNotSinglePatient,
		"The answer would hold metadata of more than one patient. Ask for ObjectRef, or for one patient's objects at a time.")
}

func (a *answer) singlePatient(lists ...[]storage.Placed) error {
	if a.query.Return == metadata.ObjectRef {
		return nil
	}
	var one onePatient
	for _, list := range lists {
		for i := range list {
			if err := one.see(list[i]); err != nil {
				return err
			}
		}
	}
	return nil
}
