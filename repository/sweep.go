package repository

import (
	"context"
	"fmt"
	"time"

	"samdok/access"
	"samdok/storage"
)

// DefaultSweepAge is how old unbound bytes are before the sweep deletes them.
// Nothing younger is touched: its submission may still be on its way into the log.
const DefaultSweepAge = 24 * time.Hour

const (
	sweepBatch = 256
	// brake: this many unbound documents that are also most of all looked at are
	// no leftovers of crashes but a log that lacks them, such as an older backup.
	brake = 1000
	// maxUnbound bounds what one sweep remembers; the next goes on.
	maxUnbound = 100_000
)

// Swept says what a sweep met. Documents that cannot be read are never deleted.
type Swept struct{ Seen, Bound, Deleted, Unreadable int }

// Sweep deletes the bytes that no entry was registered for: leftovers of crashes
// and of lost replies, at least Options.SweepAge old. The log is asked about each; when
// the log cannot answer, nothing is deleted. A document that was found bound is
// not looked at again by this Repository.
//
// When most of many documents are unbound Sweep refuses, unless forced: then the
// log is more likely to be the wrong one.
func (r *Repository) Sweep(ctx context.Context, force bool) (Swept, error) {
	r.sweeping.Lock()
	defer r.sweeping.Unlock()
	var s Swept
	if err := r.log.Ready(ctx); err != nil {
		return s, fmt.Errorf("repository: no sweep while the log is not ready: %w", err)
	}
	before := r.clock().Add(-r.sweepAge)
	if r.again.Swap(false) {
		r.swept = time.Time{}
	}
	unbound, err := r.unbound(ctx, &s, before)
	if err != nil {
		return s, err
	}
	// Answers of a log that is being mended meanwhile do not count.
	if err := r.log.Ready(ctx); err != nil {
		return s, fmt.Errorf("repository: the log was not ready all the time of the sweep; nothing was deleted: %w", err)
	}
	if n := len(unbound); n > brake && n > s.Seen/2 && !force {
		return s, fmt.Errorf("repository: %d of %d documents are in no log. Nothing was deleted: check that database and documents folder belong together, or force the sweep", n, s.Seen)
	}
	for _, key := range unbound {
		if err := r.documents.Delete(ctx, key); err != nil {
			return s, fmt.Errorf("repository: sweep: %w", err)
		}
		s.Deleted++
	}
	if len(unbound) < maxUnbound {
		r.swept = before
	}
	return s, nil
}

// unbound collects the keys that the log does not bind.
func (r *Repository) unbound(ctx context.Context, s *Swept, before time.Time) ([]storage.DocumentKey, error) {
	var unbound []storage.DocumentKey
	b := batch{}
	flush := func() error {
		loose, err := r.ask(ctx, b)
		if err != nil {
			return fmt.Errorf("repository: sweep: the log was asked: %w", err)
		}
		for _, keys := range b {
			s.Bound += len(keys)
		}
		s.Bound -= len(loose)
		unbound = append(unbound, loose...)
		clear(b)
		return nil
	}
	pending := 0
	for key, err := range r.documents.Keys(ctx, r.swept, before) {
		if err != nil {
			return nil, fmt.Errorf("repository: sweep: %w", err)
		}
		s.Seen++
		info, err := r.documents.Stat(ctx, key)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil || info.Owner.UniqueID == "" {
			s.Unreadable++
			r.logger.WarnContext(ctx, "the sweep cannot read a document and leaves it alone", "key", string(key), "error", err)
			continue
		}
		if !info.Modified.Before(before) { // the engine's word on time, checked
			continue
		}
		b[info.Owner] = append(b[info.Owner], key)
		if pending++; pending == sweepBatch {
			if err := flush(); err != nil {
				return nil, err
			}
			pending = 0
		}
		if len(unbound) >= maxUnbound {
			break
		}
	}
	return unbound, flush()
}

// batch is documents by the entry that they were meant for.
type batch map[storage.Owner][]storage.DocumentKey

// ask returns the keys of a batch that the log does not bind. It asks the log,
// not the index: an index may lack entries while it is rebuilt. Bytes of removed
// entries are bound until they are removed themselves.
func (r *Repository) ask(ctx context.Context, b batch) ([]storage.DocumentKey, error) {
	ids := map[access.Tenant][]string{}
	for o := range b {
		ids[o.Tenant] = append(ids[o.Tenant], o.UniqueID)
	}
	bound := map[storage.DocumentKey]bool{}
	for tenant, uniqueIDs := range ids {
		state, _, err := r.log.Load(ctx, tenant, storage.Stream{}, storage.Refs{UniqueIDs: uniqueIDs, WithRemoved: true, Everywhere: true})
		if err != nil {
			return nil, err
		}
		for _, p := range state.Objects {
			if p.Document != "" {
				bound[p.Document] = true
			}
		}
	}
	var loose []storage.DocumentKey
	for _, keys := range b {
		for _, key := range keys {
			if !bound[key] {
				loose = append(loose, key)
			}
		}
	}
	return loose, nil
}
