package ledger

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"samdok/storage/keyring"
)

// Segment is a full segment whose records are there.
type Segment struct {
	Number uint64    `json:"segment"`
	First  int64     `json:"first"` // leaf
	Octets int64     `json:"octets"`
	Until  time.Time `json:"until"` // all its records are from before
}

// Segments are the full segments in their order, for whoever decides what to Drop.
func (l *Ledger) Segments() (all []Segment, err error) {
	numbers, err := segments(l.FS, l.dir, segmentSuffix)
	if err != nil {
		return nil, err
	}
	dropped, err := segments(l.FS, l.dir, droppedSuffix)
	if err != nil {
		return nil, err
	}
	for _, n := range numbers {
		h, size, err := readHeader(l.FS, l.dir, n)
		if errors.Is(err, errHeader) {
			continue // Verify says what is wrong with it
		} else if err != nil {
			return nil, err
		}
		// A segment is begun when the one before is full.
		if k := len(all); k > 0 && all[k-1].Until.IsZero() {
			all[k-1].Until = h.made
		}
		if !slices.Contains(dropped, n) {
			all = append(all, Segment{Number: n, First: h.first, Octets: size})
		}
	}
	if k := len(all); l.tree == nil && k > 0 && all[k-1].Until.IsZero() { // nothing follows any more
		if all[k-1].Until, err = l.until(context.Background(), all[k-1].Number); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(all, func(s Segment) bool { return s.Until.IsZero() || l.isActive(s.Number) }), nil
}

// endDrops ends what a crash cut off: a segment in whose place a signed note is.
func (l *Ledger) endDrops(ctx context.Context) error {
	numbers, err := segments(l.FS, l.dir, segmentSuffix)
	if err != nil {
		return err
	}
	dropped, err := segments(l.FS, l.dir, droppedSuffix)
	if err != nil {
		return err
	}
	for _, n := range dropped {
		if !slices.Contains(numbers, n) {
			continue
		}
		msg, err := loadFile(l.FS, l.dir, fileName(n, droppedSuffix))
		if err != nil {
			return err
		}
		signed, err := note.Open(msg, l.signing.chain.verifiers())
		if err == nil {
			var d Dropped
			if d, err = parseDropped(signed.Text); err == nil && d.Segment != n {
				err = errors.New("it is of another segment")
			}
		}
		if err != nil {
			l.report("the note %s is not signed by a key of this ledger; its segment stays", fileName(n, droppedSuffix))
			continue
		}
		if h, _, err := readHeader(l.FS, l.dir, n); err == nil && h.keyID != 0 {
			if err := l.Ring.Destroy(ctx, h.keyID); err != nil && !errors.Is(err, keyring.ErrDestroyed) {
				return err
			}
		}
		if err := errors.Join(l.FS.Remove(filepath.Join(l.dir, fileName(n, segmentSuffix))), l.FS.SyncDir(l.dir)); err != nil {
			return err
		}
	}
	return nil
}
