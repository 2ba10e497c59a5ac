package metadata

import "slices"

// Topic says which events a subscription is about and what its notifications
// hold (ITI TF-2 3.52.5.1 and the Extensions to DSUB 3.52.5.1.4-8).
type Topic string

const (
	// TopicFullDocument: a DocumentEntry is registered; told with its metadata.
	TopicFullDocument Topic = "ihe:FullDocumentEntry"
	// TopicMinimalDocument: the same, told by reference.
	TopicMinimalDocument Topic = "ihe:MinimalDocumentEntry"
	// TopicSubmissionSet: a SubmissionSet is registered.
	TopicSubmissionSet Topic = "ihe:SubmissionSetMetadata"
	// TopicFolder: a Folder is registered, or a document is put into it or replaced.
	TopicFolder Topic = "ihe:FolderMetadata"
	// TopicExtendedFull and TopicExtendedMinimal: a DocumentEntry is registered,
	// changed or removed.
	TopicExtendedFull    Topic = "ihe:ExtendedFullDocumentEntry"
	TopicExtendedMinimal Topic = "ihe:ExtendedMinimalDocumentEntry"
	// TopicUpdateFolder: TopicFolder, and a Folder's metadata or status changes, or a
	// document leaves it.
	TopicUpdateFolder Topic = "ihe:UpdateFolder"
	// TopicExtendedFolder: TopicUpdateFolder, and a Folder is removed.
	TopicExtendedFolder Topic = "ihe:ExtendedFolder"
)

// Topics are all topics there are.
func Topics() []Topic {
	return []Topic{TopicFullDocument, TopicMinimalDocument, TopicSubmissionSet, TopicFolder,
		TopicExtendedFull, TopicExtendedMinimal, TopicUpdateFolder, TopicExtendedFolder}
}

// Known tells whether the topic is one of Topics.
func (t Topic) Known() bool { return slices.Contains(Topics(), t) }

// Minimal: objects are told by reference only.
func (t Topic) Minimal() bool { return t == TopicMinimalDocument || t == TopicExtendedMinimal }

// Happening is what became of an object in an event, as a set of bits.
type Happening uint8

const (
	// Registered: the object is new.
	Registered Happening = 1 << iota
	// Changed: a version of it is new, or its status or place among the versions is.
	Changed
	// Gone: it was removed.
	Gone
	// Filled: a document was put into the folder, or one in it was replaced.
	Filled
)

// Covers tells whether the topic is about something that happened to an object.
func (t Topic) Covers(o Object, h Happening) bool {
	var about Happening
	switch o.(type) {
	case *DocumentEntry:
		switch t {
		case TopicFullDocument, TopicMinimalDocument:
			about = Registered
		case TopicExtendedFull, TopicExtendedMinimal:
			about = Registered | Changed | Gone
		}
	case *SubmissionSet:
		if t == TopicSubmissionSet {
			about = Registered
		}
	case *Folder:
		switch t {
		case TopicFolder:
			about = Registered | Filled
		case TopicUpdateFolder:
			about = Registered | Filled | Changed
		case TopicExtendedFolder:
			about = Registered | Filled | Changed | Gone
		}
	}
	return about&h != 0
}

// Ids of the filters of subscriptions (ITI TF-2 3.52.5.2, Extensions to DSUB
// 3.52.5.2.3-5).
const (
	DocumentEventsID         ID = "urn:uuid:aa2332d0-f8fe-11e0-be50-0800200c9a66"
	SubmissionSetEventsID    ID = "urn:uuid:fbede94e-dbdc-4f6b-bc1f-d730e677cece"
	FolderEventsID           ID = "urn:uuid:9376254e-da05-41f5-9af3-ac56d63d8ebd"
	AnyDocumentEventsID      ID = "urn:uuid:742790e0-aba6-43d6-9f1f-e43ed9790b79"
	AnySubmissionSetEventsID ID = "urn:uuid:868cad3d-ec09-4565-b66c-1be10d034399"
)

// EventFilter says which objects a subscription is about: those that a stored
// query with the same parameters would return (ITI TF-2 3.52.5.2). Exactly one of
// the pointers is set.
type EventFilter struct {
	// Patient is "" for a subscription that is independent of the patient.
	Patient        CX
	Documents      *DocumentFilter
	SubmissionSets *SubmissionSetSelection
	Folders        *FolderSelection
}

// SubmissionSetSelection is a SubmissionSetFilter with the parameter that only
// subscriptions have.
type SubmissionSetSelection struct {
	SubmissionSetFilter
	Recipients AnyOf[Like] // over intendedRecipient as sent
}

// FolderSelection is a FolderFilter with the folders it is restricted to.
type FolderSelection struct {
	FolderFilter
	UniqueIDs AnyOf[string]
}

// ID is the AdhocQuery/@id of the filter; "" when it selects no class.
func (f *EventFilter) ID() ID {
	switch {
	case f.Documents != nil && f.Patient == "":
		return AnyDocumentEventsID
	case f.Documents != nil:
		return DocumentEventsID
	case f.SubmissionSets != nil && f.Patient == "":
		return AnySubmissionSetEventsID
	case f.SubmissionSets != nil:
		return SubmissionSetEventsID
	case f.Folders != nil:
		return FolderEventsID
	}
	return ""
}

// Fits tells whether topic and filter are about the same class of object (ITI
// TF-2 Table 3.52.5.3-1).
func (f *EventFilter) Fits(t Topic) bool {
	switch t {
	case TopicFullDocument, TopicMinimalDocument, TopicExtendedFull, TopicExtendedMinimal:
		return f.Documents != nil
	case TopicSubmissionSet:
		return f.SubmissionSets != nil
	case TopicFolder, TopicUpdateFolder, TopicExtendedFolder:
		return f.Folders != nil
	}
	return false
}

// Match tells whether the filter selects o. It does not look at the patient.
func (f *EventFilter) Match(o Object) bool {
	switch o := o.(type) {
	case *DocumentEntry:
		return f.Documents != nil && f.Documents.Match(o)
	case *SubmissionSet:
		s := f.SubmissionSets
		return s != nil && s.SubmissionSetFilter.Match(o) &&
			(len(s.Recipients) == 0 || slices.ContainsFunc(o.Recipients, func(r string) bool { return likes(s.Recipients, r) }))
	case *Folder:
		s := f.Folders
		return s != nil && s.FolderFilter.Match(o) && (len(s.UniqueIDs) == 0 || slices.Contains(s.UniqueIDs, o.UniqueID))
	}
	return false
}
