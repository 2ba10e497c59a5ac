package scaled

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/storage"
	"samdok/storage/elastic"
	"samdok/storage/keyring"
	"samdok/storage/s3"
)

// line is what a node knows of one tenant's journal. Two goroutines work on it: one
// writes batches (commit.go), one projects them (project.go).
type line struct {
	log     *Log
	tenant  access.Tenant
	journal *s3.Journal
	queue   chan *submission

	sending sync.RWMutex // guards closed against senders
	closed  bool
	ended   sync.WaitGroup

	// reading is held while the journal is read at its end.
	reading sync.Mutex

	mu sync.Mutex
	// at is how far the tenant is projected, as far as is known here; recent are the
	// batches behind it, without a gap; next is the number behind the last of them.
	at     elastic.Watermark
	recent []*batch
	next   uint64
	prev   [sha256.Size]byte // of batch next-1, when prevOf says so
	prevOf uint64
	late   []*submission // refusals that wait for a batch to be projected
	moved  chan struct{} // closed and replaced when at moves
	sick   error         // why the last projection failed; nil when it did not
	// newer is why batch newerSeq cannot be read here: a newer samdok wrote it, and it is
	// not projected yet.
	newer    error
	newerSeq uint64
	// lost is ErrIndex while the projection is behind floor, up to which it was seen or
	// must have been.
	lost  error
	floor uint64

	wake  chan struct{} // tells the projector of batches
	doubt *doubt        // the committer's
	crowd int           // submissions in its last batch
	took  time.Duration // from the creation of this node's last batch to its projection
	rival time.Time     // when another node was first, last
}

// batch is one that is not projected yet, opened.
type batch struct {
	seq     uint64
	hash    [sha256.Size]byte
	changes []change
	doomed  []uint64 // data keys
	// generation that is used from here on; 0: the same
	generation elastic.Generation
	size       int
	own        bool // written here
	waiting    []*submission
	causes     []context.Context // of its submissions
	basis      *elastic.Basis    // what it was checked with; nil: written elsewhere
	known      time.Time         // since when
}

// change is an opened record.
type change struct {
	kind    recordKind
	ref     reference
	version storage.Version
	keyID   uint64
	key     keyring.Key
	gone    bool // the data key was destroyed: nothing is known of what follows
	said
}

