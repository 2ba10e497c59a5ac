package storage

import (
	"context"
	"io"
	"iter"
	"time"

	"samdok/access"
	"samdok/metadata"
)

// StreamKind is what a stream is about. Numbers are stored.
type StreamKind uint8

const (
	StreamUnknown StreamKind = iota
	StreamPatient
	// StreamMailbox: what was sent to a recipient (XDR); the ID is the recipient's.
	StreamMailbox
	// StreamSubscription: one subscription to events (ITI-52); the ID is its own.
	StreamSubscription
	// StreamHold: one legal hold; the ID is its own.
	StreamHold
)

// Stream names one thing that changes as a unit.
type Stream struct {
	Kind StreamKind
	ID   string // for a patient: PatientStream's form
}

// PatientStream is the stream of a patient: "id^authority".
func PatientStream(p metadata.PatientID) Stream {
	return Stream{StreamPatient, p.ID + "^" + p.Authority}
}

// Version of a stream: the number of changes appended to it; 0 before the first.
type Version uint64

// EventKind says what happened. Numbers are stored; new kinds are added at the
// end.
type EventKind uint8

const (
	EventUnknown EventKind = iota
	// EventSubmitted: a submission was accepted.
	EventSubmitted
	// EventUpdated: an update of metadata was accepted (ITI-57, ITI-92).
	EventUpdated
	// EventRemoved: metadata was removed (ITI-62).
	EventRemoved
	// EventDocumentsRemoved: documents were removed, their metadata stays (ITI-86).
	EventDocumentsRemoved
	// EventPatientKnown: an identity feed added or revised the patient (ITI-8,
	// ITI-44).
	EventPatientKnown
	// EventMergedInto closes the stream: the patient lives on in another one. It is
	// the stream's last event, appended together with the other's EventAbsorbed. Its
	// Body names that stream; engines read it, see Event.Merged.
	EventMergedInto
	// EventAbsorbed: the patients that Body names were merged into this one.
	EventAbsorbed
	// EventErased: data keys were destroyed.
	EventErased
	// EventHeld, EventReleased: a legal hold begins and ends.
	EventHeld
	EventReleased
	// EventSubscribed, EventUnsubscribed: a subscription begins, is renewed, ends.
	EventSubscribed
	EventUnsubscribed
	// EventReceived: a message arrived in a mailbox.
	EventReceived
)

// Event is one thing that happened to a stream, with its effects spelled out so
// that every engine can apply it without knowing the rules.
type Event struct {
	Kind EventKind
	ID   metadata.UUID // of the event; a lost reply is settled by looking for it
	Time time.Time     // UTC, from the one clock; order comes from versions
	// Added are new objects, complete: no symbolic ids, no zero UUIDs, a status.
	Added []Added
	// Touched are objects already in this tenant (of this or another stream)
	// whose state changes.
	Touched []Touch
	// Removed are objects of this stream, or of one that was merged into it, that
	// nobody finds any more, except with Refs.WithRemoved. Nothing that is left may refer to them, see Append.
	Removed []metadata.ID
	// Body is what kinds that are not about documents carry, in the form of the
	// package that owns the kind; the engines do not look into it, unless the kind
	// says so. It has a version of its own.
	Body []byte
}

// Added is one new object.
type Added struct {
	Object metadata.Object
	// Document is the key of the bytes of a stable DocumentEntry held by this
	// repository; "" when another repository holds them.
	Document DocumentKey
	// Controller is the organisation that answers for the object.
	Controller string
}

// Touch changes an object. Zero fields are left as they are.
type Touch struct {
	ID             metadata.ID
	Status         metadata.Status
	LastUpdateTime metadata.DTM // folders
	// Succession tells whether the object is the newest version of its logical
	// object.
	Succession Succession
	// Unbind: the bytes of the entry are gone; it has no Document from now on.
	Unbind bool
}

// Succession is what an event says of an object's place among the versions of
// its logical object. Numbers are stored.
type Succession uint8

const (
	// Unchanged: a new object is the newest version until an event says otherwise.
	Unchanged Succession = iota
	// Superseded: there is a newer version.
	Superseded
	// Newest: it is the newest version again, because the newer ones were removed.
	Newest
)

// Claim makes an identifier of a new object count in the whole tenant. Append
// fails with ErrConflict when a claim is taken. It counts until all objects of
// its change that have the ID as uniqueId were removed; for ever when there are
// none, so that an entryUUID never names a second object.
type Claim struct {
	// ID is an entryUUID or a uniqueId.
	ID string
	// Exclusive: nobody may hold the ID (entryUUIDs; uniqueIds of submission sets
	// and folders). Otherwise other holders are fine when their Value is equal, or
	// when they hold it exclusively (a DocumentEntry's uniqueId).
	Exclusive bool
	// Value of a shared claim: lower-case hash and size, or a word that says what
	// else the ID names. "" (unknown) is equal to everything.
	Value string
}

// Change appends events to one stream when its version is Expect. One without
// events and claims appends nothing: it only holds that the stream was at Expect
// when the others of its Append were applied.
type Change struct {
	Stream Stream
	Expect Version
	Events []Event
	Claims []Claim
}

// Refs says what Load shall find. All are looked for in the whole tenant.
type Refs struct {
	IDs       []metadata.ID // objects by entryUUID
	UniqueIDs []string      // objects of any class by uniqueId
	// AssociationsOf: associations whose source or target is one of these, in any
	// stream.
	AssociationsOf []metadata.ID
	// LogicalIDs: all versions of entries, folders and sets by logical id.
	LogicalIDs []metadata.ID
	// Everywhere also finds what is in streams that are no patient's: what lies in
	// a mailbox is nobody's registered document.
	Everywhere bool
	// WithRemoved also finds what was removed.
	WithRemoved bool
}

