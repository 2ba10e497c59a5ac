package metadata

// Object is one of *DocumentEntry, *SubmissionSet, *Folder, *Association, and
// *ObjectReference in answers of other communities; the set is closed.
type Object interface {
	// ObjectID is the entryUUID, or the symbolic id inside a submission.
	ObjectID() ID
	// ObjectStatus is the availabilityStatus.
	ObjectStatus() Status
	isObject()
}

func (e *DocumentEntry) ObjectID() ID { return e.ID }
func (s *SubmissionSet) ObjectID() ID { return s.ID }
func (f *Folder) ObjectID() ID        { return f.ID }
func (a *Association) ObjectID() ID   { return a.ID }

func (e *DocumentEntry) ObjectStatus() Status { return e.Status }
func (s *SubmissionSet) ObjectStatus() Status { return s.Status }
func (f *Folder) ObjectStatus() Status        { return f.Status }
func (a *Association) ObjectStatus() Status   { return a.Status }

func (r *ObjectReference) ObjectID() ID         { return r.ID }
func (r *ObjectReference) ObjectStatus() Status { return StatusUnknown }

func (*ObjectReference) isObject() {}
func (*DocumentEntry) isObject()   {}
func (*SubmissionSet) isObject()   {}
func (*Folder) isObject()          {}
func (*Association) isObject()     {}

// HomeOf is the homeCommunityId of an object ("urn:oid:..."); "" when it has none.
func HomeOf(o Object) string {
	switch o := o.(type) {
	case *DocumentEntry:
		return o.Home
	case *SubmissionSet:
		return o.Home
	case *Folder:
		return o.Home
	case *Association:
		return o.Home
	case *ObjectReference:
		return o.Home
	}
	return ""
}

// UniqueIDOf is the uniqueId of an object; "" for associations and references.
func UniqueIDOf(o Object) string {
	switch o := o.(type) {
	case *DocumentEntry:
		return o.UniqueID
	case *SubmissionSet:
		return o.UniqueID
	case *Folder:
		return o.UniqueID
	}
	return ""
}

// LogicalIDOf is the logical id that the versions of an object share; "" for associations and
// references.
func LogicalIDOf(o Object) ID {
	switch o := o.(type) {
	case *DocumentEntry:
		return o.LogicalID
	case *SubmissionSet:
		return o.LogicalID
	case *Folder:
		return o.LogicalID
	}
	return ""
}

// VersionOf is the version of an object; 0 for associations and references.
func VersionOf(o Object) int {
	switch o := o.(type) {
	case *DocumentEntry:
		return o.Version
	case *SubmissionSet:
		return o.Version
	case *Folder:
		return o.Version
	}
	return 0
}

// Status is availabilityStatus (ITI TF-3 4.2.3.2.2). The zero value means that
// none was given; objects in a registry always have one.
type Status uint8

const (
	StatusUnknown Status = iota
	Approved
	Deprecated
)

const (
	statusPrefix    = "urn:oasis:names:tc:ebxml-regrep:StatusType:"
	approvedURN     = statusPrefix + "Approved"
	deprecatedURN   = statusPrefix + "Deprecated"
	entryStableUUID = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"
	entryOnDemand   = "urn:uuid:34268e47-fdf5-41a6-ba33-82133c465248"
)

// URN is the form used on the wire; "" for StatusUnknown.
func (s Status) URN() string {
	switch s {
	case Approved:
		return approvedURN
	case Deprecated:
		return deprecatedURN
	}
	return ""
}

// ParseStatus reads a status URN; anything else is StatusUnknown (a submitted
// status is ignored, ITI TF-2 3.42.4.1.3.3.5, and an unknown one in a query is
// not an error).
func ParseStatus(urn string) Status {
	switch urn {
	case approvedURN:
		return Approved
	case deprecatedURN:
		return Deprecated
	}
	return StatusUnknown
}

// EntryKind tells stable from on-demand entries: the objectType of an
// ExtrinsicObject (ITI TF-3 4.2.5.2).
type EntryKind uint8

const (
	KindUnknown EntryKind = iota
	Stable
	OnDemand
)

// URN is the objectType UUID on the wire; "" for KindUnknown.
func (k EntryKind) URN() string {
	switch k {
	case Stable:
		return entryStableUUID
	case OnDemand:
		return entryOnDemand
	}
	return ""
}

// ParseEntryKind reads an objectType, ignoring letter case.
func ParseEntryKind(urn string) EntryKind {
	switch ParseID(urn) {
	case entryStableUUID:
		return Stable
	case entryOnDemand:
		return OnDemand
	}
	return KindUnknown
}

// LocalizedString is one text with its language. Lang and Charset are "" when
// the sender gave none.
type LocalizedString struct{ Value, Lang, Charset string }

// Text is a title, comment or display name: usually one LocalizedString.
type Text []LocalizedString

// NewText makes a Text of one value without language; nil for "".
func NewText(value string) Text {
	if value == "" {
		return nil
	}
	return Text{{Value: value}}
}

// String is the first non-empty value.
func (t Text) String() string {
	for i := range t {
		if t[i].Value != "" {
			return t[i].Value
		}
	}
	return ""
}

// Code is a coded attribute (ITI TF-3 4.2.3.1.2). Scheme is the codingScheme as
// sent, "urn:oid:" prefix or not; see CodeRef for comparing.
type Code struct {
	Value   string // nodeRepresentation
	Scheme  string
	Display Text
	ID      UUID // id of the Classification that carried it; zero: the registry makes one
}

