package app

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"samdok/audit/ledger"
	"samdok/internal/config"
	"samdok/storage/s3"
)

// foundRecord is a record and the node whose ledger has it; "" when there is only one.
type foundRecord struct {
	ledger.Record
	node string
	low  time.Time // the oldest time that was found up to it; zero when there is only one ledger
}

// place is where the next page goes on behind the record.
func (r *foundRecord) place() place {
	p := place{Node: r.node, Index: r.Receipt.Index}
	if r.low.Before(r.Event.Time) {
		p.Low = r.low
	}
	return p
}

// place is that of a record among all ledgers: the number that samdok log shows.
type place struct {
	Node  string
	Index int64
	// Low is given when an older record of the same ledger was shown before it: records
	// that are made at the same time are written in another order.
	Low time.Time
}

func (p place) String() string {
	text := strconv.FormatInt(p.Index, 10)
	if p.Node != "" {
		text = p.Node + "/" + text
	}
	if !p.Low.IsZero() {
		text += "@" + p.Low.UTC().Format(time.RFC3339Nano)
	}
	return text
}

// parsePlace reads what String writes.
func parsePlace(text string) (p place, err error) {
	number, low, ok := strings.Cut(text, "@")
	if ok {
		p.Low, err = time.Parse(time.RFC3339Nano, low)
	}
	if i := strings.LastIndexByte(number, '/'); i >= 0 {
		p.Node, number = number[:i], number[i+1:]
	}
	if err == nil {
		p.Index, err = strconv.ParseInt(number, 10, 64)
	}
	if err != nil || p.Index < 1 {
		return p, fmt.Errorf("%q is not the number of a record as samdok log shows it", text)
	}
	return p, nil
}

// find yields the records wanted of all ledgers, the newest first by the nodes'
// clocks, from a record on when before is not zero. An Unreadable stands for what cannot
// be read; the search goes on. searched is how many ledgers it asks.
func (d *data) find(ctx context.Context, q ledger.Search, before place) (all iter.Seq2[foundRecord, error], searched int, err error) {
	if d.ledgers == nil {
		if before.Node != "" {
			return nil, 0, fmt.Errorf("there is one ledger, so a record is a number and not %s", before)
		}
		q.Before = before.Index
		return func(yield func(foundRecord, error) bool) {
			for r, err := range d.ledger.Find(ctx, q) {
				if !yield(foundRecord{Record: r}, err) {
					return
				}
			}
		}, 1, nil
	}
	var books []*nodeLedger
	at := -1
	for of, err := range d.ledgers.all() {
		if err != nil {
			return nil, 0, err
		}
		if of.node == before.Node {
			at = len(books)
		}
		books = append(books, of)
	}
	if before != (place{}) && at < 0 {
		return nil, 0, fmt.Errorf("there are many ledgers, and none that record %s is in; name it NODE/NUMBER", before)
	}
	return func(yield func(foundRecord, error) bool) { findInAll(ctx, books, q, before, at, yield) }, len(books), nil
}

// findInAll merges what the search finds in each ledger, by time; records of one moment have
// the order of their ledgers. Within a ledger the order is that of writing, so a newer record
// may stand behind an older one; it is shown right behind it, since all that others have
// left is older still. So the others go on, behind a record, with their first one that
// comes after the oldest that was shown: nothing is left out and nothing shown twice.
func findInAll(ctx context.Context, books []*nodeLedger, q ledger.Search, before place, at int, yield func(foundRecord, error) bool) {
	var streams []*recordStream
	for i, of := range books {
		s, mine := &recordStream{node: of.node}, q
		if i == at {
			mine.Before = before.Index + 1 // to learn its time
		}
		var stop func()
		s.next, stop = iter.Pull2(of.Find(ctx, mine))
		defer stop()
		streams = append(streams, s)
	}
	if at >= 0 {
		r, err, ok := streams[at].next()
		if err != nil || !ok || r.Receipt.Index != before.Index {
			yield(foundRecord{}, errors.Join(fmt.Errorf("record %s is none of those that are asked for: ask for the same as on the page before", before), err))
			return
		}
		if before.Low.IsZero() {
			before.Low = r.Event.Time
		}
		for i, s := range streams {
			if i != at {
				s.newest, s.older = before.Low, i < at
			}
		}
	}
	mergeRecords(streams, before.Low, yield)
}

// recordStream is what a search yields of one ledger.
type recordStream struct {
	node string
	next func() (ledger.Record, error, bool)
	head ledger.Record
	// newest is the time that the first record may have; zero: any. older: it must be
	// older than that, since those of the moment itself were shown.
	newest time.Time
	older  bool
}

// advance takes the next record, and yields errors at once. more is false at the
// end of the ledger, on false when the caller wants no more.
func (s *recordStream) advance(yield func(foundRecord, error) bool) (more, on bool) {
	for {
		r, err, ok := s.next()
		switch {
		case !ok:
			return false, true
		case err == nil && s.shown(r.Event.Time):
		case err == nil:
			s.head, s.newest = r, time.Time{}
			return true, true
		case !yield(foundRecord{node: s.node}, err):
			return false, false
		}
	}
}

// shown tells whether a record of a time comes before the one that the search goes on from.
func (s *recordStream) shown(at time.Time) bool {
	return !s.newest.IsZero() && (at.After(s.newest) || s.older && at.Equal(s.newest))
}

// mergeRecords yields the newest head again and again. low is the oldest time that was
// yielded before; zero: none was.
func mergeRecords(streams []*recordStream, low time.Time, yield func(foundRecord, error) bool) {
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
		if at := s.head.Event.Time; low.IsZero() || at.Before(low) {
			low = at
		}
		if !yield(foundRecord{s.head, s.node, low}, nil) {
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
