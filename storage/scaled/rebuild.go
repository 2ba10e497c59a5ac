package scaled

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync/atomic"

	"samdok/storage"
	"samdok/storage/elastic"
	"samdok/storage/s3"
)

// parallel is how many batches of a journal are read at a time.
const parallel = 16

// Rebuild implements storage.Index. A new generation of the indexes is built beside
// the one that serves, from the journals, while all nodes go on; at the end each
// tenant's journal says that it is used from there on. A rebuild that was cut off
// is continued by the next one. When the projection was lost, it is made in its
// place instead, and nothing is answered until it is there. progress counts changes.
func (l *Log) Rebuild(ctx context.Context, progress func(done, total int64)) error {
	const op = "scaled.Rebuild"
	if progress == nil {
		progress = func(int64, int64) {}
	}
	b := &rebuild{Log: l, told: progress}
	return wrap(op, b.run(ctx), "The index is as it was.")
}

type rebuild struct {
	*Log
	told        func(done, total int64)
	done, total atomic.Int64
	to          elastic.Generation
	tenants     []*rebuilt
}

// rebuilt is one tenant of a rebuild.
type rebuilt struct {
	*line    // only to read with
	at       elastic.Watermark
	end      uint64 // of the journal, when it was looked through
	redacted redactions
	counts   []uint32 // changes of each batch up to end
}

// redactions tells where what is left of redacted changes lies.
type redactions map[placed]spot

type placed struct {
	ref     reference
	version storage.Version
}

type spot struct {
	seq   uint64
	place int
}

func (r *rebuild) run(ctx context.Context) error {
	for {
		fresh, err := r.look(ctx)
		if err != nil {
			return err
		}
		if len(fresh) == 0 {
			break
		}
		if r.to == 0 {
			if r.to, err = r.target(ctx, fresh); err != nil {
				return err
			}
		}
		for _, t := range fresh {
			if err := r.tenant(ctx, t); err != nil {
				return err
			}
		}
	}
	r.told(r.total.Load(), r.total.Load())
	return r.dropOld(ctx)
}

// look finds tenants that are not done and looks through their journals.
func (r *rebuild) look(ctx context.Context) (fresh []*rebuilt, err error) {
	names, err := r.o.S3.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if slices.ContainsFunc(r.tenants, func(t *rebuilt) bool { return t.line.tenant == name }) {
			continue
		}
		t := &rebuilt{line: r.newLine(name)}
		if t.at, err = r.index.Watermark(ctx, name); err != nil {
			return nil, err
		}
		next, err := t.journal.End(ctx, 0)
		if err != nil {
			return nil, err
		}
		t.end = next - 1
		if err := r.scan(ctx, t); err != nil {
			return nil, err
		}
		r.tenants, fresh = append(r.tenants, t), append(fresh, t)
	}
	return fresh, nil
}

// scan looks through a journal once: how much there is, and what was redacted.
func (r *rebuild) scan(ctx context.Context, t *rebuilt) error {
	t.redacted = redactions{}
	for b, err := range inOrder(ctx, 1, t.end, t.line.read) {
		if err != nil {
			return err
		}
		n := uint32(0)
		for i := range b.records {
			if b.records[i].kind == recordChange {
				n++
			}
		}
		t.redacted.note(b)
		t.counts = append(t.counts, n)
		r.total.Add(int64(n))
	}
	return nil
}

func (m redactions) note(b *rawBatch) {
	for i := range b.records {
		if rec := &b.records[i]; rec.kind == recordRedaction {
			m[placed{rec.ref, rec.version}] = spot{b.seq, i}
		}
	}
}

// target is a generation that nobody uses yet: that of a rebuild which was cut off,
// or a new one.
func (r *rebuild) target(ctx context.Context, tenants []*rebuilt) (elastic.Generation, error) {
	all, err := r.index.Generations(ctx)
	if err != nil {
		return 0, err
	}
	used := elastic.Generation(0)
	for _, t := range tenants {
		used = max(used, t.at.Generation)
	}
	if len(all) > 0 && all[len(all)-1] > used {
		newest := all[len(all)-1]
		return newest, r.index.Resume(ctx, newest)
	}
	return r.index.NewGeneration(ctx)
}

