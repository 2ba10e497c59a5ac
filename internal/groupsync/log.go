package groupsync

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"samdok/internal/disk"
)

// ErrClosed: the Log was closed before the bytes were taken; nothing was
// written.
var ErrClosed = errors.New("groupsync: log closed")

// ErrBroken: a write or an fsync failed before. What was durable still is; the
// file takes nothing more until its owner has opened it anew.
var ErrBroken = errors.New("groupsync: log broken by an earlier error")

// Position says where appended bytes lie.
type Position struct {
	Offset int64
	// Batch is where the batch of this append begins. Everything before it was
	// durable before any byte of the batch was written, so that whoever repairs
	// the file after a crash can tell a torn batch from later damage.
	Batch int64
}

// Options of a Log; zero values mean the defaults.
type Options struct {
	// Ahead is how many zero bytes are written ahead of the end, so that most
	// commits change no file size and write whole blocks past the page cache
	// (disk.File.WriteSync). 0: none.
	Ahead int64
	// Lead are the bytes before the end that share its block, with Ahead.
	Lead []byte
	// Pending bounds the bytes that wait for a commit; further appends wait.
	// Default 16 MiB.
	Pending int
	// Gather bounds how long a commit waits for more appends while they come from many
	// goroutines at once; 0: it does not wait. A commit costs a processor the same for
	// one append as for thirty.
	Gather time.Duration
	// Watch is told of each commit that succeeded: how many appends and octets it made
	// durable, and how long that took; nil: nobody.
	Watch func(appends, size int, took time.Duration)
}

// Log appends to one file for many goroutines. Batches are written one after
// another, so that a hole never precedes acknowledged bytes.
type Log struct {
	f      disk.File
	ahead  int64
	limit  int
	gather time.Duration
	full   chan struct{} // holds one while enough appends wait
	watch  func(appends, size int, took time.Duration)
	syncer *Syncer

	mu     sync.Mutex
	buf    []byte // waits for the next commit, behind lead octets
	count  int    // appends in it
	last   int    // appends in the commit before
	spare  []byte
	lead   int   // octets before base that share its block; Ahead only
	base   int64 // where what waits goes
	filled int64 // the file's size
	stable int64 // everything before it is durable
	err    error
	closed bool
}

// NewLog appends to f from end on. size is the file's present size; when it is
// more than end, the bytes between must be zeros. The Log owns f.
func NewLog(f disk.File, end, size int64, o Options) *Log {
	if o.Pending == 0 {
		o.Pending = 16 << 20
	}
	l := &Log{f: f, ahead: o.Ahead, limit: o.Pending, gather: o.Gather, full: make(chan struct{}, 1), watch: o.Watch, base: end, stable: end, filled: max(end, size)}
	l.syncer = NewSyncer(l.commit)
	if l.gather > 0 {
		l.syncer.gather = l.wait
	}
	if l.ahead > 0 {
		l.lead = int(end % disk.Block)
		l.buf = append(disk.Blocks(firstBuffer)[:0], o.Lead[len(o.Lead)-l.lead:]...)
	}
	return l
}

const firstBuffer = 16 << 10

// Append makes bytes durable. fill is called once under a lock; it must append
// at most size bytes to dst, not alter what is there, and return it. When ctx
// ends before the commit the outcome is unknown. After ErrClosed nothing was
// written; after any other error the bytes may or may not be in the file.
func (l *Log) Append(ctx context.Context, size int, fill func(dst []byte, at Position) []byte) (Position, error) {
	if err := ctx.Err(); err != nil {
		return Position{}, context.Cause(ctx)
	}
	at, err := l.add(ctx, size, fill)
	if err != nil {
		return Position{}, err
	}
	return at, l.syncer.Sync(ctx)
}

func (l *Log) add(ctx context.Context, size int, fill func([]byte, Position) []byte) (Position, error) {
	l.mu.Lock()
	for {
		switch {
		case l.closed:
			l.mu.Unlock()
			return Position{}, ErrClosed
		case l.err != nil:
			defer l.mu.Unlock()
			return Position{}, fmt.Errorf("%w: %w", ErrBroken, l.err)
		case len(l.buf) == l.lead || len(l.buf)+size <= l.limit:
			defer l.mu.Unlock()
			at := Position{Offset: l.end(), Batch: l.base}
			if l.ahead > 0 {
				l.buf = grow(l.buf, size)
			}
			l.buf = fill(l.buf, at)
			if l.count++; l.count == enough {
				select {
				case l.full <- struct{}{}:
				default:
				}
			}
			return at, nil
		}
		l.mu.Unlock()
		// Its outcome belongs to those whose bytes it carries.
		if err := l.syncer.Sync(ctx); err != nil && ctx.Err() != nil {
			return Position{}, err
		}
		l.mu.Lock()
	}
}

