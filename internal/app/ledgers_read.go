package app

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"time"

	"samdok/audit/ledger"
	"samdok/internal/config"
	"samdok/storage/s3"
)

// foundRecord is a record and the node whose ledger has it; "" when there is only one.
type foundRecord struct {
	ledger.Record
	node string
}

// find yields the records wanted of all ledgers, the newest first by the nodes'
// clocks. An Unreadable stands for what cannot be read; the search goes on.
func (d *data) find(ctx context.Context, q ledger.Search) iter.Seq2[foundRecord, error] {
	return func(yield func(foundRecord, error) bool) {
		if d.ledgers == nil {
			for r, err := range d.ledger.Find(ctx, q) {
				if !yield(foundRecord{r, ""}, err) {
					return
				}
			}
			return
		}
		var streams []*recordStream
		for of, err := range d.ledgers.all() {
			if err != nil {
				yield(foundRecord{}, err)
				return
			}
			s := &recordStream{node: of.node}
			var stop func()
			s.next, stop = iter.Pull2(of.Find(ctx, q))
			defer stop()
			streams = append(streams, s)
		}
		mergeRecords(streams, yield)
	}
}

// recordStream is what a search yields of one ledger.
type recordStream struct {
	node string
	next func() (ledger.Record, error, bool)
	head ledger.Record
}

// advance takes the next record, and yields errors at once. more is false at the
// end of the ledger, on false when the caller wants no more.
func (s *recordStream) advance(yield func(foundRecord, error) bool) (more, on bool) {
	for {
		r, err, ok := s.next()
		switch {
		case !ok:
			return false, true
		case err == nil:
			s.head = r
			return true, true
		case !yield(foundRecord{node: s.node}, err):
			return false, false
		}
	}
}

// mergeRecords yields the newest head again and again.
func mergeRecords(streams []*recordStream, yield func(foundRecord, error) bool) {
	var left []*recordStream
	for _, s := range streams {
		more, on := s.advance(yield)
		if !on {
			return
		}
		if more {
			left = append(left, s)
		}
	}
	for len(left) > 0 {
		newest := 0
		for i, s := range left {
			if s.head.Event.Time.After(left[newest].head.Event.Time) {
				newest = i
			}
		}
		s := left[newest]
		if !yield(foundRecord{s.head, s.node}, nil) {
			return
		}
		more, on := s.advance(yield)
		if !on {
			return
		}
		if !more {
			left = slices.Delete(left, newest, newest+1)
		}
	}
}

// rebuildIndexes makes the indexes of the ledger anew; of many nodes, those of the
// ledgers whose nodes have ended. The others tend their own.
func (d *data) rebuildIndexes(ctx context.Context) error {
	if d.ledgers == nil {
		return d.ledger.RebuildIndex(ctx, func(int64, int64) {})
	}
	for of, err := range d.ledgers.ended(ctx) {
		if err == nil && of.node != d.ledgers.node {
			err = of.RebuildIndex(ctx, func(int64, int64) {})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// VerifyLedgers checks the ledgers of all nodes in a store. It needs the store's
// settings and public keys alone.
func VerifyLedgers(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time, o ledger.NodesOptions) (r *ledger.NodesReport, err error) {
	store, err := storeOf(c, unwatched(), clock, l)
	if err != nil {
		return nil, err
	}
	store.Create = false
	n, err := openLedgers(ctx, store, nil, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, n.end(ctx)) }()
	o.FS, o.Keys, o.Lists = n.files, n.keys, n.lists
	if o.Workers == 0 {
		o.Workers = ledgerReaders
	}
	return ledger.VerifyNodes(ctx, ledgersDir, o)
}

// ledgerReaders is how many segments or lists are read at the same time: a store
// takes longer to answer than to read.
const ledgerReaders = 8

// lists yields the signed lists from a number on, nil for one that is missing.
func (n *ledgers) lists(ctx context.Context, from uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		journal := n.store.LedgerLists()
		next, err := journal.End(ctx, 0)
		if err != nil {
			yield(nil, err)
			return
		}
		for ; from < next; from += ledgerReaders {
			some := make([]list, min(ledgerReaders, next-from))
			readLists(ctx, journal, from, some)
			for _, l := range some {
				if l.err != nil {
					yield(nil, fmt.Errorf("the lists of all ledgers: %w", l.err))
					return
				}
				if !yield(l.msg, nil) {
					return
				}
			}
		}
	}
}

type list struct {
	msg []byte
	err error
}

// readLists reads as many lists as there is room for, at the same time.
func readLists(ctx context.Context, journal *s3.Journal, from uint64, to []list) {
	done := make(chan struct{})
	for i := range to {
		go func() {
			l := &to[i]
			if l.msg, l.err = journal.Read(ctx, from+uint64(i)); errors.Is(l.err, s3.ErrNone) {
				l.msg, l.err = nil, nil
			}
			done <- struct{}{}
		}()
	}
	for range to {
		<-done
	}
}
