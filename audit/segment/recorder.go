package segment

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"samdok/audit"
	"samdok/fault"
	"samdok/internal/disk"
	"samdok/internal/groupsync"
	"samdok/storage/keyring"
)

// Defaults of Options.
const (
	DefaultSegmentSize = 32 << 20
	DefaultAhead       = 256 << 10
)

// Options of a Recorder and of Read; zero values mean the defaults.
type Options struct {
	// Ring gives each segment its data key; nil: not sealed, only checksums.
	Ring *keyring.Ring
	// Clock is the time in segment headers. Default time.Now.
	Clock func() time.Time
	// SegmentSize is where a segment is full, bytes.
	SegmentSize int64
	// Ahead is how many zeros are written ahead, bytes; negative: none.
	Ahead int64
	// FS is the file system; default the machine's.
	FS disk.FS
	// Log tells operators what recovery found. Default: nobody.
	Log *slog.Logger
}

func (o *Options) defaults() {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.SegmentSize == 0 {
		o.SegmentSize = DefaultSegmentSize
	}
	if o.Ahead == 0 {
		o.Ahead = DefaultAhead
	}
	if o.FS == nil {
		o.FS = disk.OS{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// Recorder implements audit.Recorder. Its folder must be used by one Recorder
// only (internal/datadir).
type Recorder struct {
	Options
	dir     string
	altered []Alteration
	// sick is why the last record failed; nil when it did not.
	sick atomic.Pointer[error]

	mu     sync.Mutex
	act    *segment // nil until the first record
	next   uint64
	closed bool
}

var _ audit.Recorder = (*Recorder)(nil)

// segment is the one that takes records.
type segment struct {
	number uint64
	log    *groupsync.Log
	aead   cipher.AEAD
}

// Open opens the records in dir and makes the folder when it is missing. It cuts
// a torn record off the end of the last segment. Records begin a new segment.
func Open(dir string, o Options) (*Recorder, error) {
	o.defaults()
	r := &Recorder{Options: o, dir: dir, next: 1}
	if err := r.start(); err != nil {
		return nil, fmt.Errorf("audit records in %s cannot be opened: %w", dir, err)
	}
	return r, nil
}

func (r *Recorder) start() error {
	if err := r.FS.MkdirAll(r.dir); err != nil {
		return err
	}
	numbers, err := segments(r.FS, r.dir)
	if err != nil || len(numbers) == 0 {
		return err
	}
	last := numbers[len(numbers)-1]
	r.next = last + 1
	return r.repair(last)
}

// repair cuts what a crash left at the end of the last segment.
func (r *Recorder) repair(n uint64) error {
	path := filepath.Join(r.dir, fileName(n))
	f, err := r.FS.Open(path, os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	err = r.repairFile(n, f)
	if err = errors.Join(err, f.Close()); !errors.Is(err, errNeverMade) {
		return err
	}
	// The power failed while it was being made; it never had a record.
	r.next = n
	return errors.Join(r.FS.Remove(path), r.FS.SyncDir(r.dir))
}

var errNeverMade = errors.New("segment without a header")

func (r *Recorder) repairFile(n uint64, f disk.File) error {
	b, err := load(f)
	if err != nil {
		return err
	}
	switch _, err := parseHeader(b); {
	case errors.Is(err, errHeader) && len(b) <= headSize:
		return errNeverMade
	case errors.Is(err, errHeader):
		r.report(Alteration{Segment: n})
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", fileName(n), err)
	}
	e := findEnd(b)
	for _, off := range e.altered {
		r.report(Alteration{Segment: n, Offset: off})
	}
	if e.end == int64(len(b)) {
		return nil
	}
	if e.cut {
		r.Log.Warn("records whose recording never ended were cut from the last audit segment", "segment", fileName(n), "bytes", int64(len(b))-e.end)
	}
	return errors.Join(f.Truncate(e.end), f.Sync())
}

func (r *Recorder) report(a Alteration) {
	r.Log.Error("an audit record was altered or damaged; compare the segment with a backup", "segment", fileName(a.Segment), "offset", a.Offset)
	r.altered = append(r.altered, a)
}

// Altered are the alterations that Open found in the last segment. Read finds
// those of all segments.
func (r *Recorder) Altered() []Alteration { return r.altered }

// Record implements audit.Recorder.
func (r *Recorder) Record(ctx context.Context, e *audit.Event) (audit.Receipt, error) {
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	*buf = appendEvent((*buf)[:0], e)
	if len(*buf) > maxRecord {
		return audit.Receipt{}, fault.New(fault.TooLarge, "segment.Record", fault.RegistryError, "the audit record of this request is longer than %d bytes", maxRecord)
	}
	receipt, err := r.append(ctx, *buf)
	if err != nil {
		if ctx.Err() == nil {
			r.sick.Store(&err)
		}
		return audit.Receipt{}, failure(err)
	}
	if r.sick.Load() != nil {
		r.sick.Store(nil)
	}
	return receipt, nil
}

// Ready is nil when records can be written; the error names the action that mends
// it. After a record has failed, it begins a segment to see whether the next one
// would succeed.
func (r *Recorder) Ready(ctx context.Context) error {
	if r.sick.Load() == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.closed {
			return errRecorderClosed
		}
		return nil
	}
	if _, err := r.active(ctx); err != nil {
		return fmt.Errorf("audit records cannot be written, so no request is answered: %w; make room on the disk of %s, or see that it is there and writable", err, r.dir)
	}
	r.sick.Store(nil)
	return nil
}

var errRecorderClosed = errors.New("audit recorder closed: the server is stopping")

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 2<<10); return &b }}