// Ref is what identifies a code.
func (c Code) Ref() CodeRef { return CodeRef{c.Value, c.Scheme} }

// Slot is a named list of values, for extra metadata (ITI TF-3 4.2.3.1.6).
type Slot struct {
	Name   string
	Values []string
}

// Author is one author (ITI TF-3 4.2.3.1.4). There is no positional
// correspondence between its lists.
type Author struct {
	Person       XCN // "" when absent
	Institutions []XON
	Roles        []string
	Specialties  []string
	Telecom      []XTN
	Extra        []Slot
	ID           UUID
}

// DocumentEntry describes one document (ITI TF-3 4.2.3.2). Empty string, nil
// and zero mean "absent" unless said otherwise.
type DocumentEntry struct {
	ID           ID // entryUUID
	LogicalID    ID // lid; the first version has LogicalID == ID
	Version      int
	Home         string // homeCommunityId, "urn:oid:..."
	Status       Status
	Kind         EntryKind
	Limited      bool // limitedMetadata
	MimeType     string
	Title        Text
	Comments     Text
	Authors      []Author
	ClassCode    Code
	TypeCode     Code
	FormatCode   Code
	Facility     Code   // healthcareFacilityTypeCode
	Practice     Code   // practiceSettingCode
	Confidential []Code // confidentialityCode
	EventCodes   []Code // eventCodeList

	CreationTime       DTM
	ServiceStart       DTM
	ServiceStop        DTM
	Hash               string // SHA-1 in hex, any letter case
	Size               Size
	Language           string
	LegalAuthenticator XCN
	PatientID          CX
	SourcePatientID    CX
	SourcePatientInfo  []string // "PID-5|...", as sent
	ReferenceIDs       []CXi
	RepositoryID       string // repositoryUniqueId
	UniqueID           string // opaque (ITI TF-3 4.2.3.2.26)
	URI                string
	Availability       string // documentAvailability, a URN
	Extra              []Slot

	PatientIDRef, UniqueIDRef UUID // ids of the two ExternalIdentifiers
}

// Size is a number of octets; the zero value means "not given", so that 0 octets
// can be told from no size.
type Size struct {
	Given  bool
	Octets int64
}

// Octets is a known size.
func Octets(n int64) Size { return Size{true, n} }

// SubmissionSet describes one submission (ITI TF-3 4.2.3.3).
type SubmissionSet struct {
	ID             ID
	LogicalID      ID
	Version        int
	Home           string
	Status         Status
	Limited        bool
	Title          Text
	Comments       Text
	Authors        []Author
	ContentType    Code     // contentTypeCode
	Recipients     []string // intendedRecipient, "XON|XCN|XTN" as sent
	PatientID      CX
	SourceID       string
	SubmissionTime DTM
	UniqueID       string
	Extra          []Slot

	PatientIDRef, SourceIDRef, UniqueIDRef UUID
}

// Folder groups documents of one patient (ITI TF-3 4.2.3.4).
type Folder struct {
	ID             ID
	LogicalID      ID
	Version        int
	Home           string
	Status         Status
	Limited        bool
	Title          Text
	Comments       Text
	Codes          []Code // codeList
	LastUpdateTime DTM
	PatientID      CX
	UniqueID       string
	Extra          []Slot

	PatientIDRef, UniqueIDRef UUID
}

// Association links two objects (ITI TF-3 4.2.2).
type Association struct {
	ID              ID
	Type            AssociationType
	Source          ID
	Target          ID
	Status          Status
	Home            string
	Membership      Membership // SubmissionSetStatus
	PreviousVersion string     // slot PreviousVersion (ITI-57)
	OriginalStatus  string     // slots of UpdateAvailabilityStatus (ITI-57)
	NewStatus       string
	Propagation     string // slot AssociationPropagation, "yes" or "no"
	Documentation   *Code  // relationship documentation; nil when absent
	Extra           []Slot
}

// ObjectReference stands for an object of another community that answered a query
// for references (rim:ObjectRef): nothing more is known of it.
type ObjectReference struct {
	ID   ID
	Home string
}

// Membership is the SubmissionSetStatus of an SS-DE HasMember association.
type Membership uint8

const (
	MembershipNone Membership = iota
	Original
	Reference
)

// AssociationType is the URN of a relationship (ITI TF-3 4.2.5.4).
type AssociationType string

const (
	HasMember         AssociationType = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"
	Replaces          AssociationType = "urn:ihe:iti:2007:AssociationType:RPLC"
	Transforms        AssociationType = "urn:ihe:iti:2007:AssociationType:XFRM"
	Appends           AssociationType = "urn:ihe:iti:2007:AssociationType:APND"
	TransformReplaces AssociationType = "urn:ihe:iti:2007:AssociationType:XFRM_RPLC"
	Signs             AssociationType = "urn:ihe:iti:2007:AssociationType:signs"
	IsSnapshotOf      AssociationType = "urn:ihe:iti:2010:AssociationType:IsSnapshotOf"
	UpdateStatus      AssociationType = "urn:ihe:iti:2010:AssociationType:UpdateAvailabilityStatus"
	SubmitAssociation AssociationType = "urn:ihe:iti:2010:AssociationType:SubmitAssociation"
)

// Submission is what one ITI-41, 42, 57, 61 or 92 message registers: exactly one
// submission set and any number of the rest.
type Submission struct {
	Set          SubmissionSet
	Entries      []*DocumentEntry
	Folders      []*Folder
	Associations []*Association
}
