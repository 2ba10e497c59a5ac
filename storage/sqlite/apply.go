package sqlite

import (
	"cmp"
	"context"
	"errors"
	"unsafe"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/encoding"
)

// errTouched: an event touches an object that is not in the tenant.
var errTouched = errors.New("sqlite: an event changes an object that is not in the log")

// target is an object that a link leads to.
type target struct {
	change int // of this Append; -1: it is in the log, at place.at
	place
}

// check decides whether a submission can be applied and where its links lead. It
// only reads, so that a refused submission needs no rollback. It sees what
// earlier submissions of the batch have written.
func (w *writer) check(sub *submission) ([][]target, error) {
	for _, g := range sub.guards {
		if err := w.holds(name{sub.tenant, g.stream}, g.expect); err != nil {
			return nil, err
		}
	}
	versions := map[int64]storage.Version{}
	for i := range sub.changes {
		p := &sub.changes[i]
		if err := w.notClosed(sub.changes[:i], p); err != nil {
			return nil, err
		}
		if p.of.key == 0 {
			if again := sameStream(sub.changes[:i], p.of); again == nil {
				if known, err := w.named(p.of.name); err != nil {
					return nil, err
				} else if known != nil || p.expect != 0 {
					return nil, storage.ErrConflict
				}
				continue
			} else if p.expect != again.expect+1 {
				return nil, storage.ErrConflict
			}
			continue
		}
		have, ok := versions[p.of.key]
		if !ok {
			var err error
			if have, err = w.head(p.of); err != nil {
				return nil, err
			}
		}
		if have != p.expect {
			return nil, storage.ErrConflict
		}
		versions[p.of.key] = have + 1
	}
	for i := range sub.changes {
		for j := range sub.changes[i].claims {
			if err := w.claim(sub, &sub.changes[i].claims[j]); err != nil {
				return nil, err
			}
		}
	}
	targets, err := w.targets(sub)
	if err != nil {
		return nil, err
	}
	return targets, w.references(sub, targets)
}

// references holds that nothing refers to what was removed: neither what is new
// to what was removed before, nor what stays to what is removed now.
func (w *writer) references(sub *submission, targets [][]target) error {
	var removed []metadata.ID
	for i := range targets {
		p := &sub.changes[i]
		for j, to := range targets[i] {
			l := &p.links[j]
			switch {
			case to.at == 0: // nowhere yet, or in this Append
			case l.removed && w.survivor(to.at>>versionBits) != p.of.key:
				return errTouched
			case l.removed || l.mentioned:
				if gone, err := w.gone(to.place); err != nil {
					return err
				} else if gone {
					return storage.ErrConflict
				}
			}
			if l.removed {
				if to.change >= 0 {
					return errTouched
				}
				removed = append(removed, l.id)
			}
		}
	}
	if len(removed) == 0 {
		return nil
	}
	going := newSet(removed)
	for i := range sub.changes {
		for j := range sub.changes[i].links {
			if l := &sub.changes[i].links[j]; l.mentioned && going.has(l.id) {
				return storage.ErrConflict
			}
		}
	}
	l := lookup{tenant: sub.tenant, refs: storage.Refs{AssociationsOf: removed, Everywhere: true}}
	if err := l.run(context.Background(), w.session); err != nil {
		return err
	}
	for _, a := range l.found.Associations {
		if !going.has(a.Object.ObjectID()) {
			return storage.ErrConflict
		}
	}
	return nil
}

// gone tells whether an object of the log was removed. A removal stands in the
// object's own stream or in the one that it lives on in, so that the cache knows
// unless this batch changed one of them.
func (w *writer) gone(p place) (bool, error) {
	key := p.at >> versionBits
	_, changed := w.versions[key]
	if _, also := w.versions[w.survivor(key)]; !changed && !also {
		if touches, ok := w.db.cache.touches(p); ok {
			return isRemoved(touches), nil
		}
	}
	touches, err := w.touches(p)
	return isRemoved(touches), err
}

// sameStream is the last change of a new stream among some.
func sameStream(changes []prepared, of *stream) *prepared {
	for i := len(changes) - 1; i >= 0; i-- {
		if changes[i].of == of {
			return &changes[i]
		}
	}
	return nil
}

// holds is ErrConflict when a stream is not at a version.
func (w *writer) holds(n name, expect storage.Version) error {
	of, err := w.named(n)
	if err != nil {
		return err
	}
	at := storage.Version(0)
	if of != nil {
		if at, err = w.head(of); err != nil {
			return err
		}
	}
	if at != expect {
		return storage.ErrConflict
	}
	return nil
}

// head is a stream's version, in this transaction.
func (w *writer) head(of *stream) (storage.Version, error) {
	if v, ok := w.versions[of.key]; ok {
		return v, nil
	}
	if snap := w.db.cache.snapshot(of.key); snap != nil {
		return snap.version(), nil
	}
	return w.session.head(of)
}

// claim is ErrConflict when a claim is taken.
func (w *writer) claim(sub *submission, c *hashedClaim) error {
	return w.candidates(c.h, func(p place) (bool, error) {
		if p.n == byAssociation {
			return true, nil
		}
		open, err := w.openChange(sub.tenant, p.at)
		if open == nil || err != nil {
			return true, err
		}
		held, err := w.reader.Claims()
		if err != nil {
			return false, err
		}
		for _, h := range held {
			if h.ID != c.ID || !c.Refused(h) {
				continue
			}
			if free, err := w.released(p.at, c.ID); !free || err != nil {
				return false, cmp.Or(err, storage.ErrConflict)
			}
		}
		return true, nil
	})
}

