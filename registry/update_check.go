package registry

import (
	"slices"
	"strconv"
	"strings"

	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// updateCheck is a request held against what the registry has.
type updateCheck struct {
	*update
	*view
	problems []fault.Problem
	unknown  bool // the patient is not known, or was merged into another one
	// unknownID is the error of an ITI-57 under an unknown logical id, otherType of an
	// ITI-92 with another objectType.
	unknownID, otherType fault.Code
	home                 string
}

func (c *updateCheck) report(id metadata.ID, code fault.Code, format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, located(c.name(id), code, format, args...))
	}
}

// run checks everything and makes the plan; without errors it can be appended.
func (c *updateCheck) run() *updatePlan {
	if c.repeated() {
		return nil
	}
	c.problems = append(c.problems, c.after...)
	if c.unknown {
		c.problems = append(c.problems, c.update.unknown())
	}
	c.newIDs()
	for _, rev := range c.revisions {
		c.revision(rev)
	}
	for _, s := range c.statuses {
		c.status(s)
	}
	c.oneStatus()
	if fault.HasErrors(c.problems) {
		return nil
	}
	plan := c.plan()
	for _, a := range c.submitted {
		c.submit(plan, a)
	}
	if !fault.HasErrors(c.problems) {
		c.reconcile(plan)
	}
	return plan
}

// repeated: the set's uniqueId is used by nothing else (as rule 4 of ITI-42).
func (c *updateCheck) repeated() bool {
	set := &c.sub.Set
	if set.UniqueID == "" || len(c.byUnique[set.UniqueID]) == 0 {
		return false
	}
	c.report(set.ID, fault.DuplicateUniqueID,
		"SubmissionSet '%s': the uniqueId '%s' is registered already. If this is the same request sent again, it was carried out the first time; a new one needs a new uniqueId.",
		c.name(set.ID), set.UniqueID)
	return true
}

func (c *updateCheck) newIDs() {
	for _, id := range c.given {
		if _, taken := c.objects[id]; taken || c.gone[id] {
			c.report(id, fault.RegistryMetadataError, "%s '%s': the id is registered already; a new version needs a new UUID.", className(c.local[id]), id)
		}
	}
}

// revision checks one new version (3.57.4.1.3.3.1 and .3).
func (c *updateCheck) revision(rev *revision) {
	rev.previous = storage.Placed{}
	id, lid := rev.object.ObjectID(), metadata.LogicalIDOf(rev.object)
	if c.strange(rev.object) {
		c.report(id, fault.PatientIDReconciliation, "%s '%s': the patientId is not that of the submission set; one request is about one patient.", className(rev.object), c.name(id))
	}
	previous, ok := c.newest(lid, nil)
	if home := metadata.HomeOf(rev.object); c.restricted && home != "" && home != c.home && (!ok || home != metadata.HomeOf(previous.Object)) {
		c.report(id, fault.UnknownCommunity, "%s '%s': its homeCommunityId %s is not this community's, and updates are not forwarded to others.", className(rev.object), c.name(id), home)
		return
	}
	if !ok {
		code := c.unknownID
		if c.restricted {
			code = fault.MetadataVersionError
		}
		c.report(id, code, "%s '%s': nothing is registered under the logical id '%s'.", className(rev.object), c.name(id), lid)
		return
	}
	if className(previous.Object) != className(rev.object) || metadata.UniqueIDOf(previous.Object) != metadata.UniqueIDOf(rev.object) {
		c.report(id, fault.MetadataIdentifierError, "%s '%s': the logical id '%s' belongs to a %s with the uniqueId '%s'; a new version keeps both.",
			className(rev.object), c.name(id), lid, className(previous.Object), metadata.UniqueIDOf(previous.Object))
		return
	}
	if n, err := strconv.Atoi(strings.TrimSpace(rev.link.PreviousVersion)); err != nil || n != metadata.VersionOf(previous.Object) {
		c.report(id, fault.MetadataVersionError, "%s '%s': PreviousVersion is %s, but the newest version is %d. Read it and update that.",
			className(rev.object), c.name(id), quoted(rev.link.PreviousVersion), metadata.VersionOf(previous.Object))
		return
	}
	rev.previous = previous
	switch o := rev.object.(type) {
	case *metadata.DocumentEntry:
		c.entry(rev, previous.Object.(*metadata.DocumentEntry), o)
	case *metadata.Folder:
		if previous.Object.ObjectStatus() != metadata.Approved {
			c.report(id, fault.MetadataUpdateError, "Folder '%s': the newest version is deprecated; approve it first.", c.name(id))
		}
	}
}