// grow makes room for n octets without leaving what disk.Blocks gave.
func grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	return append(disk.Blocks(max(2*cap(b), len(b)+n))[:0], b...)
}

// end is where the next append goes. l.mu is held.
func (l *Log) end() int64 { return l.base + int64(len(l.buf)-l.lead) }

const (
	crowd  = 6  // appends in one commit that make the next one wait for more
	enough = 32 // appends that a commit does not wait longer with
)

// wait gathers appends while some come in each millisecond, when many shared the
// commit before.
func (l *Log) wait() {
	end := time.Now().Add(l.gather)
	for had := l.crowded(); had > 0 && had < enough; {
		pause := min(time.Millisecond, time.Until(end))
		if pause <= 0 {
			return
		}
		select {
		case <-l.full:
		case <-time.After(pause):
		}
		came := l.crowded()
		if came == had {
			return
		}
		had = came
	}
}

// crowded is how many appends wait, 0 when few shared the commit before.
func (l *Log) crowded() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last < crowd {
		return 0
	}
	return l.count
}

const keepBuffer = 4 << 20

// commit writes what waits. It is only run by the Syncer, one at a time.
func (l *Log) commit() error {
	l.mu.Lock()
	if l.err != nil {
		defer l.mu.Unlock()
		return fmt.Errorf("%w: %w", ErrBroken, l.err)
	}
	if len(l.buf) == l.lead { // an earlier run took the caller's bytes along, perhaps Close's
		l.mu.Unlock()
		return nil
	}
	buf, from, end, filled := l.buf, l.base-int64(l.lead), l.end(), l.filled
	appends, size, began := l.count, len(l.buf)-l.lead, time.Now()
	l.last, l.count = l.count, 0
	select {
	case <-l.full: // they are on their way
	default:
	}
	l.buf, l.spare, l.base = l.spare[:0], nil, end
	if l.ahead > 0 {
		l.lead = int(end % disk.Block)
		l.buf = append(grow(l.buf, firstBuffer), buf[len(buf)-l.lead:]...)
	}
	l.mu.Unlock()

	buf, filled, err := l.write(buf, from, end, filled)
	if err == nil && l.watch != nil {
		l.watch(appends, size, time.Since(began))
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.err = err
		return err
	}
	l.filled, l.stable = filled, end
	if cap(buf) <= keepBuffer {
		l.spare = buf[:0]
	}
	return nil
}

// write makes buf durable, which ends at end, and returns the file's size. With
// Ahead it writes whole blocks, and zeros beyond when the file would end.
func (l *Log) write(buf []byte, from, end, filled int64) ([]byte, int64, error) {
	if l.ahead == 0 {
		if _, err := l.f.WriteAt(buf, from); err != nil {
			return buf, filled, err
		}
		return buf, max(filled, end), l.f.Sync()
	}
	size := (end + disk.Block - 1) / disk.Block * disk.Block
	if size > filled {
		size = (end + l.ahead + disk.Block - 1) / disk.Block * disk.Block
		filled = size
	}
	used, whole := len(buf), int(size-from)
	buf = grow(buf, whole-used)[:whole]
	clear(buf[used:])
	return buf, filled, l.f.WriteSync(buf, from)
}

// End is where the next append would go.
func (l *Log) End() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end()
}

// Durable is the end of what is durable.
func (l *Log) Durable() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stable
}

// Err is what broke the log; nil while it works.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Close lets those who wait finish, cuts off the zeros, or after an error what is
// not durable, and closes the file.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	// Bytes may be in the buffer whose append has not asked for its commit yet. An
	// error is told to the appends that it hits.
	_ = l.syncer.Sync(context.Background())
	l.syncer.Wait()
	l.mu.Lock()
	end, cut := l.stable, l.err != nil || l.filled > l.stable
	l.mu.Unlock()
	var err error
	if cut {
		err = errors.Join(l.f.Truncate(end), l.f.Sync())
	}
	return errors.Join(err, l.f.Close())
}