func putBuffer(b *[]byte) {
	if cap(*b) <= 256<<10 {
		buffers.Put(b)
	}
}

func (r *Recorder) append(ctx context.Context, record []byte) (audit.Receipt, error) {
	for {
		s, err := r.active(ctx)
		if err != nil {
			return audit.Receipt{}, err
		}
		at, err := s.log.Append(ctx, frameSize(len(record)+tagSize), func(dst []byte, at groupsync.Position) []byte {
			return appendFrame(dst, record, s.number, s.aead, at.Offset, at.Batch)
		})
		switch {
		case err == nil:
			if s.log.End() >= r.SegmentSize {
				r.retire(s)
			}
			return audit.Receipt{Segment: s.number, Offset: at.Offset}, nil
		case errors.Is(err, groupsync.ErrClosed), errors.Is(err, groupsync.ErrBroken):
			// Another record filled or broke the segment before this one was
			// written: take the next segment.
			r.retire(s)
			if ctx.Err() != nil {
				return audit.Receipt{}, context.Cause(ctx)
			}
		default:
			if s.log.Err() != nil {
				r.retire(s)
			}
			return audit.Receipt{}, err
		}
	}
}

func (r *Recorder) active(ctx context.Context) (*segment, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errRecorderClosed
	}
	if r.act != nil && r.act.log.Err() == nil {
		return r.act, nil
	}
	r.closeActive()
	s, err := r.newSegment(ctx, r.next)
	if err != nil {
		return nil, err
	}
	r.act, r.next = s, r.next+1
	return s, nil
}

// closeActive lets the segment's records end before another is begun, so that
// only the last segment can have a torn end. r.mu is held.
func (r *Recorder) closeActive() {
	if r.act == nil {
		return
	}
	if err := r.act.log.Close(); err != nil {
		// Its records have their own errors; what was durable stays so.
		r.Log.Error("an audit segment could not be closed", "segment", fileName(r.act.number), "err", err)
	}
	r.act = nil
}

func (r *Recorder) retire(s *segment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.act == s {
		r.closeActive()
	}
}

func (r *Recorder) newSegment(ctx context.Context, n uint64) (*segment, error) {
	keyID, key, err := r.Ring.New(ctx)
	if err != nil {
		return nil, err
	}
	aead, err := newAEAD(keyID, key)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(r.dir, fileName(n))
	f, err := r.FS.Open(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	h := header{n, r.Clock(), keyID}
	b := h.bytes()
	_, err = f.WriteAt(b[:], 0)
	if err == nil {
		err = errors.Join(f.Sync(), r.FS.SyncDir(r.dir))
	}
	// After the header is durable: what cannot hold the first records is no segment.
	ahead := max(0, r.Ahead)
	if err == nil && ahead > 0 {
		_, err = f.WriteAt(make([]byte, ahead), headSize)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), r.FS.Remove(path))
	}
	return &segment{n, groupsync.NewLog(f, headSize, headSize+ahead, groupsync.Options{Ahead: ahead}), aead}, nil
}

// Close waits for records and closes the segment.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.act == nil {
		return nil
	}
	err := r.act.log.Close()
	r.act = nil
	return err
}

// failure makes the error that stops an answer without a record.
func failure(err error) error {
	const op = "segment.Record"
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(err, fault.Canceled, op, fault.RegistryError, "the request ended before it was recorded")
	case disk.IsFull(err):
		return fault.Wrap(err, fault.Unavailable, op, fault.RegistryOutOfResources, "the request could not be recorded because the disk is full, so it is not answered; send it again when the operator has freed space")
	}
	return fault.Wrap(err, fault.Internal, op, fault.RegistryError, "the request could not be recorded, so it is not answered")
}

// segments are the numbers of the segments in a folder, in order.
func segments(fsys disk.FS, dir string) ([]uint64, error) {
	names, err := fsys.Names(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var all []uint64
	for _, name := range names {
		if n, ok := parseFileName(name); ok {
			all = append(all, n)
		}
	}
	return all, nil
}