// tenant rebuilds one.
func (r *rebuild) tenant(ctx context.Context, t *rebuilt) error {
	one, err := r.line(ctx, t.line.tenant)
	lost := errors.Is(err, ErrIndex)
	if err != nil && !lost {
		return err
	}
	if one != nil {
		_ = one.refresh(ctx) // whether it is lost is looked at below
		one.mu.Lock()
		lost = one.lost != nil
		one.mu.Unlock()
	}
	if lost {
		return r.again(ctx, t)
	}
	built, err := r.index.Built(ctx, r.to, t.line.tenant)
	if err != nil {
		return err
	}
	for seq := uint64(1); seq <= min(built, t.end); seq++ {
		r.done.Add(int64(t.counts[seq-1]))
	}
	if err := r.build(ctx, t, r.to, built+1, min(t.end, t.at.Seq)); err != nil {
		return err
	}
	// The rest, and what was written meanwhile, is built on the way by whoever
	// projects this.
	return one.submit(ctx, "scaled.Rebuild", &submission{done: make(chan error, 1), alone: func(ctx context.Context) error {
		return one.switchTo(ctx, r.to)
	}})
}

// switchTo writes that searches use a generation from here on.
func (l *line) switchTo(ctx context.Context, g elastic.Generation) error {
	for {
		if err := errors.Join(l.settle(ctx), l.refresh(ctx), l.follow(ctx, 1<<20), l.quiet()); err != nil {
			return err
		}
		l.mu.Lock()
		b := &batch{seq: l.next, own: true, generation: g, known: l.log.o.Clock()}
		l.mu.Unlock()
		err := l.put(ctx, b, []record{{kind: recordGeneration, generation: g}})
		if err == nil {
			return l.quiet()
		}
		if !errors.Is(err, s3.ErrTaken) {
			return err
		}
	}
}

// turn projects the batch that says so: the generation gets what it lacks first.
func (l *line) turn(ctx context.Context, at elastic.Watermark, b *batch) (elastic.Watermark, error) {
	all, err := l.log.index.Generations(ctx)
	if err != nil {
		return at, err
	}
	if !slices.Contains(all, b.generation) || b.generation == at.Generation {
		return l.log.index.Project(ctx, l.tenant, at, []elastic.Batch{{Seq: b.seq}}) // of an index that was lost
	}
	built, err := l.log.index.Built(ctx, b.generation, l.tenant)
	if err != nil {
		return at, err
	}
	r := &rebuild{Log: l.log, told: func(int64, int64) {}}
	if err := r.build(ctx, &rebuilt{line: l}, b.generation, built+1, b.seq-1); err != nil {
		return at, err
	}
	return l.log.index.Switch(ctx, l.tenant, at, b.generation)
}

// build puts batches into a generation that does not serve.
func (r *rebuild) build(ctx context.Context, t *rebuilt, to elastic.Generation, from, end uint64) error {
	return r.chunks(ctx, t, from, end, func(some []elastic.Batch) error {
		return r.index.Build(ctx, to, t.line.tenant, some)
	})
}

// again projects everything that is missing in the generation that serves.
func (r *rebuild) again(ctx context.Context, t *rebuilt) error {
	at, err := r.index.Watermark(ctx, t.line.tenant)
	if err != nil {
		return err
	}
	return r.chunks(ctx, t, at.Seq+1, t.end, func(some []elastic.Batch) (err error) {
		at, err = r.index.Project(ctx, t.line.tenant, at, some)
		return err
	})
}

