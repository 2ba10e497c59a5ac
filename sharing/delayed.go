package sharing

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/ondemand"
	"samdok/registry"
	"samdok/storage"
)

// isDelayed tells an entry of the Delayed Document Assembly Option whose document
// has not been assembled (ITI TF-2 3.42.4.1.2.1): size 0, the hash of nothing, and a
// slot that tells it from an empty document that was removed.
func isDelayed(p storage.Placed) bool {
	e, ok := p.Object.(*metadata.DocumentEntry)
	return ok && e.Kind == metadata.Stable && p.Document == "" && !p.Superseded && !p.Removed &&
		e.Size == metadata.Octets(0) && strings.EqualFold(e.Hash, ondemand.EmptyHash) &&
		slices.ContainsFunc(e.Extra, isDelayedSlot)
}

func isDelayedSlot(s metadata.Slot) bool { return s.Name == ondemand.DelayedSlot }

// assembled assembles a stable document at its first retrieval, keeps it, gives its
// entry a new version with size and hash, and answers it; from then on it is like
// any other (ITI TF-2 3.43.4.1.3.2).
//
// All readers get the same bytes, so it is made of what its entry vouches for: the
// documents that were registered before it and have no confidentiality code that
// it has not. Only a reader who may see all of them has it assembled; for others
// there is no such document yet.
func (m *making) assembled(ctx context.Context, r metadata.DocumentRequest, v entry) (Document, []access.Item, error) {
	for range snapshotTries {
		had, items, err := m.assemble(ctx, r, v)
		if outdated(err) { // somebody else was first
			if had, err = m.newest(ctx, v); err == nil && had.Document == "" {
				continue
			}
			var p patients
			items = []access.Item{p.placed(had)}
		}
		if err != nil {
			return Document{}, nil, err
		}
		d := Document{Request: r, MimeType: had.Object.(*metadata.DocumentEntry).MimeType}
		d.Body, d.Size, err = m.s.repository.Open(ctx, had, true)
		return d, items, err
	}
	return Document{}, nil, fault.New(fault.Busy, "sharing.assembled", fault.RepositoryBusy,
		"Others were changing the document's entry %d times in a row. Nothing was assembled; ask again.", snapshotTries)
}

// outdated tells whether the entry has got another version meanwhile.
func outdated(err error) bool {
	return slices.ContainsFunc(fault.ProblemsOf(err), func(p fault.Problem) bool {
		return p.Code == fault.MetadataVersionError || p.Code == fault.DeprecatedDocument
	})
}

// newest is the newest version of an entry.
func (m *making) newest(ctx context.Context, v entry) (storage.Placed, error) {
	lid := v.placed.Object.(*metadata.DocumentEntry).LogicalID
	state, err := m.s.index.Lookup(ctx, m.s.tenant, storage.Refs{LogicalIDs: []metadata.ID{lid}})
	if err != nil {
		return storage.Placed{}, lookupFailed(err)
	}
	for _, p := range state.Objects {
		if !p.Superseded {
			return p, nil
		}
	}
	return storage.Placed{}, fault.New(fault.NotFound, "sharing.newest", fault.DocumentUniqueIDError, "The document was removed meanwhile.")
}

func (m *making) assemble(ctx context.Context, r metadata.DocumentRequest, v entry) (had storage.Placed, items []access.Item, err error) {
	s, old := m.s, v.placed.Object.(*metadata.DocumentEntry)
	mat, err := m.gather(ctx, old.PatientID, func(e *metadata.DocumentEntry) bool { return vouches(old, e) }, old.ID)
	if err != nil {
		return had, nil, err
	}
	if mat.denied > 0 {
		return had, nil, &fault.Error{Op: "sharing.assemble", Kind: fault.NotFound, Problems: []fault.Problem{unknown(&r)}}
	}
	sp, err := m.generate(ctx, v, mat, old.UniqueID)
	if err != nil {
		return had, nil, err
	}
	defer sp.Close()
	m.held -= sp.Size()
	sub := m.version(old)
	e := sub.Entries[0]
	intake, err := s.repository.Take(ctx, s.tenant, sub, &single{id: e.ID, body: sp.Reader()})
	if err != nil {
		return had, nil, err
	}
	had = storage.Placed{Added: storage.Added{Object: e, Document: intake.Keys()[e.ID], Controller: v.placed.Controller}, Stream: v.placed.Stream}
	if err = intake.Fresh(); err == nil {
		detached, cancel := s.detached(ctx)
		defer cancel()
		_, err = s.registry.Update(detached, s.tenant, registry.Update{Submission: registry.Submission{
			Submission: sub, Documents: intake.Keys(), Controller: func(metadata.Object) string { return v.placed.Controller },
		}})
	}
	if err != nil && definite(err) {
		intake.Delete(ctx)
	}
	var p patients
	return had, append([]access.Item{p.placed(had)}, mat.items...), err
}

// vouches tells whether an entry has all confidentiality codes of a document.
func vouches(of, document *metadata.DocumentEntry) bool {
	return !slices.ContainsFunc(document.Confidential, func(c metadata.Code) bool {
		return !slices.ContainsFunc(of.Confidential, func(had metadata.Code) bool { return had.Ref().Same(c.Ref()) })
	})
}

// version is the update that gives an entry its size and hash (ITI-57).
func (m *making) version(old *metadata.DocumentEntry) *metadata.Submission {
	now := metadata.FormatDTM(m.pass.Request().Time.UTC())
	e := stable(old)
	e.LogicalID, e.CreationTime, e.Hash, e.Size = old.LogicalID, now, "", metadata.Size{}
	e.Extra = slices.DeleteFunc(e.Extra, isDelayedSlot)
	sub := &metadata.Submission{Entries: []*metadata.DocumentEntry{e}, Set: metadata.SubmissionSet{
		ID: metadata.NewUUID().ID(), UniqueID: oidOf(metadata.NewUUID()), SourceID: m.s.repository.ID(), SubmissionTime: now,
		PatientID: e.PatientID, ContentType: e.TypeCode, Title: e.Title,
	}}
	sub.Associations = append(sub.Associations, &metadata.Association{
		ID: metadata.NewUUID().ID(), Type: metadata.HasMember, Source: sub.Set.ID, Target: e.ID,
		Membership: metadata.Original, PreviousVersion: strconv.Itoa(max(old.Version, 1)),
	})
	return sub
}
