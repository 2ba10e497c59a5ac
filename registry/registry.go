package registry

import (
	"cmp"
	"context"
	"time"

	"samdok/fault"
	"samdok/metadata/profile"
	"samdok/storage"
)

// Options of a Registry. Log, Index and Clock are required.
type Options struct {
	Log   storage.Log
	Index storage.Index
	// Profile checks coded values and mime types; nil: every value is fine.
	Profile *profile.Profile
	// Clock gives the registration time.
	Clock func() time.Time
	// KnownPatients: only patients that an identity feed has told of have documents
	// and are merged; otherwise every patient is known.
	KnownPatients bool
	// Home is the community's homeCommunityId ("urn:oid:..."), "" when it has none.
	Home string
	// UnknownLogicalID is the error of an update (ITI-57) of what nothing is
	// registered for; "" is UnresolvedReferenceException.
	UnknownLogicalID fault.Code
	// ObjectTypeError: a restricted update (ITI-92) that changes the objectType is
	// answered XDSObjectTypeError instead of UnmodifiableMetadataError.
	ObjectTypeError bool
	Limits          Limits
}

// Limits of one request. Zero values mean the defaults.
type Limits struct {
	LeafClass  int // objects in one LeafClass answer; default 10,000
	ObjectRefs int // objects in one ObjectRef answer; default 100,000
	Attempts   int // how often a submission is tried against other writers; default 32

	// Of queries about several patients (ITI-51).
	AcrossPatients int           // patients in one query; default 1,000
	AcrossRange    time.Duration // that a query without patients may span; default 31 days
	AcrossObjects  int           // objects in an answer to a query without patients; default 1,000
}

func (l Limits) withDefaults() Limits {
	if l.LeafClass <= 0 {
		l.LeafClass = 10_000
	}
	if l.ObjectRefs <= 0 {
		l.ObjectRefs = 100_000
	}
	if l.Attempts <= 0 {
		l.Attempts = 32
	}
	if l.AcrossPatients <= 0 {
		l.AcrossPatients = 1000
	}
	if l.AcrossRange <= 0 {
		l.AcrossRange = 31 * 24 * time.Hour
	}
	if l.AcrossObjects <= 0 {
		l.AcrossObjects = 1000
	}
	return l
}

// Registry registers and finds metadata. It is safe for concurrent use.
type Registry struct {
	log     storage.Log
	index   storage.Index
	profile *profile.Profile
	clock   func() time.Time
	home    string
	limits  Limits
	// knownOnly: Options.KnownPatients.
	knownOnly bool
	unknownID fault.Code // Options.UnknownLogicalID
	otherType fault.Code // of an ITI-92 with another objectType
}

// Ready is nil: a registry of its own answers for itself when it is asked.
func (r *Registry) Ready(context.Context) error { return nil }

// New makes a Registry.
func New(o Options) *Registry {
	r := &Registry{
		log: o.Log, index: o.Index, profile: o.Profile, clock: o.Clock,
		knownOnly: o.KnownPatients, home: o.Home, limits: o.Limits.withDefaults(),
		unknownID: cmp.Or(o.UnknownLogicalID, fault.UnresolvedReference), otherType: fault.UnmodifiableMetadata,
	}
	if o.ObjectTypeError {
		r.otherType = fault.ObjectTypeError
	}
	return r
}
