package registry

import (
	"samdok/fault"
	"samdok/metadata"
)

// relationship applies rules 13 to 19 to RPLC, XFRM, APND, XFRM_RPLC, signs and
// IsSnapshotOf (ITI TF-2 3.42.4.1.3.5, TF-3 4.2.2.2).
func (c *check) relationship(a *metadata.Association, source, target end) {
	from, to := source.entry(), target.entry()
	if from == nil || !source.local { // 13
		c.report(fault.UnresolvedReference, "Association '%s': the sourceObject '%s' must be a DocumentEntry of this submission.", c.name(a.ID), c.name(source.id))
	}
	if !c.relationshipTarget(a, target) || from == nil || !source.local {
		return
	}
	if source.id == target.id {
		c.report(fault.RegistryMetadataError, "Association '%s': the DocumentEntry '%s' cannot be related to itself.", c.name(a.ID), c.name(source.id))
		return
	}
	if target.deprecated() { // 15
		c.report(fault.DeprecatedDocument, "Association '%s': the DocumentEntry '%s' is deprecated; relate to the document that took its place.", c.name(a.ID), target.id)
	}
	if target.foreign { // 16
		c.mismatch(a, target)
	}
	switch a.Type {
	case metadata.IsSnapshotOf: // 17
		if from.Kind != metadata.Stable || to.Kind != metadata.OnDemand {
			c.report(fault.RegistryMetadataError, "Association '%s': IsSnapshotOf goes from a stable to an on-demand DocumentEntry.", c.name(a.ID))
		}
	case metadata.Appends: // 18
		if c.isTransformation(target) {
			c.report(fault.RegistryMetadataError, "Association '%s': the DocumentEntry '%s' is a transformation; append to the document that it was made from.", c.name(a.ID), c.name(target.id))
		}
	case metadata.Replaces, metadata.TransformReplaces:
		c.foldersOfReplaced(a) // 19
	}
}

// relationshipTarget: the target is a DocumentEntry, registered if it is to be
// replaced or was a snapshot's origin, else in either place (rule 14).
func (c *check) relationshipTarget(a *metadata.Association, target end) bool {
	where := "of this submission or of the registry"
	ok := target.entry() != nil
	if replaces(a.Type) || a.Type == metadata.IsSnapshotOf {
		where = "that is registered already"
		ok = ok && !target.local
	}
	if !ok {
		c.report(fault.UnresolvedReference, "Association '%s': the targetObject '%s' must be a DocumentEntry %s.", c.name(a.ID), c.name(target.id), where)
	}
	return ok
}

// isTransformation tells whether the entry is the source of an XFRM, registered
// or of this submission (ITI TF-3 4.2.2.2.1).
func (c *check) isTransformation(e end) bool {
	for _, a := range c.bySource[e.id] {
		if a.Type == metadata.Transforms {
			return true
		}
	}
	for _, a := range c.sub.Associations {
		if a.Type == metadata.Transforms && a.Source == e.id {
			return true
		}
	}
	return false
}

// foldersOfReplaced: the replacement will join every approved folder of the
// replaced document, so they are of its patient (rule 19).
func (c *check) foldersOfReplaced(a *metadata.Association) {
	for _, f := range c.foldersOf(a.Target) {
		if p := c.objects[f]; p.Stream != c.stream {
			c.report(fault.PatientIDDoesNotMatch, "Association '%s': the replaced document is in the folder '%s' of another patient.", c.name(a.ID), f)
		}
	}
}

// foldersOf are the approved registered folders that hold a registered document.
func (k *known) foldersOf(document metadata.ID) []metadata.ID {
	var found []metadata.ID
	for _, a := range k.byTarget[document] {
		if a.Type != metadata.HasMember {
			continue
		}
		if f, ok := k.objects[a.Source].Object.(*metadata.Folder); ok && f.Status == metadata.Approved {
			found = append(found, a.Source)
		}
	}
	return found
}

// replacedOnce: within a submission a document is replaced once, and what goes
// with it (itself, its transformations and addenda) takes no new transformation
// or addendum: the registry would deprecate that at once.
func (c *check) replacedOnce() {
	var gone map[metadata.ID]metadata.ID // document -> replacing association
	var replaced map[metadata.ID]bool
	for _, a := range c.sub.Associations {
		if !replaces(a.Type) {
			continue
		}
		if replaced[a.Target] {
			c.report(fault.DeprecatedDocument, "Association '%s': another association of this submission replaces the DocumentEntry '%s' already.", c.name(a.ID), a.Target)
			continue
		}
		if gone == nil {
			gone, replaced = make(map[metadata.ID]metadata.ID), make(map[metadata.ID]bool)
		}
		replaced[a.Target] = true
		gone[a.Target] = a.ID
		for _, id := range c.dependants(a.Target) {
			gone[id] = a.ID
		}
	}
	if gone == nil {
		return
	}
	for _, a := range c.sub.Associations {
		if by, ok := gone[a.Target]; ok && (a.Type == metadata.Transforms || a.Type == metadata.Appends) {
			c.report(fault.DeprecatedDocument, "Association '%s': the DocumentEntry '%s' is deprecated by the replacement '%s' of this submission; relate to the replacing document.", c.name(a.ID), a.Target, c.name(by))
		}
	}
}
