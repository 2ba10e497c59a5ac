package guard

import (
	"context"
	"sync/atomic"
	"time"
)

// deadlines gives requests that begin at much the same time one deadline: a timer for
// each costs more than sealing its record does.
type deadlines struct {
	limit  time.Duration
	latest atomic.Pointer[deadline]
}

type deadline struct {
	at   time.Time
	done chan struct{} // closed at that time
}

// from bounds a wait that begins now by limit, or by up to an eighth more. The wait does
// not end with ctx, whose values it keeps.
func (d *deadlines) from(ctx context.Context) context.Context {
	return &bounded{context.WithoutCancel(ctx), d.now()}
}

func (d *deadlines) now() *deadline {
	for now := time.Now(); ; {
		latest := d.latest.Load()
		if latest != nil && latest.at.Sub(now) >= d.limit {
			return latest
		}
		next := &deadline{now.Add(d.limit + d.limit/8), make(chan struct{})}
		if d.latest.CompareAndSwap(latest, next) {
			time.AfterFunc(time.Until(next.at), func() { close(next.done) })
			return next
		}
	}
}

// bounded is a context that ends at a deadline shared with others.
type bounded struct {
	context.Context // for its values
	until           *deadline
}

func (b *bounded) Deadline() (time.Time, bool) { return b.until.at, true }

func (b *bounded) Done() <-chan struct{} { return b.until.done }

func (b *bounded) Err() error {
	select {
	case <-b.until.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}
