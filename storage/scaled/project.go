package scaled

import (
	"context"
	"math/rand/v2"
	"time"

	"samdok/fault"
	"samdok/storage/elastic"
)

// projects is the goroutine that projects batches: those of this node, and those
// that another one wrote and did not project. It looks for these now and then. done
// is closed when nothing more is written here.
func (l *line) projects(done <-chan struct{}) {
	ctx := l.log.ctx
	look := time.NewTimer(0)
	defer look.Stop()
	for ended := false; ; {
		select {
		case <-l.wake:
		case <-look.C:
			l.tail(ctx)
			look.Reset(l.log.o.Look/2 + rand.N(l.log.o.Look))
		case <-done:
			ended, done = true, nil
		case <-ctx.Done():
		}
		l.work(ctx)
		if ended || ctx.Err() != nil {
			l.abandon()
			return
		}
	}
}

// tail looks whether others have written or projected.
func (l *line) tail(ctx context.Context) {
	err := l.refresh(ctx)
	if err == nil {
		err = l.follow(ctx, 64)
	}
	if err != nil && ctx.Err() == nil {
		l.log.o.Log.Warn("the journal or its index cannot be followed", "error", err)
	}
}

// work projects until nothing is left, or it fails for too long.
func (l *line) work(ctx context.Context) {
	for pause := 20 * time.Millisecond; ctx.Err() == nil; {
		l.mu.Lock()
		at, todo := l.at, l.recent
		own := len(todo) > 0 && todo[0].own // it may become ours while it is worked on
		l.mu.Unlock()
		if len(todo) == 0 {
			return
		}
		began := l.log.o.Clock()
		w, err := l.traced(ctx, at, todo, own)
		if err == nil && w.Seq > at.Seq {
			l.log.o.Watch.projected(int(w.Seq-at.Seq), l.log.o.Clock().Sub(began))
		}
		l.mu.Lock()
		l.sick = err
		l.mu.Unlock()
		if err == nil {
			l.adopt(w)
			pause = 20 * time.Millisecond
			continue
		}
		l.log.o.Log.Warn("a batch could not be projected", "seq", todo[0].seq, "error", err)
		l.answerLate(err)
		_ = l.refresh(ctx) // another generation may be read by now; work goes on in any case
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, time.Second)
	}
}

// traced is step, in the traces of those who wait for it.
func (l *line) traced(ctx context.Context, at elastic.Watermark, todo []*batch, own bool) (w elastic.Watermark, err error) {
	var causes []context.Context
	for _, b := range todo {
		causes = append(causes, b.causes...)
	}
	ctx, end := l.log.o.Watch.work(ctx, "project", causes)
	defer func() { end(err) }()
	return l.step(ctx, at, todo, own)
}

// step projects some of the batches, or lets the node that wrote them do it. own: this
// node has written the first of them.
func (l *line) step(ctx context.Context, at elastic.Watermark, todo []*batch, own bool) (elastic.Watermark, error) {
	first := todo[0]
	if !own && l.log.o.Clock().Sub(first.known) < l.log.o.Grace {
		w, err := l.log.index.Watermark(ctx, l.tenant)
		if err != nil || w.Seq >= first.seq {
			return w, err
		}
		select {
		case <-time.After(3 * time.Millisecond):
		case <-ctx.Done():
		}
		return at, nil
	}
	l.log.o.Step("before a batch is projected")
	if first.generation != 0 {
		return l.turn(ctx, at, first)
	}
	return l.log.index.Project(ctx, l.tenant, at, l.take(todo))
}

// Batches that are projected together.
const (
	projectMost  = 64
	projectBytes = 16 << 20
)

func (l *line) take(todo []*batch) (some []elastic.Batch) {
	size := 0
	for _, b := range todo {
		if b.generation != 0 || len(some) > 0 && (len(some) == projectMost || size+b.size > projectBytes) {
			return some
		}
		p := b.projected()
		if len(b.doomed) > 0 {
			p.Settle = func(ctx context.Context) error { return l.log.destroy(ctx, b.doomed) }
		}
		some = append(some, p)
		size += b.size
	}
	return some
}

// destroy destroys data keys; those that are gone are fine.
func (l *Log) destroy(ctx context.Context, keys []uint64) error {
	if l.o.Keys == nil {
		return nil
	}
	l.o.Step("before the old keys are destroyed")
	err := l.o.Keys.Destroy(ctx, keys...)
	if err == nil {
		l.o.Step("after the old keys are destroyed")
	}
	return err
}

// answerLate answers submissions that have waited too long for the projection.
func (l *line) answerLate(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.recent {
		if l.log.o.Clock().Sub(b.known) < patience {
			continue
		}
		l.unseen(b, cause)
	}
}

func (l *line) unseen(b *batch, cause error) {
	err := fault.Wrap(cause, fault.Unavailable, "scaled.Append", fault.RegistryError, "The registry's index does not answer. %s", storedUnseen)
	fail(b.waiting, err)
	b.waiting = nil
}

// abandon answers what cannot be awaited any more.
func (l *line) abandon() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.recent {
		l.unseen(b, context.Canceled)
	}
	for _, sub := range l.late {
		sub.done <- sub.refused
	}
	l.late = nil
}
