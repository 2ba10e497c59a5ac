package sqlite

import (
	"context"
	"errors"

	"samdok/storage"
	"samdok/storage/keyring"
)

// rebuildStep is how many rows are written between two commits.
const rebuildStep = 20_000

// Rebuild implements storage.Index. New tables are made beside the old ones,
// which serve searches meanwhile, and take their place in one transaction at the
// end; a rebuild that was interrupted leaves the old ones as they were. Append
// waits. progress counts changes.
func (db *DB) Rebuild(ctx context.Context, progress func(done, total int64)) error {
	const op = "sqlite.Rebuild"
	err := db.writer.between(context.WithoutCancel(ctx), op, func() error { return db.rebuild(ctx, progress) })
	return wrap(op, err, "The index is as it was.")
}

func (db *DB) rebuild(ctx context.Context, progress func(done, total int64)) (err error) {
	c, err := db.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := dropNew(c); err != nil {
		return err
	}
	// What is gathered to be sorted lies in a temporary file: only hashes and
	// numbers.
	if err := c.exec(`PRAGMA temp_store = FILE;
		CREATE TEMP TABLE raw (h INTEGER, at INTEGER, n INTEGER); CREATE TEMP TABLE linked (at INTEGER)`); err != nil {
		return err
	}
	if err := createProjection(c, "new_"); err != nil {
		return err
	}
	mover, err := db.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mover.close()) }()
	r := &rebuilder{writer: writer{session: &session{db: db}, versions: map[int64]storage.Version{}}, ctx: ctx, progress: progress, mover: mover}
	if err := r.prepare(c); err != nil {
		return err
	}
	if err := r.run(); err != nil {
		if c.inTransaction() {
			err = errors.Join(err, c.exec("ROLLBACK"))
		}
		return errors.Join(err, dropNew(c))
	}
	db.cache.forget(db.seq.Load())
	if err := db.loadMerges(c); err != nil {
		return err
	}
	db.broken.Store(false)
	return nil
}

func dropNew(c *conn) error {
	for _, table := range projection {
		if err := c.exec("DROP TABLE IF EXISTS new_" + table); err != nil {
			return err
		}
	}
	return nil
}

// rebuilder writes new tables with the writer's own functions.
type rebuilder struct {
	writer
	ctx                                   context.Context
	progress                              func(done, total int64)
	done, total                           int64
	mover                                 *conn   // a connection for checkpoints
	of                                    *stream // at hand
	written                               int     // since the last commit
	all, sorted, changesWithLinks         *stmt
	insertRaw, insertSorted, insertLinked *stmt
}

func (r *rebuilder) prepare(c *conn) error {
	if err := r.prepareWrites(c, "new_"); err != nil {
		return err
	}
	for _, p := range []struct {
		to  **stmt
		sql string
	}{
		{&r.all, "SELECT id, data FROM log WHERE id > ? ORDER BY id LIMIT ?"},
		{&r.sorted, "SELECT h, at, n FROM raw ORDER BY h, at, n"},
		{&r.changesWithLinks, "SELECT at FROM linked ORDER BY at"},
		{&r.insertRaw, "INSERT INTO raw (h, at, n) VALUES (?, ?, ?)"},
		{&r.insertSorted, "INSERT INTO new_ids (h, at, n) VALUES (?, ?, ?)"},
		{&r.insertLinked, "INSERT INTO linked (at) VALUES (?)"},
	} {
		var err error
		if *p.to, err = c.prepare(p.sql); err != nil {
			return err
		}
	}
	return nil
}

func (r *rebuilder) run() (err error) {
	if r.total, err = r.number("SELECT count(*) FROM log WHERE id & 2147483647 <> 0"); err != nil {
		return err
	}
	for _, step := range []func() error{r.gather, r.sort, r.links} {
		if err := r.begin.run(); err != nil {
			return err
		}
		if err := step(); err != nil {
			return err
		}
		if err := r.commit.run(); err != nil {
			return err
		}
	}
	if r.progress != nil {
		r.progress(r.total, r.total)
	}
	return r.transaction(func() error {
		for _, table := range projection {
			if err := r.exec("DROP TABLE " + table + "; ALTER TABLE new_" + table + " RENAME TO " + table); err != nil {
				return err
			}
		}
		return markProjection(r.conn, true)
	})
}

// pause commits now and then, so that the write-ahead log stays short.
func (r *rebuilder) pause() error {
	if r.written++; r.written < rebuildStep {
		return nil
	}
	return r.next()
}

// next ends a transaction and begins another.
func (r *rebuilder) next() error {
	r.written = 0
	if err := errors.Join(r.ctx.Err(), r.commit.run()); err != nil {
		return err
	}
	if _, err := r.mover.checkpoint(); err != nil {
		return err
	}
	if r.progress != nil {
		r.progress(r.done, r.total)
	}
	return r.begin.run()
}

