package storage

import (
	"context"
	"iter"
	"slices"

	"samdok/access"
	"samdok/metadata"
)

// Eraser is what a Log can forget, and how it is walked to find what is to be
// forgotten. It is an interface of its own because only erasure and retention
// need it.
type Eraser interface {
	// Streams yields the streams of a kind, in no order; those whose data key is
	// gone are left out.
	Streams(ctx context.Context, t access.Tenant, kind StreamKind) iter.Seq2[Stream, error]
	// Reference names a stream without telling whose it is: the same for as long as
	// the log lives, also in a copy of it. Nil: there is no such stream.
	Reference(ctx context.Context, t access.Tenant, s Stream) ([]byte, error)
	// Referred finds the stream of a reference; false when this log does not have it.
	Referred(ctx context.Context, ref []byte) (access.Tenant, Stream, bool, error)
	// Redact takes out of a stream, and of those merged into it, what they say of
	// objects (nil: of all of them, and
	// what its events carry), writes what is left under a new data key and destroys
	// the old one, so that no copy of what was there can be read: not in the file, its
	// log, its free pages or a backup that is restored later. The objects must have
	// been removed. The stream's version stays. What is redacted already is left as
	// it is. A process that dies meanwhile leaves the stream as it was or redacted;
	// an old key that is left is destroyed at the next start.
	//
	// Without encryption what is left of the old bytes in free pages is overwritten
	// as far as the engine can.
	Redact(ctx context.Context, t access.Tenant, s Stream, objects []metadata.ID) (Redacted, error)
}

// Forgetter is an Outbox that can forget letters before they are settled.
type Forgetter interface {
	// Forget drops the letters of a tenant that about tells it to, taken or dead ones
	// too, so that no copy of them can be read: data keys that they share with others
	// are destroyed after those were written anew under another key. It asks about one
	// letter at a time, with its body, and tells how many it dropped. A process that
	// dies meanwhile leaves all of them or none; an old key that is left is destroyed
	// at the next start.
	Forget(ctx context.Context, t access.Tenant, about func(*Letter) bool) (int, error)
}

// Redacted says what Redact did.
type Redacted struct {
	Objects int      // that lost what they said, this time
	Keys    []uint64 // numbers of the data keys that were destroyed
}

// RedactEvents takes objects out of a change: what stays of each is its class,
// entryUUID, logical id and version. whole also takes out what events carry, and
// events that then say nothing, but for who the patient is: an id that was merged
// into another must never be used again. Claims on what only erased objects have go too;
// those on entryUUIDs stay, for a UUID never names a second object. n counts the
// objects that lost something; changed is false when there was nothing to do. The
// events and claims given are not altered.
func RedactEvents(events []Event, claims []Claim, erased func(metadata.ID) bool, whole bool) (left []Event, kept []Claim, n int, changed bool) {
	stays := map[string]bool{}
	for _, ev := range events {
		copied := ev
		if len(ev.Added) > 0 {
			copied.Added = slices.Clone(ev.Added)
		}
		for i := range copied.Added {
			a := &copied.Added[i]
			id := a.Object.ObjectID()
			stays[string(id)] = true
			if !erased(id) {
				stays[metadata.UniqueIDOf(a.Object)] = true
				continue
			}
			if IsTombstone(a.Object) {
				continue
			}
			*a = Added{Object: tombstone(a.Object)}
			n, changed = n+1, true
		}
		erasable := whole && ev.Kind != EventErased && !ev.Kind.identity()
		if erasable && len(ev.Body) > 0 {
			copied.Body, changed = nil, true
		}
		if erasable && len(ev.Added)+len(ev.Touched)+len(ev.Removed) == 0 {
			changed = true
			continue
		}
		left = append(left, copied)
	}
	for _, c := range claims {
		if stays[c.ID] || !whole && !claimedByErased(events, erased, c.ID) {
			kept = append(kept, c)
		} else {
			changed = true
		}
	}
	return left, kept, n, changed
}

// claimedByErased tells whether an erased object has the uniqueId.
func claimedByErased(events []Event, erased func(metadata.ID) bool, unique string) bool {
	for i := range events {
		for _, a := range events[i].Added {
			if metadata.UniqueIDOf(a.Object) == unique && erased(a.Object.ObjectID()) {
				return true
			}
		}
	}
	return false
}

// tombstone is what is left of an erased object.
func tombstone(o metadata.Object) metadata.Object {
	switch o := o.(type) {
	case *metadata.DocumentEntry:
		return &metadata.DocumentEntry{ID: o.ID, LogicalID: o.LogicalID, Version: o.Version, Kind: o.Kind, Status: o.Status}
	case *metadata.SubmissionSet:
		return &metadata.SubmissionSet{ID: o.ID, LogicalID: o.LogicalID, Version: o.Version, Status: o.Status}
	case *metadata.Folder:
		return &metadata.Folder{ID: o.ID, LogicalID: o.LogicalID, Version: o.Version, Status: o.Status}
	}
	return &metadata.Association{ID: o.ObjectID(), Status: o.ObjectStatus()}
}

// IsTombstone tells what is left of an erased object from a registered one, which
// always has a uniqueId, or ends.
func IsTombstone(o metadata.Object) bool {
	if a, ok := o.(*metadata.Association); ok {
		return a.Source == "" && a.Target == ""
	}
	return metadata.UniqueIDOf(o) == ""
}
