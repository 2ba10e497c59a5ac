package ledger

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"samdok/audit"
	"samdok/fault"
	"samdok/internal/disk"
	"samdok/internal/groupsync"
	"samdok/storage/keyring"
)

// Defaults of Options.
const (
	DefaultSegmentSize     = 32 << 20
	DefaultAhead           = 256 << 10
	DefaultCheckpointEvery = 10 * time.Second
)

// Options of a Ledger; zero values mean the defaults.
type Options struct {
	// Ring gives each segment its data key; nil: not sealed.
	Ring Ring
	// SigningKey is the private key as NewSigningKey makes it; "": one is made and
	// kept in the folder, sealed by the keyring.
	SigningKey string
	// Node tells the ledgers apart that one key signs, when there are many: it ends
	// the origin of their checkpoints. "": there is only one.
	Node string
	// Chain are the signed notes of the keys that a new ledger begins with, the last
	// of SigningKey; nil: SigningKey is its first key.
	Chain [][]byte
	// Clock is the time in segment headers and checkpoints. Default time.Now.
	Clock func() time.Time
	// SegmentSize is where a segment is full, octets.
	SegmentSize int64
	// Ahead is how many zeros are written ahead, octets; negative: none, and no write
	// waits for more records.
	Ahead int64
	// CheckpointEvery is how often a checkpoint is signed when there are new
	// records; negative: only when a segment is full and at the end.
	CheckpointEvery time.Duration
	// Merged is how many segments an index may be merged of at most. Default 512.
	Merged int
	// FS is the file system; default the machine's.
	FS disk.FS
	// Log tells operators what went wrong behind the records. Default: nobody.
	Log *slog.Logger
	// Watch is told of writing; default: nobody.
	Watch Watch
}

// Watch is told how records are written, for operators. Functions may be nil; they
// must not wait.
type Watch struct {
	// Wrote: so many records, of size octets together, became durable by one write. The
	// two of RecordTwo count as one.
	Wrote func(records, size int, took time.Duration)
	// Waited: a caller of Record waited so long until its record was durable.
	Waited func(time.Duration)
}

// Ring gives and destroys data keys: keyring.Ring, or what many nodes share.
type Ring interface {
	New(ctx context.Context) (id uint64, key keyring.Key, err error)
	Key(id uint64) (keyring.Key, error)
	Destroy(ctx context.Context, id uint64) error
}

// unsealed is the Ring that gives no keys.
var unsealed Ring = (*keyring.Ring)(nil)

func (o *Options) defaults() {
	if o.Ring == nil {
		o.Ring = unsealed
	}
	if o.Merged == 0 {
		o.Merged = maxMerged
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.SegmentSize == 0 {
		o.SegmentSize = DefaultSegmentSize
	}
	if o.Ahead == 0 {
		o.Ahead = DefaultAhead
	}
	if o.CheckpointEvery == 0 {
		o.CheckpointEvery = DefaultCheckpointEvery
	}
	if o.FS == nil {
		o.FS = disk.OS{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// Ledger implements audit.Recorder. Its folder must be used by one Ledger only
// (internal/datadir).
type Ledger struct {
	Options
	dir    string
	found  []string // what Open found amiss
	tree   *tree
	broken atomic.Pointer[error] // why the last record failed; nil when it did not

	turn  chan struct{} // held by who ends a segment or begins one
	torn  *torn         // a segment that must be cut before the next one begins
	ended int64         // the first leaf of the segment that ended last

	mu     sync.Mutex
	act    *segment // nil until the first record; changed by who has the turn
	next   uint64
	closed bool

	sign        sync.Mutex // checkpoints and keys
	signing     *signing
	checkpoints *notes
	last        Checkpoint

	kick    chan struct{} // for work
	full    chan struct{} // for workOnIndexes
	stop    context.CancelFunc
	workers sync.WaitGroup
	index   indexer
}

var _ audit.Recorder = (*Ledger)(nil)

// segment is the one that takes records.
type segment struct {
	number uint64
	made   time.Time
	first  int64 // index of the header's leaf
	log    *groupsync.Log
	aead   cipher.AEAD

	mu      sync.Mutex
	next    int64 // index of the next record's leaf
	pending []pending
	found   segmentTerms
}

// pending is a leaf that is not in the tree yet.
type pending struct {
	end  int64 // its record is durable when the file is durable to here
	hash tlog.Hash
}

// torn is a segment whose end may hold records that were never acknowledged.
type torn struct {
	number uint64
	end    int64
}

// prepared is an event that is ready to be appended.
type prepared struct {
	buf   *[]byte // of buffers: the encoded event
	terms []term
	made  time.Time
}

// Record implements audit.Recorder.
func (l *Ledger) Record(ctx context.Context, e *audit.Event) (audit.Receipt, error) {
	var few [8]term
	one, err := l.prepare(few[:0], e)
	defer putBuffer(one.buf)
	if err != nil {
		return audit.Receipt{}, err
	}
	return l.record(ctx, []prepared{one})
}

// RecordTwo implements audit.Recorder: both are in one write.
func (l *Ledger) RecordTwo(ctx context.Context, first, second *audit.Event) error {
	a, err := l.prepare(nil, first)
	defer putBuffer(a.buf)
	if err != nil {
		return err
	}
	b, err := l.prepare(nil, second)
	defer putBuffer(b.buf)
	if err != nil {
		return err
	}
	_, err = l.record(ctx, []prepared{a, b})
	return err
}

func (l *Ledger) prepare(terms []term, e *audit.Event) (prepared, error) {
	buf := buffers.Get().(*[]byte)
	*buf = appendEvent((*buf)[:0], e)
	if len(*buf) > maxRecord {
		return prepared{buf: buf}, fault.New(fault.TooLarge, "ledger.Record", fault.RegistryError, "the audit record of this request is longer than %d bytes", maxRecord)
	}
	return prepared{buf, l.index.terms(terms, e), e.Time}, nil
}

// record appends events and waits until they are durable. The receipt is of the first.
func (l *Ledger) record(ctx context.Context, all []prepared) (audit.Receipt, error) {
	began := time.Now()
	receipt, err := l.append(ctx, all)
	if err != nil {
		if ctx.Err() == nil {
			l.broken.Store(&err)
		}
		return audit.Receipt{}, failure(err)
	}
	if l.broken.Load() != nil {
		l.broken.Store(nil)
	}
	if l.Watch.Waited != nil {
		l.Watch.Waited(time.Since(began))
	}
	return receipt, nil
}

// Ready is nil when records can be written; the error names the action that mends
// it. After a record has failed, it begins a segment to see whether the next one
// would succeed.
func (l *Ledger) Ready(ctx context.Context) error {
	if l.broken.Load() == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.closed {
			return errLedgerClosed
		}
		return nil
	}
	if _, err := l.active(ctx); err != nil {
		return fmt.Errorf("audit records cannot be written, so no request is answered: %w", l.advised(err))
	}
	l.broken.Store(nil)
	return nil
}

// advised adds what mends it. A store says that itself.
func (l *Ledger) advised(err error) error {
	if _, local := l.FS.(disk.OS); !local && (fault.ProblemsOf(err) != nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		return err
	}
	return fmt.Errorf("%w; make room on the disk of %s, or see that it is there and writable", err, l.dir)
}

var errLedgerClosed = errors.New("ledger closed: the server is stopping")

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 2<<10); return &b }}

