package guard

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Waits that begin together end together, none before the limit and none long after it.
func TestDeadlinesAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 8 * time.Second
		d := &deadlines{limit: limit}
		begun := time.Now()
		first := d.from(t.Context())
		time.Sleep(time.Second)
		second := d.from(t.Context())
		time.Sleep(time.Nanosecond)
		third := d.from(t.Context())
		if first.Done() != second.Done() || second.Done() == third.Done() {
			t.Fatal("a deadline serves an eighth of the limit, and no longer")
		}
		for _, w := range []struct {
			ctx   context.Context
			after time.Duration
		}{{first, limit + limit/8}, {third, time.Second + time.Nanosecond + limit + limit/8}} {
			if w.ctx.Err() != nil {
				t.Fatal(w.ctx.Err())
			}
			at, is := w.ctx.Deadline()
			<-w.ctx.Done()
			if took := time.Since(begun); took != w.after || !is || !time.Now().Equal(at) || !errors.Is(context.Cause(w.ctx), context.DeadlineExceeded) {
				t.Error(took, at, is, context.Cause(w.ctx))
			}
		}
	})
}

// Whoever gives up a request does not give up its record, which still knows the request.
func TestDeadlinesOutliveTheRequest(t *testing.T) {
	type key struct{}
	request, leave := context.WithCancelCause(context.WithValue(t.Context(), key{}, "trace"))
	leave(errors.New("gone"))
	ctx := (&deadlines{limit: time.Hour}).from(request)
	if ctx.Err() != nil || context.Cause(ctx) != nil || ctx.Value(key{}) != "trace" {
		t.Error(ctx.Err(), context.Cause(ctx), ctx.Value(key{}))
	}
	child, cancel := context.WithCancel(ctx)
	cancel()
	if ctx.Err() != nil || child.Err() == nil {
		t.Error(ctx.Err(), child.Err())
	}
}
