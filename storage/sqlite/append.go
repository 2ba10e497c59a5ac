package sqlite

import (
	"context"
	"sync/atomic"

	"samdok/access"
	"samdok/fault"
	"samdok/storage"
	"samdok/storage/encoding"
	"samdok/storage/keyring"
)

// submission is one Append on its way through the writer.
type submission struct {
	tenant  access.Tenant
	changes []prepared
	guards  []guarded
	// work is done in the batch's transaction instead of changes. It tells whether it
	// wrote; an error ends the whole batch, so that what only this submission did
	// wrong goes into err, before anything is written.
	work  func(*writer) (wrote bool, err error)
	size  int          // of what work writes, in bytes
	alone func() error // instead of changes: runs between two transactions
	state atomic.Int32 // waiting, taken or given up
	done  chan error   // one answer; has room for it
	err   error        // of its own check, before the commit
}

const (
	waiting = iota
	taken
	givenUp
)

// prepared is a change with everything done that needs no writer.
type prepared struct {
	derived
	stream storage.Stream
	expect storage.Version
	of     *stream // key 0: this Append makes it
	text   []byte
}

// guarded is a stream that must be at a version, and stays there.
type guarded struct {
	stream storage.Stream
	expect storage.Version
}

// maxText bounds the text of one change; SQLite holds up to 1 GB.
const maxText = 512 << 20

// Append implements storage.Log.
func (db *DB) Append(ctx context.Context, t access.Tenant, changes []storage.Change) error {
	const op = "sqlite.Append"
	if len(changes) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return wrap(op, err, nothingWritten)
	}
	if db.broken.Load() {
		return wrap(op, errProjection, nothingWritten)
	}
	if err := storage.CheckMerges(changes); err != nil {
		return wrap(op, err, nothingWritten)
	}
	sub := &submission{tenant: t, done: make(chan error, 1)}
	if err := db.prepare(ctx, sub, changes); err != nil {
		return wrap(op, err, nothingWritten)
	}
	return db.writer.submit(ctx, op, sub)
}

// submit waits for the writer's answer.
func (w *writer) submit(ctx context.Context, op string, sub *submission) error {
	if err := w.enter(sub); err != nil {
		return err
	}
	select {
	case err := <-sub.done:
		return err
	case <-ctx.Done():
		if sub.state.CompareAndSwap(waiting, givenUp) {
			return wrap(op, ctx.Err(), nothingWritten)
		}
	}
	// The writer has it: its answer is near, or the disk hangs.
	select {
	case err := <-sub.done:
		return err
	default:
		return wrap(op, ctx.Err(), unknownOutcome)
	}
}

// prepare finds the streams, makes data keys of new ones and encodes.
func (db *DB) prepare(ctx context.Context, sub *submission, changes []storage.Change) error {
	if storage.Conflicting(changes) {
		return storage.ErrConflict
	}
	enc := db.encoders.Get().(*encoding.Encoder)
	defer db.encoders.Put(enc)
	sub.changes = make([]prepared, 0, len(changes))
	for i := range changes {
		c := &changes[i]
		if len(c.Events)+len(c.Claims) == 0 {
			sub.guards = append(sub.guards, guarded{c.Stream, c.Expect})
			continue
		}
		earlier := sub.changes
		sub.changes = append(sub.changes, prepared{stream: c.Stream, expect: c.Expect})
		p := &sub.changes[len(earlier)]
		if p.expect >= maxVersion {
			return fault.New(fault.TooLarge, "sqlite.Append", fault.RegistryOutOfResources, "A patient can have at most %d changes.", maxVersion)
		}
		var err error
		if p.of, err = db.streamFor(ctx, name{sub.tenant, p.stream}, earlier, p.expect); err != nil {
			return err
		}
		if p.text, err = enc.Append(nil, c.Events, c.Claims); err != nil {
			return err
		}
		if len(p.text) > maxText {
			return fault.New(fault.TooLarge, "sqlite.Append", fault.RegistryOutOfResources, "The metadata of one submission may take at most %d MB.", maxText>>20)
		}
		if err := p.derive(db.hash, c.Events, c.Claims); err != nil {
			return err
		}
	}
	return nil
}

// streamFor finds a stream or prepares a new one.
func (db *DB) streamFor(ctx context.Context, n name, earlier []prepared, expect storage.Version) (*stream, error) {
	for i := range earlier {
		if earlier[i].of.name == n {
			return earlier[i].of, nil
		}
	}
	of := db.cache.named(n)
	if of == nil {
		if err := db.read(ctx, func(s *session) (err error) {
			of, err = s.named(n)
			return err
		}); err != nil {
			return nil, err
		}
	}
	switch {
	case of != nil && of.erased:
		return nil, keyring.ErrDestroyed
	case of != nil:
		return of, nil
	case expect != 0:
		return nil, storage.ErrConflict
	}
	of = &stream{name: n}
	if db.ring == nil {
		return of, nil
	}
	id, key, err := db.ring.New(ctx)
	if err != nil {
		return nil, err
	}
	of.box, err = newBox(id, key)
	return of, err
}
