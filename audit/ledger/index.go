package ledger

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"samdok/internal/disk"
	"samdok/storage/keyring"
)

// An index is a file that says where the records of one or many full segments are:
// header, table of the segments, entries, sorted. An entry is the beginning of a
// keyed hash (HMAC-SHA256) of what was named, so that no identity number can be read
// from it or guessed without the key, and the record's place. Different names with
// one beginning are told apart by reading the records.
//
// Header: magic 8, version 2, zeros 6, number of segments 8, number of entries 8,
// number of the key 8, zeros 16, CRC-32C of table and entries 4, CRC-32C 4. Table,
// for each segment: number 8, time of its first and of its last record 8 each.
// Entry: hash 8, big-endian; place in the table 4, offset 4, ordinal 4.
//
// Version 1 was for one segment; it is made anew.
const (
	indexMagic   = "samdokLX"
	indexVersion = 2
	indexHead    = 64
	indexTable   = 24
	indexEntry   = 20
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

// indexed is a segment in the table of an index.
type indexed struct {
	number      uint64
	first, last time.Time // of its records
}

// indexName is the name of the index of a range of segments.
func indexName(first, last uint64) string {
	if first == last {
		return fileName(first, indexSuffix)
	}
	return fmt.Sprintf("%016x-%016x%s", first, last, indexSuffix)
}

// index is an open index. It stays readable when its file is deleted.
type index struct {
	f       disk.File
	name    string
	keyID   uint64
	table   []indexed
	entries int64
	sum     uint32
}

var errIndex = errors.New("index missing or damaged")

// loadIndex opens an index; errIndex when it cannot be used.
func loadIndex(fsys disk.FS, dir, name string) (*index, error) {
	f, err := fsys.Open(filepath.Join(dir, name), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	x := &index{f: f, name: name}
	if err := x.readHead(); err != nil {
		return nil, errors.Join(errIndex, f.Close())
	}
	return x, nil
}

func (x *index) readHead() error {
	var b [indexHead]byte
	if _, err := x.f.ReadAt(b[:], 0); err != nil {
		return err
	}
	size, err := x.f.Size()
	if err != nil {
		return err
	}
	n := binary.LittleEndian.Uint64(b[16:])
	x.entries, x.keyID = int64(binary.LittleEndian.Uint64(b[24:])), binary.LittleEndian.Uint64(b[32:])
	x.sum = binary.LittleEndian.Uint32(b[56:])
	if string(b[:8]) != indexMagic || binary.LittleEndian.Uint16(b[8:]) != indexVersion || crc32.Checksum(b[:60], castagnoli()) != binary.LittleEndian.Uint32(b[60:]) ||
		n == 0 || size != indexHead+int64(n)*indexTable+x.entries*indexEntry {
		return errIndex
	}
	table := make([]byte, n*indexTable)
	if _, err := x.f.ReadAt(table, indexHead); err != nil {
		return err
	}
	for ; len(table) > 0; table = table[indexTable:] {
		at := func(i int) time.Time { return time.Unix(0, int64(binary.LittleEndian.Uint64(table[i:]))) }
		x.table = append(x.table, indexed{binary.LittleEndian.Uint64(table), at(8), at(16)})
	}
	if x.name != indexName(x.first(), x.last()) {
		return errIndex
	}
	return nil
}

func (x *index) first() uint64 { return x.table[0].number }
func (x *index) last() uint64  { return x.table[len(x.table)-1].number }
func (x *index) close() error  { return x.f.Close() }

// read reads the entries from from on into b.
func (x *index) read(b []entry, from int64) error {
	raw := make([]byte, len(b)*indexEntry)
	if _, err := x.f.ReadAt(raw, indexHead+int64(len(x.table))*indexTable+from*indexEntry); err != nil {
		return err
	}
	for i := range b {
		b[i] = parseEntry(raw[i*indexEntry:])
	}
	return nil
}

func parseEntry(b []byte) (e entry) {
	copy(e.term[:], b)
	e.segment, e.off, e.ord = binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint32(b[16:])
	return e
}

// all yields every entry in order; errIndex when they are not those that were
// written.
func (x *index) all() iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		sum := crc32.New(castagnoli())
		body := io.NewSectionReader(x.f, indexHead, int64(len(x.table))*indexTable+x.entries*indexEntry)
		r := bufio.NewReaderSize(io.TeeReader(body, sum), 64<<10)
		if _, err := r.Discard(len(x.table) * indexTable); err != nil {
			yield(entry{}, err)
			return
		}
		var b [indexEntry]byte
		for range x.entries {
			if _, err := io.ReadFull(r, b[:]); err != nil {
				yield(entry{}, err)
				return
			}
			if !yield(parseEntry(b[:]), nil) {
				return
			}
		}
		if sum.Sum32() != x.sum {
			yield(entry{}, errIndex)
		}
	}
}

