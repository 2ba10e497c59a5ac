package ledger

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"sync"
	"time"

	"samdok/audit"
	"samdok/internal/disk"
	"samdok/metadata"
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

// What an entry is about. Numbers go into the hash.
const (
	termPatient byte = iota + 1
	termPerson
	termOrganisation
	termDecision
)

// indexer makes keyed hashes. The key is made by the keyring when the first index
// is made; each index says which key it was made with.
type indexer struct {
	mu    sync.Mutex // one maker of indexes at a time
	keyID uint64
	key   keyring.Key
}

type term [8]byte

type hasher struct {
	mac hash.Hash
	sum [sha256.Size]byte
}

func newHasher(key keyring.Key) *hasher { return &hasher{mac: hmac.New(sha256.New, key[:])} }

func (h *hasher) term(kind byte, parts ...string) (t term) {
	h.mac.Reset()
	h.mac.Write([]byte{kind})
	for _, p := range parts {
		var n [4]byte
		binary.LittleEndian.PutUint32(n[:], uint32(len(p)))
		h.mac.Write(n[:])
		h.mac.Write([]byte(p))
	}
	copy(t[:], h.mac.Sum(h.sum[:0]))
	return t
}

// patientsOf are the patients that an event is about, each once.
func patientsOf(e *audit.Event) []metadata.PatientID {
	all := slices.Clone(e.Request.Patients)
	for i := range e.Items {
		if p := e.Items[i].Patient; p != (metadata.PatientID{}) && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

// organisationsOf are the caller's organisation and the controllers of the items.
func organisationsOf(e *audit.Event) []string {
	var all []string
	add := func(s string) {
		if s != "" && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	add(e.Request.Caller.Organisation)
	for i := range e.Items {
		add(e.Items[i].Controller)
	}
	return all
}

func (h *hasher) terms(e *audit.Event) []term {
	var all []term
	for _, p := range patientsOf(e) {
		all = append(all, h.term(termPatient, p.ID, p.Authority))
	}
	if s := e.Request.Caller.Subject; s != "" {
		all = append(all, h.term(termPerson, s))
	}
	for _, o := range organisationsOf(e) {
		all = append(all, h.term(termOrganisation, o))
	}
	if d := e.Request.Caller.DecisionRef; d != "" {
		all = append(all, h.term(termDecision, d))
	}
	return all
}

type entry struct {
	term term
	off  uint32
	ord  uint32
}

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
		if err := l.makeIndex(ctx, n); err != nil {
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
	var all []entry
	var first, last time.Time
	for r, err := range s.records(ctx) {
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			continue // Verify tells; what can be read can be found
		}
		if first.IsZero() || r.Event.Time.Before(first) {
			first = r.Event.Time
		}
		if r.Event.Time.After(last) {
			last = r.Event.Time
		}
		for _, t := range h.terms(&r.Event) {
			all = append(all, entry{t, uint32(r.Receipt.Offset), uint32(r.Receipt.Index - s.first)})
		}
	}
	sort.Slice(all, func(i, j int) bool {
		if c := bytes.Compare(all[i].term[:], all[j].term[:]); c != 0 {
			return c < 0
		}
		return all[i].off < all[j].off
	})
	return writeWhole(l.FS, l.dir, fileName(n, indexSuffix), l.indexFile(n, first, last, all))
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
