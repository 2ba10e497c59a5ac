package sqlite

import (
	"cmp"
	"context"
	"slices"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/encoding"
)

// Load implements storage.Log.
func (db *DB) Load(ctx context.Context, t access.Tenant, s storage.Stream, refs storage.Refs) (storage.State, storage.Version, error) {
	// The version is read first: what is found after it is as new or newer, so an
	// Append that expects it fails if anything found was changed meanwhile.
	n := name{t, s}
	of, snap := db.cache.whole(n)
	if snap != nil && len(refs.IDs)+len(refs.UniqueIDs)+len(refs.AssociationsOf)+len(refs.LogicalIDs) == 0 {
		known := of.known.Load()
		if (known || !db.anyKnown.Load()) && db.cache.survivor(of.key) == of.key {
			return storage.State{Standing: storage.Standing{Known: known}}, snap.version(), wrap("sqlite.Load", ctx.Err(), onlyRead)
		}
	}
	l := lookup{tenant: t, refs: refs}
	var version storage.Version
	err := db.read(ctx, func(s *session) (err error) {
		if snap != nil {
			version = snap.version()
		} else if of, err = s.named(n); err != nil {
			return err
		} else if of != nil {
			if version, err = s.head(of); err != nil {
				return err
			}
		}
		if l.found.Standing, err = s.standing(of); err != nil {
			return err
		}
		return l.run(ctx, s)
	})
	return l.found, version, wrap("sqlite.Load", err, onlyRead)
}

// Lookup implements storage.Index.
func (db *DB) Lookup(ctx context.Context, t access.Tenant, refs storage.Refs) (storage.State, error) {
	l := lookup{tenant: t, refs: refs}
	err := db.read(ctx, func(s *session) error { return l.run(ctx, s) })
	return l.found, wrap("sqlite.Lookup", err, onlyRead)
}

// lookup finds objects anywhere in a tenant: first the places where they may be,
// then each change that has one is read once.
type lookup struct {
	tenant access.Tenant
	refs   storage.Refs
	found  storage.State

	ids     set[metadata.ID]
	unique  set[string]
	ends    set[metadata.ID]
	logical set[metadata.ID]
	places  []place // that may hold an object
	changes []int64 // that may hold an association
}

func (l *lookup) run(ctx context.Context, s *session) error {
	l.ids, l.unique, l.ends = newSet(l.refs.IDs), newSet(l.refs.UniqueIDs), newSet(l.refs.AssociationsOf)
	l.logical = newSet(l.refs.LogicalIDs)
	object := func(p place) (bool, error) {
		if p.n >= 0 {
			l.places = append(l.places, p)
		}
		return true, nil
	}
	for _, id := range l.refs.IDs {
		if err := s.candidates(s.db.hash.id(string(id)), object); err != nil {
			return err
		}
	}
	for _, id := range l.refs.UniqueIDs {
		if err := s.candidates(s.db.hash.id(id), object); err != nil {
			return err
		}
	}
	for _, id := range l.refs.LogicalIDs {
		if err := s.candidates(s.db.hash.id(string(id)), object); err != nil {
			return err
		}
	}
	for _, id := range l.refs.AssociationsOf {
		if err := l.associationsOf(s, id); err != nil {
			return err
		}
	}
	if err := l.objects(ctx, s); err != nil {
		return err
	}
	return l.associations(ctx, s)
}

func (l *lookup) associationsOf(s *session, id metadata.ID) error {
	return s.candidates(s.db.hash.id(string(id)), func(p place) (bool, error) {
		if p.n == byClaim {
			return true, nil
		}
		l.changes = append(l.changes, p.at)
		if p.n < 0 {
			return true, nil
		}
		touches, err := s.touches(p)
		for i := range touches {
			if touches[i].mentioned {
				l.changes = append(l.changes, touches[i].by)
			}
		}
		return true, err
	})
}

