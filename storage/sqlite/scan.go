package sqlite

import (
	"context"
	"iter"
	"math"
	"slices"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/encoding"
)

// stretch is a run of changes of the log, in the order of its rows: stream after
// stream.
type stretch struct {
	changes []scanned
	touches []touch // of their objects, sorted
	last    int64   // log.id up to which rows were looked at
	end     bool
}

type scanned struct {
	of   *owned
	at   int64
	text string
}

// owned is a stream and whose its objects are now.
type owned struct {
	*stream
	owner storage.Stream
	show  metadata.CX
}

// Scan implements storage.Index: it reads the log from one end to the other, in
// pieces of about 1 MiB, past the cache. No snapshot of the file is held in
// between; what was committed after the first piece is left out.
func (db *DB) Scan(ctx context.Context, t access.Tenant, f storage.Filter, r access.Restriction) iter.Seq2[storage.Placed, error] {
	return func(yield func(storage.Placed, error) bool) {
		reader := db.decoders.Get().(*encoding.Reader)
		defer db.decoders.Put(reader)
		w := wanted{Filter: f, without: r.WithoutCodes}
		if err := db.scan(ctx, t, reader, &w, yield); err != nil {
			yield(storage.Placed{}, wrap("sqlite.Scan", err, onlyRead))
		}
	}
}

func (db *DB) scan(ctx context.Context, t access.Tenant, reader *encoding.Reader, w *wanted, yield func(storage.Placed, error) bool) error {
	seq := db.seq.Load()
	var of *owned // of the last row looked at; nil when it is not scanned
	for p := (stretch{}); !p.end; {
		p = stretch{last: p.last, changes: p.changes[:0]}
		if err := db.read(ctx, func(s *session) (err error) {
			of, err = s.stretch(ctx, t, &p, of, seq)
			return err
		}); err != nil {
			return err
		}
		for _, c := range p.changes {
			if more, err := w.change(reader, c.of.owner, c.of.show, c.at, c.text, p.touches, yield); !more || err != nil {
				return err
			}
		}
		clear(p.changes)
	}
	return nil
}

// stretch reads on behind p.last, where the stream was of, and returns the stream
// at its end.
func (s *session) stretch(ctx context.Context, t access.Tenant, p *stretch, of *owned, seq int64) (*owned, error) {
	q := s.rows.bind(p.last+1, math.MaxInt64)
	defer q.reset()
	for bytes := 0; bytes < pageBytes && len(p.changes) < pageRows; {
		ok, err := q.step()
		if err != nil {
			return nil, err
		}
		if p.end = !ok; p.end {
			break
		}
		id := q.int(0)
		p.last = id
		if id&maxVersion == 0 {
			if of, err = s.scannable(t, id>>versionBits); err != nil {
				return nil, err
			}
			err = ctx.Err()
		} else if of != nil && q.int(1) <= seq {
			var text string
			text, err = s.open(of.stream, id, q.bytes(2))
			p.changes = append(p.changes, scanned{of, id, text})
			bytes += len(text)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(p.changes) == 0 {
		return of, nil
	}
	var err error
	p.touches, err = s.touchesIn(p.changes[0].at, p.changes[len(p.changes)-1].at)
	p.touches = slices.DeleteFunc(p.touches, func(t touch) bool { return t.seq > seq })
	return of, err
}

// scannable is a patient's stream of the tenant; nil when it is another one or
// was erased.
func (s *session) scannable(t access.Tenant, key int64) (*owned, error) {
	of, err := s.unlearned(key)
	if err != nil || of.erased || of.tenant != t || of.stream.Kind != storage.StreamPatient {
		return nil, err
	}
	found := &owned{stream: of}
	found.owner, found.show, err = s.owner(of)
	return found, err
}
