package segment

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"samdok/audit"
)

// Record is an event and where it is recorded.
type Record struct {
	Receipt audit.Receipt
	Event   audit.Event
}

// Alteration is a place where records are missing, altered or damaged. Offset 0
// stands for the whole segment.
type Alteration struct {
	Segment uint64
	Offset  int64
}

func (a Alteration) Error() string {
	if a.Offset == 0 {
		return fmt.Sprintf("audit segment %s is missing, altered or damaged", fileName(a.Segment))
	}
	return fmt.Sprintf("audit segment %s: a record at offset %d is missing, altered or damaged", fileName(a.Segment), a.Offset)
}

// Read yields all records in dir in their order. An Alteration is yielded as an
// error in the place of what it hides, and reading goes on. keyring.ErrDestroyed
// stands for a segment whose key is gone. It needs only Ring and FS of the
// options and may run beside a Recorder: records that are not yet durable may or
// may not be seen.
func Read(ctx context.Context, dir string, o Options) iter.Seq2[Record, error] {
	o.defaults()
	return func(yield func(Record, error) bool) {
		numbers, err := segments(o.FS, dir)
		if err != nil {
			yield(Record{}, fmt.Errorf("audit records: %w", err))
			return
		}
		for i, n := range numbers {
			for missing := n; i > 0 && missing > numbers[i-1]+1; missing-- {
				if !yield(Record{}, Alteration{Segment: missing - 1}) {
					return
				}
			}
			if !readSegment(ctx, dir, n, o, i == len(numbers)-1, yield) {
				return
			}
		}
	}
}

func readSegment(ctx context.Context, dir string, n uint64, o Options, last bool, yield func(Record, error) bool) bool {
	b, err := loadSegment(dir, n, o)
	if errors.Is(err, fs.ErrNotExist) {
		return yield(Record{}, Alteration{Segment: n})
	} else if err != nil {
		return yield(Record{}, fmt.Errorf("audit segment %s: %w", fileName(n), err))
	}
	h, err := parseHeader(b)
	if errors.Is(err, errHeader) || err == nil && h.number != n {
		if last && len(b) <= headSize {
			return true // being made just now, or a crash stopped that
		}
		return yield(Record{}, Alteration{Segment: n})
	} else if err != nil {
		return yield(Record{}, fmt.Errorf("audit segment %s: %w", fileName(n), err))
	}
	open, err := opener(h, o)
	if err != nil {
		return yield(Record{}, fmt.Errorf("audit segment %s: %w", fileName(n), err))
	}
	return readFrames(ctx, b, n, last, open, yield)
}

func loadSegment(dir string, n uint64, o Options) ([]byte, error) {
	f, err := o.FS.Open(filepath.Join(dir, fileName(n)), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	b, err := load(f)
	return b, errors.Join(err, f.Close())
}

// opener makes the function that unseals a frame of a segment.
func opener(h header, o Options) (func(b []byte, f frame) (audit.Event, error), error) {
	if h.keyID == 0 {
		// Whoever has keys takes no record without a seal: it could be anybody's.
		if o.Ring != nil {
			return nil, errors.New("segment is not sealed although encryption is on; read it with encryption off")
		}
		return func(_ []byte, f frame) (audit.Event, error) { return parseEvent(f.stored) }, nil
	}
	key, err := o.Ring.Key(h.keyID)
	if err != nil {
		return nil, err
	}
	aead, err := newAEAD(h.keyID, key)
	if err != nil {
		return nil, err
	}
	return func(b []byte, f frame) (audit.Event, error) {
		nonce, bound := nonce(f.off), bound(h.number, b[f.off:])
		record, err := aead.Open(nil, nonce[:], f.stored, bound[:])
		if err != nil {
			return audit.Event{}, errRecord
		}
		return parseEvent(record)
	}, nil
}

func readFrames(ctx context.Context, b []byte, n uint64, last bool, open func([]byte, frame) (audit.Event, error), yield func(Record, error) bool) bool {
	s := newScanner(b)
	for end := int64(headSize); ; end = s.off {
		f, gap, ok := s.next()
		if ctx.Err() != nil {
			yield(Record{}, context.Cause(ctx))
			return false
		}
		if !ok {
			// What follows the last record of the last segment may be under way.
			return last || gap < 0 || yield(Record{}, Alteration{Segment: n, Offset: gap})
		}
		if f.off != end && !yield(Record{}, Alteration{Segment: n, Offset: end}) {
			return false
		}
		e, err := open(b, f)
		if err != nil {
			err = Alteration{Segment: n, Offset: f.off}
		}
		if !yield(Record{audit.Receipt{Segment: n, Offset: f.off}, e}, err) {
			return false
		}
	}
}
