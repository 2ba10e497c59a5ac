package rules

import (
	"fmt"
	"strings"

	"samdok/fault"
	"samdok/metadata"
)

// Actor is who sends the submission: it decides which attributes are required
// (the columns of ITI TF-3 Table 4.3.1-3).
type Actor uint8

const (
	// Source is a Document Source sending ITI-41: hash, size and
	// repositoryUniqueId may still be missing, and every entry is stable.
	Source Actor = iota
	// Repository is a Document Repository sending ITI-42: nothing may be missing.
	// Every entry is stable.
	Repository
	// OnDemandSource is an On-Demand Document Source sending ITI-61: there is at
	// least one entry and every one is on-demand, without creationTime, hash and
	// size.
	OnDemandSource
	// Sender is a Document Source sending ITI-41 to a Document Recipient (XDR):
	// as Source, but an object that is marked as limited metadata may lack all that
	// does not say what and whose it is (column ML).
	Sender
	// Administrator is a Document Administrator sending ITI-57, or an Update
	// Initiator sending ITI-92: objects may be later versions, associations may ask
	// for changes, and problems name the object in Location.
	Administrator
)

// maxProblems bounds the answer to a message that is wrong everywhere.
const maxProblems = 500

// Check reports everything that is wrong with the submission on its own, nil
// when nothing is. Every problem is an error with XDSRegistryMetadataError; a
// repository answers with fault.Code.ForRepository. It changes nothing and keeps
// nothing.
func Check(sub *metadata.Submission, actor Actor) []fault.Problem {
	r := &report{actor: actor}
	r.ids(sub)
	if s := &sub.Set; s.ID != "" || s.UniqueID != "" || s.SourceID != "" || s.PatientID != "" || s.SubmissionTime != "" {
		r.set(s)
	} // else there is none, which ids has said: what it lacks helps nobody
	if actor == OnDemandSource && len(sub.Entries) == 0 {
		r.missing("DocumentEntry", "ITI-61 registers at least one on-demand document")
	}
	for _, e := range sub.Entries {
		r.entry(e)
	}
	for _, f := range sub.Folders {
		r.folder(f)
	}
	for _, a := range sub.Associations {
		r.association(a)
	}
	return r.problems
}

// report collects problems of one object after the other.
type report struct {
	actor    Actor
	class    string
	id       metadata.ID
	marked   bool // the object is marked as limited metadata, and may be
	problems []fault.Problem
}

func (r *report) at(class string, id metadata.ID) { r.class, r.id, r.marked = class, id, false }

// add reports what is wrong with an attribute of the present object and what to
// do about it.
func (r *report) add(attribute, format string, args ...any) {
	switch n := len(r.problems); {
	case n > maxProblems:
		return
	case n == maxProblems:
		r.problems = append(r.problems, fault.Problem{
			Code:    fault.RegistryMetadataError,
			Context: fmt.Sprintf("The submission has more than %d errors; the rest is not listed.", maxProblems),
		})
		return
	}
	p := fault.Problem{
		Code:    fault.RegistryMetadataError,
		Context: r.class + " " + quote(string(r.id)) + ", " + attribute + ": " + fmt.Sprintf(format, args...),
	}
	if r.actor == Administrator {
		p.Location = string(r.id)
	}
	r.problems = append(r.problems, p)
}

// quote shows a value that the sender sent, shortened.
func quote(s string) string {
	const most = 120
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return "'" + s + "'"
}

func (r *report) missing(attribute, how string) {
	if r.marked && !always[attribute] {
		return
	}
	r.add(attribute, "is missing; %s.", how)
}

// always is what limited metadata must have too (ITI TF-3 Table 4.3.1-3, column
// ML).
var always = map[string]bool{"entryUUID": true, "mimeType": true, "uniqueId": true, "sourceId": true, "submissionTime": true}

// ids checks that every object has an id of its own.
func (r *report) ids(sub *metadata.Submission) {
	r.identity("SubmissionSet", sub.Set.ID)
	for _, e := range sub.Entries {
		r.identity("DocumentEntry", e.ID)
	}
	for _, f := range sub.Folders {
		r.identity("Folder", f.ID)
	}
	for _, a := range sub.Associations {
		r.identity("Association", a.ID)
	}
	r.twice(sub)
}

func (r *report) identity(class string, id metadata.ID) {
	r.at(class, id)
	if id == "" {
		r.missing("entryUUID", "give each object an id attribute: a urn:uuid: or any name of its own within the message")
		return
	}
	if !id.IsSymbolic() {
		if _, ok := id.UUID(); !ok {
			r.add("entryUUID", "is not a UUID; write urn:uuid: and 32 hexadecimal digits as 8-4-4-4-12.")
		}
	}
}

// few is up to how many objects comparing each with each beats a map.
const few = 12

func (r *report) twice(sub *metadata.Submission) {
	n := 1 + len(sub.Entries) + len(sub.Folders) + len(sub.Associations)
	var small [few]metadata.ID
	seen, ids := map[metadata.ID]bool(nil), small[:0]
	if n > few {
		seen = make(map[metadata.ID]bool, n)
	}
	for i := range n {
		class, id := objectAt(sub, i)
		if id == "" {
			continue
		}
		if seen == nil && contains(ids, id) || seen[id] {
			r.at(class, id)
			r.add("entryUUID", "is used by two objects of the message; give each its own.")
		}
		if seen != nil {
			seen[id] = true
			continue
		}
		ids = append(ids, id)
	}
}

func contains(ids []metadata.ID, id metadata.ID) bool {
	for _, other := range ids {
		if other == id {
			return true
		}
	}
	return false
}

func objectAt(sub *metadata.Submission, i int) (class string, id metadata.ID) {
	if i == 0 {
		return "SubmissionSet", sub.Set.ID
	}
	if i--; i < len(sub.Entries) {
		return "DocumentEntry", sub.Entries[i].ID
	}
	if i -= len(sub.Entries); i < len(sub.Folders) {
		return "Folder", sub.Folders[i].ID
	}
	i -= len(sub.Folders)
	return "Association", sub.Associations[i].ID
}
