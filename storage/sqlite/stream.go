package sqlite

import (
	"encoding/binary"
	"errors"
	"sync/atomic"

	"samdok/access"
	"samdok/storage"
	"samdok/storage/encoding"
	"samdok/storage/keyring"
)

// versionBits of log.id are the version; the rest is the stream's key.
const (
	versionBits = 31
	maxVersion  = 1<<versionBits - 1
	maxKey      = 1<<(63-versionBits) - 1
)

func logID(key int64, v storage.Version) int64 { return key<<versionBits | int64(v) }

// name is what a stream is called.
type name struct {
	tenant access.Tenant
	stream storage.Stream
}

// stream is what never changes about a stream of the file, but for known.
type stream struct {
	name
	key    int64
	box    box
	erased bool        // its data key was destroyed
	known  atomic.Bool // an identity feed has told of the patient; false: perhaps
}

// first and last possible log.id of its changes.
func (s *stream) first() int64 { return logID(s.key, 1) }
func (s *stream) last() int64  { return logID(s.key, maxVersion) }

// The text of a stream's version 0: format 1, kind, uvarint length and text of
// the tenant, the id.
const nameFormat = 1

func (n name) encode(b []byte) []byte {
	b = append(b, nameFormat, byte(n.stream.Kind))
	b = binary.AppendUvarint(b, uint64(len(n.tenant)))
	b = append(b, n.tenant...)
	return append(b, n.stream.ID...)
}

func decodeName(b []byte) (n name, err error) {
	if len(b) < 3 || b[0] != nameFormat {
		return n, ErrTampered
	}
	size, w := binary.Uvarint(b[2:])
	if w <= 0 || size > uint64(len(b)-2-w) {
		return n, ErrTampered
	}
	rest := b[2+w:]
	return name{access.Tenant(rest[:size]), storage.Stream{Kind: storage.StreamKind(b[1]), ID: string(rest[size:])}}, nil
}

// session is a connection with the statements that readers and the writer share,
// and their scratch memory.
type session struct {
	*conn
	db      *DB
	writing bool // it sees what is not committed yet, and must not tell the cache
	reader  encoding.Reader
	buf     []byte

	begin, commit                     *stmt
	streamKey, row, rows, version     *stmt
	ids, touchesOfOne, touchesOfRange *stmt
	known                             *stmt
	feed, fedAt                       *stmt
	someDue, countLetters, cursor     *stmt
	listLetters, letterData           *stmt
}

