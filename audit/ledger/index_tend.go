package ledger

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"path/filepath"
	"slices"

	"samdok/storage/keyring"
)

// Each full segment gets an index of its own. As soon as mergeAt neighbours are of
// one size they become one index, so that a search opens few files: at most
// (mergeAt-1) of each size below Options.Merged, and one for every so many segments.
const (
	mergeAt   = 8
	maxMerged = mergeAt * mergeAt * mergeAt
)

// level is how often the segments of an index were merged.
func (x *index) level() int { return (bits.Len(uint(len(x.table))) - 1) / 3 }

// uncovered leaves out indexes whose segments are in a larger one.
func uncovered(all []*index) (left []*index, names []string, err error) {
	slices.SortFunc(all, func(a, b *index) int { return cmp.Compare(len(b.table), len(a.table)) })
	have := map[uint64]bool{}
	for _, x := range all {
		if slices.ContainsFunc(x.table, func(s indexed) bool { return have[s.number] }) {
			names, err = append(names, x.name), errors.Join(err, x.close())
			continue
		}
		for _, s := range x.table {
			have[s.number] = true
		}
		left = append(left, x)
	}
	slices.SortFunc(left, func(a, b *index) int { return cmp.Compare(a.first(), b.first()) })
	return left, names, err
}

// tend brings the indexes up to date: it takes away what is of no use, makes those
// that are missing and merges.
func (l *Ledger) tend(ctx context.Context) error {
	l.index.mu.Lock()
	defer l.index.mu.Unlock()
	if err := l.pruneIndexes(ctx); err != nil {
		return err
	}
	return errors.Join(l.makeIndexes(ctx, func(int64, int64) {}), l.mergeIndexes(ctx))
}

// pruneIndexes deletes indexes that cannot be used, and takes segments that were
// dropped out of the others. l.index.mu is held.
func (l *Ledger) pruneIndexes(ctx context.Context) error {
	numbers, err := segments(l.FS, l.dir, segmentSuffix)
	if err != nil {
		return err
	}
	all, useless, err := l.openIndexes()
	if err != nil {
		return err
	}
	errs := []error{l.removeIndexes(useless...)}
	for _, x := range all {
		gone := func(s indexed) bool { _, there := slices.BinarySearch(numbers, s.number); return !there }
		if slices.ContainsFunc(x.table, gone) {
			errs = append(errs, l.replace(ctx, []*index{x}, gone))
		}
	}
	return errors.Join(append(errs, closeIndexes(all))...)
}

func (l *Ledger) removeIndexes(names ...string) error {
	var errs []error
	for _, name := range names {
		errs = append(errs, l.FS.Remove(filepath.Join(l.dir, name)))
	}
	if len(names) > 0 {
		errs = append(errs, l.FS.SyncDir(l.dir))
	}
	return errors.Join(errs...)
}

// makeIndexes makes the index of each full segment that has none. progress is called
// with segments done and their total. l.index.mu is held.
func (l *Ledger) makeIndexes(ctx context.Context, progress func(done, total int64)) error {
	numbers, err := segments(l.FS, l.dir, segmentSuffix)
	if err != nil {
		return err
	}
	all, _, err := l.openIndexes()
	if err != nil {
		return err
	}
	have := map[uint64]bool{}
	for _, x := range all {
		for _, s := range x.table {
			have[s.number] = true
		}
	}
	errs := []error{closeIndexes(all)}
	for i, n := range numbers {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !have[n] && !l.isActive(n) {
			errs = append(errs, l.makeIndex(ctx, n))
		}
		progress(int64(i+1), int64(len(numbers)))
	}
	return errors.Join(errs...)
}

func (l *Ledger) isActive(n uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	// The next number may be in the making.
	return l.act != nil && l.act.number == n || n >= l.next
}

// makeIndex makes the index of one segment, of what was gathered while it was
// written or by reading it.
func (l *Ledger) makeIndex(ctx context.Context, n uint64) error {
	t := l.index.take(n)
	if t == nil {
		var err error
		if t, err = l.gather(ctx, n); err != nil || t == nil {
			return err
		}
	}
	t.sort()
	return l.writeIndex(l.index.keyID, []indexed{{n, t.first, t.last}}, func(yield func(entry, error) bool) {
		for _, e := range t.entries {
			if !yield(e, nil) {
				return
			}
		}
	})
}

// gather reads a segment's terms; nil when there is nothing to find in it.
func (l *Ledger) gather(ctx context.Context, n uint64) (*segmentTerms, error) {
	s, err := openSegment(l.dir, n, &l.Options)
	if err != nil {
		var u *Unreadable
		if errors.As(err, &u) && (errors.Is(err, keyring.ErrDestroyed) || errors.Is(err, errHeader) || u.cause == nil) {
			return nil, nil // Verify tells why
		}
		return nil, err
	}
	h := newHasher(l.index.key)
	t := &segmentTerms{}
	var terms []term
	for r, err := range s.records(ctx) {
		if err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			continue // Verify tells; what can be read can be found
		}
		terms = h.terms(terms[:0], &r.Event)
		t.add(terms, r.Receipt.Offset, r.Receipt.Index-s.first, r.Event.Time)
	}
	return t, nil
}

