package repository

import (
	"context"
	"errors"
	"io"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/repository/malware"
	"samdok/storage"
)

const (
	// wave is how many documents are stored but not yet committed; they commit
	// together, so that they share fsyncs. It bounds open files and memory.
	wave = 64
	// waveBytes is how many bytes they have; an engine may hold small documents in
	// memory until they are committed.
	waveBytes = 4 << 20
	// scanWave is the same when each document has a connection to a scanner.
	scanWave = 8
	// deleteTime bounds the deletion of a refused intake; the sweep does the rest.
	deleteTime = time.Minute
)

// Parts reads the documents of a submission one after another: the entry's id
// and its bytes, valid until the next call; io.EOF after the last.
type Parts interface {
	Next() (metadata.ID, io.Reader, error)
}

// Intake owns the committed bytes of one submission until they are registered.
// When the registry has refused them for certain, Delete them; when its outcome
// is unknown leave them to the sweep.
type Intake struct {
	r       *Repository
	keys    map[metadata.ID]storage.DocumentKey
	started time.Time
}

// Keys are the keys by submitted entry id.
func (in *Intake) Keys() map[metadata.ID]storage.DocumentKey { return in.keys }

// Fresh is nil while the intake may be registered. Bytes that took too long to
// arrive may be met by the sweep before the log binds them.
func (in *Intake) Fresh() error {
	if d, most := in.r.clock().Sub(in.started), in.r.maxIntake(); d > most {
		return fault.New(fault.TooLarge, "repository.Fresh", fault.RepositoryOutOfResources,
			"The documents took %v to arrive; at most %v are allowed, half of sweep.age. Send fewer or smaller documents in one submission.", d.Round(time.Second), most)
	}
	return nil
}

// maxIntake is how long after its start an intake may still be registered. It
// keeps a slow sender away from the sweep.
func (r *Repository) maxIntake() time.Duration { return r.sweepAge / 2 }

// Delete removes the bytes. What cannot be deleted now is left to the sweep. It
// works although ctx is cancelled.
func (in *Intake) Delete(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteTime)
	defer cancel()
	for id, key := range in.keys {
		if err := in.r.documents.Delete(ctx, key); err != nil {
			in.r.logger.WarnContext(ctx, "a refused document could not be deleted; the sweep will", "key", string(key), "error", err)
		}
		delete(in.keys, id)
	}
}

// Take stores the documents of a submission and completes its entries with hash,
// size and repositoryUniqueId (ITI TF-2 3.41.4.1.3.3). The submission has passed
// Check. When it returns an error (a *fault.Error), nothing of it is kept.
func (r *Repository) Take(ctx context.Context, t access.Tenant, s *metadata.Submission, parts Parts) (*Intake, error) {
	i := &intake{
		Intake: &Intake{r: r, keys: make(map[metadata.ID]storage.DocumentKey, len(s.Entries)), started: r.clock()},
		tenant: t, entries: make(map[metadata.ID]*expected, len(s.Entries)), wave: wave,
	}
	if r.scan != nil {
		i.wave = scanWave
	}
	for _, e := range s.Entries {
		i.entries[e.ID] = &expected{entry: e}
	}
	kept := false
	defer func() {
		i.cancel()
		if !kept {
			i.Delete(ctx)
		}
	}()
	if err := i.read(ctx, parts); err != nil {
		return nil, err
	}
	if !i.cut {
		for _, e := range s.Entries {
			if !i.entries[e.ID].came {
				i.refuse(fault.Invalid, problem(fault.MissingDocument,
					"DocumentEntry %s (%s) came without its document: no Document has this id.", e.ID, e.UniqueID))
			}
		}
	}
	if len(i.problems) > 0 {
		return nil, &fault.Error{Op: "repository.Take", Kind: i.kind, Problems: i.problems}
	}
	kept = true
	return i.Intake, nil
}

// intake is a Take under way.
type intake struct {
	*Intake
	tenant   access.Tenant
	entries  map[metadata.ID]*expected
	wave     int
	pending  []pending
	held     int64 // bytes of pending
	problems []fault.Problem
	kind     fault.Kind // of the problems
	drained  int64      // bytes read since the submission was refused
	cut      bool       // not all parts were looked at
}

