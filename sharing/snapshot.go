package sharing

import (
	"context"
	"crypto/sha256"
	"io"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/registry"
	"samdok/repository"
	"samdok/storage"
)

const (
	// snapshotTries is how often a snapshot is tried against other writers.
	snapshotTries = 16
	// snapshotNumbers is how many snapshots of one content there may be, of which
	// all but the last were removed.
	snapshotNumbers = 1000
)

// snapshot answers with the snapshot of what the caller may see, which is
// registered now unless it is already (ITI TF-2 3.43.4.2.3). Its uniqueId follows
// from its content, so that of several retrievals at the same time one registers
// it, and the others find it.
func (m *making) snapshot(ctx context.Context, d *Document, v entry, mat *material) ([]access.Item, error) {
	print := mat.print(v)
	for range snapshotTries {
		id, set, had, err := m.numbered(ctx, print)
		if err != nil {
			return nil, err
		}
		var items []access.Item
		if had.Object == nil {
			had, items, err = m.keep(ctx, v, mat, id, set)
			if taken(err) {
				continue
			}
			if err != nil {
				return nil, err
			}
		}
		var p patients
		if len(items) == 0 {
			items = append(items, p.placed(had))
		}
		d.NewID = metadata.DocumentRequest{RepositoryID: m.s.repository.ID(), UniqueID: id}
		d.Body, d.Size, err = m.s.repository.Open(ctx, had, true)
		return items, err
	}
	return nil, fault.New(fault.Busy, "sharing.snapshot", fault.RepositoryBusy,
		"Others were registering snapshots of the same document %d times in a row. Nothing was registered; ask again.", snapshotTries)
}

// numbered finds the snapshot of a content, or the ids that it will get. A number
// whose document is gone is passed over: the same uniqueId means the same bytes
// for ever.
func (m *making) numbered(ctx context.Context, print [32]byte) (id, set string, had storage.Placed, err error) {
	for n := range snapshotNumbers {
		id, set = contentID(print, 'd', n), contentID(print, 's', n)
		state, err := m.s.index.Lookup(ctx, m.s.tenant, storage.Refs{UniqueIDs: []string{id, set}, WithRemoved: true})
		if err != nil {
			return "", "", had, lookupFailed(err)
		}
		for _, p := range state.Objects {
			if e, ok := p.Object.(*metadata.DocumentEntry); ok && !p.Removed && p.Document != "" && e.RepositoryID == m.s.repository.ID() {
				return id, set, p, nil
			}
		}
		if len(state.Objects) == 0 {
			return id, set, had, nil
		}
	}
	return "", "", had, fault.New(fault.TooLarge, "sharing.snapshot", fault.RepositoryOutOfResources,
		"%d snapshots of this content were registered and removed. Ask again when the patient has new documents.", snapshotNumbers)
}

// contentID is an OID made of a content, a use and a number.
func contentID(print [32]byte, use byte, n int) string {
	sum := sha256.Sum256(append(print[:], use, byte(n>>8), byte(n)))
	u := metadata.UUID(sum[:16])
	u[6], u[8] = u[6]&15|0x80, u[8]&63|0x80 // version 8, RFC 9562
	return oidOf(u)
}

// taken tells whether somebody else was first: with the same snapshot, or with
// another one that replaced the one before.
func taken(err error) bool {
	for _, p := range fault.ProblemsOf(err) {
		switch p.Code.ForRepository() {
		case fault.DuplicateUniqueID.ForRepository(), fault.NonIdenticalHash, fault.NonIdenticalSize, fault.DeprecatedDocument:
			return true
		}
	}
	return false
}

// keep makes a document, stores it and registers it, with the same promises as
// ITI-41: all of it or nothing. Bytes that were not registered are deleted, or
// swept when that cannot be known.
func (m *making) keep(ctx context.Context, v entry, mat *material, id, set string) (storage.Placed, []access.Item, error) {
	sub, err := m.submission(ctx, v, mat, id, set)
	if err != nil {
		return storage.Placed{}, nil, err
	}
	sp, err := m.generate(ctx, v, mat, id)
	if err != nil {
		return storage.Placed{}, nil, err
	}
	defer sp.Close()
	m.held -= sp.Size()
	s, e := m.s, sub.Entries[0]
	if err := fault.Of("sharing.keep", s.repository.Check(s.tenant, sub)); err != nil {
		return storage.Placed{}, nil, err
	}
	intake, err := s.repository.Take(ctx, s.tenant, sub, &single{id: e.ID, body: sp.Reader()})
	if err != nil {
		return storage.Placed{}, nil, err
	}
	placed := storage.Placed{Added: storage.Added{Object: e, Document: intake.Keys()[e.ID], Controller: v.placed.Controller}, Stream: v.placed.Stream}
	if err := m.bind(ctx, sub, intake, v); err != nil {
		return storage.Placed{}, nil, err
	}
	var p patients
	return placed, []access.Item{p.item(&sub.Set, v.placed.Controller), p.placed(placed)}, nil
}

