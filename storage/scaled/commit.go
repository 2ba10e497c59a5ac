package scaled

import (
	"context"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"samdok/fault"
	"samdok/storage"
	"samdok/storage/elastic"
	"samdok/storage/keyring"
	"samdok/storage/s3"
)

const (
	// depth is how many batches of this node may be on their way to the projection.
	// While one is, the next one grows: it is written only when it is large, for a
	// projection takes much the same time for one submission as for a hundred.
	depth = 2
	// patience is how long a submission waits for a batch to be projected.
	patience = 15 * time.Second
	// rivalry is how long a node that was beaten lets others go first.
	rivalry = time.Second
	// lingerMost bounds linger.
	lingerMost = 50 * time.Millisecond
)

// commits is the goroutine that writes batches. It takes all submissions that wait
// into one batch, so that they share its cost.
func (l *line) commits() {
	for first := range l.queue {
		expected, err := l.expected()
		subs, alone := l.gather(first, expected)
		l.crowd = len(subs)
		if err != nil {
			fail(subs, err)
		} else {
			l.commit(subs)
		}
		if alone != nil && err == nil {
			err = l.quiet()
		}
		if alone != nil && err == nil {
			err = alone.alone(l.log.ctx)
		}
		if alone != nil {
			alone.done <- err
		}
	}
}

// expected waits until a batch may be written, and says how many submissions it
// should have: senders who were answered together come back together, and who waited
// meanwhile was not among them. Otherwise senders would fall apart into two halves
// that take turns, each batch as dear as one of all.
func (l *line) expected() (int, error) {
	l.mu.Lock()
	busy := l.own() > 0
	l.mu.Unlock()
	err := l.room()
	if busy {
		return l.crowd + 1 + len(l.queue), err
	}
	return l.crowd, err
}

// gather takes what waits, until one that must run alone. As many as are expected
// are waited for, for a moment.
func (l *line) gather(first *submission, expected int) (subs []*submission, alone *submission) {
	size := 0
	late := time.NewTimer(l.linger())
	defer late.Stop()
	for next := first; ; {
		if next.state.CompareAndSwap(waiting, taken) {
			if next.alone != nil {
				return subs, next
			}
			subs = append(subs, next)
			size += next.size
		}
		if len(subs) >= l.log.o.MaxBatch || size >= l.log.o.MaxBatchBytes {
			return subs, nil
		}
		more, open := l.following(len(subs) < expected, late.C)
		if !open {
			return subs, nil
		}
		next = more
	}
}

// following is the next submission that waits; false when there is none.
func (l *line) following(wait bool, late <-chan time.Time) (next *submission, ok bool) {
	select {
	case next, ok = <-l.queue:
		return next, ok
	default:
	}
	if !wait {
		return nil, false
	}
	select {
	case next, ok = <-l.queue:
		return next, ok
	case <-late:
		return nil, false
	}
}

// linger is how long others are waited for: half of what a batch takes, since one that
// lacks half of them costs as much as a whole one.
func (l *line) linger() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return min(l.took/2, lingerMost)
}

// room waits until few batches of this node are on their way.
func (l *line) room() error {
	return l.until(func() bool {
		own := l.own()
		return (own == 0 || own < depth && len(l.queue) >= l.log.o.MaxBatch/2) && len(l.recent) < 16*depth
	})
}

// own counts this node's batches that are not projected; l.mu is held.
func (l *line) own() (n int) {
	for _, b := range l.recent {
		if b.own {
			n++
		}
	}
	return n
}

// quiet waits until everything that is known is projected.
func (l *line) quiet() error { return l.until(func() bool { return len(l.recent) == 0 }) }

