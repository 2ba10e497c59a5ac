package registry

import (
	"samdok/fault"
	"samdok/metadata"
)

// association applies rules 10 to 19 to one association (ITI TF-3 4.2.2).
func (c *check) association(a *metadata.Association) {
	source, target := c.end(a.Source), c.end(a.Target)
	switch {
	case a.Type == metadata.HasMember:
		if c.resolved(a, source, "sourceObject") && c.resolved(a, target, "targetObject") {
			c.member(a, source, target)
		}
	case isRelationship(a.Type):
		c.relationship(a, source, target)
	default:
		// Updates of metadata (ITI-57) and unknown types were refused by rules.Check.
	}
}

// resolved: the end is in the submission or in the registry (rule 10).
func (c *check) resolved(a *metadata.Association, e end, attribute string) bool {
	if e.object != nil {
		return true
	}
	c.report(fault.UnresolvedReference, "Association '%s': the %s '%s' is neither in the submission nor in the registry.", c.name(a.ID), attribute, e.id)
	return false
}

// member sorts HasMember by what it connects (ITI TF-3 4.2.2.1).
func (c *check) member(a *metadata.Association, source, target end) {
	switch source.object.(type) {
	case *metadata.SubmissionSet:
		if !source.local {
			// ITI TF-3 4.2.1.2: a registered set is closed.
			c.report(fault.RegistryMetadataError, "Association '%s': the SubmissionSet '%s' is registered already and takes no more members.", c.name(a.ID), source.id)
			return
		}
		c.memberOfSet(a, target)
	case *metadata.Folder:
		c.memberOfFolder(a, source, target)
	default:
		c.report(fault.RegistryMetadataError, "Association '%s': HasMember starts at a SubmissionSet or a Folder, not at the %s '%s'.",
			c.name(a.ID), className(source.object), c.name(source.id))
	}
}

func (c *check) memberOfSet(a *metadata.Association, target end) {
	switch o := target.object.(type) {
	case *metadata.DocumentEntry:
		c.membership(a, target)
	case *metadata.Folder:
		if target.foreign {
			c.mismatch(a, target)
		}
	case *metadata.Association:
		if !target.local || c.ofSet(o) {
			c.report(fault.RegistryMetadataError,
				"Association '%s': a SubmissionSet takes only those associations as members that are in its submission and that start at a Folder or a DocumentEntry; '%s' is none.",
				c.name(a.ID), c.name(target.id))
		}
	default:
		c.report(fault.RegistryMetadataError, "Association '%s': a SubmissionSet cannot be a member.", c.name(a.ID))
	}
}

// ofSet tells whether an association of the submission starts at its set.
func (c *check) ofSet(a *metadata.Association) bool { return a.Source == c.sub.Set.ID }

// membership: Original for entries of the submission, Reference for registered
// ones (rule 11, ITI TF-3 4.2.2.1.1). A reference may be to another patient's.
func (c *check) membership(a *metadata.Association, target end) {
	switch {
	case a.Membership == metadata.MembershipNone:
		c.report(fault.RegistryMetadataError, "Association '%s': the slot SubmissionSetStatus says neither Original nor Reference; write Original for a document of this submission and Reference for a registered one.", c.name(a.ID))
	case a.Membership == metadata.Original && !target.local:
		c.report(fault.RegistryMetadataError, "Association '%s': SubmissionSetStatus is Original, but the DocumentEntry '%s' is not in the submission; write Reference.", c.name(a.ID), target.id)
	case a.Membership == metadata.Reference && target.local:
		c.report(fault.RegistryMetadataError, "Association '%s': SubmissionSetStatus is Reference, but the DocumentEntry '%s' is in the submission; write Original.", c.name(a.ID), c.name(target.id))
	}
}

// memberOfFolder: folder and document are Approved and of one patient, and the
// set lists the association (rule 12, ITI TF-2 3.42.4.1.3.4, TF-3 4.2.2.1.3).
func (c *check) memberOfFolder(a *metadata.Association, folder, target end) {
	if target.entry() == nil {
		c.report(fault.RegistryMetadataError, "Association '%s': a Folder holds DocumentEntries only, not the %s '%s'.", c.name(a.ID), className(target.object), c.name(target.id))
		return
	}
	if folder.deprecated() {
		c.report(fault.RegistryMetadataError, "Association '%s': the Folder '%s' is deprecated and takes no more documents.", c.name(a.ID), folder.id)
	}
	if target.deprecated() {
		c.report(fault.DeprecatedDocument, "Association '%s': the DocumentEntry '%s' is deprecated; put its replacement into the folder.", c.name(a.ID), target.id)
	}
	for _, e := range [2]end{folder, target} {
		if e.foreign {
			c.mismatch(a, e)
		}
	}
	if !c.listed[a.ID] {
		c.report(fault.RegistryMetadataError, "Association '%s': a document that is put into a folder needs a second HasMember, from the SubmissionSet to this association.", c.name(a.ID))
	}
}

func (c *check) mismatch(a *metadata.Association, e end) {
	c.report(fault.PatientIDDoesNotMatch, "Association '%s': the %s '%s' is registered for another patient than this submission's.", c.name(a.ID), className(e.object), e.id)
}

// allAreMembers: the set has every entry and folder of the submission as member
// (ITI TF-3 4.2.1.4).
func (c *check) allAreMembers() {
	for _, e := range c.sub.Entries {
		if !c.listed[e.ID] {
			c.report(fault.RegistryMetadataError, "DocumentEntry '%s': no HasMember association links it to the SubmissionSet; add one with SubmissionSetStatus Original.", c.name(e.ID))
		}
	}
	for _, f := range c.sub.Folders {
		if !c.listed[f.ID] {
			c.report(fault.RegistryMetadataError, "Folder '%s': no HasMember association links it to the SubmissionSet; add one.", c.name(f.ID))
		}
	}
}
