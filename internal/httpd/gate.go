package httpd

import (
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// gate is the outermost handler of the public listener: it bounds what clients
// may do, sets the headers that every answer has, and turns a panic into 500.
type gate struct {
	next   http.Handler
	slots  chan struct{}
	shares *shares  // nil: one client may have all slots
	limit  *limiter // nil: no limit
	stall  time.Duration
	clock  func() time.Time
	log    *slog.Logger
	watch  Watch
	shared headers
	known  map[string]string // path to endpoint name, for metrics
	below  []string          // paths with more below them
}

// headers are ready-made values; net/http copies them but never changes them.
type headers struct{ nosniff, noStore, referrer, hsts []string }

func newGate(o PublicOptions, next http.Handler) (*gate, error) {
	g := &gate{
		next: next, slots: make(chan struct{}, o.Concurrent), stall: o.StallTimeout, clock: o.Clock, log: o.Log, watch: o.Watch,
		shared: headers{nosniff: []string{"nosniff"}, noStore: []string{"no-store"}, referrer: []string{"no-referrer"}},
		known:  map[string]string{},
	}
	if o.TLS {
		g.shared.hsts = []string{"max-age=31536000"}
	}
	for _, e := range o.Endpoints {
		g.known[e.Path] = e.Path
		if e.Below {
			g.below = append(g.below, e.Path)
		}
	}
	if o.Share > 0 && o.Share < 100 {
		g.shares = newShares(o.Concurrent, o.Share)
	}
	if o.Rate > 0 {
		l, err := newLimiter(o.Rate, o.Burst, o.Clients, o.Clock)
		if err != nil {
			return nil, err
		}
		g.limit = l
	}
	return g, nil
}

func (g *gate) close() {
	if g.limit != nil {
		g.limit.close()
	}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["X-Content-Type-Options"] = g.shared.nosniff
	h["Cache-Control"] = g.shared.noStore
	h["Referrer-Policy"] = g.shared.referrer
	if g.shared.hsts != nil {
		h["Strict-Transport-Security"] = g.shared.hsts
	}
	if g.limit != nil {
		if wait := g.limit.wait(r.RemoteAddr); wait > 0 {
			g.refuse(w, "rate", http.StatusTooManyRequests, wait,
				"Too many requests from this address. Wait as Retry-After says, or ask the operator to raise http.rate.\n"+
					"For mange forespørsler fra denne adressen. Vent så lenge Retry-After sier.\n")
			return
		}
	}
	if g.shares != nil {
		// A Unix socket has no address: what comes by it is one client.
		client, _ := clientOf(r.RemoteAddr)
		if !g.shares.take(client) {
			g.refuse(w, "share", http.StatusServiceUnavailable, time.Second,
				"This address has as many requests in work as one client may (http.client-share of limits.concurrent-requests). Try again when one has ended.\n"+
					"Denne adressen har så mange forespørsler i arbeid som én klient kan ha. Prøv igjen når en av dem er ferdig.\n")
			return
		}
		defer g.shares.give(client)
	}
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	default:
		g.refuse(w, "busy", http.StatusServiceUnavailable, time.Second,
			"The server works on as many requests as it may (limits.concurrent-requests). Try again in a moment.\n"+
				"Tjeneren har nok å gjøre akkurat nå. Prøv igjen om litt.\n")
		return
	}
	g.serve(w, r)
}

func (g *gate) serve(w http.ResponseWriter, r *http.Request) {
	start := g.clock()
	p := watchProgress(w, r, g.stall, g.clock)
	defer func() {
		trouble := recover()
		if trouble != nil && trouble != http.ErrAbortHandler {
			g.log.Error("a request ended in a panic", "endpoint", g.endpoint(r), "panic", trouble, "stack", string(debug.Stack()))
			if p.status == 0 {
				http.Error(p, "Something went wrong in the server. The operator finds the cause in the log.", http.StatusInternalServerError)
				trouble = nil
			} else {
				trouble = http.ErrAbortHandler // never a well-formed truncated answer
			}
		}
		if g.watch.Done != nil {
			g.watch.Done(g.endpoint(r), p.final(), g.clock().Sub(start))
		}
		if trouble != nil {
			panic(http.ErrAbortHandler)
		}
	}()
	g.next.ServeHTTP(p, r)
}

// endpoint is a name from a closed set: paths of strangers must not become
// labels of metrics or lines of logs.
func (g *gate) endpoint(r *http.Request) string {
	if name, ok := g.known[r.URL.Path]; ok {
		return name
	}
	for _, path := range g.below {
		if strings.HasPrefix(r.URL.Path, path+"/") {
			return path
		}
	}
	return "other"
}

func (g *gate) refuse(w http.ResponseWriter, reason string, status int, wait time.Duration, text string) {
	if g.watch.Refused != nil {
		g.watch.Refused(reason)
	}
	seconds := int64((wait + time.Second - 1) / time.Second)
	w.Header().Set("Retry-After", strconv.FormatInt(max(seconds, 1), 10))
	w.Header().Set("Connection", "close") // do not read a body that nobody wants
	writeText(w, status, text)
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	// A client that has gone away is no trouble of ours.
	_, _ = w.Write([]byte(text))
}
