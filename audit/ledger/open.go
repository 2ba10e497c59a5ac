package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"samdok/internal/disk"
)

// Open opens the ledger in dir and makes it when there is none. It cuts a torn
// record off the end of the last segment and makes the hashes that a crash lost.
// Records begin a new segment. A folder whose records contradict its checkpoints
// is refused: what would be signed on top of it could not be told from the
// truth.
func Open(ctx context.Context, dir string, o Options) (_ *Ledger, err error) {
	o.defaults()
	l := &Ledger{Options: o, dir: dir, next: 1, turn: make(chan struct{}, 1), kick: make(chan struct{}, 1), full: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			err = fmt.Errorf("the ledger in %s cannot be opened: %w", dir, errors.Join(err, l.closeFiles()))
		}
	}()
	if err := o.FS.MkdirAll(dir); err != nil {
		return nil, err
	}
	if l.signing, err = openSigning(ctx, dir, &l.Options); err != nil {
		return nil, err
	}
	if err := l.openCheckpoints(); err != nil {
		return nil, err
	}
	if l.tree, err = openTree(o.FS, dir); err != nil {
		return nil, err
	}
	if err := o.FS.SyncDir(dir); err != nil {
		return nil, err
	}
	if err := l.endDrops(ctx); err != nil {
		return nil, err
	}
	if err := l.recover(); err != nil {
		return nil, err
	}
	// What a crash left without a checkpoint is signed before records follow it, so that
	// whatever lies before the last two segments is signed, always.
	l.signNow()
	if err := l.openIndex(); err != nil {
		return nil, err
	}
	ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	l.workers.Go(func() { l.work(ctx) })
	l.workers.Go(func() { l.workOnIndexes(ctx) })
	l.wake()
	return l, nil
}

// openCheckpoints finds the last checkpoint. The very last note may be one that a
// power failure left unsound.
func (l *Ledger) openCheckpoints() error {
	var all [][]byte
	var err error
	if l.checkpoints, all, err = openNotes(l.FS, l.dir, checkpointsName); err != nil || len(all) == 0 {
		return err
	}
	n := len(all) - 1
	last, err := openCheckpoint(all[n], l.signing.chain, l.Node)
	if err != nil {
		l.Log.Warn("the last checkpoint of the ledger is unsound, as after a power failure; it is taken off", "why", err.Error())
		if err := l.checkpoints.cut(all[n]); err != nil || n == 0 {
			return err
		}
		if last, err = openCheckpoint(all[n-1], l.signing.chain, l.Node); err != nil {
			return fmt.Errorf("the last checkpoints: %w; samdok verify ledger says what was altered", err)
		}
	}
	l.last = last
	return nil
}

// Found is what Open found amiss in the last segment; Verify finds everything.
func (l *Ledger) Found() []string { return l.found }

func (l *Ledger) report(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	l.Log.Error("the ledger was altered or damaged; run samdok verify ledger and compare with a backup", "what", text)
	l.found = append(l.found, text)
}

// recover repairs the last segment and brings the tree to its end.
func (l *Ledger) recover() error {
	numbers, err := segments(l.FS, l.dir, segmentSuffix)
	if err != nil {
		return err
	}
	dropped, err := segments(l.FS, l.dir, droppedSuffix)
	if err != nil {
		return err
	}
	if n := len(dropped); n > 0 {
		l.next = dropped[n-1] + 1
	}
	if n := len(numbers); n > 0 {
		last := numbers[n-1]
		l.next = max(l.next, last+1)
		if err := l.repair(last); err != nil {
			if !errors.Is(err, errNeverMade) {
				return err
			}
			// The power failed while it was being made; it never had a record.
			if err := errors.Join(l.FS.Remove(filepath.Join(l.dir, fileName(last, segmentSuffix))), l.FS.SyncDir(l.dir)); err != nil {
				return err
			}
			l.next, numbers = last, numbers[:n-1]
		}
	}
	if err := l.missesCheckpoints(numbers); err != nil {
		return err
	}
	return l.recoverTree(numbers)
}

// missesCheckpoints reports segments that must have been signed and were not: whoever
// takes checkpoints away can make the records that they signed anew.
func (l *Ledger) missesCheckpoints(numbers []uint64) error {
	if len(numbers) == 0 {
		return nil
	}
	if l.last.Note == nil {
		l.report("there are records, but no checkpoint: the file %s was emptied or removed", checkpointsName)
		return nil
	}
	before := numbers[max(0, len(numbers)-2)]
	h, _, err := readHeader(l.FS, l.dir, before)
	if errors.Is(err, errHeader) {
		return nil // verification says so
	} else if err != nil {
		return err
	}
	if h.first > l.last.Size {
		l.report("the newest checkpoint signs %d records, but %s begins after them: checkpoints were removed", l.last.Size, fileName(before, segmentSuffix))
	}
	return nil
}

var errNeverMade = errors.New("segment without a header")