// entry checks what a new version of an entry may not change.
func (c *updateCheck) entry(rev *revision, old, e *metadata.DocumentEntry) {
	report := func(code fault.Code, format string, args ...any) {
		c.report(e.ID, code, "DocumentEntry '%s': "+format, append([]any{c.name(e.ID)}, args...)...)
	}
	content := !strings.EqualFold(old.Hash, e.Hash) || old.Size != e.Size
	if c.restricted {
		c.unmodifiable(rev, old, e, report)
		if content && rev.previous.Document != "" {
			report(fault.LocalPolicyRestriction, "hash and size are those of the stored document; they change with the document only.")
		}
		return
	}
	if old.Kind != e.Kind {
		report(fault.MetadataIdentifierError, "the objectType changes; a new version keeps it.")
	}
	// A document that is assembled when it is first asked for gets both then.
	if content && !(old.Size.Given && old.Size.Octets == 0 && rev.previous.Document == "") {
		report(fault.MetadataUpdateError, "hash or size differ from those of the document; replace the document instead.")
	}
}

// unmodifiable: what an Update Initiator may not change (ITI-92).
func (c *updateCheck) unmodifiable(rev *revision, old, e *metadata.DocumentEntry, report func(fault.Code, string, ...any)) {
	if c.stream != rev.previous.Stream || old.PatientID != e.PatientID {
		report(fault.PatientIDReconciliation, "the patientId changes; a restricted update keeps it.")
	}
	if old.Kind != e.Kind {
		report(c.otherType, "objectType changes; a restricted update keeps it.")
	}
	for _, a := range []struct {
		name string
		same bool
	}{
		{"availabilityStatus", rev.stated == metadata.StatusUnknown || rev.stated == old.Status},
		{"documentAvailability", old.Availability == e.Availability},
		{"repositoryUniqueId", old.RepositoryID == e.RepositoryID},
		{"sourcePatientId", old.SourcePatientID == e.SourcePatientID},
	} {
		if !a.same {
			report(fault.UnmodifiableMetadata, "%s changes; a restricted update keeps it.", a.name)
		}
	}
}

// strange: the object is not of the submission set's patient. Ids that cannot be
// read were reported before.
func (c *updateCheck) strange(o metadata.Object) bool {
	cx := patientCX(o)
	if cx == c.sub.Set.PatientID {
		return false
	}
	p, err := cx.Patient()
	return err == nil && storage.PatientStream(p) != c.stream
}

// status checks one change of a status (3.57.4.1.3.3.2, .4 and .5).
func (c *updateCheck) status(s *statusChange) {
	s.target, s.revised = storage.Placed{}, c.byLocal[s.link.Target]
	id := s.link.ID
	if s.revised == nil {
		p, ok := c.objects[s.link.Target]
		if !ok {
			c.report(id, fault.UnresolvedReference, "The object '%s' whose status shall change is not registered.", c.name(s.link.Target))
			return
		}
		for _, rev := range c.revisions { // the status of the new version is meant
			if rev.previous.Object != nil && rev.previous.Object.ObjectID() == s.link.Target {
				s.revised = rev
			}
		}
		s.target = p
	}
	now := metadata.StatusUnknown
	if s.revised != nil {
		if s.revised.previous.Object == nil {
			return // reported
		}
		now = s.revised.previous.Object.ObjectStatus()
	} else {
		if !c.hasStatus(s) {
			return
		}
		now = s.target.Object.ObjectStatus()
	}
	if now != s.from {
		c.report(id, fault.MetadataUpdateError, "The status of '%s' is %s, not the OriginalStatus %s.", c.name(s.link.Target), now.URN(), s.from.URN())
	}
}

