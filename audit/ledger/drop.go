package ledger

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"samdok/storage/keyring"
)

// Dropped is a segment whose records were destroyed because the law demands it.
// The leaves' hashes stay in the tree, so that all proofs hold.
type Dropped struct {
	Segment uint64    `json:"segment"`
	First   int64     `json:"first"` // leaf
	End     int64     `json:"end"`   // the leaf after its last one
	Time    time.Time `json:"time"`
	Reason  string    `json:"reason"`
}

const droppedHeadline = "samdok ledger dropped segment"

func (d *Dropped) text() string {
	return fmt.Sprintf("%s\n%d\n%d\n%d\n%s\n%s\n", droppedHeadline, d.Segment, d.First, d.End, d.Time.UTC().Format(time.RFC3339Nano), d.Reason)
}

func parseDropped(text string) (d Dropped, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 7 || lines[0] != droppedHeadline {
		return d, errors.New("not the note of a dropped segment")
	}
	var errs [4]error
	d.Segment, errs[0] = strconv.ParseUint(lines[1], 10, 64)
	d.First, errs[1] = strconv.ParseInt(lines[2], 10, 64)
	d.End, errs[2] = strconv.ParseInt(lines[3], 10, 64)
	d.Time, errs[3] = time.Parse(time.RFC3339Nano, lines[4])
	d.Reason = lines[5]
	if err = errors.Join(errs[:]...); err == nil && (d.First < 0 || d.End <= d.First) {
		err = errors.New("not the note of a dropped segment")
	}
	return d, err
}

// Drop destroys the records of a full segment: a signed note takes its place, its
// data key is destroyed, its file and index are deleted. reason is one line for
// whoever verifies; it names no patient. The caller records the erasure.
func (l *Ledger) Drop(ctx context.Context, n uint64, reason string) (Dropped, error) {
	if l.isActive(n) {
		return Dropped{}, fmt.Errorf("segment %d still takes records", n)
	}
	covered, err := l.covered()
	if err != nil {
		return Dropped{}, err
	}
	h, _, err := readHeader(l.FS, l.dir, n)
	if err != nil {
		return Dropped{}, fmt.Errorf("segment %d: %w", n, err)
	}
	b, err := loadFile(l.FS, l.dir, fileName(n, segmentSuffix))
	if err != nil {
		return Dropped{}, err
	}
	d := Dropped{Segment: n, First: h.first, End: h.first + 1, Time: l.Clock(), Reason: strings.Join(strings.Fields(reason), " ")}
	for s := newScanner(b); ; d.End++ {
		if _, ok := s.next(); !ok {
			break
		}
	}
	if l.tree == nil { // what a crash kept out of the tree is not signed, and goes too
		d.End = min(d.End, covered)
	}
	if d.End > covered || d.End <= d.First {
		return d, fmt.Errorf("segment %d is not covered by a checkpoint yet", n)
	}
	msg, err := l.signNote(d.text())
	if err != nil {
		return d, err
	}
	if err := writeWhole(l.FS, l.dir, fileName(n, droppedSuffix), msg); err != nil {
		return d, err
	}
	if h.keyID != 0 {
		if err := l.Ring.Destroy(ctx, h.keyID); err != nil && !errors.Is(err, keyring.ErrDestroyed) {
			return d, err
		}
	}
	l.index.mu.Lock() // no index may be made of it now
	defer l.index.mu.Unlock()
	errs := []error{l.FS.Remove(filepath.Join(l.dir, fileName(n, segmentSuffix))), l.FS.SyncDir(l.dir)}
	return d, errors.Join(append(errs, l.pruneIndexes(ctx))...)
}
