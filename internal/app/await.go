package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"samdok/fault"
	"samdok/internal/httpd"
)

// Names of the engines of a node, as readiness tells them.
const (
	storeEngine = "s3"
	indexEngine = "elasticsearch"
)

const (
	// askAgain is how long an engine that is away is left alone.
	askAgain = time.Second
	// tellAgain is how often the log says that the node still waits.
	tellAgain = time.Minute
)

// ErrStopped: a node was told to end while it waited for its engines.
var ErrStopped = errors.New("ended before its engines answered")

// awaited lets a node that starts wait for engines that are away, instead of ending: its
// supervisor could do no better than to start it again. nil does not wait: commands end
// and say what is away.
type awaited struct {
	log   *slog.Logger
	clock func() time.Time
	// For the log: where readiness is told, and where clients are told to come again.
	readiness, address string

	mu     sync.Mutex
	engine string    // that the start is at
	since  time.Time // for how long
	away   error     // what was wrong with it; nil: it is being asked for the first time
	told   time.Time // in the log
}

// until does a step of the start, again and again for as long as an engine is away. A
// step that fails must leave nothing behind that doing it again cannot bear. engine is
// the one that the step asks first.
func (w *awaited) until(ctx context.Context, engine string, step func() error) error {
	if w == nil {
		return step()
	}
	w.ask(engine)
	for {
		err := step()
		if err == nil {
			w.answered()
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", ErrStopped, err)
		}
		if !away(err) {
			return err
		}
		w.missed(engineOf(err, engine), err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrStopped, err)
		case <-time.After(askAgain):
		}
	}
}

// away tells an engine that does not answer, or has no room, from one that answers what
// only a person can mend: wrong keys or rights, another bucket, somebody else's indexes.
func away(err error) bool {
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Busy && f.Kind != fault.Unavailable {
		return false
	}
	for _, p := range f.Problems {
		if p.Code == fault.RegistryBusy || p.Code == fault.RegistryOutOfResources {
			return true
		}
	}
	return false
}

// engineOf is the engine whose package made the error.
func engineOf(err error, otherwise string) string {
	var f *fault.Error
	if errors.As(err, &f) {
		switch of, _, _ := strings.Cut(f.Op, "."); of {
		case "s3":
			return storeEngine
		case "elastic":
			return indexEngine
		}
	}
	return otherwise
}

func (w *awaited) ask(engine string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.engine != engine {
		w.engine, w.since, w.away, w.told = engine, w.clock(), nil, time.Time{}
	}
}

func (w *awaited) missed(engine string, err error) {
	w.ask(engine)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away = err
	if now := w.clock(); now.Sub(w.told) >= tellAgain {
		w.told = now
		w.log.Warn("waiting for an engine: the node goes on by itself when it answers", "engine", engine, "since", w.since, "error", err, "readiness", w.readiness, "address", w.address)
	}
}

func (w *awaited) answered() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away != nil {
		w.log.Info("the engine answers: the start goes on", "engine", w.engine, "waited", w.clock().Sub(w.since).Round(time.Millisecond).String())
		w.away, w.told = nil, time.Time{}
	}
}

// dependencies are what readiness says meanwhile, under the names that it has later.
func (w *awaited) dependencies() []httpd.Dependency {
	return []httpd.Dependency{
		{Name: storeEngine, Check: func(context.Context) error { return w.state(storeEngine) }},
		{Name: indexEngine, Check: func(context.Context) error { return w.state(indexEngine) }},
		{Name: "node", Check: func(context.Context) error { return w.state("") }},
	}
}

// state is what is known of an engine, or ("") of the node itself.
func (w *awaited) state(engine string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	since := w.since.Format(time.RFC3339)
	switch {
	case engine == "" && w.away != nil:
		return fmt.Errorf("it starts, waits for %s since %s and goes on by itself when that answers", w.engine, since)
	case engine == "":
		return errors.New("it starts")
	case engine == w.engine && w.away != nil:
		return w.away
	case engine == w.engine:
		return fmt.Errorf("it is being asked since %s; a call may take as long as %s.timeout says", since, engine)
	case engine == indexEngine:
		return errors.New("it is asked when s3 has answered")
	}
	return nil
}

// await opens the ports of HTTP and answers at them, while the engines are waited for:
// the operator is told why, clients are told to come again.
func (a *App) await() (*awaited, error) {
	w := &awaited{log: a.Log, clock: a.Clock}
	internal := a.internalPages(w.dependencies(), map[string]http.HandlerFunc{TestimonyPath: httpd.Waiting(nil).ServeHTTP})
	if err := a.bind(httpd.Waiting(a.metrics.Refused), internal); err != nil {
		return nil, err
	}
	w.address = a.outside.URL()
	a.doors.open(a.outside)
	if a.inside != nil {
		w.readiness = a.inside.URL() + "/readyz"
		a.doors.open(a.inside)
	}
	return w, nil
}