// newSession prepares the statements; prefix stands before the projection's
// tables ("new_" while they are made again).
func newSession(db *DB, c *conn, prefix string) (*session, error) {
	s := &session{conn: c, db: db}
	for _, p := range []struct {
		to  **stmt
		sql string
	}{
		{&s.begin, "BEGIN"},
		{&s.commit, "COMMIT"},
		{&s.streamKey, "SELECT key FROM " + prefix + "stream WHERE hash = ?"},
		{&s.row, "SELECT seq, data FROM log WHERE id = ?"},
		{&s.rows, "SELECT id, seq, data FROM log WHERE id >= ? AND id <= ? ORDER BY id"},
		{&s.version, "SELECT id FROM log WHERE id >= ? AND id <= ? ORDER BY id DESC LIMIT 1"},
		{&s.ids, "SELECT h, at, n FROM " + prefix + "ids WHERE h >= ? ORDER BY h"},
		{&s.touchesOfOne, "SELECT seq, by, what FROM " + prefix + "touch WHERE at = ? AND n = ? ORDER BY seq"},
		{&s.known, "SELECT 1 FROM " + prefix + "known WHERE key = ?"},
		{&s.feed, "SELECT seq, id, data FROM log WHERE seq > ? AND id & 2147483647 <> 0 ORDER BY seq LIMIT ?"},
		{&s.someDue, "SELECT 1 FROM letter WHERE queue = ? AND dead = 0 AND due <= ? LIMIT 1"},
		{&s.countLetters, "SELECT count(*), min(created) FROM letter WHERE queue = ? AND dead = ?"},
		{&s.cursor, "SELECT seq FROM cursor WHERE name = ?"},
		{&s.listLetters, `SELECT n, hi, lo, due, created, expires, attempts, dead, queue, note, data FROM letter
			WHERE n > ? AND queue = ? ORDER BY n LIMIT ?`},
		{&s.letterData, "SELECT data FROM letter WHERE hi = ? AND lo = ?"},
		{&s.fedAt, "SELECT 1 FROM log WHERE seq = ? AND id & 2147483647 <> 0"},
		{&s.touchesOfRange, "SELECT at, n, seq, by, what FROM " + prefix + "touch WHERE at >= ? AND at <= ? ORDER BY at, n, seq"},
	} {
		var err error
		if *p.to, err = c.prepare(p.sql); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// read reads in one snapshot of the file.
func (s *session) read(body func() error) error {
	if s.inTransaction() { // a commit failed
		if err := s.exec("ROLLBACK"); err != nil {
			return err
		}
	}
	if err := s.begin.run(); err != nil {
		return err
	}
	if err := body(); err != nil {
		return errors.Join(err, s.commit.run())
	}
	return s.commit.run()
}

// named finds a stream by its name; nil when there is none.
func (s *session) named(n name) (*stream, error) {
	if known := s.db.cache.named(n); known != nil {
		return known, nil
	}
	hash := s.db.hash.stream(n.tenant, n.stream)
	if err := s.streamKey.bindBytes(1, hash[:]); err != nil {
		return nil, err
	}
	ok, err := s.streamKey.step()
	if !ok || err != nil {
		return nil, err
	}
	key := s.streamKey.int(0)
	s.streamKey.reset()
	return s.keyed(key)
}

// keyed finds a stream by its key.
func (s *session) keyed(key int64) (*stream, error) {
	if known := s.db.cache.keyed(key); known != nil {
		return known, nil
	}
	found, err := s.unlearned(key)
	if err == nil && !found.erased && !s.writing {
		s.db.cache.learn(found)
	}
	return found, err
}

// unlearned is keyed past the cache.
func (s *session) unlearned(key int64) (*stream, error) {
	id := logID(key, 0)
	ok, err := s.row.bind(id).step()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errProjection
	}
	defer s.row.reset()
	found := &stream{key: key}
	found.box, err = boxFor(s.db.ring, s.row.bytes(1))
	if errors.Is(err, keyring.ErrDestroyed) {
		found.erased = true
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	if s.buf, err = found.box.open(s.buf[:0], id, s.row.bytes(1)); err != nil {
		return nil, err
	}
	if found.name, err = decodeName(s.buf); err != nil {
		return nil, err
	}
	return found, nil
}

// text is the opened row of a change.
func (s *session) text(from *stream, id int64) (string, error) {
	if text, ok := s.db.cache.text(from.key, storage.Version(id&maxVersion)); ok {
		return text, nil
	}
	ok, err := s.row.bind(id).step()
	if err != nil {
		return "", err
	}
	if !ok {
		return "", errProjection
	}
	defer s.row.reset()
	return s.open(from, id, s.row.bytes(1))
}

// open opens a row into a text of its own.
func (s *session) open(from *stream, id int64, row []byte) (string, error) {
	b := from.box
	if keyID, encrypted, _, err := header(row); err != nil {
		return "", err
	} else if encrypted != (b.aead != nil) || keyID != b.keyID {
		if b, err = boxFor(s.db.ring, row); err != nil {
			return "", err
		}
	}
	var err error
	if s.buf, err = b.open(s.buf[:0], id, row); err != nil {
		return "", err
	}
	return string(s.buf), nil
}

// head is the stream's version.
func (s *session) head(of *stream) (storage.Version, error) {
	ok, err := s.version.bind(of.first(), of.last()).step()
	if !ok || err != nil {
		return 0, err
	}
	v := storage.Version(s.version.int(0) & maxVersion)
	s.version.reset()
	return v, nil
}

// candidates calls visit with the places that an id of this hash may be at, until
// it returns false. They are only candidates: hashes collide.
func (s *session) candidates(h int64, visit func(place) (bool, error)) error {
	// visit runs other statements, not this one.
	for next, q := h, s.ids.bind(h); ; next++ {
		ok, err := q.step()
		if !ok || err != nil {
			return err
		}
		if q.int(0) != next {
			break
		}
		p := place{q.int(1), q.int(2)}
		if p.at == 0 {
			continue // what was here was erased
		}
		if more, err := visit(p); !more || err != nil {
			q.reset()
			return err
		}
	}
	s.ids.reset()
	return nil
}

// openChange lets the session's reader stand on a change; nil when it belongs to
// another tenant or was erased.
func (s *session) openChange(t access.Tenant, at int64) (*stream, error) {
	of, err := s.keyed(at >> versionBits)
	if err != nil {
		return nil, err
	}
	if of.erased || of.tenant != t {
		return nil, nil
	}
	text, err := s.text(of, at)
	if err != nil {
		return nil, err
	}
	return of, s.reader.Reset(text)
}

// touches are those of one object.
func (s *session) touches(p place) ([]touch, error) {
	if !s.writing { // the cache does not know yet what the writer has not committed
		if list, ok := s.db.cache.touches(p); ok {
			return list, nil
		}
	}
	var list []touch
	q := s.touchesOfOne.bind(p.at, p.n)
	for {
		ok, err := q.step()
		if !ok || err != nil {
			return list, err
		}
		t := touch{place: p, seq: q.int(0), by: q.int(1)}
		if err := t.decode(q.bytes(2)); err != nil {
			q.reset()
			return nil, err
		}
		list = append(list, t)
	}
}

// touchesIn are those of all objects of some changes.
func (s *session) touchesIn(first, last int64) ([]touch, error) {
	var list []touch
	q := s.touchesOfRange.bind(first, last)
	for {
		ok, err := q.step()
		if !ok || err != nil {
			return list, err
		}
		t := touch{place: place{q.int(0), q.int(1)}, seq: q.int(2), by: q.int(3)}
		if err := t.decode(q.bytes(4)); err != nil {
			q.reset()
			return nil, err
		}
		list = append(list, t)
	}
}