type expected struct {
	entry *metadata.DocumentEntry
	came  bool
}

// pending is a document that was read to its end and is not committed.
type pending struct {
	entry  *metadata.DocumentEntry
	writer storage.DocumentWriter
	scan   *malware.Scan // nil: not scanned
	size   int64
}

func (p *pending) cancel() error {
	if p.scan != nil {
		_ = p.scan.Close() // its verdict is not wanted any more
	}
	return p.writer.Cancel()
}

func (i *intake) refuse(kind fault.Kind, p fault.Problem) {
	if len(i.problems) == 0 {
		i.kind = fault.Invalid
	}
	if kind != fault.Invalid && i.kind == fault.Invalid {
		i.kind = kind
	}
	if len(i.problems) < 500 {
		i.problems = append(i.problems, p)
	}
}

func (i *intake) cancel() {
	for n := range i.pending {
		if err := i.pending[n].cancel(); err != nil {
			i.r.logger.Warn("an unfinished intake could not be removed; the engine will at its next start", "error", err)
		}
	}
	i.pending, i.held = i.pending[:0], 0
}

// read takes all parts. Problems of single documents are collected; an error
// means that going on makes no sense.
func (i *intake) read(ctx context.Context, parts Parts) error {
	for n := 0; ; n++ {
		id, body, err := parts.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return broken(ctx, err, "The documents of the message could not be read to their end.")
		}
		if n >= i.r.limits.Documents {
			i.refuse(fault.TooLarge, problem(fault.RepositoryOutOfResources,
				"The message has more documents than the limit limits.documents, %d.", i.r.limits.Documents))
			i.cut = true
			return nil
		}
		if err := i.part(ctx, id, body); err != nil {
			return err
		}
		if i.cut {
			return nil
		}
	}
	return i.commit(ctx)
}

// part takes one document.
func (i *intake) part(ctx context.Context, id metadata.ID, body io.Reader) error {
	x := i.entries[id]
	switch {
	case x == nil:
		i.refuse(fault.Invalid, problem(fault.MissingDocumentMetadata, "The Document %s has no DocumentEntry with this id.", id))
	case x.came:
		i.refuse(fault.Invalid, problem(fault.RepositoryMetadataError, "Two Documents have the id %s.", id))
	}
	if x != nil {
		x.came = true
	}
	if len(i.problems) > 0 {
		i.cancel()
		return i.drain(ctx, body)
	}
	p, err := i.store(ctx, x.entry, body)
	if err != nil {
		return err
	}
	if p.writer == nil {
		return nil
	}
	i.pending = append(i.pending, p)
	if i.held += p.size; len(i.pending) == i.wave || i.held >= waveBytes {
		return i.commit(ctx)
	}
	return nil
}

// drain reads a part of a refused submission, so that its end can be looked at,
// as far as the limit goes.
func (i *intake) drain(ctx context.Context, body io.Reader) error {
	n, err := io.Copy(io.Discard, io.LimitReader(body, i.r.limits.DrainBytes-i.drained+1))
	if i.drained += n; i.drained > i.r.limits.DrainBytes {
		i.cut = true
		return nil
	}
	if err != nil {
		i.cut = true // what is known to be wrong is the better answer
		return ctx.Err()
	}
	return nil
}

// broken is the answer to a part that could not be read. The door's own errors
// say it better.
func broken(ctx context.Context, err error, text string) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	if ctx.Err() != nil {
		return fault.Wrap(err, fault.Canceled, "repository.Take", fault.RepositoryError, "%s", text)
	}
	return fault.Wrap(err, fault.Invalid, "repository.Take", fault.RepositoryError, "%s", text)
}

// failed is the answer when the engine fails.
func failed(ctx context.Context, op string, err error, text string) error {
	var f *fault.Error
	if errors.As(err, &f) && len(f.Problems) > 0 {
		return err
	}
	kind, code := fault.KindOf(err), fault.RepositoryError
	switch {
	case ctx.Err() != nil:
		kind = fault.Canceled
	case kind == fault.Busy, kind == fault.Unavailable:
		code = fault.RepositoryBusy
	case kind == fault.TooLarge:
		code = fault.RepositoryOutOfResources
	}
	return fault.Wrap(err, kind, op, code, "%s", text)
}