// until waits for something about the projection; l.mu is held when ok is called.
func (l *line) until(ok func() bool) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		l.mu.Lock()
		fine, moved, sick := ok(), l.moved, l.sick
		l.mu.Unlock()
		if fine {
			return nil
		}
		select {
		case <-moved:
		case <-limit.C:
			if sick != nil {
				return fault.Wrap(sick, fault.Busy, "scaled.Append", fault.RegistryBusy, "The registry's index does not take submissions. %s Try again in a moment.", nothingWritten)
			}
			return busy("The registry's index is behind.")
		case <-l.log.ctx.Done():
			return context.Cause(l.log.ctx)
		}
	}
}

// fail answers submissions of which nothing was written, or it is not known.
func fail(subs []*submission, err error) {
	for _, sub := range subs {
		sub.done <- err
	}
}

// doubt is a batch of which it is not known whether it was written.
type doubt struct {
	b     *batch
	bytes []byte
}

// settle finds out about a batch in doubt, by writing the same again.
func (l *line) settle(ctx context.Context) error {
	if l.doubt == nil {
		return nil
	}
	err := l.journal.Append(ctx, l.doubt.b.seq, l.doubt.bytes)
	if errors.Is(err, s3.ErrTaken) {
		l.doubt = nil
		return nil
	}
	if err != nil {
		return err
	}
	l.add(l.doubt.b)
	l.doubt = nil
	return nil
}

// round is one batch in the making.
type round struct {
	*line
	subs   []*submission // not answered yet
	refs   []reference
	q      elastic.Question
	answer elastic.Answer
	at     elastic.Watermark // of the answer
	over   []*batch          // behind at
	next   uint64
	causes []context.Context
	fresh  bool // nothing that the callers can have seen is unknown here
	keys   map[reference]numbered
}

type numbered struct {
	id  uint64
	key keyring.Key
}

// commit writes a batch of submissions and answers those that are refused.
func (l *line) commit(subs []*submission) {
	if len(subs) == 0 {
		return
	}
	r := &round{line: l, subs: subs, keys: map[reference]numbered{}}
	for _, sub := range subs {
		r.causes = append(r.causes, sub.cause)
	}
	r.ask()
	ctx, end := l.log.o.Watch.work(l.log.ctx, "write a batch", r.causes)
	again, err := true, error(nil)
	for again {
		again, err = r.try(ctx)
	}
	end(err)
	if err != nil {
		fail(r.subs, nothing(err))
	}
}

// nothing is an error of a call before anything was written, as a caller of Append
// may see it: one that may be tried again says so.
func nothing(err error) error {
	var f *fault.Error
	if errors.As(err, &f) && f.Kind == fault.Unavailable {
		return fault.Wrap(err, fault.Busy, "scaled.Append", fault.RegistryBusy, "The registry's store or index does not answer. %s Try again in a moment.", nothingWritten)
	}
	return err
}

// ask gathers what must be known.
func (r *round) ask() {
	known := map[reference]bool{}
	stream := func(ref reference, s storage.Stream) {
		if !known[ref] {
			known[ref] = true
			r.refs, r.q.Streams = append(r.refs, ref), append(r.q.Streams, s)
		}
	}
	for _, sub := range r.subs {
		for _, g := range sub.guards {
			stream(g.ref, g.stream)
		}
		for i := range sub.changes {
			p := &sub.changes[i]
			stream(p.ref, p.stream)
			r.q.Claims = append(r.q.Claims, p.claims...)
		}
		r.q.Refs.IDs = append(r.q.Refs.IDs, sub.refs.IDs...)
		r.q.Refs.AssociationsOf = append(r.q.Refs.AssociationsOf, sub.refs.AssociationsOf...)
	}
	r.q.Refs.Everywhere, r.q.Refs.WithRemoved = true, true
}

// try asks the projection and writes; again is true when more became known than
// can be laid over the answer.
func (r *round) try(ctx context.Context) (again bool, err error) {
	if err := r.settle(ctx); err != nil {
		return false, err
	}
	if again, err := r.read(ctx); again || err != nil {
		return again, err
	}
	for {
		done, err := r.write(ctx)
		if done || err != nil {
			return false, err
		}
		if r.next == 0 {
			return true, nil
		}
	}
}

