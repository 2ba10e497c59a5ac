package scaled

import (
	"context"
	"time"
)

// Watch is told what a node does, for its operator. Functions may be nil; they are
// called from one goroutine of each tenant and must not wait.
type Watch struct {
	// Work begins something that is done for many callers at once, and gives its calls to
	// the engines a place in their traces. causes are the callers' contexts.
	Work func(ctx context.Context, name string, causes ...context.Context) (context.Context, func(error))
	// Wrote: a batch of some submissions, of size bytes, was created in the journal.
	Wrote func(submissions, size int, took time.Duration)
	// Projected: everybody finds what some batches say, of whomever they are.
	Projected func(batches int, took time.Duration)
}

func (w *Watch) work(ctx context.Context, name string, causes []context.Context) (context.Context, func(error)) {
	if w.Work == nil || len(causes) == 0 {
		return ctx, func(error) {}
	}
	return w.Work(ctx, name, causes...)
}

func (w *Watch) wrote(submissions, size int, took time.Duration) {
	if w.Wrote != nil {
		w.Wrote(submissions, size, took)
	}
}

func (w *Watch) projected(batches int, took time.Duration) {
	if w.Projected != nil {
		w.Projected(batches, took)
	}
}

// Behind tells how many batches of all tenants are known to this node and not
// projected, and for how long it knows the oldest of them.
func (l *Log) Behind() (batches uint64, oldest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.o.Clock()
	for _, one := range l.lines {
		one.mu.Lock()
		if n := max(one.next-1, one.floor); n > one.at.Seq {
			batches += n - one.at.Seq
		}
		if len(one.recent) > 0 {
			oldest = max(oldest, now.Sub(one.recent[0].known))
		}
		one.mu.Unlock()
	}
	return batches, oldest
}