// Placed is an object and where it is.
type Placed struct {
	Added
	// Stream is that of the patient whom the object is of now: where it was added,
	// or where that stream was merged into. Changes of the object go there.
	Stream Stream
	// Superseded: a newer version of the object is registered.
	Superseded bool
	// Removed objects are found with Refs.WithRemoved only.
	Removed bool
}

// State is what Load found, in no order, each object once. Objects carry their
// current status and lastUpdateTime; entries, sets and folders show the patient
// whom they are of now (see ShowPatient).
type State struct {
	Objects      []Placed // asked for by IDs, UniqueIDs or LogicalIDs
	Associations []Placed // asked for by AssociationsOf
	// Standing is that of the stream that is loaded, at its version or newer.
	Standing Standing // Load only
}

// Log is the truth.
type Log interface {
	// Load returns what refs ask for and the version of stream at which it holds.
	Load(ctx context.Context, t access.Tenant, s Stream, refs Refs) (State, Version, error)
	// Append applies all changes or none. When it returns nil they are durable and
	// visible to every Load, Find and Resolve that starts afterwards. ErrConflict:
	// a stream is not at its expected version or closed, a claim is taken, an association
	// would lead to a removed object, or what is removed is an end of an
	// association that is not removed together with it; load again.
	// Any other error leaves the outcome unknown unless it says otherwise
	// (fault.Busy, fault.TooLarge: nothing was written).
	Append(ctx context.Context, t access.Tenant, changes []Change) error
	// Events yields the stream's own events from a version on, for rebuilds and
	// checks: those of the version that Load has told among them, always.
	Events(ctx context.Context, t access.Tenant, s Stream, from Version) iter.Seq2[Event, error]
	// Feed yields the changes of all streams behind a position, in the order of
	// their commits, up to the last at that time; changes whose data key was
	// destroyed are passed over. ErrPosition: the position is not of this log.
	Feed(ctx context.Context, t access.Tenant, after Position) iter.Seq2[Fed, error]
	// Ready is nil when the log can be used; the error names the command or action
	// that mends it.
	Ready(ctx context.Context) error
}

// Filter selects objects of one patient; a nil field selects none of its class.
type Filter struct {
	Documents      *metadata.DocumentFilter
	SubmissionSets *metadata.SubmissionSetFilter
	Folders        *metadata.FolderFilter
	// Associations: all associations of the stream.
	Associations bool
}

// Place is where an identifier leads.
type Place struct {
	ID     string // as asked for
	Stream Stream
	Object metadata.ID
}

// Index answers searches. It projects the log only and can be rebuilt from it.
type Index interface {
	// Find yields the stream's objects that the filter selects and the restriction
	// allows, in the order they were registered, without holding them all in
	// memory. Of a stream that others were merged into, theirs are yielded too, one
	// stream after the other, all as of one moment. An unknown stream yields
	// nothing, nor does one that was merged into another.
	Find(ctx context.Context, t access.Tenant, s Stream, f Filter, r access.Restriction) iter.Seq2[Placed, error]
	// Scan is Find over all patients of the tenant, stream by stream; what the
	// tenant held when it began, however long it takes. It reads everything.
	Scan(ctx context.Context, t access.Tenant, f Filter, r access.Restriction) iter.Seq2[Placed, error]
	// Lookup finds objects and associations anywhere in the tenant.
	Lookup(ctx context.Context, t access.Tenant, refs Refs) (State, error)
	// Rebuild drops the projection and makes it again from the log; progress is
	// called now and then with events done and their total.
	Rebuild(ctx context.Context, progress func(done, total int64)) error
}

// DocumentKey names stored bytes. It is random per intake and never derived from
// a uniqueId; the log binds it to an entry.
type DocumentKey string

// MaxOwner is the longest Owner, in bytes of Tenant and UniqueID together.
const MaxOwner = 4096

// Owner says which entry an intake is for. The sweep asks the log with it
// whether a key is bound; it binds nothing itself. Engines store it with the
// bytes and keep it as secret as them: a uniqueId may name a person.
type Owner struct {
	Tenant   access.Tenant
	UniqueID string
}

// DocumentInfo is what is known about committed bytes.
type DocumentInfo struct {
	Owner    Owner
	Size     int64
	SHA1     [20]byte
	SHA256   [32]byte
	Modified time.Time
}

// Documents holds bytes.
type Documents interface {
	// Create starts an intake under a new random key. An owner longer than MaxOwner
	// is fault.TooLarge.
	Create(ctx context.Context, owner Owner) (DocumentWriter, error)
	// Open reads committed bytes from an offset. Unknown key: fault.NotFound.
	// Tampered bytes: an error from Read before the altered bytes are returned.
	Open(ctx context.Context, key DocumentKey, offset int64) (io.ReadCloser, DocumentInfo, error)
	Stat(ctx context.Context, key DocumentKey) (DocumentInfo, error)
	// Delete removes the bytes and destroys their data key; unknown keys are fine.
	Delete(ctx context.Context, key DocumentKey) error
	// Keys yields the keys committed at or after from and before a time, in no
	// order, for the sweep. The zero from means "since ever". What a Delete left that
	// was cut off after the data key was gone is not listed; the engine ends it.
	Keys(ctx context.Context, from, before time.Time) iter.Seq2[DocumentKey, error]
}

// DocumentWriter takes the bytes of one document and hashes them on the way.
type DocumentWriter interface {
	io.Writer
	// Key is where the bytes are found; "" until Commit has returned nil.
	Key() DocumentKey
	// Commit makes the bytes durable. Several writers may share one fsync.
	Commit(ctx context.Context) (DocumentInfo, error)
	// Cancel forgets an uncommitted intake. It is safe after Commit and belongs
	// in a defer.
	Cancel() error
}
