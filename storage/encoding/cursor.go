package encoding

import "samdok/metadata"

// cursor reads a part of a record. After the first mistake bad is set and
// everything reads as zero.
type cursor struct {
	data    string
	at, end int
	strings []string // the string table
	bad     bool
	slabs
}

// slabs are memory for the lists of objects. Each list is cut off its slab, so
// that an object needs few allocations.
type slabs struct {
	texts   slab[metadata.LocalizedString]
	words   slab[string]
	codes   slab[metadata.Code]
	authors slab[metadata.Author]
	units   slab[metadata.XON]
	phones  slab[metadata.XTN]
	refs    slab[metadata.CXi]
	slots   slab[metadata.Slot]
}

// back makes what was taken since before free again.
func (s *slabs) back(before *slabs) {
	s.texts.back(&before.texts)
	s.words.back(&before.words)
	s.codes.back(&before.codes)
	s.authors.back(&before.authors)
	s.units.back(&before.units)
	s.phones.back(&before.phones)
	s.refs.back(&before.refs)
	s.slots.back(&before.slots)
}

type slab[T any] struct {
	all  []T
	used int
}

// take cuts off a list of n; nil for none.
func (s *slab[T]) take(n, chunk int) []T {
	if n == 0 {
		return nil
	}
	if n > len(s.all)-s.used {
		s.all, s.used = make([]T, max(n, chunk)), 0
	}
	t := s.all[s.used : s.used+n : s.used+n]
	s.used += n
	clear(t) // it may have been given back
	return t
}

func (s *slab[T]) back(before *slab[T]) {
	if len(s.all) > 0 && len(before.all) > 0 && &s.all[0] == &before.all[0] {
		s.used = before.used
	} else {
		s.used = 0
	}
}

func (c *cursor) fail() {
	c.bad = true
	c.at = c.end
}

func (c *cursor) byte() byte {
	if c.at >= c.end {
		c.fail()
		return 0
	}
	b := c.data[c.at]
	c.at++
	return b
}

// flag reads a byte that is 0 or 1.
func (c *cursor) flag() bool {
	b := c.byte()
	if b > 1 {
		c.fail()
	}
	return b == 1
}

func (c *cursor) uvarint() uint64 {
	if c.at < c.end && c.data[c.at] < 0x80 { // most numbers take one byte
		c.at++
		return uint64(c.data[c.at-1])
	}
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		if c.at >= c.end {
			break
		}
		b := c.data[c.at]
		c.at++
		if shift == 63 && b > 1 {
			break
		}
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	c.fail()
	return 0
}

func (c *cursor) varint() int64 {
	v := c.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// count reads a number of things that take at least size bytes each.
func (c *cursor) count(size int) int {
	v := c.uvarint()
	if v > uint64((c.end-c.at)/size) {
		c.fail()
		return 0
	}
	return int(v)
}

func (c *cursor) str() string {
	v := c.uvarint()
	if v&1 == 0 {
		if v>>1 < uint64(len(words)) {
			return words[v>>1]
		}
	} else if v>>1 < uint64(len(c.strings)) {
		return c.strings[v>>1]
	}
	c.fail()
	return ""
}

func (c *cursor) uuid() (u metadata.UUID) {
	if c.end-c.at < len(u) {
		c.fail()
		return u
	}
	copy(u[:], c.data[c.at:])
	c.at += len(u)
	return u
}

func (c *cursor) optionalUUID() metadata.UUID {
	if !c.flag() {
		return metadata.UUID{}
	}
	return c.uuid()
}
