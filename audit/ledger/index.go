package ledger

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"samdok/internal/disk"
	"samdok/storage/keyring"
)

// The index of a full segment is a file of its own: header and entries, sorted.
// An entry is the beginning of a keyed hash (HMAC-SHA256) of what was named, so
// that no identity number can be read from it or guessed without the key, and the
// record's place. Different names with one beginning are told apart by reading the
// records.
//
// Header: magic 8, version 2, zeros 6, number of the segment 8, time of the first
// and of the last record 8 each, number of the key 8, number of entries 8, CRC-32C
// of the entries 4, CRC-32C 4. Entry: hash 8, big-endian, offset 4, ordinal 4.
const (
	indexMagic   = "samdokLX"
	indexVersion = 1
	indexHead    = 64
	indexEntry   = 16
)

// indexKeyName holds the number of the keyring's key that new indexes are made
// with.
const indexKeyName = "index.key"

// openIndex finds the key of the index, or has one made.
func (l *Ledger) openIndex() error {
	b, err := loadFile(l.FS, l.dir, indexKeyName)
	if err == nil && len(b) == 8 {
		id := binary.LittleEndian.Uint64(b)
		if id == 0 {
			return nil
		}
		if l.index.key, err = l.Ring.Key(id); err == nil {
			l.index.keyID = id
			return nil
		}
		if !errors.Is(err, keyring.ErrDestroyed) {
			return err
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if l.index.keyID, l.index.key, err = l.Ring.New(context.Background()); err != nil {
		return err
	}
	return writeWhole(l.FS, l.dir, indexKeyName, binary.LittleEndian.AppendUint64(nil, l.index.keyID))
}

// makeIndexes makes the index of each full segment that has none.
func (l *Ledger) makeIndexes(ctx context.Context) error {
	l.index.mu.Lock()
	defer l.index.mu.Unlock()
	numbers, err := segments(l.FS, l.dir, segmentSuffix)
	if err != nil {
		return err
	}
	have, err := segments(l.FS, l.dir, indexSuffix)
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range numbers {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if slices.Contains(have, n) || l.isActive(n) {
			continue
		}
		if t := l.index.take(n); t != nil {
			err = l.writeIndex(n, t)
		} else {
			err = l.makeIndex(ctx, n)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (l *Ledger) isActive(n uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	// The next number may be in the making.
	return l.act != nil && l.act.number == n || n >= l.next
}

func (l *Ledger) makeIndex(ctx context.Context, n uint64) error {
	s, err := openSegment(l.dir, n, &l.Options)
	if err != nil {
		var u *Unreadable
		if errors.As(err, &u) && (errors.Is(err, keyring.ErrDestroyed) || errors.Is(err, errHeader) || u.cause == nil) {
			return nil // nothing to find there; Verify tells why
		}
		return err
	}
	h := newHasher(l.index.key)
	var t segmentTerms
	var terms []term
	for r, err := range s.records(ctx) {
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			continue // Verify tells; what can be read can be found
		}
		terms = h.terms(terms[:0], &r.Event)
		t.add(terms, r.Receipt.Offset, r.Receipt.Index-s.first, r.Event.Time)
	}
	return l.writeIndex(n, &t)
}

func (l *Ledger) writeIndex(n uint64, t *segmentTerms) error {
	t.sort()
	return writeWhole(l.FS, l.dir, fileName(n, indexSuffix), l.indexFile(n, t.first, t.last, t.entries))
}

func (l *Ledger) indexFile(n uint64, first, last time.Time, all []entry) []byte {
	b := make([]byte, indexHead, indexHead+len(all)*indexEntry)
	for _, e := range all {
		b = append(b, e.term[:]...)
		b = binary.LittleEndian.AppendUint32(b, e.off)
		b = binary.LittleEndian.AppendUint32(b, e.ord)
	}
	copy(b, indexMagic)
	binary.LittleEndian.PutUint16(b[8:], indexVersion)
	binary.LittleEndian.PutUint64(b[16:], n)
	binary.LittleEndian.PutUint64(b[24:], uint64(first.UnixNano()))
	binary.LittleEndian.PutUint64(b[32:], uint64(last.UnixNano()))
	binary.LittleEndian.PutUint64(b[40:], l.index.keyID)
	binary.LittleEndian.PutUint64(b[48:], uint64(len(all)))
	binary.LittleEndian.PutUint32(b[56:], crc32.Checksum(b[indexHead:], castagnoli()))
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli()))
	return b
}

// segmentIndex is an open index.
type segmentIndex struct {
	f           disk.File
	keyID       uint64
	entries     int64
	first, last time.Time
}

var errIndex = errors.New("index missing or damaged")

// openSegmentIndex opens the index of a segment; errIndex when there is none that
// can be used.
func openSegmentIndex(fsys disk.FS, dir string, n uint64) (*segmentIndex, error) {
	f, err := fsys.Open(filepath.Join(dir, fileName(n, indexSuffix)), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errIndex
	} else if err != nil {
		return nil, err
	}
	var b [indexHead]byte
	_, err = f.ReadAt(b[:], 0)
	size, serr := f.Size()
	x := &segmentIndex{f: f, keyID: binary.LittleEndian.Uint64(b[40:]), entries: int64(binary.LittleEndian.Uint64(b[48:]))}
	x.first = time.Unix(0, int64(binary.LittleEndian.Uint64(b[24:])))
	x.last = time.Unix(0, int64(binary.LittleEndian.Uint64(b[32:])))
	if err != nil || serr != nil || string(b[:8]) != indexMagic || binary.LittleEndian.Uint16(b[8:]) != indexVersion || binary.LittleEndian.Uint64(b[16:]) != n ||
		crc32.Checksum(b[:60], castagnoli()) != binary.LittleEndian.Uint32(b[60:]) || size != indexHead+x.entries*indexEntry {
		return nil, errors.Join(errIndex, f.Close())
	}
	return x, nil
}

// find returns the entries of a term.
func (x *segmentIndex) find(t term) ([]entry, error) {
	var failed error
	at := func(i int64) (e entry) {
		var b [indexEntry]byte
		if _, err := x.f.ReadAt(b[:], indexHead+i*indexEntry); err != nil {
			failed = errors.Join(failed, err)
		}
		copy(e.term[:], b[:8])
		e.off, e.ord = binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])
		return e
	}
	i := int64(sort.Search(int(x.entries), func(i int) bool { e := at(int64(i)); return bytes.Compare(e.term[:], t[:]) >= 0 }))
	var all []entry
	for ; i < x.entries && failed == nil; i++ {
		e := at(i)
		if e.term != t {
			break
		}
		all = append(all, e)
	}
	return all, failed
}

func (x *segmentIndex) close() error { return x.f.Close() }

// RebuildIndex drops the index and makes it again. progress is called with
// segments done and their total.
func (l *Ledger) RebuildIndex(ctx context.Context, progress func(done, total int64)) error {
	l.index.mu.Lock()
	defer l.index.mu.Unlock()
	have, err := segments(l.FS, l.dir, indexSuffix)
	if err != nil {
		return err
	}
	for _, n := range have {
		if err := l.FS.Remove(filepath.Join(l.dir, fileName(n, indexSuffix))); err != nil {
			return err
		}
	}
	numbers, err := segments(l.FS, l.dir, segmentSuffix)
	if err != nil {
		return err
	}
	for i, n := range numbers {
		if !l.isActive(n) {
			if err := l.makeIndex(ctx, n); err != nil {
				return fmt.Errorf("the ledger's index: %w", err)
			}
		}
		progress(int64(i+1), int64(len(numbers)))
	}
	return nil
}
