package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"samdok/fault"
)

func silent(op string) error {
	return fault.Wrap(errors.New("it does not answer"), fault.Busy, op, fault.RegistryBusy, "Send it again.")
}

// A step is done again each second while its engine is away; the log says so when that
// begins, each minute, and when it is over.
func TestStartWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := &awaited{log: slog.New(slog.NewTextHandler(&log, nil)), clock: time.Now, readiness: "http://internal/readyz"}
		began, tried := time.Now(), 0
		err := w.until(t.Context(), indexEngine, func() error {
			tried++
			if tried > 1 {
				if text := w.state(storeEngine).Error(); !strings.Contains(text, "it does not answer") {
					t.Errorf("of the store that is away: %s", text)
				}
				if text := w.state("").Error(); !strings.Contains(text, "waits for s3") {
					t.Errorf("of the node: %s", text)
				}
			}
			if time.Since(began) < 150*time.Second {
				return silent("s3.Read") // of the step's other engine
			}
			return nil
		})
		if err != nil || tried != 151 {
			t.Errorf("%d times, %v", tried, err)
		}
		if warned, over := strings.Count(log.String(), "waiting for an engine"), strings.Count(log.String(), "waited=2m30s"); warned != 3 || over != 1 {
			t.Errorf("waiting is told %d times, its end %d times:\n%s", warned, over, log.String())
		}
	})
}

// What waiting does not mend ends the start, and so does its context.
func TestStartEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &awaited{log: slog.New(slog.DiscardHandler), clock: time.Now}
		for _, mistake := range []error{
			errors.New("a setting is wrong"),
			fault.New(fault.Internal, "s3.Open", fault.RegistryError, "The store refuses it."),
			fault.New(fault.Unavailable, "elastic.Open", fault.RegistryError, "The index is somebody else's."),
			fault.New(fault.Canceled, "elastic.Open", fault.RegistryBusy, "No answer before the deadline."),
		} {
			if err := w.until(t.Context(), storeEngine, func() error { return mistake }); !errors.Is(err, mistake) {
				t.Errorf("%v instead of %v", err, mistake)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := w.until(ctx, storeEngine, func() error { return silent("s3.Open") }); !errors.Is(err, ErrStopped) {
			t.Error(err)
		}
		// Commands do not wait.
		w = nil
		if err := w.until(t.Context(), storeEngine, func() error { return silent("s3.Open") }); err == nil || errors.Is(err, ErrStopped) {
			t.Error(err)
		}
	})
}
