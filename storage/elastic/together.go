package elastic

import (
	"context"
	"sync"
)

// together lets callers who ask at the same time share calls: while some are under
// way, those who come wait for the next one and ask in it. So an answer is never
// older than its question, and many callers cost the cluster few calls.
type together[Q, A any] struct {
	// call answers questions in their order.
	call   func(ctx context.Context, list []Q) ([]A, error)
	atOnce int // calls under way
	most   int // questions in a call

	mu      sync.Mutex
	running int
	waiting []*joint[Q, A]
	all     sync.WaitGroup
}

// joint is one call.
type joint[Q, A any] struct {
	ctx     context.Context // of the first caller, who may go away
	list    []Q
	done    chan struct{}
	answers []A
	err     error
}

// ask asks one question.
func (t *together[Q, A]) ask(ctx context.Context, q Q) (answer A, err error) {
	j, i := t.join(ctx, q)
	select {
	case <-j.done:
	case <-ctx.Done():
		return answer, ctx.Err()
	}
	if j.err != nil {
		return answer, j.err
	}
	return j.answers[i], nil
}

func (t *together[Q, A]) join(ctx context.Context, q Q) (j *joint[Q, A], place int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.waiting); n > 0 && len(t.waiting[n-1].list) < t.most {
		j = t.waiting[n-1]
	} else {
		j = &joint[Q, A]{ctx: context.WithoutCancel(ctx), done: make(chan struct{})}
		t.waiting = append(t.waiting, j)
	}
	j.list = append(j.list, q)
	if t.running < t.atOnce {
		t.running++
		t.all.Go(t.run)
	}
	return j, len(j.list) - 1
}

// run makes calls until nobody waits.
func (t *together[Q, A]) run() {
	for {
		t.mu.Lock()
		if len(t.waiting) == 0 {
			t.running--
			t.mu.Unlock()
			return
		}
		j := t.waiting[0]
		t.waiting = t.waiting[1:]
		t.mu.Unlock()
		j.answers, j.err = t.call(j.ctx, j.list)
		close(j.done)
	}
}

// wait waits for the calls under way.
func (t *together[Q, A]) wait() { t.all.Wait() }
