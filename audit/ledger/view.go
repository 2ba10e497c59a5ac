package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"samdok/storage/keyring"
)

// View is the ledger in dir without a right to record: that of a node which has
// ended or which is another process. What changes the folder (Drop, RebuildIndex)
// is for the ledgers of nodes that have ended.
func View(dir string, o Options) (*Ledger, error) {
	o.defaults()
	l := &Ledger{Options: o, dir: dir, closed: true, turn: make(chan struct{}, 1), kick: make(chan struct{}, 1), full: make(chan struct{}, 1)}
	keys, _, err := readNotes(o.FS, dir, keysName)
	if err != nil {
		return nil, err
	}
	l.signing = &signing{given: true}
	if l.signing.chain, err = parseChain(keys); err != nil {
		return nil, fmt.Errorf("%s: %w", keysName, err)
	}
	for _, suffix := range []string{segmentSuffix, droppedSuffix} {
		numbers, err := segments(o.FS, dir, suffix)
		if err != nil {
			return nil, err
		}
		if n := len(numbers); n > 0 {
			l.next = max(l.next, numbers[n-1]+1)
		}
	}
	b, err := loadFile(o.FS, dir, indexKeyName)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil // it ended before the first record
	}
	if err == nil && len(b) == 8 {
		if id := binary.LittleEndian.Uint64(b); id != 0 {
			if l.index.key, err = o.Ring.Key(id); err == nil {
				l.index.keyID = id
			} else if errors.Is(err, keyring.ErrDestroyed) {
				err = nil // new indexes are made with another one
			}
		}
	}
	return l, err
}

// covered is how many leaves of the ledger can be proven: those of a checkpoint made
// now, or of one that has ended, those that its tree has.
func (l *Ledger) covered() (int64, error) {
	if l.tree != nil {
		c, err := l.Checkpoint()
		return c.Size, err
	}
	f, err := l.FS.Open(filepath.Join(l.dir, treeName), os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	size, err := f.Size()
	return storedSize(size), errors.Join(err, f.Close())
}

// provable is the newest checkpoint and the tree under it, until done.
func (l *Ledger) provable() (c Checkpoint, tree tlog.HashReader, done func() error, err error) {
	if l.tree != nil {
		c, err = l.Checkpoint()
		return c, l.tree, func() error { return nil }, err
	}
	all, _, err := readNotes(l.FS, l.dir, checkpointsName)
	if err == nil && len(all) == 0 {
		err = errors.New("the ledger has no checkpoint")
	}
	if err == nil {
		c, err = openCheckpoint(all[len(all)-1], l.signing.chain, l.Node)
	}
	if err != nil {
		return c, nil, nil, err
	}
	f, err := l.FS.Open(filepath.Join(l.dir, treeName), os.O_RDONLY, 0)
	if err != nil {
		return c, nil, nil, err
	}
	return c, fileHashes{f}, f.Close, nil
}

// signNote signs with the newest key, which for a ledger that has ended may be one
// that followed its own.
func (l *Ledger) signNote(text string) ([]byte, error) {
	l.sign.Lock()
	defer l.sign.Unlock()
	if l.signing.signer == nil {
		signer, _, err := parseSigner(l.SigningKey)
		if err != nil {
			return nil, err
		}
		l.signing.signer = signer
	}
	return note.Sign(&note.Note{Text: text}, l.signing.signer)
}

// until is when the last record of a segment was made.
func (l *Ledger) until(ctx context.Context, n uint64) (last time.Time, err error) {
	s, err := openSegment(l.dir, n, &l.Options)
	if err != nil {
		return last, err
	}
	last = s.made
	for r, err := range s.records(ctx) {
		if err == nil && r.Event.Time.After(last) {
			last = r.Event.Time
		}
	}
	return last.Add(1), context.Cause(ctx)
}
