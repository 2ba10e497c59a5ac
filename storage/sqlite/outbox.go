package sqlite

import (
	"context"
	"encoding/binary"
	"iter"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// takeBytes ends a Take early: the letters of one call fit in memory.
const takeBytes = 16 << 20

// letterFormat of a letter's text: format, uvarint length and text of the tenant,
// the body.
const letterFormat = 1

// letterStmts are the writer's statements for letters.
type letterStmts struct {
	insert, due, lease, settle, delay, bury, revive, insertKey *stmt
	cursor, advance                                            *stmt
}

func (l *letterStmts) prepare(c *conn) error {
	for _, p := range []struct {
		to  **stmt
		sql string
	}{
		{&l.insert, `INSERT OR IGNORE INTO letter (hi, lo, queue, due, created, expires, attempts, dead, data)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`},
		{&l.due, `SELECT n, hi, lo, due, created, expires, attempts, dead, queue, note, data FROM letter
			WHERE queue = ? AND dead = 0 AND due <= ? ORDER BY due LIMIT ?`},
		{&l.lease, "UPDATE letter SET due = ?, attempts = attempts + 1, dead = ? WHERE n = ?"},
		{&l.settle, "DELETE FROM letter WHERE hi = ? AND lo = ?"},
		{&l.delay, "UPDATE letter SET attempts = ?, due = ?, note = ? WHERE hi = ? AND lo = ? AND due = ? AND dead = 0"},
		{&l.bury, "UPDATE letter SET attempts = ?, dead = 1, note = ? WHERE hi = ? AND lo = ? AND due = ? AND dead = 0"},
		{&l.revive, "UPDATE letter SET due = ?, expires = ?, dead = 0 WHERE hi = ? AND lo = ?"},
		{&l.insertKey, "INSERT OR IGNORE INTO letter_key (key, day) VALUES (?, ?)"},
		{&l.cursor, "SELECT seq FROM cursor WHERE name = ?"},
		{&l.advance, "INSERT INTO cursor (seq, name) VALUES (?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq"},
	} {
		var err error
		if *p.to, err = c.prepare(p.sql); err != nil {
			return err
		}
	}
	return nil
}

// halves are a UUID as two numbers.
func halves(id metadata.UUID) (hi, lo int64) {
	return int64(binary.BigEndian.Uint64(id[:8])), int64(binary.BigEndian.Uint64(id[8:]))
}

func whole(hi, lo int64) (id metadata.UUID) {
	binary.BigEndian.PutUint64(id[:8], uint64(hi))
	binary.BigEndian.PutUint64(id[8:], uint64(lo))
	return id
}

func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func timeOf(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// Post implements storage.Outbox.
func (db *DB) Post(ctx context.Context, letters []storage.Letter) error {
	const op = "sqlite.Post"
	if len(letters) == 0 {
		return nil
	}
	size, err := db.prepareLetters(ctx, letters)
	if err != nil {
		return wrap(op, err, nothingWritten)
	}
	return db.letter(ctx, op, size, func(w *writer, _ *submission) (bool, error) { return w.post(letters) })
}

// letter does work in the writer's next transaction.
func (db *DB) letter(ctx context.Context, op string, size int, work func(*writer, *submission) (bool, error)) error {
	if err := ctx.Err(); err != nil {
		return wrap(op, err, nothingWritten)
	}
	sub := &submission{size: size, done: make(chan error, 1)}
	sub.work = func(w *writer) (bool, error) { return work(w, sub) }
	return db.writer.submit(ctx, op, sub)
}

// prepareLetters checks letters and sees to a data key for them.
func (db *DB) prepareLetters(ctx context.Context, letters []storage.Letter) (size int, err error) {
	newest := letters[0].Created
	for i := range letters {
		l := &letters[i]
		if len(l.Body) > maxText {
			return 0, fault.New(fault.TooLarge, "sqlite.Post", fault.RegistryOutOfResources, "A message in the outbox may take at most %d MB.", maxText>>20)
		}
		if l.Queue == storage.QueueUnknown || l.ID.IsZero() {
			return 0, fault.New(fault.Internal, "sqlite.Post", fault.RegistryError, "A message for the outbox has no queue or no id.")
		}
		if l.Created.After(newest) {
			newest = l.Created
		}
		size += len(l.Body)
	}
	return size, db.letterKeys.provide(ctx, db, newest)
}

// post writes letters that were prepared.
func (w *writer) post(letters []storage.Letter) (wrote bool, err error) {
	key := w.db.letterKeys.current.Load()
	for i := range letters {
		l := &letters[i]
		w.buf = append(w.buf[:0], letterFormat)
		w.buf = binary.AppendUvarint(w.buf, uint64(len(l.Tenant)))
		w.buf = append(append(w.buf, l.Tenant...), l.Body...)
		hi, lo := halves(l.ID)
		if w.sealed, err = key.box.seal(w.sealed[:0], hi, w.buf); err != nil {
			return false, err
		}
		q := w.letters.insert.bind(hi, lo, int64(l.Queue), stamp(l.Due), stamp(l.Created), stamp(l.Expires), int64(l.Attempts), 0)
		if err := q.bindBytes(9, w.sealed); err != nil {
			return false, err
		}
		if err := q.run(); err != nil {
			return false, err
		}
		wrote = wrote || w.changes() > 0
	}
	if wrote && key.box.aead != nil {
		return true, w.letters.insertKey.bind(int64(key.box.keyID), key.day).run()
	}
	return wrote, nil
}

// Take implements storage.Outbox. A letter that cannot be opened any more is
// buried.
func (db *DB) Take(ctx context.Context, q storage.Queue, now time.Time, lease time.Duration, limit int) (taken []storage.Letter, err error) {
	const op = "sqlite.Take"
	some := false
	if err := db.read(ctx, func(s *session) (err error) {
		ok, err := s.someDue.bind(int64(q), stamp(now)).step()
		some = ok
		s.someDue.reset()
		return err
	}); !some || err != nil {
		return nil, wrap(op, err, onlyRead)
	}
	err = db.letter(ctx, op, 0, func(w *writer, _ *submission) (bool, error) {
		var wrote bool
		taken, wrote, err = w.lease(q, now, lease, limit)
		return wrote, err
	})
	if err != nil { // perhaps leased all the same: due again after that
		return nil, err
	}
	return taken, nil
}

func (w *writer) lease(queue storage.Queue, now time.Time, lease time.Duration, limit int) (taken []storage.Letter, wrote bool, err error) {
	type row struct {
		n    int64
		dead int64
	}
	var rows []row
	until := now.Add(lease)
	for q, bytes := w.letters.due.bind(int64(queue), stamp(now), int64(limit)), 0; ; {
		ok, err := q.step()
		if err != nil {
			return nil, false, err
		}
		if !ok {
			break
		}
		l, sealed := letterOf(q), q.bytes(10)
		if err := w.openLetter(&l, q.bytes(9), sealed); err != nil {
			rows = append(rows, row{q.int(0), 1})
			continue
		}
		l.Due, l.Attempts = until.UTC(), l.Attempts+1
		taken, rows = append(taken, l), append(rows, row{n: q.int(0)})
		if bytes += len(sealed); bytes >= takeBytes {
			q.reset()
			break
		}
	}
	for _, r := range rows {
		if err := w.letters.lease.bind(stamp(until), r.dead, r.n).run(); err != nil {
			return nil, false, err
		}
	}
	return taken, len(rows) > 0, nil
}

// letterOf reads the plain columns, in the order of the selects.
func letterOf(q *stmt) storage.Letter {
	return storage.Letter{
		ID: whole(q.int(1), q.int(2)), Due: timeOf(q.int(3)), Created: timeOf(q.int(4)), Expires: timeOf(q.int(5)),
		Attempts: int(q.int(6)), Dead: q.int(7) != 0, Queue: storage.Queue(q.int(8)),
	}
}

// openLetter opens what is sealed. sealed nil leaves the body out.
func (s *session) openLetter(l *storage.Letter, note, sealed []byte) error {
	hi, _ := halves(l.ID)
	b, err := boxFor(s.db.ring, sealed)
	if err != nil {
		return err
	}
	if note != nil {
		text, err := b.open(nil, ^hi, note)
		if err != nil {
			return err
		}
		l.Note = string(text)
	}
	text, err := b.open(nil, hi, sealed)
	if err != nil {
		return err
	}
	if len(text) < 2 || text[0] != letterFormat {
		return ErrTampered
	}
	size, n := binary.Uvarint(text[1:])
	if n <= 0 || size > uint64(len(text)-1-n) {
		return ErrTampered
	}
	rest := text[1+n:]
	l.Tenant, l.Body = access.Tenant(rest[:size]), rest[size:]
	return nil
}

// Settle implements storage.Outbox.
func (db *DB) Settle(ctx context.Context, l storage.Letter) error {
	return db.letter(ctx, "sqlite.Settle", 0, func(w *writer, _ *submission) (bool, error) {
		hi, lo := halves(l.ID)
		err := w.letters.settle.bind(hi, lo).run()
		return w.changes() > 0, err
	})
}

// Delay implements storage.Outbox.
func (db *DB) Delay(ctx context.Context, l storage.Letter, due time.Time) error {
	return db.letter(ctx, "sqlite.Delay", 0, func(w *writer, _ *submission) (bool, error) {
		hi, lo := halves(l.ID)
		return w.noted(w.letters.delay.bind(int64(l.Attempts), stamp(due), 0, hi, lo, stamp(l.Due)), 3, &l)
	})
}

// Bury implements storage.Outbox.
func (db *DB) Bury(ctx context.Context, l storage.Letter) error {
	return db.letter(ctx, "sqlite.Bury", 0, func(w *writer, _ *submission) (bool, error) {
		hi, lo := halves(l.ID)
		return w.noted(w.letters.bury.bind(int64(l.Attempts), 0, hi, lo, stamp(l.Due)), 2, &l)
	})
}

// noted runs an update whose parameter at is the letter's note, sealed under the
// key that the letter has.
func (w *writer) noted(q *stmt, at int, l *storage.Letter) (wrote bool, err error) {
	hi, lo := halves(l.ID)
	ok, err := w.letterData.bind(hi, lo).step()
	if !ok || err != nil {
		return false, err
	}
	b, err := boxFor(w.db.ring, w.letterData.bytes(0))
	w.letterData.reset()
	if err != nil {
		return false, nil //nolint:nilerr // its key is gone, and so is the letter
	}
	if w.sealed, err = b.seal(w.sealed[:0], ^hi, []byte(l.Note)); err != nil {
		return false, err
	}
	if err := q.bindBytes(at, w.sealed); err != nil {
		return false, err
	}
	err = q.run()
	return w.changes() > 0, err
}

// Revive implements storage.Outbox.
func (db *DB) Revive(ctx context.Context, id metadata.UUID, due, expires time.Time) (found bool, err error) {
	err = db.letter(ctx, "sqlite.Revive", 0, func(w *writer, _ *submission) (bool, error) {
		hi, lo := halves(id)
		err := w.letters.revive.bind(stamp(due), stamp(expires), hi, lo).run()
		found = w.changes() > 0
		return found, err
	})
	return found && err == nil, err
}

// Count implements storage.Outbox.
func (db *DB) Count(ctx context.Context, q storage.Queue) (b storage.Backlog, err error) {
	err = db.read(ctx, func(s *session) error {
		for dead, n := range []*int{&b.Waiting, &b.Dead} {
			ok, err := s.countLetters.bind(int64(q), int64(dead)).step()
			if !ok || err != nil {
				return err
			}
			*n = int(s.countLetters.int(0))
			if dead == 0 {
				b.Oldest = timeOf(s.countLetters.int(1))
			}
			s.countLetters.reset()
		}
		return nil
	})
	return b, wrap("sqlite.Count", err, onlyRead)
}

// Letters implements storage.Outbox.
func (db *DB) Letters(ctx context.Context, q storage.Queue) iter.Seq2[storage.Letter, error] {
	return func(yield func(storage.Letter, error) bool) {
		for after, more := int64(0), true; more; {
			var list []storage.Letter
			err := db.read(ctx, func(s *session) (err error) {
				list, after, err = s.letters(q, after)
				return err
			})
			if err != nil {
				yield(storage.Letter{}, wrap("sqlite.Letters", err, onlyRead))
				return
			}
			for _, l := range list {
				if !yield(l, nil) {
					return
				}
			}
			more = len(list) > 0
		}
	}
}

// letters reads a page of a queue, in the order in which they were posted.
func (s *session) letters(queue storage.Queue, after int64) (list []storage.Letter, last int64, err error) {
	last = after
	for q := s.listLetters.bind(after, int64(queue), pageRows); ; {
		ok, err := q.step()
		if !ok || err != nil {
			return list, last, err
		}
		last = q.int(0)
		l := letterOf(q)
		if err := s.openLetter(&l, q.bytes(9), q.bytes(10)); err != nil {
			l.Note = "It cannot be opened: " + err.Error()
		}
		l.Body = nil
		list = append(list, l)
	}
}

// Cursor implements storage.Outbox.
func (db *DB) Cursor(ctx context.Context, name string) (p storage.Position, err error) {
	err = db.read(ctx, func(s *session) error {
		seq, err := s.cursorAt(s.cursor, name)
		p = positionOf(seq)
		return err
	})
	return p, wrap("sqlite.Cursor", err, onlyRead)
}

func (s *session) cursorAt(q *stmt, name string) (int64, error) {
	if err := q.bindBytes(1, []byte(name)); err != nil {
		return 0, err
	}
	ok, err := q.step()
	if !ok || err != nil {
		return 0, err
	}
	defer q.reset()
	return q.int(0), nil
}

// Advance implements storage.Outbox.
func (db *DB) Advance(ctx context.Context, name string, from, to storage.Position, letters []storage.Letter) error {
	const op = "sqlite.Advance"
	was, err := seqOf(from)
	if err != nil {
		return wrap(op, err, nothingWritten)
	}
	will, err := seqOf(to)
	if err != nil {
		return wrap(op, err, nothingWritten)
	}
	size := 0
	if len(letters) > 0 {
		if size, err = db.prepareLetters(ctx, letters); err != nil {
			return wrap(op, err, nothingWritten)
		}
	}
	return db.letter(ctx, op, size, func(w *writer, sub *submission) (bool, error) {
		at, err := w.cursorAt(w.letters.cursor, name)
		if err != nil {
			return false, err
		}
		if at != was {
			sub.err = storage.ErrConflict
			return false, nil
		}
		if len(letters) > 0 {
			if _, err := w.post(letters); err != nil {
				return false, err
			}
		}
		if err := w.letters.advance.bind(will).bindBytes(2, []byte(name)); err != nil {
			return false, err
		}
		return true, w.letters.advance.run()
	})
}