// objects reads the places and keeps what was asked for.
func (l *lookup) objects(ctx context.Context, s *session) error {
	slices.SortFunc(l.places, func(a, b place) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.n, b.n)) })
	l.places = slices.Compact(l.places)
	for i := 0; i < len(l.places); {
		at := l.places[i].at
		c, err := l.change(ctx, s, at)
		if err != nil {
			return err
		}
		for ; i < len(l.places) && l.places[i].at == at; i++ {
			if c == nil {
				continue
			}
			p, err := c.placed(s, l.places[i].n)
			if err != nil {
				return err
			}
			if l.wants(&p) && (l.ids.has(p.Object.ObjectID()) || l.unique.has(metadata.UniqueIDOf(p.Object)) || l.logical.has(metadata.LogicalIDOf(p.Object))) {
				l.found.Objects = append(l.found.Objects, p)
			} else {
				s.reader.GiveBack()
			}
		}
	}
	return nil
}

// associations reads the changes and keeps the associations asked for.
func (l *lookup) associations(ctx context.Context, s *session) error {
	slices.Sort(l.changes)
	for _, at := range slices.Compact(l.changes) {
		c, err := l.change(ctx, s, at)
		if err != nil {
			return err
		}
		if c == nil {
			continue
		}
		for n := range s.reader.Len() {
			if s.reader.Class(n) != encoding.ClassAssociation {
				continue
			}
			p, err := c.placed(s, int64(n))
			if err != nil {
				return err
			}
			link := p.Object.(*metadata.Association)
			if l.wants(&p) && (l.ends.has(link.Source) || l.ends.has(link.Target)) {
				l.found.Associations = append(l.found.Associations, p)
			} else {
				s.reader.GiveBack()
			}
		}
	}
	return nil
}

// opened is a change that the session's reader stands on.
type opened struct {
	of      *stream
	at      int64
	touches []touch
	owner   storage.Stream // of the patient whom the objects are of now
	show    metadata.CX    // the patient id that they show, "" for their own
}

// change opens a change; nil when it belongs to another tenant or was erased.
func (l *lookup) change(ctx context.Context, s *session, at int64) (*opened, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	of, err := s.openChange(l.tenant, at)
	if of == nil || err != nil {
		return nil, err
	}
	c := &opened{of: of, at: at}
	if c.owner, c.show, err = s.owner(of); err != nil {
		return nil, err
	}
	// Not of the cache, which may know of a change that this session cannot see: an entry
	// would be superseded by nothing.
	c.touches, err = s.touchesIn(at, at)
	return c, err
}

// wants: what was removed, or is in no patient's stream, is found only by those
// who ask for it.
func (l *lookup) wants(p *storage.Placed) bool {
	return (!p.Removed || l.refs.WithRemoved) && (p.Stream.Kind == storage.StreamPatient || l.refs.Everywhere)
}

// placed decodes an object and puts its current state on it.
func (c *opened) placed(s *session, n int64) (storage.Placed, error) {
	if n >= int64(s.reader.Len()) {
		return storage.Placed{}, errProjection
	}
	a, err := s.reader.Added(int(n))
	p := storage.Placed{Added: a, Stream: c.owner}
	if err == nil {
		overlay(&p, of(c.touches, place{c.at, n}))
		if c.show != "" {
			storage.ShowPatient(p.Object, c.show)
		}
	}
	return p, err
}

// set answers whether a value is in a list.
type set[T comparable] struct {
	few  []T
	many map[T]struct{}
}

func newSet[T comparable](list []T) set[T] {
	if len(list) <= 8 {
		return set[T]{few: list}
	}
	s := set[T]{many: make(map[T]struct{}, len(list))}
	for _, v := range list {
		s.many[v] = struct{}{}
	}
	return s
}

func (s set[T]) has(v T) bool {
	if s.many == nil {
		return slices.Contains(s.few, v)
	}
	_, ok := s.many[v]
	return ok
}