// mergeIndexes merges until there is nothing to merge. l.index.mu is held.
func (l *Ledger) mergeIndexes(ctx context.Context) error {
	for {
		numbers, err := segments(l.FS, l.dir, segmentSuffix)
		if err != nil {
			return err
		}
		all, _, err := l.openIndexes()
		if err != nil {
			return err
		}
		some := mergeable(all, numbers, l.Merged)
		if some != nil {
			err = l.replace(ctx, some, func(indexed) bool { return false })
		}
		if err := errors.Join(err, closeIndexes(all)); err != nil || some == nil {
			return err
		}
	}
}

// mergeable finds neighbours that are to become one index. A segment that has none
// lies between no neighbours, so that searches yield the newest records first.
func mergeable(all []*index, numbers []uint64, most int) []*index {
	from := 0
	for i, x := range all {
		if i > from {
			last, _ := slices.BinarySearch(numbers, all[i-1].last()+1)
			next, _ := slices.BinarySearch(numbers, x.first())
			if before := all[i-1]; last != next || x.level() != before.level() || x.keyID != before.keyID {
				from = i
			}
		}
		if i-from+1 == mergeAt && len(x.table) < most {
			return all[from : i+1]
		}
	}
	return nil
}

// replace puts one index in the place of neighbours, without the segments that are
// gone. The new one is durable before the others are deleted, and counts from then on.
func (l *Ledger) replace(ctx context.Context, some []*index, gone func(indexed) bool) error {
	var table []indexed
	var sources []*source
	for _, x := range some {
		s := &source{places: make([]int64, len(x.table))}
		for i, t := range x.table {
			if s.places[i] = -1; !gone(t) {
				s.places[i] = int64(len(table))
				table = append(table, t)
			}
		}
		var stop func()
		s.next, stop = iter.Pull2(x.all())
		defer stop()
		sources = append(sources, s)
	}
	var old []string
	for _, x := range some {
		if len(table) == 0 || x.name != indexName(table[0].number, table[len(table)-1].number) {
			old = append(old, x.name)
		}
	}
	if len(table) > 0 {
		err := l.writeIndex(some[0].keyID, table, merged(ctx, sources))
		if errors.Is(err, errIndex) {
			for _, x := range some {
				old = append(old, x.name)
			}
			slices.Sort(old)
			return errors.Join(fmt.Errorf("%w; they are made anew", err), l.removeIndexes(slices.Compact(old)...))
		} else if err != nil {
			return err
		}
	}
	return l.removeIndexes(old...)
}

// source is one of the indexes that are merged.
type source struct {
	next   func() (entry, error, bool)
	places []int64 // of its segments in the new table; -1: gone
	head   entry
	more   bool
}

// advance takes the next entry that stays.
func (s *source) advance() error {
	for {
		e, err, ok := s.next()
		if s.more = ok; !ok || err != nil {
			return err
		}
		if int(e.segment) >= len(s.places) {
			return errIndex
		}
		if at := s.places[e.segment]; at >= 0 {
			e.segment = uint32(at)
			s.head = e
			return nil
		}
	}
}

// merged yields the entries of all sources in order.
func merged(ctx context.Context, sources []*source) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		for _, s := range sources {
			if err := s.advance(); err != nil {
				yield(entry{}, err)
				return
			}
		}
		for n := 0; ; n++ {
			var least *source
			for _, s := range sources {
				if s.more && (least == nil || compare(&s.head, &least.head) < 0) {
					least = s
				}
			}
			if least == nil || !yield(least.head, nil) {
				return
			}
			err := least.advance()
			if err == nil && n%4096 == 0 {
				err = context.Cause(ctx)
			}
			if err != nil {
				yield(entry{}, err)
				return
			}
		}
	}
}

// compare orders entries by term, then by place.
func compare(a, b *entry) int {
	if c := bytes.Compare(a.term[:], b.term[:]); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.segment, b.segment), cmp.Compare(a.off, b.off))
}

// RebuildIndex drops the index and makes it again. progress is called with
// segments done and their total.
func (l *Ledger) RebuildIndex(ctx context.Context, progress func(done, total int64)) error {
	l.index.mu.Lock()
	defer l.index.mu.Unlock()
	all, useless, err := l.openIndexes()
	if err != nil {
		return err
	}
	for _, x := range all {
		useless = append(useless, x.name)
	}
	if err := errors.Join(closeIndexes(all), l.removeIndexes(useless...)); err != nil {
		return err
	}
	if err := errors.Join(l.makeIndexes(ctx, progress), l.mergeIndexes(ctx)); err != nil {
		return fmt.Errorf("the ledger's index: %w", err)
	}
	return nil
}