// bind registers the snapshot. The one who asked may be gone by now.
func (m *making) bind(ctx context.Context, sub *metadata.Submission, intake *repository.Intake, v entry) error {
	err := intake.Fresh()
	if err == nil {
		detached, cancel := m.s.detached(ctx)
		defer cancel()
		_, err = m.s.registry.Submit(detached, m.s.tenant, registry.Submission{
			Submission: sub, Documents: intake.Keys(),
			Controller: func(metadata.Object) string { return v.placed.Controller },
		})
	}
	if err != nil && definite(err) {
		intake.Delete(ctx)
	}
	return err
}

// single is the one document of a snapshot.
type single struct {
	id   metadata.ID
	body io.Reader
}

func (p *single) Next() (metadata.ID, io.Reader, error) {
	if p.body == nil {
		return "", nil, io.EOF
	}
	body := p.body
	p.body = nil
	return p.id, body, nil
}

// submission is what registers a snapshot: a stable entry that is the on-demand
// one's but for its content, and replaces the snapshots before it that the caller
// may see. It is as confidential as the entry and every document in it.
func (m *making) submission(ctx context.Context, v entry, mat *material, id, set string) (*metadata.Submission, error) {
	now := metadata.FormatDTM(m.pass.Request().Time.UTC())
	e := stable(v.placed.Object.(*metadata.DocumentEntry))
	e.UniqueID, e.CreationTime, e.RepositoryID = id, now, m.s.repository.ID()
	e.Confidential = withCodes(withCodes(nil, e.Confidential), mat.codes)
	e.ServiceStart, e.ServiceStop = mat.start, mat.stop
	if e.ServiceStart != "" && e.ServiceStop != "" && !e.ServiceStart.NotAfter(e.ServiceStop) {
		e.ServiceStop = "" // the one who began last did not say when it ended
	}
	sub := &metadata.Submission{Entries: []*metadata.DocumentEntry{e}, Set: metadata.SubmissionSet{
		ID: metadata.NewUUID().ID(), UniqueID: set, SourceID: m.s.repository.ID(), SubmissionTime: now,
		PatientID: e.PatientID, ContentType: e.TypeCode, Title: e.Title,
	}}
	relate := func(t metadata.AssociationType, source, target metadata.ID, membership metadata.Membership) {
		sub.Associations = append(sub.Associations, &metadata.Association{ID: metadata.NewUUID().ID(), Type: t, Source: source, Target: target, Membership: membership})
	}
	relate(metadata.HasMember, sub.Set.ID, e.ID, metadata.Original)
	origin := v.placed.Object.ObjectID()
	relate(metadata.IsSnapshotOf, e.ID, origin, metadata.MembershipNone)
	earlier, err := m.earlier(ctx, v)
	for _, old := range earlier {
		relate(metadata.Replaces, e.ID, old, metadata.MembershipNone)
	}
	return sub, err
}

// stable is a copy of an on-demand entry as a new stable one.
func stable(e *metadata.DocumentEntry) *metadata.DocumentEntry {
	c := e.Clone()
	c.ID, c.LogicalID, c.Version, c.Status, c.Kind = metadata.NewUUID().ID(), "", 0, metadata.StatusUnknown, metadata.Stable
	c.PatientIDRef, c.UniqueIDRef = metadata.UUID{}, metadata.UUID{}
	for _, code := range [...]*metadata.Code{&c.ClassCode, &c.TypeCode, &c.FormatCode, &c.Facility, &c.Practice} {
		code.ID = metadata.UUID{}
	}
	for i := range c.EventCodes {
		c.EventCodes[i].ID = metadata.UUID{}
	}
	for i := range c.Authors {
		c.Authors[i].ID = metadata.UUID{}
	}
	return c
}

// earlier are the approved snapshots of the same on-demand entry in this
// repository that the caller may see.
func (m *making) earlier(ctx context.Context, v entry) ([]metadata.ID, error) {
	origin := v.placed.Object.ObjectID()
	state, err := m.s.index.Lookup(ctx, m.s.tenant, storage.Refs{AssociationsOf: []metadata.ID{origin}})
	if err != nil {
		return nil, lookupFailed(err)
	}
	var ids []metadata.ID
	for _, p := range state.Associations {
		if a, ok := p.Object.(*metadata.Association); ok && a.Type == metadata.IsSnapshotOf && a.Target == origin && a.Status == metadata.Approved {
			ids = append(ids, a.Source)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	if state, err = m.s.index.Lookup(ctx, m.s.tenant, storage.Refs{IDs: ids}); err != nil {
		return nil, lookupFailed(err)
	}
	var p patients
	var items []access.Item
	for _, o := range state.Objects {
		if o.Object.ObjectStatus() == metadata.Approved && !o.Superseded && o.Stream == v.placed.Stream {
			items = append(items, p.placed(o))
		}
	}
	decisions, err := m.pass.Consider(ctx, items)
	if err != nil {
		return nil, err
	}
	ids = ids[:0]
	for i := range decisions {
		if decisions[i].Effect == access.Allow && items[i].RepositoryID == m.s.repository.ID() {
			ids = append(ids, items[i].ID)
		}
	}
	return ids, nil
}
