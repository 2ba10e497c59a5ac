package sqlite

import (
	"context"
	"slices"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
)

// merges tells which streams were merged into which, by key and in both
// directions. All of them are held in memory, whatever the size of the cache: a
// merge is rare, and every search asks. The cache's lock guards it.
type merges struct {
	into map[int64]int64
	from map[int64][]int64
}

func (m *merges) add(key, survivor int64) {
	if m.into == nil {
		m.into, m.from = map[int64]int64{}, map[int64][]int64{}
	}
	m.into[key] = survivor
	m.from[survivor] = append(m.from[survivor], key)
}

func (m *merges) survivor(key int64) int64 {
	for {
		next, ok := m.into[key]
		if !ok {
			return key
		}
		key = next
	}
}

// chain are the streams that live on in one, itself included, in the order in
// which they began.
func (m *merges) chain(key int64) []int64 {
	all := []int64{key}
	for i := 0; i < len(all); i++ {
		all = append(all, m.from[all[i]]...)
	}
	slices.Sort(all)
	return all
}

// survivor is the key of the stream that one was merged into, at the end of the
// chain; its own when it was not.
func (c *cache) survivor(key int64) int64 {
	if !c.merged.Load() {
		return key
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.merges.survivor(key)
}

// member is one stream of a chain, and what is held of it.
type member struct {
	key  int64
	of   *stream   // nil: not held
	snap *snapshot // nil: not held
}

// chain are the streams that live on in one, all as they were when seq was the
// last commit; none when it was merged into another.
func (c *cache) chain(key int64) (list []member, seq int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, closed := c.merges.into[key]; closed {
		return nil, c.seq
	}
	for _, k := range c.merges.chain(key) {
		m := member{key: k}
		if e := c.use(c.byKey[k]); e != nil {
			m.of, m.snap = e.stream, e.snap
		}
		list = append(list, m)
	}
	return list, c.seq
}

// lineage are the streams that live on in one, itself included.
func (c *cache) lineage(key int64) []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.merges.chain(key)
}

// remember takes in merges that are in the file.
func (c *cache) remember(m merges) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.merges = m
	c.merged.Store(len(m.into) > 0)
}

// loadMerges reads what is held of merges and of known patients. It takes time
// for each merge that ever was, and for nothing else.
func (db *DB) loadMerges(c *conn) error {
	known, err := c.number("SELECT EXISTS (SELECT 1 FROM known)")
	if err != nil {
		return err
	}
	db.anyKnown.Store(known > 0)
	all, err := c.prepare("SELECT key, survivor FROM merged ORDER BY key")
	if err != nil {
		return err
	}
	var m merges
	for {
		ok, err := all.step()
		if err != nil {
			return err
		}
		if !ok {
			db.cache.remember(m)
			return nil
		}
		m.add(all.int(0), all.int(1))
	}
}

// patient calls visit with the changes of a stream and of those that were merged
// into it, until it returns false; with none when it was merged into another.
func (db *DB) patient(ctx context.Context, n name, visit func(*page) (bool, error)) error {
	if !db.cache.merged.Load() {
		return db.pages(ctx, n, 1, false, visit)
	}
	of := db.cache.named(n)
	if of == nil {
		err := db.read(ctx, func(s *session) (err error) {
			of, err = s.named(n)
			return err
		})
		if of == nil || err != nil {
			return err
		}
	}
	more := true
	once := func(p *page) (_ bool, err error) {
		more, err = visit(p)
		return more, err
	}
	list, seq := db.cache.chain(of.key)
	for _, m := range list {
		if err := ctx.Err(); err != nil || !more {
			return err
		}
		if m.snap != nil {
			if len(m.snap.texts) == 0 {
				continue
			}
			if _, err := once(&page{of: m.of, first: 1, texts: m.snap.texts, touches: m.snap.touches}); err != nil {
				return err
			}
			continue
		}
		if err := db.paged(ctx, func(s *session) (*stream, error) { return s.keyed(m.key) }, 1, seq, false, once); err != nil {
			return err
		}
	}
	return nil
}

// standing is what is known of a stream's patient. It is read after the stream's
// version.
func (s *session) standing(of *stream) (storage.Standing, error) {
	var found storage.Standing
	if of == nil {
		return found, nil
	}
	known, err := s.isKnown(of)
	if err != nil {
		return found, err
	}
	found.Known = known
	if at := s.db.cache.survivor(of.key); at != of.key {
		survivor, err := s.keyed(at)
		if err != nil {
			return found, err
		}
		if found.Into = survivor.stream; survivor.erased {
			found.Into = of.stream // it is closed, and nobody can tell any more where it went
		}
	}
	return found, nil
}

func (s *session) isKnown(of *stream) (bool, error) {
	if of.known.Load() || !s.db.anyKnown.Load() {
		return of.known.Load(), nil
	}
	ok, err := s.known.bind(of.key).step()
	if ok {
		s.known.reset()
		of.known.Store(true)
	}
	return ok, err
}

// owner tells whose objects a stream's are now: the stream that it lives on in,
// and the patient id that they show, "" when that is their own.
func (s *session) owner(of *stream) (storage.Stream, metadata.CX, error) {
	at := s.db.cache.survivor(of.key)
	if at == of.key {
		return of.stream, "", nil
	}
	survivor, err := s.keyed(at)
	if err != nil || survivor.erased {
		return of.stream, "", err
	}
	return survivor.stream, shown(survivor.stream), nil
}

// shown is the patient id that objects of a stream's patient show.
func shown(s storage.Stream) metadata.CX {
	p, ok := s.Patient()
	if !ok {
		return ""
	}
	return p.CX()
}

// survivor is the key of the stream that one lives on in, merges of this
// transaction included.
func (w *writer) survivor(key int64) int64 {
	for {
		next := w.db.cache.survivor(key)
		if to, ok := w.merged[next]; ok {
			next = to
		}
		if next == key {
			return key
		}
		key = next
	}
}

// notClosed is ErrConflict when a change comes after the one that closed its stream.
func (w *writer) notClosed(earlier []prepared, p *prepared) error {
	if p.of.key != 0 && w.survivor(p.of.key) != p.of.key {
		return storage.ErrConflict
	}
	for i := range earlier {
		if earlier[i].of == p.of && earlier[i].into != (storage.Stream{}) {
			return storage.ErrConflict
		}
	}
	return nil
}

// mergeTarget finds the change of the stream that another one is merged into.
func mergeTarget(t access.Tenant, changes []prepared, into storage.Stream) *prepared {
	for i := range changes {
		if p := &changes[i]; p.of.name == (name{t, into}) {
			return p
		}
	}
	return nil
}

// identity writes what a change tells of its patient, once its stream and that of
// the survivor have keys.
func (w *writer) identity(sub *submission, p *prepared) error {
	if p.known {
		if err := w.insertKnown.bind(p.of.key).run(); err != nil {
			return err
		}
		w.db.anyKnown.Store(true) // before the commit: it only says where to look
		w.effects = append(w.effects, effect{key: p.of.key, seq: w.seq, stream: p.of, known: true})
	}
	if p.into == (storage.Stream{}) {
		return nil
	}
	to := mergeTarget(sub.tenant, sub.changes, p.into).of.key
	if err := w.insertMerged.bind(p.of.key, to).run(); err != nil {
		return err
	}
	w.merged[p.of.key] = to
	w.effects = append(w.effects, effect{key: p.of.key, seq: w.seq, into: to})
	return nil
}
