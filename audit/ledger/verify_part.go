package ledger

import (
	"context"
	"fmt"
	"math"

	"golang.org/x/mod/sumdb/tlog"
)

// checkPart checks one segment against the tree, and the tree's hashes of its
// leaves against themselves.
func (v *verifier) checkPart(ctx context.Context, p *part) error {
	end := p.end
	if end < 0 || end > v.treeSize {
		end = v.treeSize
	}
	leaves, err := v.checkHashes(p.first, end)
	if err != nil || p.dropped != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c, err := v.readPart(p, leaves, math.MaxInt64)
	if err == nil && c.unsettled {
		c, err = v.readPart(p, leaves, c.written())
	}
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.r.Findings = append(v.r.Findings, c.found...)
	v.r.Torn = v.r.Torn || c.torn
	v.r.Segments++
	v.r.Records += max(0, c.index-p.first-1)
	v.r.Leaves = max(v.r.Leaves, c.index)
	return nil
}

// readPart reads a segment and goes through it. What was written before the reading
// began ends at settled.
func (v *verifier) readPart(p *part, leaves []tlog.Hash, settled int64) (*partCheck, error) {
	b, err := loadFile(v.FS, v.dir, fileName(p.number, segmentSuffix))
	if err != nil {
		return nil, err
	}
	c := &partCheck{v: v, p: p, b: b, leaves: leaves, settled: settled}
	c.run()
	return c, nil
}

// checkHashes reads the tree's hashes of leaves from first to end, makes those
// above them again and returns the leaves.
func (v *verifier) checkHashes(first, end int64) ([]tlog.Hash, error) {
	if first >= end {
		return nil, nil
	}
	from := tlog.StoredHashCount(first)
	stored := make([]byte, (tlog.StoredHashCount(end)-from)*tlog.HashSize)
	if _, err := v.tree.ReadAt(stored, from*tlog.HashSize); err != nil {
		return nil, err
	}
	front, err := readFrontier(first, fileHashes{v.tree})
	if err != nil {
		return nil, err
	}
	leaves := make([]tlog.Hash, 0, end-first)
	told := false
	at := 0
	for n := first; n < end; n++ {
		var leaf tlog.Hash
		copy(leaf[:], stored[at:])
		leaves = append(leaves, leaf)
		front.add(leaf, func(h tlog.Hash) {
			if string(h[:]) != string(stored[at:at+tlog.HashSize]) && !told {
				told = true
				v.find(Finding{Kind: Damaged, Index: n, Text: fmt.Sprintf("the file %s is altered at the hashes of record %d", treeName, n)})
			}
			at += tlog.HashSize
		})
	}
	return leaves, nil
}

// partCheck goes through the records of a segment and tells the first difference.
type partCheck struct {
	v      *verifier
	p      *part
	b      []byte
	leaves []tlog.Hash // what the tree says, from the header on
	index  int64       // of the next leaf
	known  map[tlog.Hash]int64
	found  []Finding
	torn   bool
	// A server may write records while they are read: of two that lie one behind the other
	// the later one may be seen alone. It is a hole only if it began before settled.
	settled   int64
	unsettled bool // such a hole was seen
}

// written is the end of the last record that is there.
func (c *partCheck) written() (end int64) {
	for s := newScanner(c.b); ; {
		f, ok := s.next()
		if !ok {
			return end
		}
		end = f.end()
	}
}

// signed are the leaves that the tree knows, for records that are not signed yet.
// Sealed records are never alike.
func (c *partCheck) signed() map[tlog.Hash]int64 {
	if c.known == nil && c.p.header.keyID != 0 {
		c.known = make(map[tlog.Hash]int64, len(c.leaves))
		for j, h := range c.leaves {
			c.known[h] = c.p.first + int64(j)
		}
	}
	return c.known
}

func (c *partCheck) tell(kind Kind, off int64, format string, args ...any) {
	name := fileName(c.p.number, segmentSuffix)
	c.found = append(c.found, Finding{Kind: kind, Index: c.index, Segment: c.p.number, Offset: off, Text: fmt.Sprintf("record %d (%s, octet %d): ", c.index, name, off) + fmt.Sprintf(format, args...)})
}

