package scaled

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/keyring"
)

// Difference is something that Verify found. It tells of nobody: streams are named by
// their references.
type Difference struct {
	Tenant access.Tenant
	Stream string // reference, hexadecimal; "" when it is about the journal
	What   string
}

// Verify compares the journals with themselves, with the index and with the
// documents (nil: not with those), and reports each difference. It reads everything;
// nodes may go on meanwhile. An error is one of the check itself.
func (l *Log) Verify(ctx context.Context, documents storage.Documents, report func(Difference)) error {
	const op = "scaled.Verify"
	tenants, err := l.o.S3.Tenants(ctx)
	if err != nil {
		return wrap(op, err, onlyRead)
	}
	for _, t := range tenants {
		v := verifier{Log: l, tenant: t, documents: documents, report: report, ends: map[reference]end{}}
		if err := v.journal(ctx); err != nil {
			return wrap(op, err, onlyRead)
		}
		for _, kind := range []storage.StreamKind{storage.StreamPatient, storage.StreamMailbox, storage.StreamSubscription, storage.StreamHold} {
			for s, err := range l.Streams(ctx, t, kind) {
				if err == nil {
					err = v.stream(ctx, s)
				}
				if err != nil {
					return wrap(op, err, onlyRead)
				}
			}
		}
		if err := v.unknown(ctx); err != nil {
			return wrap(op, err, onlyRead)
		}
	}
	return nil
}

type verifier struct {
	*Log
	tenant    access.Tenant
	documents storage.Documents
	report    func(Difference)
	ends      map[reference]end // of the streams in the journal
}

// end is the last change of a stream.
type end struct {
	version storage.Version
	keyID   uint64
}

// unknown names streams that the journal has and the index has not, but for those
// whose data key was destroyed.
func (v *verifier) unknown(ctx context.Context) error {
	for ref, e := range v.ends {
		if e.keyID != 0 {
			_, err := v.o.Keys.Key(ctx, e.keyID)
			if errors.Is(err, keyring.ErrDestroyed) {
				continue
			}
			if err != nil {
				return err
			}
		}
		v.say(hex.EncodeToString(ref[:]), "the stream is not in the index")
	}
	return nil
}

// note takes in the ends of streams in a batch.
func (v *verifier) note(b *rawBatch) {
	for i := range b.records {
		r := &b.records[i]
		switch e := v.ends[r.ref]; {
		case r.kind == recordChange:
			v.ends[r.ref] = end{r.version, r.keyID}
		case r.kind == recordRedaction:
			v.ends[r.ref] = end{e.version, r.keyID}
		}
	}
}

func (v *verifier) say(ref string, format string, args ...any) {
	v.report(Difference{v.tenant, ref, fmt.Sprintf(format, args...)})
}

// hashed is a batch with its hash; err tells what is wrong with it.
type hashed struct {
	raw  *rawBatch
	hash [sha256.Size]byte
	err  error
}

// journal walks the chain.
func (v *verifier) journal(ctx context.Context) error {
	one := v.newLine(v.tenant) // only to read with
	end, err := one.journal.End(ctx, 0)
	if err != nil {
		return err
	}
	var prev [sha256.Size]byte
	seq := uint64(0)
	for b, err := range inOrder(ctx, 1, end-1, func(ctx context.Context, seq uint64) (hashed, error) {
		d, err := one.journal.Read(ctx, seq)
		if err != nil {
			return hashed{}, err
		}
		raw, err := parseBatch(d)
		return hashed{raw, sha256.Sum256(d), err}, nil
	}) {
		if err != nil {
			return err
		}
		seq++
		switch {
		case b.err != nil:
			v.say("", "batch %d: %v", seq, b.err)
		case b.raw.seq != seq || seq > 1 && b.raw.prev != prev:
			v.say("", "batch %d does not follow the one before it", seq)
		}
		if b.err == nil {
			v.note(b.raw)
		}
		prev = b.hash
	}
	return nil
}

