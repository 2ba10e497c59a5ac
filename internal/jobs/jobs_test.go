package jobs

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestJobsSurviveErrorsAndPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		var ends []error
		r := Start(Options{Clock: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Done: func(_ string, _ time.Time, err error) { ends = append(ends, err) }},
			Job{Name: "sweep", Every: time.Hour, Do: func(context.Context) error {
				runs++
				switch runs {
				case 1:
					return errors.New("disk is busy")
				case 2:
					panic("broken")
				}
				return nil
			}})
		time.Sleep(150 * time.Minute)
		synctest.Wait()
		r.Stop()
		if runs != 3 || len(ends) != 3 || ends[0] == nil || ends[1] == nil || ends[2] != nil {
			t.Errorf("%d runs, ends %v", runs, ends)
		}
	})
}

func TestStopEndsARunningJob(t *testing.T) {
	started := make(chan struct{})
	r := Start(Options{Clock: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil))},
		Job{Name: "long", Every: time.Hour, Do: func(ctx context.Context) error { close(started); <-ctx.Done(); return ctx.Err() }})
	<-started
	done := make(chan struct{})
	go func() { r.Stop(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("Stop waits for ever")
	}
}
