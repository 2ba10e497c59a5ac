package registry

import (
	"context"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// Remove removes metadata (ITI-62): all of the objects or none, whatever patients
// they are of, durable when it returns nil. The rules look at what is left (XDS
// Remove Metadata and Documents, ITI TF-2 3.62.4.1.3): nothing may refer to a
// removed object, and every entry, folder and membership keeps a submission set.
// Bytes stay until Unbind; the sweep leaves them alone.
//
// Objects in hidden are answered as if they were not there. Errors are as those of
// Submit, and those of approve.
func (r *Registry) Remove(ctx context.Context, t access.Tenant, ids []metadata.ID, hidden map[metadata.ID]bool, approve Approve) error {
	ids = unique(ids)
	if len(ids) == 0 {
		return fault.New(fault.Invalid, "registry.Remove", fault.RegistryError, "The request names no object; name at least one with an ObjectRef.")
	}
	_, err := retry(ctx, r, "registry.Remove", func() (struct{}, error) { return struct{}{}, r.tryRemove(ctx, t, ids, hidden, approve) })
	return err
}

// Approve is asked about the objects that an Append takes away, right before it and
// again whenever others were first; its error ends the removal. The changes that
// it returns are appended too: they hold that what it rests on is still so.
// Nil approves of everything.
type Approve func(ctx context.Context, going []storage.Placed) ([]storage.Change, error)

func (a Approve) ask(ctx context.Context, going []storage.Placed) ([]storage.Change, error) {
	if a == nil {
		return nil, nil
	}
	return a(ctx, going)
}

func (r *Registry) tryRemove(ctx context.Context, t access.Tenant, ids []metadata.ID, hidden map[metadata.ID]bool, approve Approve) error {
	m := &removal{ids: ids, going: set(ids), hidden: hidden}
	v, err := r.look(ctx, t, m.wants, m.guards)
	if err != nil {
		return err
	}
	m.view = v
	m.check()
	if err := fault.Of("registry.Remove", m.problems); err != nil {
		return err
	}
	going := make([]storage.Placed, len(ids))
	for i, id := range ids {
		going[i] = m.objects[id]
	}
	guards, err := approve.ask(ctx, going)
	if err != nil {
		return err
	}
	return r.append(ctx, t, append(m.changes(r.clock()), guards...))
}

// removal is one ITI-62 request held against what the registry has.
type removal struct {
	*view
	ids      []metadata.ID
	going    map[metadata.ID]bool
	hidden   map[metadata.ID]bool
	problems []fault.Problem
}

// wants: the objects, everything that refers to them, all versions of theirs, and
// what else holds the other ends of associations that go.
func (m *removal) wants(v *view) storage.Refs {
	refs := storage.Refs{IDs: m.ids, AssociationsOf: append([]metadata.ID(nil), m.ids...)}
	for _, id := range m.ids {
		switch o := v.objects[id].Object.(type) {
		case *metadata.Association:
			if o.Type == metadata.HasMember {
				refs.IDs = append(refs.IDs, o.Source, o.Target)
				refs.AssociationsOf = append(refs.AssociationsOf, o.Source, o.Target)
				for _, p := range v.links[o.Target] { // may be a submission set's
					refs.IDs = append(refs.IDs, p.Object.(*metadata.Association).Source)
				}
			}
		case *metadata.DocumentEntry, *metadata.Folder:
			refs.LogicalIDs = append(refs.LogicalIDs, metadata.LogicalIDOf(o))
		}
	}
	return refs
}

// guards are the streams of everything that the verdict rests on.
func (m *removal) guards(v *view) []storage.Stream {
	var streams []storage.Stream
	for _, id := range m.ids {
		p, ok := v.objects[id]
		if !ok {
			continue
		}
		streams = append(streams, p.Stream)
		for _, other := range v.byLogical[metadata.LogicalIDOf(p.Object)] {
			streams = append(streams, other.Stream)
		}
	}
	return unique(streams)
}

func (m *removal) report(code fault.Code, format string, args ...any) {
	if len(m.problems) < maxProblems {
		m.problems = append(m.problems, problem(code, format, args...))
	}
}

func (m *removal) check() {
	orphans := make(map[metadata.ID]bool)
	for _, id := range m.ids {
		p, ok := m.objects[id]
		if !ok || m.hidden[id] {
			m.report(fault.UnresolvedReference, "%s: no such object is registered.", id)
			continue
		}
		for _, l := range m.links[id] {
			if !m.going[l.Object.ObjectID()] {
				m.report(fault.ReferencesExist, "%s: the %s is still an end of an association; remove that with it.", id, className(p.Object))
				break
			}
		}
		if a, ok := p.Object.(*metadata.Association); ok && a.Type == metadata.HasMember && m.isSet(a.Source) {
			m.orphan(orphans, a.Target, func(l *metadata.Association) bool { return l.Target == a.Target && m.isSet(l.Source) })
			m.orphan(orphans, a.Source, func(l *metadata.Association) bool { return l.Source == a.Source })
		}
	}
}

// orphan reports an object that stays and has lost its last membership of the
// given sort.
func (m *removal) orphan(seen map[metadata.ID]bool, id metadata.ID, counts func(*metadata.Association) bool) {
	p, ok := m.objects[id]
	if !ok || m.going[id] || seen[id] {
		return
	}
	if a, link := p.Object.(*metadata.Association); link && a.Type != metadata.HasMember {
		return // a relationship needs no submission set
	}
	for _, l := range m.links[id] {
		if a := l.Object.(*metadata.Association); a.Type == metadata.HasMember && !m.going[a.ID] && counts(a) {
			return
		}
	}
	seen[id] = true
	m.report(fault.UnreferencedObject, "%s: the %s would be left without a membership of a SubmissionSet; remove it too, or leave one.", id, className(p.Object))
}

func (m *removal) isSet(id metadata.ID) bool {
	_, ok := m.objects[id].Object.(*metadata.SubmissionSet)
	return ok
}

// changes remove the objects, each in its stream. The highest version that is
// left becomes the newest; its status stays.
func (m *removal) changes(now time.Time) []storage.Change {
	spread := newSpread(m.view, storage.EventRemoved, now.UTC())
	crowned := make(map[metadata.ID]bool)
	for _, id := range m.ids {
		p := m.objects[id]
		spread.remove(p.Stream, id)
		lid := metadata.LogicalIDOf(p.Object)
		if lid == "" || p.Superseded {
			continue
		}
		if left, ok := m.newest(lid, m.going); ok && left.Superseded && !crowned[lid] {
			crowned[lid] = true
			spread.touch(left.Stream, storage.Touch{ID: left.Object.ObjectID(), Succession: storage.Newest})
		}
	}
	return spread.changes()
}

// Held finds the entries, removed ones included, whose bytes a repository holds
// under one of the uniqueIds.
func (r *Registry) Held(ctx context.Context, t access.Tenant, repositoryID string, uniqueIDs []string) ([]storage.Placed, error) {
	state, _, err := r.log.Load(ctx, t, storage.Stream{}, storage.Refs{UniqueIDs: unique(uniqueIDs), WithRemoved: true})
	if err != nil {
		return nil, broken("registry.Held", err)
	}
	var held []storage.Placed
	for _, p := range state.Objects {
		if e, ok := p.Object.(*metadata.DocumentEntry); ok && p.Document != "" && e.RepositoryID == repositoryID {
			held = append(held, p)
		}
	}
	return held, nil
}

// Unbind records that a repository's documents are removed (ITI-86): their
// entries have no bytes from now on. It returns the entries as they were, with the
// keys of bytes that nothing leads to any more. Errors are as those of Submit, and
// those of approve.
func (r *Registry) Unbind(ctx context.Context, t access.Tenant, repositoryID string, uniqueIDs []string, approve Approve) ([]storage.Placed, error) {
	if len(uniqueIDs) == 0 {
		return nil, nil
	}
	return retry(ctx, r, "registry.Unbind", func() ([]storage.Placed, error) {
		held, err := r.Held(ctx, t, repositoryID, uniqueIDs)
		if err != nil || len(held) == 0 {
			return nil, err
		}
		v := newView(nil)
		for _, p := range held {
			if _, ok := v.versions[p.Stream]; ok {
				continue
			}
			_, version, err := r.log.Load(ctx, t, p.Stream, storage.Refs{})
			if err != nil {
				return nil, err
			}
			v.versions[p.Stream] = version
		}
		// Again, now that the versions are known that it has to hold at.
		if held, err = r.Held(ctx, t, repositoryID, uniqueIDs); err != nil {
			return nil, err
		}
		spread := newSpread(v, storage.EventDocumentsRemoved, r.clock().UTC())
		for _, p := range held {
			if _, ok := v.versions[p.Stream]; !ok {
				return nil, storage.ErrConflict // it came meanwhile
			}
			spread.touch(p.Stream, storage.Touch{ID: p.Object.ObjectID(), Unbind: true})
		}
		guards, err := approve.ask(ctx, held)
		if err != nil {
			return nil, err
		}
		return held, r.append(ctx, t, append(spread.changes(), guards...))
	})
}