// repair cuts what a crash left at the end of the last segment.
func (l *Ledger) repair(n uint64) error {
	f, err := l.FS.Open(filepath.Join(l.dir, fileName(n, segmentSuffix)), os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	err = l.repairFile(n, f)
	return errors.Join(err, f.Close())
}

func (l *Ledger) repairFile(n uint64, f disk.File) error {
	b, err := load(f)
	if err != nil {
		return err
	}
	name := fileName(n, segmentSuffix)
	switch _, err := parseHeader(b); {
	case errors.Is(err, errHeader) && len(b) <= headSize:
		return errNeverMade
	case errors.Is(err, errHeader):
		l.report("the header of %s", name)
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	}
	e := findEnd(b)
	for _, off := range e.altered {
		l.report("a record of %s at octet %d", name, off)
	}
	if e.end == int64(len(b)) {
		return nil
	}
	if e.cut {
		l.Log.Warn("records whose recording never ended were cut from the last segment of the ledger", "segment", name, "octets", int64(len(b))-e.end)
	}
	return errors.Join(f.Truncate(e.end), f.Sync())
}

// recoverTree takes what the last checkpoint signed from the tree's file, and the
// rest from the segments.
func (l *Ledger) recoverTree(numbers []uint64) error {
	if err := l.signedTree(); err != nil {
		l.Log.Warn("the ledger's tree is made anew from all its segments", "why", err.Error())
		if err := l.tree.startAt(0); err != nil {
			return err
		}
	}
	for _, n := range l.behind(numbers) {
		if err := l.addSegment(n); err != nil {
			return err
		}
	}
	if l.last.Size == 0 {
		return nil
	}
	front, err := l.tree.flush()
	if err != nil {
		return err
	}
	if front.size < l.last.Size {
		return fmt.Errorf("it ends at record %d although a checkpoint of %d is signed, and the file %s is damaged: records were removed; restore the folder from a backup, or keep it as evidence and start with an empty one", front.size, l.last.Size, treeName)
	}
	root, err := tlog.TreeHash(l.last.Size, l.tree)
	if err == nil && root != l.last.Root {
		err = fmt.Errorf("its records contradict its last checkpoint: they were altered; samdok verify ledger says which; restore the folder from a backup, or keep it as evidence and start with an empty one")
	}
	return err
}

// signedTree starts the tree at the last checkpoint when its file holds that.
func (l *Ledger) signedTree() error {
	if l.last.Size == 0 {
		return l.tree.startAt(0)
	}
	root, err := tlog.TreeHash(l.last.Size, l.tree)
	if err != nil {
		return err
	}
	if root != l.last.Root {
		return fmt.Errorf("the file %s contradicts the last checkpoint", treeName)
	}
	return l.tree.startAt(l.last.Size)
}

// behind are the segments that may have leaves which the tree lacks: those from
// the last one on that begins at or before the tree's end.
func (l *Ledger) behind(numbers []uint64) []uint64 {
	size := l.tree.size()
	for i := len(numbers) - 1; i >= 0; i-- {
		h, _, err := readHeader(l.FS, l.dir, numbers[i])
		if err == nil && h.first <= size {
			return numbers[i:]
		}
	}
	return numbers
}

// addSegment adds the leaves of a segment that the tree lacks.
func (l *Ledger) addSegment(n uint64) error {
	b, err := loadFile(l.FS, l.dir, fileName(n, segmentSuffix))
	if err != nil {
		return err
	}
	h, err := parseHeader(b)
	if err != nil {
		return fmt.Errorf("%s: %w", fileName(n, segmentSuffix), err)
	}
	if h.first > l.tree.size() {
		return fmt.Errorf("%s begins at record %d, but the ones before it end at %d: records are missing; restore the folder from a backup", fileName(n, segmentSuffix), h.first, l.tree.size())
	}
	leaves := []tlog.Hash{tlog.RecordHash(b[:headSize])}
	for s := newScanner(b); ; {
		f, ok := s.next()
		if !ok {
			break
		}
		leaves = append(leaves, tlog.RecordHash(f.leaf))
	}
	end := h.first + int64(len(leaves))
	if end < l.tree.size() && l.isLast(n) {
		l.report("%s ends at record %d, but %d are signed", fileName(n, segmentSuffix), end, l.tree.size())
	}
	if skip := l.tree.size() - h.first; skip < int64(len(leaves)) {
		l.tree.add(leaves[skip:])
	}
	_, err = l.tree.flush()
	return err
}

func (l *Ledger) isLast(n uint64) bool { return n+1 == l.next }

// readHeader reads a segment's header and size.
func readHeader(fsys disk.FS, dir string, n uint64) (header, int64, error) {
	f, err := fsys.Open(filepath.Join(dir, fileName(n, segmentSuffix)), os.O_RDONLY, 0)
	if err != nil {
		return header{}, 0, err
	}
	size, err := f.Size()
	var b [headSize]byte
	if err == nil {
		_, err = f.ReadAt(b[:], 0)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return header{}, size, err
	}
	h, err := parseHeader(b[:])
	return h, size, err
}

// segments are the numbers of the files of one kind in a folder, in order.
func segments(fsys disk.FS, dir, suffix string) ([]uint64, error) {
	names, err := fsys.Names(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var all []uint64
	for _, name := range names {
		if n, ok := parseFileName(name, suffix); ok {
			all = append(all, n)
		}
	}
	return all, nil
}
