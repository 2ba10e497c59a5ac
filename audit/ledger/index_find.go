package ledger

import (
	"cmp"
	"iter"
	"sort"
)

// place is where an index says that a record is.
type place struct {
	segment uint32 // place in the table
	off     uint32
}

func (e *entry) place() place { return place{e.segment, e.off} }

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.segment, q.segment), cmp.Compare(p.off, q.off))
}

// cursor goes through the entries of one term, the newest first.
type cursor struct {
	x      *index
	lo, hi int64 // entries that are left
	block  []entry
	from   int64 // the block's first entry
	err    error
}

const blockEntries = 200 // some 4 KB

// cursor finds the entries of a term.
func (x *index) cursor(t term) *cursor {
	c := &cursor{x: x, hi: x.entries}
	last := entry{term: t, segment: ^uint32(0), off: ^uint32(0)}
	c.lo = c.search(&entry{term: t})
	c.hi = c.search(&last)
	return c
}

// search is the first entry at or after want.
func (c *cursor) search(want *entry) int64 {
	return c.lo + int64(sort.Search(int(c.hi-c.lo), func(i int) bool { e := c.at(c.lo + int64(i)); return compare(&e, want) >= 0 }))
}

// at reads an entry. Near ones are read with it.
func (c *cursor) at(i int64) (e entry) {
	if i < c.from || i >= c.from+int64(len(c.block)) {
		c.from = max(0, i-blockEntries/2)
		c.block = make([]entry, min(blockEntries, c.x.entries-c.from))
		if err := c.x.read(c.block, c.from); err != nil {
			c.err, c.block = err, nil
			return e
		}
	}
	return c.block[i-c.from]
}

// newest is the newest entry that is left.
func (c *cursor) newest() (e entry, ok bool) {
	if c.hi <= c.lo || c.err != nil {
		return e, false
	}
	e = c.at(c.hi - 1)
	return e, c.err == nil
}

// before leaves the entries before a place.
func (c *cursor) before(p place) {
	e, ok := c.newest()
	if !ok || e.place().compare(p) < 0 {
		return
	}
	if c.hi--; c.hi == c.lo {
		return
	}
	if near := c.at(c.hi - 1); c.err == nil && near.place().compare(p) < 0 {
		return // nearly always
	}
	c.hi = c.search(&entry{term: e.term, segment: p.segment, off: p.off})
}

// both yields the entries whose places all terms have, the newest first. skip tells
// which segments are not wanted.
func (x *index) both(terms []term, skip func(indexed) bool) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		var all []*cursor
		for _, t := range terms {
			all = append(all, x.cursor(t))
		}
		for {
			e, ok := all[0].newest()
			for _, c := range all {
				if c.err != nil {
					yield(entry{}, c.err)
					return
				}
			}
			if !ok {
				return
			}
			if int(e.segment) >= len(x.table) {
				yield(entry{}, errIndex)
				return
			}
			if skip(x.table[e.segment]) {
				all[0].before(place{segment: e.segment})
				continue
			}
			if met(all, e.place()) && !yield(e, nil) {
				return
			}
			all[0].before(e.place())
		}
	}
}

// met brings the other cursors to a place of the first and tells whether they have
// it; if not, the first goes on to where they are.
func met(all []*cursor, p place) bool {
	for _, c := range all[1:] {
		c.before(place{p.segment, p.off + 1})
		e, ok := c.newest()
		if !ok {
			all[0].hi = all[0].lo
			return false
		}
		if q := e.place(); q != p {
			all[0].before(place{q.segment, q.off + 1})
			return false
		}
	}
	return true
}
