package registry

import (
	"strings"

	"samdok/fault"
	"samdok/metadata"
)

// duplicates: uniqueIds are distinct within the message, whatever class has them
// (rule 3, ITI TF-3 Table 4.2.4.1-2).
func (in *intake) duplicates() []fault.Problem {
	var found []fault.Problem
	seen := make(map[string]bool, 1+len(in.sub.Entries)+len(in.sub.Folders))
	see := func(class string, id metadata.ID, unique string) {
		if unique != "" && seen[unique] {
			found = append(found, problem(fault.DuplicateInMessage,
				"%s '%s': the uniqueId '%s' is used by another object of the message.", class, in.name(id), unique))
		}
		seen[unique] = true
	}
	see("SubmissionSet", in.sub.Set.ID, in.sub.Set.UniqueID)
	for _, e := range in.sub.Entries {
		see("DocumentEntry", e.ID, e.UniqueID)
	}
	for _, f := range in.sub.Folders {
		see("Folder", f.ID, f.UniqueID)
	}
	return found
}

// uniqueSet: the set's uniqueId is used by no object of the registry (rule 4,
// ITI TF-2 3.42.4.1.3.3.7). It tells whether another set has it: then the message
// has come before, or its sender uses numbers twice.
func (c *check) uniqueSet() (repeated bool) {
	unique := c.sub.Set.UniqueID
	if unique == "" || len(c.byUnique[unique]) == 0 {
		return false
	}
	for _, p := range c.byUnique[unique] {
		if _, ok := p.Object.(*metadata.SubmissionSet); ok {
			repeated = true
		}
	}
	c.report(fault.DuplicateUniqueID,
		"SubmissionSet '%s': the uniqueId '%s' is registered already. If this is the same submission sent again, it was accepted the first time; a new one needs a new uniqueId.",
		c.name(c.sub.Set.ID), unique)
	return repeated
}

// uniqueFolders: the same for folders (rule 4).
func (c *check) uniqueFolders() {
	for _, f := range c.sub.Folders {
		if f.UniqueID != "" && len(c.byUnique[f.UniqueID]) > 0 {
			c.report(fault.DuplicateUniqueID, "Folder '%s': the uniqueId '%s' is registered already; a new folder needs a new one.",
				c.name(f.ID), f.UniqueID)
		}
	}
}

// sameContent: a uniqueId that is registered names the same bytes (rule 5,
// ITI TF-2 3.42.4.1.3.3.1), and a stable entry and an on-demand one never share one
// (3.61.4.1.3).
func (c *check) sameContent() {
	for _, e := range c.sub.Entries {
		if e.UniqueID == "" {
			continue
		}
		for _, p := range c.byUnique[e.UniqueID] {
			old, ok := p.Object.(*metadata.DocumentEntry)
			if !ok {
				continue
			}
			found := differ(old, e)
			for _, d := range found {
				c.report(d.code, "DocumentEntry '%s': the uniqueId '%s' is registered for a document with another %s; new content needs a new uniqueId.",
					c.name(e.ID), e.UniqueID, d.what)
			}
			if len(found) > 0 {
				break
			}
		}
	}
}

// difference is a code and the attribute that it is about.
type difference struct {
	code fault.Code
	what string
}

// differ names all that keeps e from being the document that old describes: other
// bytes are mostly of another length too, and then both codes belong in the answer.
func differ(old, e *metadata.DocumentEntry) (found []difference) {
	switch {
	case e.Kind == metadata.OnDemand && old.Kind == metadata.Stable:
		return []difference{{fault.DuplicateUniqueID, "type (stable)"}}
	case e.Kind == metadata.Stable && old.Kind == metadata.OnDemand:
		return []difference{{fault.DuplicateUniqueID, "type (on-demand)"}}
	}
	if e.Hash != "" && old.Hash != "" && !strings.EqualFold(e.Hash, old.Hash) {
		found = append(found, difference{fault.NonIdenticalHash, "hash"})
	}
	if e.Size.Given && old.Size.Given && e.Size != old.Size {
		found = append(found, difference{fault.NonIdenticalSize, "size"})
	}
	return found
}

// patients: all objects of the submission are of one patient (rule 8,
// ITI TF-2 3.42.4.1.3.3.2). Patients are compared, not texts; a patient id that
// cannot be read was reported before.
func (in *intake) patients(set metadata.PatientID) []fault.Problem {
	var found []fault.Problem
	see := func(class string, id metadata.ID, cx metadata.CX) {
		if cx == in.sub.Set.PatientID {
			return
		}
		if p, err := cx.Patient(); err == nil && p != set {
			found = append(found, problem(fault.PatientIDDoesNotMatch,
				"%s '%s': the patientId '%s' is not that of the submission set; one submission is about one patient.", class, in.name(id), cx))
		}
	}
	for _, e := range in.sub.Entries {
		see("DocumentEntry", e.ID, e.PatientID)
	}
	for _, f := range in.sub.Folders {
		see("Folder", f.ID, f.PatientID)
	}
	return found
}

// newIDs: a UUID that the sender assigned names nothing yet (rule 8a).
func (c *check) newIDs() {
	for _, id := range c.given {
		if _, taken := c.objects[id]; taken {
			c.report(fault.RegistryMetadataError, "%s '%s': the id is registered already; a new object needs a new UUID.", className(c.local[id]), id)
		} else if c.gone[id] {
			c.report(fault.RegistryMetadataError, "%s '%s': the id was that of an object that has been removed; a new object needs a new UUID.", className(c.local[id]), id)
		}
	}
}
