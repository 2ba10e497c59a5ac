package sqlite

import (
	"context"
	"errors"
	"iter"
	"strconv"

	"samdok/access"
	"samdok/storage"
	"samdok/storage/encoding"
	"samdok/storage/keyring"
)

// What the feed reads at a time. No reader and no snapshot of the file is held
// while changes are handed over.
const (
	feedRows  = 256
	feedBytes = 1 << 20
)

// fed is a change as it was read, still encoded.
type fed struct {
	of      *stream
	id, seq int64
	text    string
}

// Feed implements storage.Log. One writer numbers the changes, so that a reader
// who sees a number sees all below it.
func (db *DB) Feed(ctx context.Context, t access.Tenant, after storage.Position) iter.Seq2[storage.Fed, error] {
	return func(yield func(storage.Fed, error) bool) {
		if err := db.feed(ctx, t, after, yield); err != nil {
			yield(storage.Fed{}, wrap("sqlite.Feed", err, onlyRead))
		}
	}
}

func (db *DB) feed(ctx context.Context, t access.Tenant, after storage.Position, yield func(storage.Fed, error) bool) error {
	from, err := seqOf(after)
	if err != nil {
		return err
	}
	last := db.seq.Load()
	if from > 0 {
		if err := db.read(ctx, func(s *session) error { return s.has(from) }); err != nil {
			return err
		}
	}
	reader := db.decoders.Get().(*encoding.Reader)
	defer db.decoders.Put(reader)
	for from < last {
		var changes []fed
		if err := db.read(ctx, func(s *session) (err error) {
			changes, from, err = s.fed(t, from, last)
			return err
		}); err != nil {
			return err
		}
		for i := range changes {
			c := &changes[i]
			if err := reader.Reset(c.text); err != nil {
				return err
			}
			events, err := reader.Events()
			if err != nil {
				return err
			}
			if !yield(storage.Fed{Position: positionOf(c.seq), Stream: c.of.stream, Version: storage.Version(c.id & maxVersion), Events: events}, nil) {
				return nil
			}
		}
	}
	return nil
}

// has is ErrPosition when no change has this number.
func (s *session) has(seq int64) error {
	ok, err := s.fedAt.bind(seq).step()
	if ok {
		s.fedAt.reset()
	} else if err == nil {
		err = storage.ErrPosition
	}
	return err
}

// fed reads the next changes of a tenant and tells up to where it looked.
func (s *session) fed(t access.Tenant, after, last int64) (list []fed, to int64, err error) {
	q := s.feed.bind(after, feedRows)
	defer q.reset()
	to = after
	rows := 0
	for bytes := 0; bytes < feedBytes; rows++ {
		ok, err := q.step()
		if err != nil {
			return nil, to, err
		}
		if !ok || q.int(0) > last {
			if rows < feedRows {
				to = last
			}
			return list, to, nil
		}
		to = q.int(0)
		c := fed{seq: to, id: q.int(1)}
		if c.of, err = s.keyed(c.id >> versionBits); err != nil {
			return nil, to, err
		}
		if c.of.erased || c.of.tenant != t {
			continue
		}
		c.text, err = s.open(c.of, c.id, q.bytes(2))
		if errors.Is(err, keyring.ErrDestroyed) {
			continue
		}
		if err != nil {
			return nil, to, err
		}
		bytes += len(c.text)
		list = append(list, c)
	}
	return list, to, nil
}

func positionOf(seq int64) storage.Position {
	if seq == 0 {
		return ""
	}
	return storage.Position(strconv.FormatInt(seq, 10))
}

func seqOf(p storage.Position) (int64, error) {
	if p == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(string(p), 10, 64)
	if err != nil || n <= 0 || positionOf(n) != p {
		return 0, storage.ErrPosition
	}
	return n, nil
}
