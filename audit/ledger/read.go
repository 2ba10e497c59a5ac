package ledger

import (
	"context"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"samdok/audit"
	"samdok/internal/disk"
)

// Record is an event and where it is recorded.
type Record struct {
	Receipt audit.Receipt
	Event   audit.Event
}

// Unreadable stands in the place of records that were altered, damaged or
// removed. Offset 0 stands for the whole segment.
type Unreadable struct {
	Segment uint64
	Offset  int64
	cause   error
}

func (u *Unreadable) Error() string {
	name := fileName(u.Segment, segmentSuffix)
	if u.Offset > 0 {
		name += fmt.Sprintf(" at octet %d", u.Offset)
	}
	if u.cause != nil {
		return fmt.Sprintf("records in %s cannot be read: %v", name, u.cause)
	}
	return "records in " + name + " are missing, altered or damaged"
}

func (u *Unreadable) Unwrap() error { return u.cause }

// Read yields all records in dir in their order. An Unreadable is yielded as an
// error in the place of what it hides, and reading goes on; keyring.ErrDestroyed
// is in its chain when the data key is gone. Dropped segments are left out. It
// needs only Ring and FS of the options and may run beside a Ledger: records that
// are not yet durable may or may not be seen. Whether anything was altered is for
// Verify to say.
func Read(ctx context.Context, dir string, o Options) iter.Seq2[Record, error] {
	o.defaults()
	return func(yield func(Record, error) bool) {
		numbers, err := segments(o.FS, dir, segmentSuffix)
		if err != nil {
			yield(Record{}, fmt.Errorf("ledger: %w", err))
			return
		}
		for i, n := range numbers {
			if ctx.Err() != nil {
				yield(Record{}, context.Cause(ctx))
				return
			}
			s, err := openSegment(dir, n, &o)
			if err != nil {
				if i == len(numbers)-1 && errors.Is(err, errHeader) && len(s.b) <= headSize {
					return // being made just now, or a crash stopped that
				}
				if !yield(Record{}, err) {
					return
				}
				continue
			}
			if !s.each(ctx, i == len(numbers)-1, yield) {
				return
			}
		}
	}
}

// segmentReader reads the records of one segment.
type segmentReader struct {
	header
	b      []byte
	number uint64
	aead   cipher.AEAD
	o      *Options
	buf    []byte
}

// openSegment reads a segment and its key. Errors are Unreadable.
func openSegment(dir string, n uint64, o *Options) (*segmentReader, error) {
	s := &segmentReader{number: n, o: o}
	var err error
	if s.b, err = loadFile(o.FS, dir, fileName(n, segmentSuffix)); err == nil {
		err = s.unlock()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return s, &Unreadable{Segment: n}
	} else if err != nil {
		return s, &Unreadable{Segment: n, cause: err}
	}
	return s, nil
}

func (s *segmentReader) unlock() (err error) {
	if s.header, err = parseHeader(s.b); err != nil {
		return err
	}
	if s.header.number != s.number {
		return errHeader
	}
	if s.keyID == 0 {
		// Whoever has keys takes no record without a seal: it could be anybody's.
		if s.o.Ring != unsealed {
			return errors.New("it is not sealed although encryption is on")
		}
		return nil
	}
	key, err := s.o.Ring.Key(s.keyID)
	if err == nil {
		s.aead, err = newAEAD(s.keyID, key)
	}
	return err
}

// open unseals the record of a frame. The event's texts share no memory with the
// segment.
func (s *segmentReader) open(f frame) (audit.Event, error) {
	record := f.stored()
	if s.aead != nil {
		nonce, bound := nonce(f.off), bound(s.number, f.leaf)
		var err error
		if s.buf, err = s.aead.Open(s.buf[:0], nonce[:], record, bound[:]); err != nil {
			return audit.Event{}, &Unreadable{Segment: s.number, Offset: f.off}
		}
		record = s.buf
	}
	e, err := parseEvent(record)
	if err != nil {
		err = &Unreadable{s.number, f.off, err}
	}
	return e, err
}

// each yields the segment's records. What follows the last record of the last
// segment may be under way.
func (s *segmentReader) each(ctx context.Context, last bool, yield func(Record, error) bool) bool {
	scan, index := newScanner(s.b), s.first
	for end := int64(headSize); ; end = scan.off {
		f, ok := scan.next()
		if !ok {
			return last || end >= int64(len(s.b)) || yield(Record{}, &Unreadable{Segment: s.number, Offset: end})
		}
		if ctx.Err() != nil {
			yield(Record{}, context.Cause(ctx))
			return false
		}
		if f.off != end && !yield(Record{}, &Unreadable{Segment: s.number, Offset: end}) {
			return false
		}
		index++
		e, err := s.open(f)
		if !yield(Record{audit.Receipt{Segment: s.number, Offset: f.off, Index: index}, e}, err) {
			return false
		}
	}
}

// recordAt is the place of one record.
type recordAt struct {
	segment uint64
	offset  int64
	ordinal int64 // the record's number in its segment, from 1
}

// at reads one record from the segment's file.
func (s *segmentReader) at(f disk.File, at recordAt) (Record, error) {
	frame, err := readFrame(f, at.offset)
	if err != nil {
		return Record{}, &Unreadable{s.number, at.offset, err}
	}
	e, err := s.open(frame)
	return Record{audit.Receipt{Segment: s.number, Offset: at.offset, Index: s.first + at.ordinal}, e}, err
}

// readFrame reads the frame that an index says is at off.
func readFrame(f disk.File, off int64) (frame, error) {
	var head [frameHead]byte
	if _, err := f.ReadAt(head[:], off); err != nil {
		return frame{}, err
	}
	n := binary.LittleEndian.Uint32(head[4:])
	if n == 0 || n > maxRecord+tagSize {
		return frame{}, errRecord
	}
	b := make([]byte, frameHead+int(n))
	if _, err := f.ReadAt(b, off); err != nil {
		return frame{}, err
	}
	leaf, back, ok := soundFrame(b)
	if !ok {
		return frame{}, errRecord
	}
	return frame{off, leaf, back}, nil
}

// openHead opens a segment's file and reads its header and key, for at.
func openHead(dir string, n uint64, o *Options) (*segmentReader, disk.File, error) {
	f, err := o.FS.Open(filepath.Join(dir, fileName(n, segmentSuffix)), os.O_RDONLY, 0)
	if err != nil {
		return nil, nil, &Unreadable{Segment: n, cause: err}
	}
	s := &segmentReader{number: n, o: o, b: make([]byte, headSize)}
	if _, err = f.ReadAt(s.b, 0); err == nil {
		err = s.unlock()
	}
	if err != nil {
		return nil, nil, errors.Join(&Unreadable{Segment: n, cause: err}, f.Close())
	}
	return s, f, nil
}
