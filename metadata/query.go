package metadata

// StoredQuery is one ITI-18 or ITI-51 request (ITI TF-2 3.18.4.1.2, 3.51.4.1.2).
type StoredQuery struct {
	Query  Query
	Return ReturnType
	Home   string // AdhocQuery/@home, "" when absent
	// Level is $MetadataLevel: 0 when absent (same as 1), 1 or 2.
	Level int
	// Extra are parameters that the query's definition does not know. They are
	// ignored by a registry and passed on by a gateway (ITI TF-2 3.38.4.1.1).
	Extra []Slot
}

// ReturnType is ResponseOption/@returnType. The zero value is LeafClass.
type ReturnType uint8

const (
	LeafClass ReturnType = iota
	ObjectRef
)

// Query is one of the stored queries below; the set is closed.
type Query interface {
	// QueryID is the stored query's "urn:uuid:..." (ITI TF-2 3.18.4.1.2.4).
	QueryID() ID
	isQuery()
}

// CodeRef names a code in a query: 'code^^scheme', both exact.
type CodeRef struct{ Value, Scheme string }

// AnyOf is an OR list; nil or empty means "no condition".
type AnyOf[T any] []T

// AllOf is an AND of OR lists, from repeated slots.
type AllOf[T any] []AnyOf[T]

// Like is an SQL LIKE pattern: % any run, _ one character, case-sensitive, over
// the whole value (ITI TF-2 3.18.4.1.2.3.5).
type Like string

// TimeRange is From <= t < To; "" leaves an end open.
type TimeRange struct{ From, To DTM }

// DocumentFilter selects DocumentEntries.
type DocumentFilter struct {
	Status       []Status
	Kinds        []EntryKind // nil: only Stable (ITI TF-2 3.18.4.1.2.3.6.2)
	ClassCode    AnyOf[CodeRef]
	TypeCode     AnyOf[CodeRef]
	FormatCode   AnyOf[CodeRef]
	Facility     AnyOf[CodeRef]
	Practice     AnyOf[CodeRef]
	Confidential AllOf[CodeRef]
	EventCodes   AllOf[CodeRef]
	Creation     TimeRange
	ServiceStart TimeRange
	ServiceStop  TimeRange
	AuthorPerson AnyOf[Like]
	ReferenceIDs AllOf[Like]
	Availability AnyOf[string]
}

// SubmissionSetFilter selects SubmissionSets.
type SubmissionSetFilter struct {
	Status       []Status
	SourceID     AnyOf[string]
	Submission   TimeRange
	AuthorPerson AnyOf[Like]
	ContentType  AnyOf[CodeRef]
}

// FolderFilter selects Folders.
type FolderFilter struct {
	Status     []Status
	LastUpdate TimeRange
	Codes      AllOf[CodeRef]
}

// Target names objects of one class by entryUUID or by uniqueId (or, with
// metadata update, by logicalID): exactly one of the lists is not empty.
type Target struct {
	IDs        []ID
	UniqueIDs  []string
	LogicalIDs []ID
}

// MemberFilter restricts the documents that GetSubmissionSetAndContents and
// GetFolderAndContents return.
type MemberFilter struct {
	FormatCode   AnyOf[CodeRef]
	Confidential AllOf[CodeRef]
	Kinds        []EntryKind // nil: only Stable
}

type (
	FindDocuments struct {
		Patient CX
		Filter  DocumentFilter
	}
	// FindDocumentsByReferenceID requires Filter.ReferenceIDs.
	FindDocumentsByReferenceID struct {
		Patient CX
		Filter  DocumentFilter
	}
	FindSubmissionSets struct {
		Patient CX
		Filter  SubmissionSetFilter
	}
	FindFolders struct {
		Patient CX
		Filter  FolderFilter
	}
	GetAll struct {
		Patient           CX
		DocumentStatus    []Status
		SetStatus         []Status
		FolderStatus      []Status
		AssociationStatus []Status
		Members           MemberFilter
	}
	GetDocuments    struct{ Documents Target }
	GetFolders      struct{ Folders Target }
	GetAssociations struct {
		IDs               []ID
		AssociationStatus []Status
	}
	GetDocumentsAndAssociations struct {
		Documents         Target
		AssociationStatus []Status
	}
	// GetSubmissionSets takes ids of DocumentEntries and Folders.
	GetSubmissionSets           struct{ IDs []ID }
	GetSubmissionSetAndContents struct {
		Set     Target
		Members MemberFilter
	}
	GetFolderAndContents struct {
		Folder            Target
		Members           MemberFilter
		AssociationStatus []Status
	}
	GetFoldersForDocument struct {
		Document          Target
		AssociationStatus []Status
	}
	GetRelatedDocuments struct {
		Document          Target
		Types             []AssociationType
		Kinds             []EntryKind // nil: only Stable
		AssociationStatus []Status
	}
	// FindDocumentsForMultiplePatients is of ITI-51; without Patients it is about
	// everybody, and one of ClassCode, EventCodes and Facility is given.
	FindDocumentsForMultiplePatients struct {
		Patients []CX
		Filter   DocumentFilter
	}
	// FindFoldersForMultiplePatients is of ITI-51; without Patients it is about
	// everybody, and Codes is given.
	FindFoldersForMultiplePatients struct {
		Patients []CX
		Filter   FolderFilter
	}
)

