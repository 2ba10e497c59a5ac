package encoding

import "samdok/metadata"

// cursor reads a part of a record. After the first mistake bad is set and
// everything reads as zero.
type cursor struct {
	data    string
	at, end int
	strings []string // the string table
	bad     bool
	// Slabs, from which the lists of one object are cut.
	texts []metadata.LocalizedString
	words []string
	codeN []metadata.Code
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

// slabs makes room for all texts, strings and codes of an object at once.
func (c *cursor) slabs() {
	texts, strs, codes := c.count(1), c.count(1), c.count(1)
	if c.bad || texts > (c.end-c.at)/minText || strs > c.end-c.at || codes > c.end-c.at {
		c.fail()
		return
	}
	if texts > 0 {
		c.texts = make([]metadata.LocalizedString, texts)
	}
	if strs > 0 {
		c.words = make([]string, strs)
	}
	if codes > 0 {
		c.codeN = make([]metadata.Code, codes)
	}
}

// take cuts n elements off a slab; nil for none.
func take[T any](c *cursor, slab *[]T, n int) []T {
	if n == 0 {
		return nil
	}
	if n > len(*slab) {
		c.fail()
		return nil
	}
	t := (*slab)[:n:n]
	*slab = (*slab)[n:]
	return t
}