// read asks the projection. When nothing is on its way here, it is looked at the same
// time whether others have projected more, or before when they write too; again is true
// when they have.
func (r *round) read(ctx context.Context) (again bool, err error) {
	look := r.known() && !r.fresh
	if look && r.rivalled() {
		if err := r.refresh(ctx); err != nil {
			return false, err
		}
		r.fresh, look = true, false
		r.known()
	}
	looked := make(chan error, 1)
	if look {
		go func() { looked <- r.refresh(ctx) }()
	}
	r.answer, err = r.log.index.At(ctx, r.tenant, r.at, r.q)
	if look {
		if failed := <-looked; failed != nil {
			return false, failed
		}
		r.fresh = true
		r.mu.Lock()
		again = r.line.at != r.at
		r.mu.Unlock()
	}
	if err != nil && !again {
		return r.turned(ctx), err
	}
	return again, nil
}

// known takes over what the line knows; idle: everything it knows of is projected.
func (r *round) known() (idle bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at, r.over, r.next = r.line.at, r.recent, r.line.next
	return len(r.over) == 0
}

// turned tells, after an error, whether the generation that was asked is not the one
// that is read any more.
func (r *round) turned(ctx context.Context) bool {
	if r.refresh(ctx) != nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.line.at.Generation != r.at.Generation
}

// write checks against everything that is known and creates the next batch. done:
// all are answered, or will be by the projector.
func (r *round) write(ctx context.Context) (done bool, err error) {
	accepted, refused, v := r.decide()
	empty := !slices.ContainsFunc(accepted, func(sub *submission) bool { return len(sub.changes) > 0 })
	if (len(refused) > 0 || empty) && !r.fresh {
		return false, r.freshen(ctx)
	}
	if empty { // but for guards
		r.refuse(append(refused, accepted...), r.next-1)
		return true, nil
	}
	b, d, err := r.make(ctx, accepted, v)
	if errors.Is(err, keyring.ErrDestroyed) && !r.fresh {
		return false, r.freshen(ctx) // a redaction that is not known here
	}
	if err != nil {
		return false, err
	}
	r.giveWay()
	began := r.log.o.Clock()
	err = r.journal.Append(ctx, r.next, d)
	var lost *s3.Taken
	switch {
	case errors.As(err, &lost):
		r.rival = time.Now()
		return false, r.beaten(ctx, lost.Batch)
	case err == nil:
		b.waiting, b.causes = accepted, r.causes
		r.log.o.Watch.wrote(len(accepted), len(d), r.log.o.Clock().Sub(began))
		r.add(b)
		r.refuse(refused, b.seq)
		return true, nil
	case fault.KindOf(err) == fault.Busy || fault.KindOf(err) == fault.TooLarge:
		return false, err
	}
	r.doubt = &doubt{b, d}
	fail(accepted, fault.Wrap(err, fault.Unavailable, "scaled.Append", fault.RegistryError, "The registry's store did not answer. %s", unknownOutcome))
	r.refuse(refused, 0)
	return true, nil
}

