package scaled

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"samdok/access"
	"samdok/storage"
	"samdok/storage/elastic"
	"samdok/storage/encoding"
	"samdok/storage/s3"
)

// Options of a Log. S3 and Elastic are required; the Log does not close them.
type Options struct {
	S3      *s3.Store
	Keys    *s3.Keys // nil: nothing is encrypted, and what is erased stays in the journal
	Elastic *elastic.Index

	Clock func() time.Time // default time.Now
	Log   *slog.Logger     // default: nobody

	MaxWaiting    int           // submissions that wait, of one tenant, before others are refused; default 4096
	MaxBatch      int           // submissions in one batch; default 256
	MaxBatchBytes int           // of their texts, about; default 8 MiB
	Look          time.Duration // how often what other nodes wrote is looked for; default 500 ms
	Grace         time.Duration // how long the node that wrote a batch may take to project it; default 500 ms
	// MaxLag is how many batches are projected when a node opens; when more are
	// missing, `samdok reindex` is asked for. Default 2000.
	MaxLag uint64

	// Watch is told what the node does; default: nobody.
	Watch Watch

	// Step is called between the steps of what must not be cut off, for tests.
	Step func(name string)
}

// Log is one node's view of the journals and their projection. It is storage.Log,
// storage.Index and storage.Eraser. Its methods may be called at the same time.
type Log struct {
	o        Options
	index    *elastic.Index
	encoders sync.Pool

	ctx    context.Context // ends when Close gives up waiting
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	lines  map[access.Tenant]*line
	closed bool
	others sync.WaitGroup // the goroutine that looks for new tenants
	ending chan struct{}
}

var errClosed = errors.New("scaled: closed")

// Open begins to follow the journals of all tenants. It heals what nodes that died
// have left.
func Open(ctx context.Context, o Options) (*Log, error) {
	if o.S3 == nil || o.Elastic == nil {
		return nil, errors.New("scaled: needs S3 and Elasticsearch")
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Step == nil {
		o.Step = func(string) {}
	}
	o.MaxWaiting, o.MaxBatch = cmp.Or(o.MaxWaiting, 4096), cmp.Or(o.MaxBatch, 256)
	o.MaxBatchBytes, o.MaxLag = cmp.Or(o.MaxBatchBytes, 8<<20), cmp.Or(o.MaxLag, 2000)
	o.Look, o.Grace = cmp.Or(o.Look, 500*time.Millisecond), cmp.Or(o.Grace, 500*time.Millisecond)
	l := &Log{o: o, index: o.Elastic, lines: map[access.Tenant]*line{}, ending: make(chan struct{})}
	l.encoders.New = func() any { return new(encoding.Encoder) }
	l.ctx, l.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	if err := l.meet(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.others.Go(l.newcomers)
	return l, nil
}

// meet takes in the tenants whose journal has begun.
func (l *Log) meet(ctx context.Context) error {
	tenants, err := l.o.S3.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		if _, err := l.line(ctx, t); err != nil && !errors.Is(err, ErrIndex) {
			return err
		}
	}
	return nil
}

// newcomers looks for tenants that other nodes have met, so that what those leave is
// healed here too.
func (l *Log) newcomers() {
	look := time.NewTicker(20 * l.o.Look)
	defer look.Stop()
	for {
		select {
		case <-l.ending:
			return
		case <-look.C:
			if err := l.meet(l.ctx); err != nil && l.ctx.Err() == nil {
				l.o.Log.Warn("the tenants of the journal cannot be listed", "error", err)
			}
		}
	}
}

// line is that of a tenant. ErrIndex: the projection lacks more than is made up
// for on the way.
func (l *Log) line(ctx context.Context, t access.Tenant) (*line, error) {
	l.mu.Lock()
	found, closed := l.lines[t], l.closed
	l.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	if found != nil {
		return found, nil
	}
	at, err := l.index.Watermark(ctx, t)
	if err != nil {
		return nil, err
	}
	fresh := l.newLine(t)
	end, err := fresh.journal.End(ctx, at.Seq)
	if err != nil {
		return nil, err
	}
	if end-1 > at.Seq+l.o.MaxLag {
		return nil, fmt.Errorf("%w: %d batches of one tenant are missing", ErrIndex, end-1-at.Seq)
	}
	if at.Seq > 0 && end <= at.Seq {
		return nil, ErrIndex
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed
	}
	if l.lines[t] == nil {
		l.lines[t] = fresh
		fresh.start(at, end)
	}
	return l.lines[t], nil
}

// Close lets what waits be done, for some seconds, and ends.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	lines := l.lines
	l.mu.Unlock()
	close(l.ending)
	giveUp := time.AfterFunc(patience, func() { l.cancel(errClosed) })
	defer giveUp.Stop()
	for _, one := range lines {
		one.stop()
	}
	for _, one := range lines {
		one.ended.Wait()
	}
	l.cancel(errClosed)
	l.others.Wait()
	return nil
}

// Ready implements storage.Log.
func (l *Log) Ready(ctx context.Context) error {
	if err := l.o.S3.Ready(ctx); err != nil {
		return err
	}
	if err := l.index.Ready(ctx); err != nil {
		return err
	}
	tenants, err := l.o.S3.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		one, err := l.usable(ctx, t)
		if err == nil {
			one.mu.Lock()
			err = one.newer
			one.mu.Unlock()
		}
		if err != nil {
			return wrap("scaled.Ready", err, onlyRead)
		}
	}
	return nil
}