func (l *Log) newLine(t access.Tenant) *line {
	return &line{log: l, tenant: t, journal: l.o.S3.Journal(t), queue: make(chan *submission, l.o.MaxWaiting),
		moved: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// start begins to work: the tenant is projected up to at, and the journal had end as
// its next number. What is in between may have been acknowledged, if the projection
// was lost; nothing is answered before it is there again.
func (l *line) start(at elastic.Watermark, end uint64) {
	l.at, l.next = at, at.Seq+1
	if l.floor = end - 1; at.Seq < l.floor {
		l.lost = ErrIndex
	}
	l.ended.Go(func() {
		var writing sync.WaitGroup
		done := make(chan struct{})
		writing.Go(l.commits)
		l.ended.Go(func() { l.projects(done) })
		writing.Wait()
		close(done)
	})
}

// stop lets what waits be done.
func (l *line) stop() {
	l.sending.Lock()
	if !l.closed {
		l.closed = true
		close(l.queue)
	}
	l.sending.Unlock()
}

// enter queues a submission.
func (l *line) enter(sub *submission) error {
	l.sending.RLock()
	defer l.sending.RUnlock()
	if l.closed {
		return fault.New(fault.Unavailable, "scaled.Append", fault.RegistryError, "The registry is shutting down. %s", nothingWritten)
	}
	select {
	case l.queue <- sub:
		return nil
	default:
		return busy("More than %d submissions wait for the registry's store.", cap(l.queue))
	}
}

// submit waits for the answer.
func (l *line) submit(ctx context.Context, op string, sub *submission) error {
	sub.cause = ctx
	if err := l.enter(sub); err != nil {
		return err
	}
	select {
	case err := <-sub.done:
		return wrap(op, err, nothingWritten)
	case <-ctx.Done():
		if sub.state.CompareAndSwap(waiting, givenUp) {
			return wrap(op, ctx.Err(), nothingWritten)
		}
	}
	select {
	case err := <-sub.done:
		return wrap(op, err, nothingWritten)
	default:
		return wrap(op, ctx.Err(), unknownOutcome)
	}
}

// adopt takes in how far the tenant is projected.
func (l *line) adopt(w elastic.Watermark) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.Seq >= l.floor {
		l.floor, l.lost = w.Seq, nil
	}
	if w.Seq < l.at.Seq || w == l.at {
		return
	}
	l.at = w
	if w.Seq >= l.newerSeq { // those who know it have seen to it
		l.newer = nil
	}
	n := 0
	for n < len(l.recent) && l.recent[n].seq <= w.Seq {
		if l.recent[n].own {
			l.took = l.log.o.Clock().Sub(l.recent[n].known)
		}
		for _, sub := range l.recent[n].waiting {
			sub.done <- nil
		}
		n++
	}
	l.recent = append([]*batch(nil), l.recent[n:]...) // rounds hold the old one
	l.next = max(l.next, w.Seq+1)
	left := l.late[:0]
	for _, sub := range l.late {
		if sub.after > w.Seq {
			left = append(left, sub)
		} else {
			sub.done <- sub.refused
		}
	}
	clear(l.late[len(left):])
	l.late = left
	close(l.moved)
	l.moved = make(chan struct{})
}

// add takes in the batch at the end.
func (l *line) add(b *batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.seq < l.next { // somebody has told of it meanwhile
		l.join(b)
		return
	}
	l.recent = append(l.recent, b)
	l.next, l.prev, l.prevOf = b.seq+1, b.hash, b.seq
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// join adds the submissions of a batch to what is known of it already.
func (l *line) join(b *batch) {
	for _, known := range l.recent {
		if known.seq == b.seq {
			known.own, known.waiting = known.own || b.own, append(known.waiting, b.waiting...)
			return
		}
	}
	for _, sub := range b.waiting { // it is projected
		sub.done <- nil
	}
}

// refresh asks how far the tenant is projected.
func (l *line) refresh(ctx context.Context) error {
	l.mu.Lock()
	had := l.at.Seq
	l.mu.Unlock()
	w, err := l.log.index.Watermark(ctx, l.tenant)
	if err != nil {
		return err
	}
	if w.Seq < had {
		l.mu.Lock()
		l.lost = ErrIndex
		l.mu.Unlock()
		return ErrIndex
	}
	l.adopt(w)
	return nil
}

// follow reads what others have written behind the end that is known, at most so
// many batches.
func (l *line) follow(ctx context.Context, most int) error {
	l.reading.Lock()
	defer l.reading.Unlock()
	for range most {
		l.mu.Lock()
		next := l.next
		l.mu.Unlock()
		d, err := l.journal.Read(ctx, next)
		if errors.Is(err, s3.ErrNone) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := l.learn(ctx, next, d); err != nil {
			return err
		}
	}
	return nil
}

// learn takes in a batch that another node wrote.
func (l *line) learn(ctx context.Context, seq uint64, d []byte) (*batch, error) {
	b, raw, err := l.log.open(ctx, seq, d)
	if newer(err) {
		l.mu.Lock()
		l.newer, l.newerSeq = err, seq
		close(l.moved) // whoever waits for the projection need not
		l.moved = make(chan struct{})
		l.mu.Unlock()
	}
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	prev, known := l.prev, l.prevOf == seq-1
	l.mu.Unlock()
	if known && seq > 1 && raw.prev != prev {
		return nil, ErrFork
	}
	b.known = l.log.o.Clock()
	l.add(b)
	return b, nil
}

// before is the hash that the batch of a number must name.
func (l *line) before(ctx context.Context, seq uint64) (hash [sha256.Size]byte, err error) {
	if seq == 1 {
		return hash, nil
	}
	l.mu.Lock()
	hash, known := l.prev, l.prevOf == seq-1
	l.mu.Unlock()
	if known {
		return hash, nil
	}
	d, err := l.journal.Read(ctx, seq-1)
	if errors.Is(err, s3.ErrNone) {
		return hash, ErrIndex // it says more than the journal
	}
	if err != nil {
		return hash, err
	}
	hash = sha256.Sum256(d)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next == seq {
		l.prev, l.prevOf = hash, seq-1
	}
	return hash, nil
}

// open opens a batch and all of its records.
func (l *Log) open(ctx context.Context, seq uint64, d []byte) (*batch, *rawBatch, error) {
	raw, err := parseBatch(d)
	if err != nil {
		return nil, nil, err
	}
	if raw.seq != seq {
		return nil, nil, ErrFork
	}
	b := &batch{seq: seq, hash: sha256.Sum256(d), size: len(d)}
	for i := range raw.records {
		r := &raw.records[i]
		switch r.kind {
		case recordDestroyed:
			b.doomed = append(b.doomed, r.keys...)
		case recordGeneration:
			b.generation = r.generation
		default:
			c, err := l.openRecord(ctx, r)
			if err != nil {
				return nil, nil, err
			}
			b.changes = append(b.changes, c)
		}
	}
	return b, raw, nil
}

func (l *Log) openRecord(ctx context.Context, r *record) (c change, err error) {
	c = change{kind: r.kind, ref: r.ref, version: r.version, keyID: r.keyID}
	if r.keyID != 0 {
		c.key, err = l.o.Keys.Key(ctx, r.keyID)
		if errors.Is(err, keyring.ErrDestroyed) {
			c.gone = true
			return c, nil
		}
		if err != nil {
			return c, err
		}
	}
	text, err := r.open(c.key)
	if err != nil {
		return c, err
	}
	c.said, err = parseText(text)
	return c, err
}

// projected is the batch as the index takes it.
func (b *batch) projected() elastic.Batch {
	p := elastic.Batch{Seq: b.seq, Basis: b.basis}
	for i := range b.changes {
		c := &b.changes[i]
		if c.gone {
			continue
		}
		p.Records = append(p.Records, elastic.Record{Stream: c.stream, Version: c.version, KeyID: c.keyID, Key: c.key,
			Events: c.events, Claims: c.claims, Redacted: c.kind == recordRedaction})
	}
	return p
}