// stream compares what the journal says of a stream with what is found. A stream
// that changes meanwhile is looked at again.
func (v *verifier) stream(ctx context.Context, s storage.Stream) error {
	sum := v.index.Reference(v.tenant, s)
	ref := hex.EncodeToString(sum[:])
	journal := v.ends[sum].version
	delete(v.ends, sum)
	for {
		st, before, err := v.Load(ctx, v.tenant, s, storage.Refs{})
		if err != nil {
			return err
		}
		var found []Difference
		again := verifier{Log: v.Log, tenant: v.tenant, documents: v.documents, report: func(d Difference) { found = append(found, d) }}
		if err := again.once(ctx, s, ref, before, st.Standing.Into != (storage.Stream{})); err != nil {
			return err
		}
		_, after, err := v.Load(ctx, v.tenant, s, storage.Refs{})
		if err != nil {
			return err
		}
		if before == after {
			if before < journal {
				v.say(ref, "the index is at version %d, the journal at %d", before, journal)
			}
			for _, d := range found {
				v.report(d)
			}
			return nil
		}
	}
}

func (v *verifier) once(ctx context.Context, s storage.Stream, ref string, version storage.Version, merged bool) error {
	var last storage.Version
	added := map[metadata.ID]storage.DocumentKey{}
	for c, err := range v.changes(ctx, v.tenant, s, 1) {
		if err != nil {
			v.say(ref, "version %d cannot be read: %v", last+1, err)
			return ctx.Err()
		}
		if last++; c.version != last {
			v.say(ref, "version %d is missing", last)
			last = c.version
		}
		for i := range c.events {
			for _, a := range c.events[i].Added {
				if !storage.IsTombstone(a.Object) {
					added[a.Object.ObjectID()] = a.Document
				}
			}
		}
	}
	if last != version {
		v.say(ref, "the index is at version %d and leads to %d changes of the journal", version, last)
	}
	if merged {
		return nil // its objects are looked at as the survivor's
	}
	return v.objects(ctx, s, ref, added)
}

// objects looks for each object that was added and not removed.
func (v *verifier) objects(ctx context.Context, s storage.Stream, ref string, added map[metadata.ID]storage.DocumentKey) error {
	refs := storage.Refs{Everywhere: true, WithRemoved: true}
	for id := range added {
		refs.IDs = append(refs.IDs, id)
	}
	st, err := v.Lookup(ctx, v.tenant, refs)
	if err != nil {
		return err
	}
	living := map[metadata.ID]bool{}
	for _, o := range st.Objects {
		id := o.Object.ObjectID()
		_, known := added[id]
		delete(added, id)
		if !known || o.Removed || o.Stream != s {
			continue
		}
		living[id] = true
		if err := v.document(ctx, ref, o); err != nil {
			return err
		}
	}
	for id := range added {
		v.say(ref, "object %s of the journal is not in the index", id)
	}
	everything := storage.Filter{Documents: &metadata.DocumentFilter{Kinds: []metadata.EntryKind{metadata.Stable, metadata.OnDemand}},
		SubmissionSets: &metadata.SubmissionSetFilter{}, Folders: &metadata.FolderFilter{}, Associations: true}
	for o, err := range v.Find(ctx, v.tenant, s, everything, access.Restriction{}) {
		if err != nil {
			return err
		}
		delete(living, o.Object.ObjectID())
	}
	for id := range living {
		v.say(ref, "object %s is in the index, but a search does not find it", id)
	}
	return nil
}

// document looks whether the bytes of an entry are there.
func (v *verifier) document(ctx context.Context, ref string, o storage.Placed) error {
	if v.documents == nil || o.Document == "" {
		return nil
	}
	_, err := v.documents.Stat(ctx, o.Document)
	if fault.KindOf(err) == fault.NotFound && err != nil {
		v.say(ref, "the bytes of document %s are missing", o.Object.ObjectID())
		return nil
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		v.say(ref, "the bytes of document %s cannot be read: %v", o.Object.ObjectID(), err)
		return nil
	}
	return err
}
