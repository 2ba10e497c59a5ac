package repository

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"samdok/repository/malware"
	"samdok/storage"
)

// Limits of one request. Zero values mean the defaults. The names in quotes are
// those of the answers and of the configuration.
type Limits struct {
	// DocumentBytes "limits.document-bytes": size of one document;
	// default 5 GiB.
	DocumentBytes int64
	// Documents "limits.documents": documents of one submission or one
	// retrieval; default 1,000.
	Documents int
	// DrainBytes "limits.drain-bytes": how much is still read of a
	// submission that is already refused, to report what else is wrong with it;
	// default 16 MiB.
	DrainBytes int64
}

func (l Limits) withDefaults() Limits {
	if l.DocumentBytes <= 0 {
		l.DocumentBytes = 5 << 30
	}
	if l.Documents <= 0 {
		l.Documents = 1000
	}
	if l.DrainBytes <= 0 {
		l.DrainBytes = 16 << 20
	}
	return l
}

// Options of a Repository. Documents, Log, ID and Clock are required.
type Options struct {
	Documents storage.Documents
	// Log tells the sweep which bytes are bound.
	Log storage.Log
	// ID is the own repositoryUniqueId, an OID.
	ID     string
	Clock  func() time.Time
	Limits Limits
	// Scan starts the malware scan of a document, (*malware.Clamd).Open or
	// (*malware.ICAP).Open; nil: documents are not scanned.
	Scan func(context.Context, malware.Document) (*malware.Scan, error)
	// AdmitUnscanned lets documents in that the scanner had no verdict on. Without
	// it they are held back: the sender is told to try again later.
	AdmitUnscanned bool
	// SweepAge "sweep.age": how old unbound bytes are before the sweep deletes them;
	// default DefaultSweepAge. A submission must arrive within half of it.
	SweepAge time.Duration
	// Log of the operator; nil: none.
	Logger *slog.Logger
}

// Repository takes in, opens and sweeps documents. It is safe for concurrent use.
type Repository struct {
	documents storage.Documents
	log       storage.Log
	id        string
	clock     func() time.Time
	limits    Limits
	scan      func(context.Context, malware.Document) (*malware.Scan, error)
	admit     bool
	logger    *slog.Logger
	sweepAge  time.Duration

	sweeping sync.Mutex
	swept    time.Time // everything committed before it has been swept; guarded by sweeping
}

// New makes a Repository.
func New(o Options) *Repository {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.SweepAge <= 0 {
		o.SweepAge = DefaultSweepAge
	}
	return &Repository{
		documents: o.Documents, log: o.Log, id: o.ID, clock: o.Clock, limits: o.Limits.withDefaults(),
		scan: o.Scan, admit: o.AdmitUnscanned, logger: o.Logger, sweepAge: o.SweepAge,
	}
}

// ID is the repositoryUniqueId.
func (r *Repository) ID() string { return r.id }

// Limits are the limits in force.
func (r *Repository) Limits() Limits { return r.limits }