func putBuffer(b *[]byte) {
	if cap(*b) <= 256<<10 {
		buffers.Put(b)
	}
}

func (l *Ledger) append(ctx context.Context, all []prepared) (audit.Receipt, error) {
	size := 0
	for i := range all {
		size += frameSize(len(*all[i].buf) + tagSize)
	}
	for {
		s, err := l.active(ctx)
		if err != nil {
			return audit.Receipt{}, err
		}
		var index int64
		at, err := s.log.Append(ctx, size, func(dst []byte, at groupsync.Position) []byte {
			dst, index = s.fill(dst, at, all)
			return dst
		})
		switch {
		case err == nil:
			if s.log.End() >= l.SegmentSize {
				l.retire(ctx, s)
			}
			return audit.Receipt{Segment: s.number, Offset: at.Offset, Index: index}, nil
		case errors.Is(err, groupsync.ErrClosed), errors.Is(err, groupsync.ErrBroken):
			// Another record filled or broke the segment before this one was
			// written: take the next segment.
			l.retire(ctx, s)
			if ctx.Err() != nil {
				return audit.Receipt{}, context.Cause(ctx)
			}
		default:
			if s.log.Err() != nil {
				l.retire(ctx, s)
			}
			return audit.Receipt{}, err
		}
	}
}

// fill appends frames one behind the other and returns the index of the first.
func (s *segment) fill(dst []byte, at groupsync.Position, all []prepared) (_ []byte, first int64) {
	off := at.Offset
	for i := range all {
		from := len(dst)
		var hash tlog.Hash
		dst, hash = appendFrame(dst, *all[i].buf, s.number, s.aead, off, at.Batch)
		end := off + int64(len(dst)-from)
		index := s.add(off, end, hash, all[i].terms, all[i].made)
		if off = end; i == 0 {
			first = index
		}
	}
	return dst, first
}

// add keeps a leaf until its record is durable. The segment's log calls it in the
// order of the file.
func (s *segment) add(off, end int64, hash tlog.Hash, terms []term, made time.Time) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, pending{end, hash})
	s.found.add(terms, off, s.next-s.first, made)
	s.next++
	return s.next - 1
}

// durable takes the leaves whose records are durable.
func (s *segment) durable() []tlog.Hash {
	end := s.log.Durable()
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(s.pending) && s.pending[n].end <= end {
		n++
	}
	out := make([]tlog.Hash, n)
	for i := range out {
		out[i] = s.pending[i].hash
	}
	s.pending = append(s.pending[:0], s.pending[n:]...)
	return out
}

// Close waits for records, signs a last checkpoint and closes the files.
func (l *Ledger) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	l.turn <- struct{}{} // for good
	l.closeActive()
	err := l.mend()
	l.stop()
	l.workers.Wait()
	_, cerr := l.Checkpoint()
	return errors.Join(err, cerr, l.closeFiles())
}

func (l *Ledger) closeFiles() error {
	var errs []error
	if l.tree != nil {
		errs = append(errs, l.tree.f.Close())
	}
	if l.checkpoints != nil {
		errs = append(errs, l.checkpoints.close())
	}
	if l.signing != nil {
		errs = append(errs, l.signing.file.close())
	}
	return errors.Join(errs...)
}

// failure makes the error that stops an answer without a record.
func failure(err error) error {
	const op = "ledger.Record"
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(err, fault.Canceled, op, fault.RegistryError, "the request ended before it was recorded")
	case fault.KindOf(err) == fault.Busy, fault.KindOf(err) == fault.Unavailable: // of a store, which says whether it is full
		return fault.Wrap(err, fault.Unavailable, op, fault.ProblemsOf(err)[0].Code, "the request could not be recorded because the store of the records does not answer or is full, so it is not answered; send it again in a little while")
	case disk.IsFull(err):
		return fault.Wrap(err, fault.Unavailable, op, fault.RegistryOutOfResources, "the request could not be recorded because the disk is full, so it is not answered; send it again when the operator has freed space")
	}
	return fault.Wrap(err, fault.Internal, op, fault.RegistryError, "the request could not be recorded, so it is not answered")
}