// released tells whether the change that the reader stands on holds a uniqueId no
// more: all its objects with it were removed.
func (w *writer) released(at int64, unique string) (bool, error) {
	had := false
	for n := range w.reader.Len() {
		if w.reader.Class(n) == encoding.ClassAssociation {
			continue
		}
		a, err := w.reader.Added(n)
		if err != nil {
			return false, err
		}
		if metadata.UniqueIDOf(a.Object) != unique {
			continue
		}
		had = true
		if touches, err := w.touches(place{at, int64(n)}); err != nil || !isRemoved(touches) {
			return false, err
		}
	}
	return had, nil
}

// targets finds the objects that the links of each change lead to.
func (w *writer) targets(sub *submission) ([][]target, error) {
	var all [][]target
	var own map[metadata.ID]target
	for i := range sub.changes {
		for j := range sub.changes[i].links {
			l := &sub.changes[i].links[j]
			if own == nil {
				own = ownObjects(sub.changes)
				all = make([][]target, len(sub.changes))
			}
			t, ok := own[l.id]
			if !ok {
				var err error
				if t.place, ok, err = w.object(sub.tenant, l); err != nil {
					return nil, err
				}
				t.change = -1
			}
			if !ok {
				if l.touched {
					return nil, errTouched
				}
				t.at = 0 // nowhere yet
			}
			all[i] = append(all[i], t)
		}
	}
	return all, nil
}

func ownObjects(changes []prepared) map[metadata.ID]target {
	own := map[metadata.ID]target{}
	for i := range changes {
		for _, id := range changes[i].ids {
			if id.entry {
				own[metadata.ID(id.id)] = target{i, place{n: id.n}}
			}
		}
	}
	return own
}

// object finds the object of an entryUUID in the log.
func (s *session) object(t access.Tenant, l *link) (found place, ok bool, err error) {
	err = s.candidates(l.h, func(p place) (bool, error) {
		if p.n < 0 {
			return true, nil
		}
		open, err := s.openChange(t, p.at)
		if open == nil || err != nil {
			return true, err
		}
		if p.n >= int64(s.reader.Len()) {
			return false, errProjection
		}
		a, err := s.reader.Added(int(p.n))
		if err != nil {
			return false, err
		}
		found, ok = p, a.Object.ObjectID() == l.id
		return !ok, nil
	})
	return found, ok, err
}

// put writes a submission that was checked.
func (w *writer) put(sub *submission, targets [][]target) error {
	ats := make([]int64, len(sub.changes))
	for i := range sub.changes {
		at, err := w.change(&sub.changes[i])
		if err != nil {
			return err
		}
		ats[i] = at
	}
	for i := range sub.changes {
		if err := w.identity(sub, &sub.changes[i]); err != nil {
			return err
		}
	}
	for i := range targets {
		seq := w.seq - int64(len(sub.changes)-1-i)
		for j, to := range targets[i] {
			if to.change >= 0 {
				to.at = ats[to.change]
			}
			if err := w.touch(&sub.changes[i].links[j], to.place, seq, ats[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// change writes a row of the log and its identifiers.
func (w *writer) change(p *prepared) (at int64, err error) {
	if p.of.key == 0 {
		if err := w.newStream(p.of); err != nil {
			return 0, err
		}
	}
	version := p.expect + 1
	at = logID(p.of.key, version)
	w.seq++
	w.versions[p.of.key] = version
	if err := w.log(p.of, at, p.text); err != nil {
		return 0, err
	}
	for i := range p.ids {
		if err := w.identifier(p.ids[i].h, place{at, p.ids[i].n}); err != nil {
			return 0, err
		}
	}
	w.effects = append(w.effects, effect{key: p.of.key, stream: p.of, seq: w.seq, version: version, text: unsafeString(p.text)})
	return at, nil
}

func (w *writer) newStream(of *stream) error {
	of.key = w.nextKey
	w.nextKey++
	hash := w.db.hash.stream(of.tenant, of.stream)
	if err := w.insertStream.bind(of.key).bindBytes(2, hash[:]); err != nil {
		return err
	}
	if err := w.insertStream.run(); err != nil {
		return err
	}
	w.buf = of.name.encode(w.buf[:0])
	return w.log(of, logID(of.key, 0), w.buf)
}

// log seals and writes one row.
func (w *writer) log(of *stream, at int64, text []byte) (err error) {
	if w.sealed, err = w.current(of).box.seal(w.sealed[:0], at, text); err != nil {
		return err
	}
	if err := w.insertLog.bind(at, w.seq).bindBytes(3, w.sealed); err != nil {
		return err
	}
	return w.insertLog.run()
}

// identifier takes the first free h.
func (w *writer) identifier(h int64, p place) error {
	for ; ; h++ {
		if err := w.insertID.bind(h, p.at, p.n).run(); err != nil {
			return err
		}
		if w.changes() > 0 {
			return nil
		}
	}
}

// touch writes what a change says of an object. An association's end that is
// nowhere in the tenant leads back to the association.
func (w *writer) touch(l *link, to place, seq, by int64) error {
	if to.at == 0 {
		return w.identifier(l.h, place{by, byAssociation})
	}
	t := touch{place: to, seq: seq, by: by, said: l.said}
	w.buf = t.encode(w.buf[:0])
	if err := w.insertTouch.bind(to.at, to.n, seq, by).bindBytes(5, w.buf); err != nil {
		return err
	}
	w.effects = append(w.effects, effect{key: to.at >> versionBits, seq: seq, touches: []touch{t}})
	return w.insertTouch.run()
}

// unsafeString gives the text of a change, which is never written again, as a
// string.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