// freshen finds out whether callers may have seen more than is known here.
func (r *round) freshen(ctx context.Context) error {
	r.fresh = true
	if err := r.refresh(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.line.at.Seq >= r.next {
		r.next = 0 // begin anew
	}
	return nil
}

// beaten takes in the batch that has the number.
func (r *round) beaten(ctx context.Context, d []byte) error {
	r.reading.Lock()
	defer r.reading.Unlock()
	b, err := r.learn(ctx, r.next, d)
	if err != nil {
		return err
	}
	r.over = append(r.over[:len(r.over):len(r.over)], b)
	r.next++
	return nil
}

// giveWay pauses for a moment while other nodes write too, so that whoever was
// beaten gets the next number.
func (r *round) giveWay() {
	if r.rivalled() && (len(r.over) == 0 || r.over[len(r.over)-1].own) {
		time.Sleep(rand.N(4 * time.Millisecond))
	}
}

// rivalled tells whether another node was first lately.
func (l *line) rivalled() bool { return !l.rival.IsZero() && time.Since(l.rival) <= rivalry }

// decide lays what is behind the answer over it and checks one submission after
// another.
func (r *round) decide() (accepted, refused []*submission, v *view) {
	v = newView(r.refs, &r.q, &r.answer)
	for _, b := range r.over {
		for i := range b.changes {
			v.lay(&b.changes[i])
		}
	}
	for _, sub := range r.subs {
		if sub.refused = v.check(sub); sub.refused != nil {
			refused = append(refused, sub)
			continue
		}
		accepted = append(accepted, sub)
		for i := range sub.changes {
			p := &sub.changes[i]
			v.lay(&change{kind: recordChange, ref: p.ref, version: p.expect + 1, keyID: v.heads[p.ref].KeyID,
				said: said{p.stream, p.events, p.claims}})
		}
	}
	return accepted, refused, v
}

// refuse answers when a batch is projected, so that whoever loads again sees what
// the refusal came from.
func (r *round) refuse(subs []*submission, seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, sub := range subs {
		if seq <= r.line.at.Seq {
			sub.done <- sub.refused
			continue
		}
		sub.after = seq
		r.late = append(r.late, sub)
	}
}

// make seals the accepted submissions into a batch.
func (r *round) make(ctx context.Context, accepted []*submission, v *view) (*batch, []byte, error) {
	prev, err := r.before(ctx, r.next)
	if err != nil {
		return nil, nil, err
	}
	if err := r.findKeys(ctx, accepted, v); err != nil {
		return nil, nil, err
	}
	b := &batch{seq: r.next, own: true, known: r.log.o.Clock(), basis: r.answer.Basis}
	var records []record
	for _, sub := range accepted {
		for i := range sub.changes {
			p := &sub.changes[i]
			k := r.keys[p.ref]
			rec := record{kind: recordChange, ref: p.ref, keyID: k.id, version: p.expect + 1}
			if err := rec.seal(k.key, p.text); err != nil {
				return nil, nil, err
			}
			records = append(records, rec)
			b.changes = append(b.changes, change{kind: recordChange, ref: p.ref, version: rec.version, keyID: k.id, key: k.key,
				said: said{p.stream, p.events, p.claims}})
		}
	}
	raw, err := newRawBatch(r.next, prev, records)
	if err != nil {
		return nil, nil, err
	}
	d := raw.encode()
	b.hash, b.size = sha256.Sum256(d), len(d)
	return b, d, nil
}

// findKeys finds the data keys of the streams, many at a time, and makes those of
// new ones.
func (r *round) findKeys(ctx context.Context, accepted []*submission, v *view) error {
	if r.log.o.Keys == nil {
		return nil
	}
	var mu sync.Mutex
	var failed error
	var all sync.WaitGroup
	limit := make(chan struct{}, 16)
	asked := map[reference]bool{}
	for _, sub := range accepted {
		for i := range sub.changes {
			ref := sub.changes[i].ref
			id := v.heads[ref].KeyID
			mu.Lock()
			have, ok := r.keys[ref]
			mu.Unlock()
			if asked[ref] || ok && (id == 0 || id == have.id) {
				continue // a new stream's is kept while others are first
			}
			asked[ref] = true
			limit <- struct{}{}
			all.Go(func() {
				k, err := r.key(ctx, id)
				mu.Lock()
				defer mu.Unlock()
				r.keys[ref], failed = k, errors.Join(failed, err)
				<-limit
			})
		}
	}
	all.Wait()
	return failed
}

func (r *round) key(ctx context.Context, id uint64) (k numbered, err error) {
	if id == 0 {
		k.id, k.key, err = r.log.o.Keys.New(ctx)
		return k, err
	}
	k.id = id
	k.key, err = r.log.o.Keys.Key(ctx, id)
	return k, err
}