// chunks gives opened batches to a function, many at a time.
func (r *rebuild) chunks(ctx context.Context, t *rebuilt, from, end uint64, use func([]elastic.Batch) error) error {
	var some []elastic.Batch
	size := 0
	flush := func() error {
		if len(some) == 0 {
			return nil
		}
		if err := use(some); err != nil {
			return err
		}
		for _, b := range some {
			if b.Seq <= uint64(len(t.counts)) {
				r.done.Add(int64(t.counts[b.Seq-1]))
			}
		}
		some, size = nil, 0
		r.told(min(r.done.Load(), r.total.Load()), r.total.Load())
		return nil
	}
	open := func(ctx context.Context, seq uint64) (*batch, error) { return t.line.restored(ctx, seq, t.redacted) }
	for b, err := range inOrder(ctx, from, end, open) {
		if err != nil {
			return err
		}
		some, size = append(some, b.projected()), size+b.size
		if len(some) >= projectMost || size > projectBytes/2 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// restored opens a batch of long ago; what was redacted stands in its place.
func (l *line) restored(ctx context.Context, seq uint64, known redactions) (*batch, error) {
	d, err := l.journal.Read(ctx, seq)
	if err != nil {
		return nil, err
	}
	b, _, err := l.log.open(ctx, seq, d)
	if err != nil {
		return nil, err
	}
	return b, l.restore(ctx, b, known)
}

// restore puts what is left of redacted changes in their place. known nil: the
// journal behind the batch is looked through.
func (l *line) restore(ctx context.Context, b *batch, known redactions) error {
	for i := range b.changes {
		c := &b.changes[i]
		if !c.gone || c.kind != recordChange && c.kind != recordRedaction {
			continue
		}
		if known == nil {
			var err error
			if known, err = l.redactionsBehind(ctx, b.seq); err != nil {
				return err
			}
		}
		at, ok := known[placed{c.ref, c.version}]
		if !ok || at.seq <= b.seq {
			continue // its key is gone for good
		}
		raw, err := l.read(ctx, at.seq)
		if err != nil {
			return err
		}
		left, err := l.log.openRecord(ctx, &raw.records[at.place])
		if err != nil {
			return err
		}
		left.kind = c.kind
		*c = left
	}
	return nil
}

func (l *line) redactionsBehind(ctx context.Context, seq uint64) (redactions, error) {
	next, err := l.journal.End(ctx, seq)
	if err != nil {
		return nil, err
	}
	found := redactions{}
	for b, err := range inOrder(ctx, seq+1, next-1, l.read) {
		if err != nil {
			return nil, err
		}
		found.note(b)
	}
	return found, nil
}

// dropOld deletes generations that no tenant uses any more.
func (r *rebuild) dropOld(ctx context.Context) error {
	all, err := r.index.Generations(ctx)
	if err != nil {
		return err
	}
	var oldest elastic.Generation
	for i, t := range r.tenants {
		at, err := r.index.Watermark(ctx, t.line.tenant)
		if err != nil {
			return err
		}
		if i == 0 || at.Generation < oldest {
			oldest = at.Generation
		}
	}
	if oldest == 0 {
		return nil // there are no tenants
	}
	if err := r.index.Serve(ctx, oldest); err != nil { // to tenants who come now
		return err
	}
	for _, g := range all {
		if g < oldest {
			if err := r.index.Drop(ctx, g); err != nil {
				return err
			}
		}
	}
	return nil
}

// inOrder gets what a function has for the numbers from first to last, several at a
// time, and yields it in order.
func inOrder[T any](ctx context.Context, first, last uint64, get func(context.Context, uint64) (T, error)) iter.Seq2[T, error] {
	type result struct {
		v   T
		err error
	}
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var under []chan result
		for next := first; next <= last || len(under) > 0; {
			for ; next <= last && len(under) < parallel; next++ {
				c, seq := make(chan result, 1), next
				under = append(under, c)
				go func() {
					v, err := get(ctx, seq)
					c <- result{v, err}
				}()
			}
			r := <-under[0]
			under = under[1:]
			if !yield(r.v, r.err) || r.err != nil {
				cancel()
				for _, c := range under { // nothing is left running
					<-c
				}
				return
			}
		}
	}
}
