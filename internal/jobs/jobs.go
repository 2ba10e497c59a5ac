package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// Job is work that is done again and again.
type Job struct {
	Name  string
	Every time.Duration // from the end of one run to the start of the next
	// Do is given a context that ends when the server stops.
	Do func(context.Context) error
}

// Options of a Runner.
type Options struct {
	Log   *slog.Logger
	Clock func() time.Time
	// Done is called after each run; nil is fine.
	Done func(job string, end time.Time, err error)
}

// Runner runs jobs until Stop.
type Runner struct {
	options Options
	cancel  context.CancelFunc
	group   sync.WaitGroup
}

// Start runs each job in a goroutine of its own, the first time at once.
func Start(o Options, jobs ...Job) *Runner {
	ctx, cancel := context.WithCancel(context.Background())
	r := &Runner{options: o, cancel: cancel}
	for _, j := range jobs {
		r.group.Go(func() { r.loop(ctx, j) })
	}
	return r
}

// Stop ends all jobs and waits for them.
func (r *Runner) Stop() {
	r.cancel()
	r.group.Wait()
}

func (r *Runner) loop(ctx context.Context, j Job) {
	for ctx.Err() == nil {
		err := attempt(ctx, j)
		if ctx.Err() == nil {
			if err != nil {
				r.options.Log.Error("a background job failed; it will be tried again", "job", j.Name, "again_in", j.Every.String(), "error", err)
			}
			if r.options.Done != nil {
				r.options.Done(j.Name, r.options.Clock(), err)
			}
		}
		wait := time.NewTimer(j.Every)
		select {
		case <-ctx.Done():
			wait.Stop()
		case <-wait.C:
		}
	}
}

// attempt turns a panic into an error, so that one bad run does not end the
// server.
func attempt(ctx context.Context, j Job) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return j.Do(ctx)
}
