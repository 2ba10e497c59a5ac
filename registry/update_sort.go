package registry

import (
	"strconv"
	"strings"

	"samdok/fault"
	"samdok/metadata"
)

// sort tells the operations of a request apart by their triggers (XDS Metadata
// Update, ITI TF-2 3.57.4.1.3.1): associations that start at the submission set.
func (u *update) sort() {
	set := u.sub.Set.ID
	for _, a := range u.sub.Associations {
		if a.Source != set {
			continue
		}
		switch {
		case u.restricted && (a.Type == metadata.UpdateStatus || a.Type == metadata.SubmitAssociation):
			u.early(a.ID, fault.UnmodifiableMetadata, "A restricted update (ITI-92) changes attributes of DocumentEntries only; ask an administrator for an update by ITI-57.")
		case a.Type == metadata.HasMember:
			u.sortMember(a)
		case a.Type == metadata.UpdateStatus:
			u.sortStatus(a)
		case a.Type == metadata.SubmitAssociation:
			u.sortSubmit(a)
		default:
			u.early(a.ID, fault.MetadataUpdateOperation, "An association of type %s does not start at a SubmissionSet.", quoted(string(a.Type)))
		}
	}
	u.unasked()
	u.twice()
	if len(u.revisions)+len(u.statuses)+len(u.submitted) == 0 && !fault.HasErrors(u.before) {
		u.early(set, fault.MetadataUpdateOperation, "The request asks for no change. A new version has a HasMember with PreviousVersion, a status an UpdateAvailabilityStatus, a new association a SubmitAssociation.")
	}
}

// sortMember: HasMember with PreviousVersion to an object of the request is a new
// version.
func (u *update) sortMember(a *metadata.Association) {
	o := u.local[a.Target]
	id := a.Target
	switch o.(type) {
	case *metadata.DocumentEntry, *metadata.Folder:
	case *metadata.Association:
		u.early(a.ID, fault.MetadataUpdateOperation, "A new association is asked for with a SubmitAssociation from the SubmissionSet, not with HasMember.")
		return
	default:
		u.early(a.ID, fault.MetadataUpdateOperation, "HasMember leads to '%s', which is no new version in this request.", u.name(id))
		return
	}
	rev := &revision{link: a, object: o, stated: o.ObjectStatus(), propagate: true}
	lid := metadata.LogicalIDOf(o)
	if _, ok := lid.UUID(); !ok && lid != "" {
		u.early(id, fault.MetadataUpdateOperation, "The logical id %s is not a UUID; write the lid of the registered object.", quoted(string(lid)))
		return
	}
	if lid == "" || lid == id {
		u.early(id, fault.InvalidRequest, "A first version cannot be registered by an update; send the lid of the registered object, or register a new one with ITI-41 or ITI-42.")
		return
	}
	if _, ok := o.(*metadata.Folder); ok && u.restricted {
		u.early(id, fault.UnmodifiableMetadata, "A restricted update (ITI-92) changes DocumentEntries only, no Folders.")
		return
	}
	if !u.annotated(a, rev) {
		return
	}
	if u.byLocal[id] != nil {
		u.early(id, fault.MetadataUpdateOperation, "Two HasMember associations lead to the new version; send one.")
		return
	}
	u.byLocal[id] = rev
	u.revisions = append(u.revisions, rev)
}

// annotated reads the slots of the HasMember that say how to update.
func (u *update) annotated(a *metadata.Association, rev *revision) bool {
	code := fault.MetadataUpdateOperation
	if u.restricted {
		code = fault.MetadataAnnotationError
	}
	if a.PreviousVersion == "" {
		u.early(a.Target, code, "The HasMember to the new version lacks the Slot PreviousVersion; write the number of the version that it replaces.")
		return false
	}
	if _, err := strconv.Atoi(strings.TrimSpace(a.PreviousVersion)); err != nil {
		u.early(a.Target, code, "PreviousVersion is %s; write the number of the version that the new one replaces.", quoted(a.PreviousVersion))
		return false
	}
	switch strings.ToLower(a.Propagation) {
	case "", "yes":
	case "no":
		rev.propagate = false
	default:
		u.early(a.Target, code, "AssociationPropagation is %s; write yes or no.", quoted(a.Propagation))
	}
	return true
}

