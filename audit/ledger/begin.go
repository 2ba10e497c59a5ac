package ledger

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"samdok/internal/disk"
	"samdok/internal/groupsync"
)

// active is the segment that takes records. Beginning one may take as long as the
// store takes; who waits for that does so no longer than ctx.
func (l *Ledger) active(ctx context.Context) (*segment, error) {
	if s, err := l.current(); s != nil || err != nil {
		return s, err
	}
	if err := l.take(ctx); err != nil {
		return nil, err
	}
	defer l.leave()
	if s, err := l.current(); s != nil || err != nil {
		return s, err
	}
	l.closeActive()
	if err := l.mend(); err != nil {
		return nil, err
	}
	if l.signed() < l.ended { // work is two segments late: verification would miss the checkpoints
		l.signNow()
	}
	s, err := l.newSegment(ctx, l.next)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.act, l.next = s, l.next+1
	return s, nil
}

// current is the segment that takes records, nil when one must be begun.
func (l *Ledger) current() (*segment, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errLedgerClosed
	}
	if l.act != nil && l.act.log.Err() == nil {
		return l.act, nil
	}
	return nil, nil //nolint:nilnil // none
}

// take waits for the turn.
func (l *Ledger) take(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *Ledger) leave() { <-l.turn }

// retire ends a segment that is full or broken, unless somebody else does.
func (l *Ledger) retire(ctx context.Context, s *segment) {
	if l.take(ctx) != nil {
		return // whoever comes next does it
	}
	defer l.leave()
	l.mu.Lock()
	is := l.act == s
	l.mu.Unlock()
	if is {
		l.closeActive()
	}
}

// closeActive lets the segment's records end before another is begun, so that
// only the last segment can have a torn end, and puts their leaves into the tree.
// The caller has the turn.
func (l *Ledger) closeActive() {
	s := l.act
	if s == nil {
		return
	}
	if err := s.log.Close(); err != nil {
		// Its records have their own errors; what was durable stays so.
		l.Log.Error("a segment of the ledger could not be closed; it is tried again before the next record", "segment", fileName(s.number, segmentSuffix), "error", err)
		l.torn = &torn{s.number, s.log.Durable()}
	}
	l.index.keep(s.number, &s.found, s.log.Durable())
	l.mu.Lock()
	l.tree.add(s.durable())
	l.act = nil
	l.mu.Unlock()
	l.ended = s.first
	l.wake()
}

// mend cuts what was never acknowledged off a segment whose disk failed: the
// next segment's leaves follow its last durable one. The caller has the turn.
func (l *Ledger) mend() error {
	if l.torn == nil {
		return nil
	}
	f, err := l.FS.Open(filepath.Join(l.dir, fileName(l.torn.number, segmentSuffix)), os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(l.torn.end), f.Sync(), f.Close()); err != nil {
		return err
	}
	l.torn = nil
	return nil
}

// gatherFor is how long a write to the own disk waits at most for more records while
// they come from many callers: a server that is so busy has other requests to go on with
// meanwhile, and a write costs it as much for one record as for thirty.
const gatherFor = 8 * time.Millisecond

// newSegment makes a segment whose header is the tree's next leaf. The caller has
// the turn and no segment is active, so the tree holds all leaves.
func (l *Ledger) newSegment(ctx context.Context, n uint64) (*segment, error) {
	keyID, key, err := l.Ring.New(ctx)
	if err != nil {
		return nil, err
	}
	aead, err := newAEAD(keyID, key)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(l.dir, fileName(n, segmentSuffix))
	f, err := l.FS.Open(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	h := header{number: n, made: l.Clock(), keyID: keyID, first: l.tree.size()}
	b := h.bytes()
	_, err = f.WriteAt(b[:], 0)
	if err == nil {
		err = errors.Join(f.Sync(), l.FS.SyncDir(l.dir))
	}
	// After the header is durable: what cannot hold the first records is no segment.
	ahead, size := max(0, l.Ahead), int64(headSize)
	if err == nil && ahead > 0 {
		blocks := disk.Blocks(int(headSize+ahead+disk.Block-1) / disk.Block * disk.Block)
		size = int64(len(blocks))
		copy(blocks, b[:])
		err = f.WriteSync(blocks, 0)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), l.FS.Remove(path))
	}
	l.tree.add([]tlog.Hash{tlog.RecordHash(b[:])})
	var gather time.Duration
	if ahead > 0 {
		gather = gatherFor
	}
	log := groupsync.NewLog(f, headSize, size, groupsync.Options{Ahead: ahead, Lead: b[:], Gather: gather, Watch: l.Watch.Wrote})
	return &segment{number: n, made: h.made, first: h.first, log: log, aead: aead, next: h.first + 1}, nil
}