// writeIndex makes the index of segments durable; entries come sorted.
func (l *Ledger) writeIndex(keyID uint64, table []indexed, entries iter.Seq2[entry, error]) (err error) {
	name := indexName(table[0].number, table[len(table)-1].number)
	temp := filepath.Join(l.dir, name+".new")
	f, err := l.FS.Open(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = fillIndex(f, keyID, table, entries)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, l.FS.Remove(temp))
	}
	return errors.Join(l.FS.Rename(temp, filepath.Join(l.dir, name)), l.FS.SyncDir(l.dir))
}

func fillIndex(f disk.File, keyID uint64, table []indexed, entries iter.Seq2[entry, error]) error {
	sum := crc32.New(castagnoli())
	w := bufio.NewWriterSize(io.MultiWriter(io.NewOffsetWriter(f, indexHead), sum), 64<<10)
	var b []byte
	for _, s := range table {
		b = binary.LittleEndian.AppendUint64(b[:0], s.number)
		b = binary.LittleEndian.AppendUint64(b, uint64(s.first.UnixNano()))
		b = binary.LittleEndian.AppendUint64(b, uint64(s.last.UnixNano()))
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	n := uint64(0)
	for e, err := range entries {
		if err != nil {
			return err
		}
		b = append(b[:0], e.term[:]...)
		b = binary.LittleEndian.AppendUint32(b, e.segment)
		b = binary.LittleEndian.AppendUint32(b, e.off)
		b = binary.LittleEndian.AppendUint32(b, e.ord)
		if _, err := w.Write(b); err != nil {
			return err
		}
		n++
	}
	if err := w.Flush(); err != nil {
		return err
	}
	var head [indexHead]byte
	copy(head[:], indexMagic)
	binary.LittleEndian.PutUint16(head[8:], indexVersion)
	binary.LittleEndian.PutUint64(head[16:], uint64(len(table)))
	binary.LittleEndian.PutUint64(head[24:], n)
	binary.LittleEndian.PutUint64(head[32:], keyID)
	binary.LittleEndian.PutUint32(head[56:], sum.Sum32())
	binary.LittleEndian.PutUint32(head[60:], crc32.Checksum(head[:60], castagnoli()))
	_, err := f.WriteAt(head[:], 0)
	return err
}

// openIndexes opens the indexes that can be used, in the order of their segments.
// Of two that hold the same segments the larger one counts, as it was merged of the
// other. useless are the names of the others.
func (l *Ledger) openIndexes() (all []*index, useless []string, err error) {
	for range openTries {
		all, useless, err = l.tryIndexes()
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		// It was merged just now; the file that took its place is listed next time.
	}
	return all, useless, err
}

// openTries bounds how often files are listed anew: merges are seldom, a folder that
// was taken away stays away.
const openTries = 100

func (l *Ledger) tryIndexes() (all []*index, useless []string, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, closeIndexes(all))
			all = nil
		}
	}()
	names, err := l.FS.Names(l.dir)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		if !strings.HasSuffix(name, indexSuffix) {
			continue
		}
		x, err := loadIndex(l.FS, l.dir, name)
		if errors.Is(err, errIndex) {
			useless = append(useless, name)
			continue
		} else if err != nil {
			return all, nil, err
		}
		all = append(all, x)
	}
	all, covered, err := uncovered(all)
	return all, append(useless, covered...), err
}

func closeIndexes(all []*index) error {
	var errs []error
	for _, x := range all {
		errs = append(errs, x.close())
	}
	return errors.Join(errs...)
}