func (u *update) sortStatus(a *metadata.Association) {
	u.drop(a)
	s := &statusChange{link: a, from: metadata.ParseStatus(a.OriginalStatus), to: metadata.ParseStatus(a.NewStatus)}
	switch {
	case a.OriginalStatus == "" || a.NewStatus == "":
		u.early(a.ID, fault.MetadataUpdateOperation, "UpdateAvailabilityStatus needs the Slots OriginalStatus and NewStatus.")
		return
	case s.from == metadata.StatusUnknown:
		u.early(a.ID, fault.MetadataUpdateError, "OriginalStatus %s is unknown; write %s or %s.", quoted(a.OriginalStatus), metadata.Approved.URN(), metadata.Deprecated.URN())
		return
	case s.to == metadata.StatusUnknown:
		u.early(a.ID, fault.MetadataUpdateError, "NewStatus %s is unknown; write %s or %s.", quoted(a.NewStatus), metadata.Approved.URN(), metadata.Deprecated.URN())
		return
	}
	u.statuses = append(u.statuses, s)
}

func (u *update) sortSubmit(a *metadata.Association) {
	u.drop(a)
	asked, ok := u.local[a.Target].(*metadata.Association)
	if !ok || asked.Source == u.sub.Set.ID {
		u.early(a.ID, fault.MetadataUpdateOperation, "SubmitAssociation leads to '%s', which is no new association of Folders or DocumentEntries in this request.", u.name(a.Target))
		return
	}
	for _, had := range u.submitted {
		if had.ID == asked.ID {
			u.early(asked.ID, fault.MetadataUpdateOperation, "Two SubmitAssociations ask for the association; send one.")
			return
		}
	}
	u.submitted = append(u.submitted, asked)
}

// drop marks an association that is not kept: it only says what to do.
func (u *update) drop(a *metadata.Association) {
	u.dropped = append(u.dropped, a.ID)
	delete(u.ids, u.name(a.ID))
}

// unasked reports objects that no operation is about.
func (u *update) unasked() {
	asked := make(map[metadata.ID]bool)
	for _, a := range u.sub.Associations {
		if a.Source == u.sub.Set.ID {
			asked[a.Target] = true
		}
	}
	report := func(class string, id metadata.ID) {
		if !asked[id] {
			u.early(id, fault.MetadataUpdateOperation, "%s '%s': no association from the SubmissionSet says what to do with it.", class, u.name(id))
		}
	}
	for _, e := range u.sub.Entries {
		report("DocumentEntry", e.ID)
	}
	for _, f := range u.sub.Folders {
		report("Folder", f.ID)
	}
	for _, a := range u.sub.Associations {
		if a.Source != u.sub.Set.ID {
			report("Association", a.ID)
		}
	}
}

// twice: a logical object gets one new version and one new status at most.
func (u *update) twice() {
	lids, targets := make(map[metadata.ID]bool), make(map[metadata.ID]bool)
	for _, rev := range u.revisions {
		lid := metadata.LogicalIDOf(rev.object)
		if lids[lid] {
			u.early(rev.object.ObjectID(), fault.MetadataUpdateError, "Two new versions of '%s' are in one request; send them one after the other.", lid)
		}
		lids[lid] = true
	}
	for _, s := range u.statuses {
		if targets[s.link.Target] {
			u.early(s.link.ID, fault.MetadataUpdateError, "The status of '%s' is changed twice in one request.", u.name(s.link.Target))
		}
		targets[s.link.Target] = true
	}
}

// quoted shows a value that the sender sent, shortened.
func quoted(s string) string {
	const most = 120
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return "'" + s + "'"
}