func (c *partCheck) run() {
	c.index = c.p.first
	if !c.leaf(tlog.RecordHash(c.b[:headSize]), 0) {
		return
	}
	end := int64(headSize)
	for s := newScanner(c.b); ; end = s.off {
		f, ok := s.next()
		if !ok {
			break
		}
		if f.off != end {
			c.unsettled = c.p.last && c.index-c.p.first >= int64(len(c.leaves))
			if !c.unsettled || end < c.settled {
				c.hole(end, f.off)
			}
			return
		}
		if !c.leaf(tlog.RecordHash(f.leaf), f.off) {
			return
		}
		if !s.padded(f) {
			c.index--
			c.tell(Altered, f.off, "the octets behind it are not zeros")
			return
		}
	}
	c.tail(end)
}

// leaf compares one hash.
func (c *partCheck) leaf(h tlog.Hash, off int64) bool {
	i := c.index - c.p.first
	if c.p.end >= 0 && !c.p.last && c.index >= c.p.end {
		kind, text := Added, "it was never signed"
		for j := range c.leaves {
			if c.leaves[j] == h {
				kind, text = Duplicated, fmt.Sprintf("it is record %d once more", c.p.first+int64(j))
			}
		}
		c.tell(kind, off, "%s", text)
		return false
	}
	if i >= int64(len(c.leaves)) {
		if j, twice := c.signed()[h]; twice {
			c.tell(Duplicated, off, "it is record %d once more", j)
			return false
		}
		c.index++
		return true
	}
	if c.leaves[i] == h {
		c.index++
		return true
	}
	c.differs(h, i, off)
	return false
}

// differs finds out which of record and tree is not as it was signed, and how.
func (c *partCheck) differs(h tlog.Hash, i, off int64) {
	if c.proven(h) {
		c.tell(Damaged, off, "the record is right, but the file %s has another hash for it", treeName)
		return
	}
	place := int64(-1)
	for j := range c.leaves {
		if c.leaves[j] == h {
			place = int64(j)
			break
		}
	}
	switch {
	case place == i+1:
		// The next one is in its place: is that one there twice, or is this one
		// gone, or are the two swapped?
		if c.holds(c.leaves[i]) {
			c.tell(Reordered, off, "record %d lies in its place", c.p.first+place)
			return
		}
		c.tell(Removed, off, "it is gone; the next one lies in its place")
	case place > i && c.holds(c.leaves[i]):
		c.tell(Reordered, off, "record %d lies in its place", c.p.first+place)
	case place > i:
		c.tell(Removed, off, "it and those up to %d are gone", c.p.first+place-1)
	case place >= 0:
		c.tell(Duplicated, off, "record %d lies here once more", c.p.first+place)
	default:
		c.tell(Altered, off, "it has other octets than those that were signed")
	}
}

// holds tells whether a record of a hash lies anywhere in the segment.
func (c *partCheck) holds(h tlog.Hash) bool {
	for s := newScanner(c.b); ; {
		f, ok := s.next()
		if !ok {
			return false
		}
		if tlog.RecordHash(f.leaf) == h {
			return true
		}
	}
}

// proven tells whether the newest checkpoint proves that h is the leaf of index.
func (c *partCheck) proven(h tlog.Hash) bool {
	size := c.v.r.Checkpoint.Size
	if c.index >= size || size > c.v.treeSize {
		return false
	}
	path, err := tlog.ProveRecord(size, c.index, fileHashes{c.v.tree})
	return err == nil && tlog.CheckRecord(path, size, c.v.r.Checkpoint.Root, c.index, h) == nil
}

// hole is where octets that are no record lie between records.
func (c *partCheck) hole(from, to int64) {
	if zeros(c.b[from:to]) {
		c.tell(Removed, from, "zeros lie in its place")
		return
	}
	c.tell(Altered, from, "it has other octets than those that were written")
}

// tail checks the end of a segment behind its last sound record.
func (c *partCheck) tail(end int64) {
	rest := c.b[min(end, int64(len(c.b))):]
	lacks := c.p.end >= 0 && c.index < c.p.end
	switch {
	case lacks && !zeros(rest):
		c.tell(Altered, end, "it has other octets than those that were written")
	case lacks:
		c.tell(Removed, end, "it and those up to %d are gone", c.p.end-1)
	case end > int64(len(c.b)):
		c.index--
		c.tell(Altered, end, "the zeros behind the record before it are missing")
		c.index++
	case !zeros(rest) && c.p.last:
		c.torn = true
	case !zeros(rest):
		c.tell(Added, end, "octets that were never signed lie behind the last record")
	}
}