// hasStatus: only newest versions of entries and folders, and associations other
// than those of a submission set, change their status.
func (c *updateCheck) hasStatus(s *statusChange) bool {
	id := s.link.ID
	switch o := s.target.Object.(type) {
	case *metadata.SubmissionSet:
		c.report(id, fault.MetadataUpdateError, "'%s' is a SubmissionSet; its status does not change.", s.link.Target)
		return false
	case *metadata.Association:
		_, ofSet := c.objects[o.Source].Object.(*metadata.SubmissionSet)
		if ofSet || !isRelationship(o.Type) && o.Type != metadata.HasMember {
			c.report(id, fault.MetadataUpdateError, "'%s' is an association of a SubmissionSet; its status does not change.", s.link.Target)
			return false
		}
	default:
		if s.target.Superseded {
			c.report(id, fault.MetadataVersionError, "'%s' is not the newest version; only that changes its status.", s.link.Target)
			return false
		}
	}
	if s.target.Stream != c.stream {
		c.report(id, fault.PatientIDReconciliation, "'%s' is registered for another patient than this request's.", s.link.Target)
		return false
	}
	return true
}

// oneStatus: a new version and its previous one are the same logical object.
func (c *updateCheck) oneStatus() {
	seen := make(map[*revision]bool)
	for _, s := range c.statuses {
		if s.revised == nil {
			continue
		}
		if seen[s.revised] {
			c.report(s.link.ID, fault.MetadataUpdateError, "The status of '%s' is changed twice in one request.", c.name(s.link.Target))
		}
		seen[s.revised] = true
	}
}

// submit checks one new association (3.57.4.1.3.3.6).
func (c *updateCheck) submit(plan *updatePlan, a *metadata.Association) {
	source, target := plan.objectAt(a.Source), plan.objectAt(a.Target)
	for _, end := range [2]struct {
		attribute string
		id        metadata.ID
		object    metadata.Object
	}{{"sourceObject", a.Source, source}, {"targetObject", a.Target, target}} {
		if end.object == nil {
			c.report(a.ID, fault.UnresolvedReference, "Association '%s': the %s '%s' is neither in the request nor in the registry.", c.name(a.ID), end.attribute, c.name(end.id))
			return
		}
		if plan.statusOf(end.id) != metadata.Approved {
			c.report(a.ID, fault.DeprecatedDocument, "Association '%s': the %s '%s' is deprecated.", c.name(a.ID), className(end.object), c.name(end.id))
		}
	}
	_, folder := source.(*metadata.Folder)
	from, _ := source.(*metadata.DocumentEntry)
	to, _ := target.(*metadata.DocumentEntry)
	switch {
	case a.Type == metadata.HasMember && folder && to != nil:
	case isRelationship(a.Type) && from != nil && to != nil && a.Source != a.Target:
		if a.Type == metadata.IsSnapshotOf && (from.Kind != metadata.Stable || to.Kind != metadata.OnDemand) {
			c.report(a.ID, fault.MetadataUpdateError, "Association '%s': IsSnapshotOf goes from a stable to an on-demand DocumentEntry.", c.name(a.ID))
		}
		if a.Type == metadata.Appends && slices.ContainsFunc(c.links[a.Target], func(p storage.Placed) bool {
			x := p.Object.(*metadata.Association)
			return x.Type == metadata.Transforms && x.Source == a.Target && x.Status != metadata.Deprecated
		}) {
			c.report(a.ID, fault.MetadataUpdateError, "Association '%s': the DocumentEntry '%s' is a transformation; append to the document that it was made from.", c.name(a.ID), c.name(a.Target))
		}
	default:
		c.report(a.ID, fault.MetadataUpdateError, "Association '%s': %s does not lead from a %s to a %s.", c.name(a.ID), quoted(string(a.Type)), className(source), className(target))
	}
}

// reconcile: in the end all approved entries and folders that approved
// associations connect are of one patient (3.57.4.1.3.4). References by value are
// the exception.
func (c *updateCheck) reconcile(plan *updatePlan) {
	for _, k := range plan.connections() {
		if plan.statusOf(k.link.Source) != metadata.Approved || plan.statusOf(k.link.Target) != metadata.Approved {
			continue
		}
		if k.link.Type == metadata.HasMember && k.link.Membership == metadata.Reference {
			continue
		}
		if a, b := plan.streamOf(k.link.Source), plan.streamOf(k.link.Target); a != b && a.ID != "" && b.ID != "" {
			c.report(k.because, fault.PatientIDReconciliation,
				"The association from '%s' to '%s' would connect two patients. Send AssociationPropagation no, and the associations that shall stay with SubmitAssociation.",
				c.name(k.link.Source), c.name(k.link.Target))
		}
	}
}
