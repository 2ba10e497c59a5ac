package verify

import (
	"context"
	"encoding/hex"
	"sync"
	"sync/atomic"

	"samdok/access"
	"samdok/storage"
)

// Engine is a log with its index.
type Engine interface {
	storage.Log
	storage.Index
	storage.Eraser
}

// Difference is something that does not fit. It tells of nobody: streams are named
// by their references.
type Difference struct {
	Stream string `json:"stream,omitempty"` // reference, hexadecimal; "" when it is about the log as a whole
	What   string `json:"what"`
}

// Options of Run. Engine and Report are required.
type Options struct {
	Engine    Engine
	Documents storage.Documents // nil: not compared
	// Read reads every document to its end and compares its hashes, instead of asking
	// what is known of it.
	Read   bool
	AtOnce int // streams; default 8
	// Report is called with each difference, by one goroutine at a time.
	Report func(Difference)
	// Progress is called now and then with what is looked through and how much of it is
	// done; total is 0 when nobody knows. Default: nobody.
	Progress func(part string, done, total int64)
}

// Counts says how much was compared.
type Counts struct {
	Changes   int64 `json:"changes"`
	Streams   int64 `json:"streams"`
	Objects   int64 `json:"objects"`
	Documents int64 `json:"documents"`
	Bytes     int64 `json:"bytes"` // of documents that were read
}

// Parts that Progress names.
const (
	PartLog     = "log"
	PartStreams = "streams"
	PartObjects = "objects" // of a store
)

// kinds of streams.
var kinds = [...]storage.StreamKind{storage.StreamPatient, storage.StreamMailbox, storage.StreamSubscription, storage.StreamHold}

// Log compares each change of a tenant's log with the version at which its stream is
// found.
func Log(ctx context.Context, t access.Tenant, o Options) (c Counts, err error) {
	for fed, err := range o.Engine.Feed(ctx, t, "") {
		if err != nil {
			return c, err
		}
		_, at, err := o.Engine.Load(ctx, t, fed.Stream, storage.Refs{})
		if err != nil {
			return c, err
		}
		if at < fed.Version {
			o.Report(Difference{What: "the log has a change after position " + string(fed.Position) + " that its index does not lead to"})
		}
		if c.Changes++; c.Changes%256 == 0 && o.Progress != nil {
			o.Progress(PartLog, c.Changes, 0)
		}
	}
	return c, nil
}

// Streams compares, for each stream that the index knows, what the log says with what is
// found, and with the documents. Streams may change meanwhile. An error is one of
// the check itself.
func Streams(ctx context.Context, t access.Tenant, o Options) (Counts, error) {
	r := &run{Options: o, tenant: t}
	if r.AtOnce == 0 {
		r.AtOnce = 8
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	next := make(chan storage.Stream)
	for range r.AtOnce {
		all.Go(func() {
			for s := range next {
				if err := r.stream(ctx, s); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	err := r.walk(ctx, next)
	close(next)
	all.Wait()
	if first := context.Cause(ctx); first != nil {
		err = first
	}
	return Counts{Streams: r.streams.Load(), Objects: r.objects.Load(), Documents: r.documents.Load(), Bytes: r.bytes.Load()}, err
}

type run struct {
	Options
	tenant access.Tenant

	reporting                          sync.Mutex
	streams, objects, documents, bytes atomic.Int64
}

func (r *run) walk(ctx context.Context, next chan<- storage.Stream) error {
	for _, kind := range kinds {
		for s, err := range r.Engine.Streams(ctx, r.tenant, kind) {
			if err != nil {
				return err
			}
			select {
			case next <- s:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

// mostTries is how often a stream is looked at that changes all the time.
const mostTries = 20

// stream compares one. What changes meanwhile is looked at again.
func (r *run) stream(ctx context.Context, s storage.Stream) error {
	ref, err := r.Engine.Reference(ctx, r.tenant, s)
	if err != nil {
		return err
	}
	name := hex.EncodeToString(ref)
	var found []Difference
	var c *comparison
	for try := 0; ; try++ {
		st, before, err := r.Engine.Load(ctx, r.tenant, s, storage.Refs{})
		if err != nil {
			return err
		}
		c = &comparison{run: r, stream: s, merged: st.Standing.Into != (storage.Stream{}), name: name}
		if err := c.compare(ctx); err != nil {
			return err
		}
		_, after, err := r.Engine.Load(ctx, r.tenant, s, storage.Refs{})
		if err != nil {
			return err
		}
		if before == after {
			found = c.found
			break
		}
		if try == mostTries {
			found = []Difference{{name, "the stream changes all the time and was not compared; verify again"}}
			break
		}
	}
	r.objects.Add(c.objects)
	r.documents.Add(c.documents)
	r.bytes.Add(c.bytes)
	n := r.streams.Add(1)
	r.reporting.Lock()
	defer r.reporting.Unlock()
	for _, d := range found {
		r.Report(d)
	}
	if r.Progress != nil {
		r.Progress(PartStreams, n, 0)
	}
	return nil
}