// Across tells whether a query is one of ITI-51, which may be about several
// patients; the others are of ITI-18.
func Across(q Query) bool {
	switch q.(type) {
	case *FindDocumentsForMultiplePatients, *FindFoldersForMultiplePatients:
		return true
	}
	return false
}

// Ids of the stored queries (ITI TF-2 3.18.4.1.2.4).
const (
	FindDocumentsID               ID = "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"
	FindSubmissionSetsID          ID = "urn:uuid:f26abbcb-ac74-4422-8a30-edb644bbc1a9"
	FindFoldersID                 ID = "urn:uuid:958f3006-baad-4929-a4de-ff1114824431"
	GetAllID                      ID = "urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3"
	GetDocumentsID                ID = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
	GetFoldersID                  ID = "urn:uuid:5737b14c-8a1a-4539-b659-e03a34a5e1e4"
	GetAssociationsID             ID = "urn:uuid:a7ae438b-4bc2-4642-93e9-be891f7bb155"
	GetDocumentsAndAssociationsID ID = "urn:uuid:bab9529a-4a10-40b3-a01f-f68a615d247a"
	GetSubmissionSetsID           ID = "urn:uuid:51224314-5390-4169-9b91-b1980040715a"
	GetSubmissionSetAndContentsID ID = "urn:uuid:e8e3cb2c-e39c-46b9-99e4-c12f57260b83"
	GetFolderAndContentsID        ID = "urn:uuid:b909a503-523d-4517-8acf-8e5834dfc4c7"
	GetFoldersForDocumentID       ID = "urn:uuid:10cae35a-c7f9-4cf5-b61e-fc3278ffb578"
	GetRelatedDocumentsID         ID = "urn:uuid:d90e5407-b356-4d91-a89f-873917b4b0e6"
	FindDocumentsByReferenceIDID  ID = "urn:uuid:12941a89-e02e-4be5-967c-ce4bfc8fe492"

	// Of ITI-51 (ITI TF-2 3.51.4.1.2.2).
	FindDocumentsForMultiplePatientsID ID = "urn:uuid:3d1bdb10-39a2-11de-89c2-2f44d94eaa9f"
	FindFoldersForMultiplePatientsID   ID = "urn:uuid:50d3f5ac-39a2-11de-a1ca-b366239e58df"
)

func (*FindDocuments) QueryID() ID               { return FindDocumentsID }
func (*FindDocumentsByReferenceID) QueryID() ID  { return FindDocumentsByReferenceIDID }
func (*FindSubmissionSets) QueryID() ID          { return FindSubmissionSetsID }
func (*FindFolders) QueryID() ID                 { return FindFoldersID }
func (*GetAll) QueryID() ID                      { return GetAllID }
func (*GetDocuments) QueryID() ID                { return GetDocumentsID }
func (*GetFolders) QueryID() ID                  { return GetFoldersID }
func (*GetAssociations) QueryID() ID             { return GetAssociationsID }
func (*GetDocumentsAndAssociations) QueryID() ID { return GetDocumentsAndAssociationsID }
func (*GetSubmissionSets) QueryID() ID           { return GetSubmissionSetsID }
func (*GetSubmissionSetAndContents) QueryID() ID { return GetSubmissionSetAndContentsID }
func (*GetFolderAndContents) QueryID() ID        { return GetFolderAndContentsID }
func (*GetFoldersForDocument) QueryID() ID       { return GetFoldersForDocumentID }
func (*GetRelatedDocuments) QueryID() ID         { return GetRelatedDocumentsID }

func (*FindDocumentsForMultiplePatients) QueryID() ID { return FindDocumentsForMultiplePatientsID }
func (*FindFoldersForMultiplePatients) QueryID() ID   { return FindFoldersForMultiplePatientsID }

func (*FindDocuments) isQuery()               {}
func (*FindDocumentsByReferenceID) isQuery()  {}
func (*FindSubmissionSets) isQuery()          {}
func (*FindFolders) isQuery()                 {}
func (*GetAll) isQuery()                      {}
func (*GetDocuments) isQuery()                {}
func (*GetFolders) isQuery()                  {}
func (*GetAssociations) isQuery()             {}
func (*GetDocumentsAndAssociations) isQuery() {}
func (*GetSubmissionSets) isQuery()           {}
func (*GetSubmissionSetAndContents) isQuery() {}
func (*GetFolderAndContents) isQuery()        {}
func (*GetFoldersForDocument) isQuery()       {}
func (*GetRelatedDocuments) isQuery()         {}

func (*FindDocumentsForMultiplePatients) isQuery() {}
func (*FindFoldersForMultiplePatients) isQuery()   {}

// DocumentRequest names one document to retrieve (ITI TF-2 3.43.4.1.2).
type DocumentRequest struct {
	Home         string
	RepositoryID string
	UniqueID     string
}