// gather reads the log once: streams, and identifiers to be sorted.
func (r *rebuilder) gather() error {
	for after := int64(-1); ; {
		last, err := r.part(after)
		if err != nil || last == after {
			return err
		}
		after = last
		if err := r.next(); err != nil {
			return err
		}
	}
}

// part gathers the next rows of the log.
func (r *rebuilder) part(after int64) (last int64, err error) {
	q := r.all.bind(after, rebuildStep)
	for last = after; ; {
		ok, err := q.step()
		if !ok || err != nil {
			return last, err
		}
		last = q.int(0)
		if err := r.one(last, q.bytes(1)); err != nil {
			q.reset()
			return last, err
		}
	}
}

func (r *rebuilder) one(id int64, row []byte) error {
	if r.of == nil || r.of.key != id>>versionBits {
		of, err := r.keyed(id >> versionBits)
		if err != nil {
			return err
		}
		r.of = of
	}
	if r.of.erased {
		return nil
	}
	if id&maxVersion == 0 {
		return r.stream(r.of)
	}
	r.done++
	d, err := r.derived(r.of, id, row)
	if err != nil {
		return err
	}
	return r.raw(id, &d)
}

func (r *rebuilder) stream(of *stream) error {
	hash := r.db.hash.stream(of.tenant, of.stream)
	if err := r.insertStream.bind(of.key).bindBytes(2, hash[:]); err != nil {
		return err
	}
	return r.insertStream.run()
}

// derived opens a row; one whose key was destroyed gives nothing.
func (r *rebuilder) derived(of *stream, id int64, row []byte) (d derived, err error) {
	text, err := r.open(of, id, row)
	if errors.Is(err, keyring.ErrDestroyed) {
		return d, nil
	}
	if err != nil {
		return d, err
	}
	if err := r.reader.Reset(text); err != nil {
		return d, err
	}
	events, err := r.reader.Events()
	if err != nil {
		return d, err
	}
	claims, err := r.reader.Claims()
	if err != nil {
		return d, err
	}
	return d, d.derive(r.db.hash, events, claims)
}

func (r *rebuilder) raw(at int64, d *derived) error {
	for _, id := range d.ids {
		if err := r.insertRaw.bind(id.h, at, id.n).run(); err != nil {
			return err
		}
	}
	if len(d.links) == 0 && !d.known && d.into == (storage.Stream{}) {
		return nil
	}
	return r.insertLinked.bind(at).run()
}

// sort writes identifiers in the order of their hashes, so that each page of the
// table is written once. Those whose place is taken move up.
func (r *rebuilder) sort() error {
	for last := int64(-1); ; {
		ok, err := r.sorted.step()
		if !ok || err != nil {
			return err
		}
		last = max(last+1, r.sorted.int(0))
		err = r.insertSorted.bind(last, r.sorted.int(1), r.sorted.int(2)).run()
		if err == nil {
			err = r.pause()
		}
		if err != nil {
			r.sorted.reset()
			return err
		}
	}
}

// links finds what changes say of objects of others, now that all are known.
func (r *rebuilder) links() error {
	for {
		ok, err := r.changesWithLinks.step()
		if !ok || err != nil {
			return err
		}
		err = r.linksOf(r.changesWithLinks.int(0))
		if err == nil {
			err = r.pause()
		}
		if err != nil {
			r.changesWithLinks.reset()
			return err
		}
	}
}

func (r *rebuilder) linksOf(at int64) error {
	of, err := r.keyed(at >> versionBits)
	if err != nil {
		return err
	}
	ok, err := r.row.bind(at).step()
	if err != nil {
		return err
	}
	if !ok {
		return errProjection
	}
	seq := r.row.int(0)
	d, err := r.derived(of, at, r.row.bytes(1))
	r.row.reset()
	if err != nil {
		return err
	}
	if err := r.identity(of, &d); err != nil {
		return err
	}
	for i := range d.links {
		to, ok, err := r.object(of.tenant, &d.links[i])
		if err != nil {
			return err
		}
		if !ok && d.links[i].touched {
			continue // the object was erased
		}
		if !ok {
			to = place{}
		}
		if err := r.touch(&d.links[i], to, seq, at); err != nil {
			return err
		}
		r.effects = r.effects[:0]
	}
	return nil
}

// identity writes what a change tells of its patient. When the survivor's key was
// destroyed, nobody can tell any more who that was.
func (r *rebuilder) identity(of *stream, d *derived) error {
	if d.known {
		if err := r.insertKnown.bind(of.key).run(); err != nil {
			return err
		}
	}
	if d.into == (storage.Stream{}) {
		return nil
	}
	to, err := r.named(name{of.tenant, d.into})
	if to == nil || err != nil {
		return err
	}
	return r.insertMerged.bind(of.key, to.key).run()
}