// usable is the line of a tenant whose projection can be trusted. It waits a little
// for what another node has left to be made up for.
func (l *Log) usable(ctx context.Context, t access.Tenant) (*line, error) {
	one, err := l.line(ctx, t)
	if err != nil {
		return nil, err
	}
	var limit <-chan time.Time
	for {
		one.mu.Lock()
		lost, newer, moved := one.lost, one.newer, one.moved
		one.mu.Unlock()
		if lost == nil {
			return one, nil
		}
		if newer != nil {
			return nil, newer
		}
		if limit == nil {
			limit = time.After(healing)
		}
		select {
		case <-moved:
		case <-limit:
			return nil, lost
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// healing is how long a caller waits for a projection that is behind.
const healing = 10 * time.Second

// Waiting is how many submissions wait, for metrics.
func (l *Log) Waiting() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.lines {
		n += len(one.queue)
	}
	return n
}

// Append implements storage.Log.
func (l *Log) Append(ctx context.Context, t access.Tenant, changes []storage.Change) error {
	const op = "scaled.Append"
	if len(changes) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return wrap(op, err, nothingWritten)
	}
	if storage.Conflicting(changes) {
		return storage.ErrConflict
	}
	if err := storage.CheckMerges(changes); err != nil {
		return wrap(op, err, nothingWritten)
	}
	one, err := l.usable(ctx, t)
	if err != nil {
		return wrap(op, err, nothingWritten)
	}
	sub, err := one.prepare(changes)
	if err != nil {
		return wrap(op, err, nothingWritten)
	}
	return one.submit(ctx, op, sub)
}

// Load implements storage.Log.
func (l *Log) Load(ctx context.Context, t access.Tenant, s storage.Stream, refs storage.Refs) (storage.State, storage.Version, error) {
	const op = "scaled.Load"
	one, err := l.reading(ctx, t)
	if err != nil {
		return storage.State{}, 0, wrap(op, err, onlyRead)
	}
	known := one.projectedTo()
	found, version, at, err := l.index.Load(ctx, t, s, refs)
	if err == nil && at.Seq < known {
		err = ErrIndex
	}
	return found, version, wrap(op, err, onlyRead)
}

// reading is the line of a tenant, for a caller who has not gone away.
func (l *Log) reading(ctx context.Context, t access.Tenant) (*line, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return l.usable(ctx, t)
}

func (l *line) projectedTo() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at.Seq
}

// Lookup implements storage.Index.
func (l *Log) Lookup(ctx context.Context, t access.Tenant, refs storage.Refs) (storage.State, error) {
	const op = "scaled.Lookup"
	if _, err := l.reading(ctx, t); err != nil {
		return storage.State{}, wrap(op, err, onlyRead)
	}
	found, err := l.index.Lookup(ctx, t, refs)
	return found, wrap(op, err, onlyRead)
}

// Find implements storage.Index.
func (l *Log) Find(ctx context.Context, t access.Tenant, s storage.Stream, f storage.Filter, r access.Restriction) iter.Seq2[storage.Placed, error] {
	return wrapped(ctx, l, t, "scaled.Find", l.index.Find(ctx, t, s, f, r))
}

// Scan implements storage.Index.
func (l *Log) Scan(ctx context.Context, t access.Tenant, f storage.Filter, r access.Restriction) iter.Seq2[storage.Placed, error] {
	return wrapped(ctx, l, t, "scaled.Scan", l.index.Scan(ctx, t, f, r))
}

// Streams implements storage.Eraser.
func (l *Log) Streams(ctx context.Context, t access.Tenant, kind storage.StreamKind) iter.Seq2[storage.Stream, error] {
	return wrapped(ctx, l, t, "scaled.Streams", l.index.Streams(ctx, t, kind))
}

// wrapped yields what the projection has, when it can be trusted.
func wrapped[T any](ctx context.Context, l *Log, t access.Tenant, op string, all iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if _, err := l.reading(ctx, t); err != nil {
			yield(none, wrap(op, err, onlyRead))
			return
		}
		for v, err := range all {
			if err != nil {
				yield(none, wrap(op, err, onlyRead))
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}

// Reference implements storage.Eraser.
func (l *Log) Reference(ctx context.Context, t access.Tenant, s storage.Stream) ([]byte, error) {
	const op = "scaled.Reference"
	one, err := l.reading(ctx, t)
	if err != nil {
		return nil, wrap(op, err, onlyRead)
	}
	_, version, at, err := l.index.Load(ctx, t, s, storage.Refs{})
	if err == nil && at.Seq < one.projectedTo() {
		err = ErrIndex
	}
	if err != nil || version == 0 {
		return nil, wrap(op, err, onlyRead)
	}
	ref := l.index.Reference(t, s)
	return ref[:], nil
}

// Referred implements storage.Eraser.
func (l *Log) Referred(ctx context.Context, ref []byte) (access.Tenant, storage.Stream, bool, error) {
	if len(ref) != len(reference{}) {
		return "", storage.Stream{}, false, nil
	}
	found, ok, err := l.index.Referred(ctx, reference(ref))
	return found.Tenant, found.Stream, ok, wrap("scaled.Referred", err, onlyRead)
}

var (
	_ storage.Log    = (*Log)(nil)
	_ storage.Index  = (*Log)(nil)
	_ storage.Eraser = (*Log)(nil)
)
