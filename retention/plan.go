package retention

import (
	"context"
	"iter"
	"slices"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// Target names what shall be erased: a patient, or documents by uniqueId, or by
// the entryUUIDs of their entries. All versions of a document go together.
type Target struct {
	Patient   metadata.PatientID
	UniqueIDs []string
	Entries   []metadata.ID
}

// Plan is what an erasure takes away, at one version of all streams that it is in.
type Plan struct {
	ID     metadata.UUID
	Tenant access.Tenant
	// Whole: a patient, with all that the stream holds.
	Whole bool
	// Objects go: entries, their associations wherever they are, submission sets
	// that are left without members. Also those that were removed before.
	Objects   []storage.Placed
	Documents []storage.DocumentKey
	Held      []Hold

	register storage.Version
	streams  []*part
}

// part is what goes of one stream.
type part struct {
	stream  storage.Stream
	ref     []byte
	version storage.Version
	whole   bool
	objects []metadata.ID
	living  []metadata.ID // of them, not removed yet
}

// chunk bounds how much one Load holds.
const chunk = 500

// Plan finds what an erasure would take away. fault.NotFound: there is nothing.
func (k *Keeper) Plan(ctx context.Context, t access.Tenant, target Target) (*Plan, error) {
	versions := map[storage.Stream]storage.Version{}
	for {
		// Versions before objects: an Append that expects them fails when something
		// that was found has changed since.
		for s := range versions {
			_, v, err := k.log.Load(ctx, t, s, storage.Refs{})
			if err != nil {
				return nil, err
			}
			versions[s] = v
		}
		r, err := k.registered(ctx, t)
		if err != nil {
			return nil, err
		}
		c := collector{k: k, ctx: ctx, t: t, found: map[metadata.ID]storage.Placed{}}
		if err := c.target(target); err != nil {
			return nil, err
		}
		p, missing := c.plan(versions)
		if missing {
			for _, s := range p.streams {
				versions[s.stream] = 0
			}
			continue
		}
		p.register = r.version
		holds, err := k.Holds(ctx, t)
		if err != nil {
			return nil, err
		}
		p.Held = HeldBy(holds, p.Objects)
		if len(p.Objects) == 0 && !p.Whole {
			return nil, Nothing()
		}
		for _, s := range p.streams {
			if s.ref, err = k.log.Reference(ctx, t, s.stream); err != nil {
				return nil, err
			}
		}
		return p, nil
	}
}

// Nothing is the error of an order that names nothing.
func Nothing() error {
	return fault.New(fault.NotFound, "retention.Plan", fault.DocumentUniqueIDError, "Nothing is registered that the order names.")
}

// collector gathers what goes.
type collector struct {
	k     *Keeper
	ctx   context.Context
	t     access.Tenant
	found map[metadata.ID]storage.Placed
	order []metadata.ID
	whole map[storage.Stream]bool
	docs  []storage.DocumentKey
}

func (c *collector) target(target Target) error {
	if target.Patient != (metadata.PatientID{}) {
		if err := c.patient(storage.PatientStream(target.Patient)); err != nil {
			return err
		}
	}
	if len(target.UniqueIDs)+len(target.Entries) == 0 {
		return nil
	}
	return c.documents(storage.Refs{UniqueIDs: target.UniqueIDs, IDs: target.Entries})
}

// patient takes everything of a stream, and what others say of it.
func (c *collector) patient(s storage.Stream) error {
	_, v, err := c.k.log.Load(c.ctx, c.t, s, storage.Refs{})
	if err != nil || v == 0 {
		return err
	}
	says := false
	var ids []metadata.ID
	for ev, err := range c.k.events(c.ctx, c.t, s) {
		if err != nil {
			return err
		}
		if ev.Kind == storage.EventMergedInto {
			return fault.New(fault.Invalid, "retention.Plan", fault.UnknownPatientID, "This patient id was merged into another one. Name the surviving id: all of the patient is erased together.")
		}
		for _, a := range ev.Added {
			ids = append(ids, a.Object.ObjectID())
			if !storage.IsTombstone(a.Object) {
				says = true
				c.document(a.Document)
			}
		}
	}
	if !says {
		return nil // erased before, and nothing came since
	}
	if c.whole == nil {
		c.whole = map[storage.Stream]bool{}
	}
	c.whole[s] = true
	for part := range slices.Chunk(ids, chunk) {
		st, err := c.load(storage.Refs{IDs: part, AssociationsOf: part})
		if err != nil {
			return err
		}
		c.add(st.Objects...)
		c.add(st.Associations...)
	}
	return nil
}

func (c *collector) load(refs storage.Refs) (storage.State, error) {
	refs.WithRemoved = true
	st, _, err := c.k.log.Load(c.ctx, c.t, storage.Stream{}, refs)
	return st, err
}

// add takes objects that still say something.
func (c *collector) add(objects ...storage.Placed) (fresh []metadata.ID) {
	for _, p := range objects {
		id := p.Object.ObjectID()
		if _, twice := c.found[id]; twice || storage.IsTombstone(p.Object) {
			continue
		}
		c.found[id] = p
		c.order = append(c.order, id)
		fresh = append(fresh, id)
		c.document(p.Document)
	}
	return fresh
}

func (c *collector) document(key storage.DocumentKey) {
	if key != "" && !slices.Contains(c.docs, key) {
		c.docs = append(c.docs, key)
	}
}

// documents takes entries in all their versions, what links them, and submission
// sets that are left empty.
func (c *collector) documents(refs storage.Refs) error {
	st, err := c.load(refs)
	if err != nil {
		return err
	}
	var logical []metadata.ID
	for _, p := range st.Objects {
		if d, ok := p.Object.(*metadata.DocumentEntry); ok {
			c.add(p)
			logical = append(logical, d.LogicalID)
		}
	}
	var entries []metadata.ID
	if len(logical) > 0 {
		if st, err = c.load(storage.Refs{LogicalIDs: logical}); err != nil {
			return err
		}
		c.add(onlyEntries(st.Objects)...)
	}
	entries = append(entries, c.order...)
	var sets []metadata.ID
	// Associations of the entries, then those of these associations: a submission
	// set may have one as a member.
	for next := entries; len(next) > 0; {
		if st, err = c.load(storage.Refs{AssociationsOf: next}); err != nil {
			return err
		}
		for _, p := range st.Associations {
			if a, ok := p.Object.(*metadata.Association); ok && a.Type == metadata.HasMember {
				sets = append(sets, a.Source)
			}
		}
		next = c.add(st.Associations...)
	}
	return c.emptied(sets)
}

func onlyEntries(list []storage.Placed) (entries []storage.Placed) {
	for _, p := range list {
		if _, ok := p.Object.(*metadata.DocumentEntry); ok {
			entries = append(entries, p)
		}
	}
	return entries
}

// emptied takes the submission sets that are left without a member.
func (c *collector) emptied(ids []metadata.ID) error {
	if len(ids) == 0 {
		return nil
	}
	st, err := c.load(storage.Refs{IDs: ids, AssociationsOf: ids})
	if err != nil {
		return err
	}
	members := map[metadata.ID]bool{}
	for _, p := range st.Associations {
		if _, goes := c.found[p.Object.ObjectID()]; !goes && !p.Removed {
			members[p.Object.(*metadata.Association).Source] = true
		}
	}
	for _, p := range st.Objects {
		if set, ok := p.Object.(*metadata.SubmissionSet); ok && !members[set.ID] {
			c.add(p)
			for _, a := range st.Associations { // to folders and the like, removed before
				if link := a.Object.(*metadata.Association); link.Source == set.ID || link.Target == set.ID {
					c.add(a)
				}
			}
		}
	}
	return nil
}

// plan sorts what was found into its streams. missing: a stream's version is not
// known yet.
func (c *collector) plan(versions map[storage.Stream]storage.Version) (p *Plan, missing bool) {
	p = &Plan{Tenant: c.t, Whole: len(c.whole) > 0, Documents: c.docs}
	parts := map[storage.Stream]*part{}
	of := func(s storage.Stream) *part {
		if parts[s] == nil {
			v, known := versions[s]
			missing = missing || !known
			parts[s] = &part{stream: s, version: v, whole: c.whole[s]}
			p.streams = append(p.streams, parts[s])
		}
		return parts[s]
	}
	for s := range c.whole {
		of(s)
	}
	for _, id := range c.order {
		o := c.found[id]
		p.Objects = append(p.Objects, o)
		s := of(o.Stream)
		s.objects = append(s.objects, id)
		if !o.Removed {
			s.living = append(s.living, id)
		}
	}
	return p, missing
}

// erasure is the plan as the list keeps it.
func (p *Plan) erasure(now time.Time) Erasure {
	e := Erasure{ID: p.ID.String(), Time: now.UTC(), State: Begun, Documents: p.Documents}
	for _, s := range p.streams {
		e.Streams = append(e.Streams, Part{Ref: s.ref, Whole: s.whole, Objects: s.objects})
	}
	return e
}

// again is the plan of an erasure of the list, as far as this log has what it
// names.
func (k *Keeper) again(ctx context.Context, t access.Tenant, e *Erasure) (*Plan, error) {
	p := &Plan{Tenant: t, Documents: e.Documents}
	parts := map[storage.Stream]*part{}
	of := func(s storage.Stream) (*part, error) {
		if parts[s] == nil {
			_, v, err := k.log.Load(ctx, t, s, storage.Refs{})
			if err != nil {
				return nil, err
			}
			parts[s] = &part{stream: s, version: v}
			p.streams = append(p.streams, parts[s])
		}
		return parts[s], nil
	}
	for _, listed := range e.Streams {
		tenant, s, ok, err := k.log.Referred(ctx, listed.Ref)
		if err != nil {
			return nil, err
		}
		if ok && tenant == t && listed.Whole {
			q, err := of(s)
			if err != nil {
				return nil, err
			}
			q.whole, p.Whole = true, true
		}
		// In a copy that is older than a merge the objects are in other streams.
		for ids := range slices.Chunk(listed.Objects, chunk) {
			st, _, err := k.log.Load(ctx, t, storage.Stream{}, storage.Refs{IDs: ids, WithRemoved: true})
			if err != nil {
				return nil, err
			}
			for _, o := range st.Objects {
				q, err := of(o.Stream)
				if err != nil {
					return nil, err
				}
				p.Objects = append(p.Objects, o)
				q.objects = append(q.objects, o.Object.ObjectID())
				if !o.Removed {
					q.living = append(q.living, o.Object.ObjectID())
				}
			}
		}
	}
	return p, nil
}

// heldNow are the holds that cover a plan.
func (k *Keeper) heldNow(ctx context.Context, p *Plan) ([]Hold, error) {
	holds, err := k.Holds(ctx, p.Tenant)
	return HeldBy(holds, p.Objects), err
}

// Patients are the streams that documents are in.
func (k *Keeper) Patients(ctx context.Context, t access.Tenant) iter.Seq2[storage.Stream, error] {
	return k.log.Streams(ctx, t, storage.StreamPatient)
}

// events are those of a stream and of the streams merged into it. The last one is
// EventMergedInto when the stream itself was merged.
func (k *Keeper) events(ctx context.Context, t access.Tenant, s storage.Stream) iter.Seq2[storage.Event, error] {
	return func(yield func(storage.Event, error) bool) { k.chain(ctx, t, s, false, yield) }
}

// chain yields the events of a stream; those of a subsumed one without its end.
func (k *Keeper) chain(ctx context.Context, t access.Tenant, s storage.Stream, subsumed bool, yield func(storage.Event, error) bool) bool {
	for ev, err := range k.log.Events(ctx, t, s, 1) {
		if err != nil {
			return yield(ev, err)
		}
		if subsumed && ev.Kind == storage.EventMergedInto {
			continue
		}
		if !yield(ev, nil) {
			return false
		}
		if ev.Kind != storage.EventAbsorbed {
			continue
		}
		streams, err := ev.Merged()
		if err != nil {
			return yield(ev, err)
		}
		for _, other := range streams {
			if !k.chain(ctx, t, other, true, yield) {
				return false
			}
		}
	}
	return true
}

// DocumentsOf are the documents of a patient, each with all its versions in their
// order, removed ones too: they are still there until they are erased. Those of a
// patient that was merged are the survivor's.
func (k *Keeper) DocumentsOf(ctx context.Context, t access.Tenant, s storage.Stream) ([][]storage.Placed, error) {
	var all [][]storage.Placed
	at := map[metadata.ID]int{}
	for ev, err := range k.events(ctx, t, s) {
		if err != nil {
			return nil, err
		}
		if ev.Kind == storage.EventMergedInto {
			return nil, nil
		}
		for _, a := range ev.Added {
			d, ok := a.Object.(*metadata.DocumentEntry)
			if !ok || storage.IsTombstone(d) {
				continue
			}
			i, known := at[d.LogicalID]
			if !known {
				i = len(all)
				at[d.LogicalID] = i
				all = append(all, nil)
			}
			all[i] = append(all[i], storage.Placed{Added: a, Stream: s})
		}
	}
	return all, nil
}
